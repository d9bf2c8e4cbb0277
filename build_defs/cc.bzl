# SPDX-License-Identifier: BSD-3-Clause
"""The project's C++ rules: the built-in ones with our warnings, visibility and build flags."""

load("@rules_cc//cc:cc_binary.bzl", "cc_binary")
load("@rules_cc//cc:cc_library.bzl", "cc_library")
load("@rules_cc//cc:cc_test.bzl", "cc_test")

# -Iapi instead of includes = ["."]: Bazel turns the latter into -isystem, which silences our own warnings.
COPTS = [
    "-Iapi",
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wshadow",
    "-fvisibility=hidden",
] + select({
    "//:checked": [
        "-DFASTMEM_CHECKED=1",
        "-UNDEBUG",
    ],
    "//conditions:default": [
        "-DFASTMEM_CHECKED=0",
        "-g1",
    ],
})

# platform/, core/ and backends/ report errors by value.
NO_EXCEPT_COPTS = [
    "-fno-exceptions",
    "-fno-rtti",
]

# A shared object with unresolved symbols is a mistake, except that sanitizer runtimes come with the program.
NO_UNDEFINED = select({
    "//:sanitized": [],
    "//conditions:default": ["-Wl,-z,defs"],
})

# target_compatible_with of tests that run programs built without the sanitizer's runtime.
NOT_SANITIZED = select({
    "//:sanitized": ["//build_defs:needs_plain_build"],
    "//conditions:default": [],
})

def fastmem_library(name, copts = [], **kwargs):
    cc_library(name = name, copts = COPTS + copts, **kwargs)

def fastmem_binary(name, copts = [], **kwargs):
    cc_binary(name = name, copts = COPTS + copts, **kwargs)

def fastmem_test(name, copts = [], deps = [], size = "small", **kwargs):
    """A doctest program: main() and FM_SKIP come from //tests/support:doctest_main."""
    cc_test(
        name = name,
        size = size,
        copts = COPTS + ["-UNDEBUG"] + copts,
        deps = deps + ["//tests/support:doctest_main"],
        **kwargs
    )

ALL_FLOORS = [
    "//api:fastmem",
    "//backends/standalone",
    "//core",
    "//platform",
    "//tests/support",
]

def fastmem_tests(deps = ALL_FLOORS, exclude = [], **kwargs):
    """One fastmem_test per *_test.cc of the package, each with the package's headers."""
    headers = native.glob(["*.h"], allow_empty = True)
    for source in native.glob(["*_test.cc"], exclude = exclude, allow_empty = True):
        fastmem_test(
            name = source[:-len(".cc")],
            srcs = [source] + headers,
            deps = deps,
            **kwargs
        )
