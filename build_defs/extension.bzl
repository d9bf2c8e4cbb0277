# SPDX-License-Identifier: BSD-3-Clause
"""The repositories of deps.bzl for MODULE.bazel; Bazel 4 never loads this file."""

load(":deps.bzl", _declare = "system_deps")

def _impl(_ctx):
    _declare()

system_deps = module_extension(implementation = _impl)
