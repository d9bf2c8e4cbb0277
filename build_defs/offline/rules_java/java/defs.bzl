# SPDX-License-Identifier: BSD-3-Clause
"""What @bazel_tools//tools/jdk loads, and nothing more: the project has no Java."""

java_binary = native.java_binary
java_import = native.java_import
java_library = native.java_library
java_runtime = native.java_runtime
java_toolchain = native.java_toolchain
