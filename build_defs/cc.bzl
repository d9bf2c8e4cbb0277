# SPDX-License-Identifier: BSD-3-Clause
"""The project's C++ rules: the built-in ones with our warnings, visibility and build flags."""

load("@dpdk//:defs.bzl", _DPDK_COPTS = "COPTS")
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

# target_compatible_with of everything that includes DPDK's headers, and the options that these want.
NEEDS_DPDK = select({
    "//:with_dpdk": [],
    "//conditions:default": ["//build_defs:needs_dpdk"],
})
DPDK_COPTS = _DPDK_COPTS + ["-Iapi/dpdk"]

# target_compatible_with of everything that includes liburing.h.
NEEDS_URING = select({
    "@liburing//:present": [],
    "//conditions:default": ["//build_defs:needs_uring"],
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
    "//backends/caller",
    "//backends/kinds",
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

# How EAL may have been started: every DPDK test of a package runs once in each mode.
# hugepages: 2 MiB pages that must be free, else the program reports itself skipped.
EAL_MODES = {
    "no_huge": struct(eal = "--no-huge -m 768 --no-shconf", hugepages = 0),
    "no_huge_pa": struct(eal = "--no-huge -m 768 --no-shconf --iova-mode=pa", hugepages = 0),
    "in_memory_va": struct(eal = "--in-memory --iova-mode=va", hugepages = 160),
    "in_memory_pa": struct(eal = "--in-memory --iova-mode=pa", hugepages = 160),
    "legacy": struct(eal = "--legacy-mem -m 320", hugepages = 160),
    "single_file": struct(eal = "--single-file-segments", hugepages = 160),
}

def fastmem_dpdk_test(name, srcs, mode = "no_huge", lcores = "0,1", sanitized = True, deps = [], **kwargs):
    """A doctest program inside EAL: main() comes from //tests/dpdk:eal_main, which initialises EAL first."""
    how = EAL_MODES[mode]
    cc_test(
        name = name,
        size = "small",
        srcs = srcs,
        args = [
            "'--eal=%s -l %s --no-pci --no-telemetry'" % (how.eal, lcores),
            "--hugepages=%d" % how.hugepages,
        ],
        copts = COPTS + ["-UNDEBUG"] + DPDK_COPTS,
        # Hugepages are few: who needs them runs alone.
        tags = ["exclusive"] if how.hugepages else [],
        target_compatible_with = NEEDS_DPDK if sanitized else NEEDS_DPDK + NOT_SANITIZED,
        deps = deps + [
            "//api/dpdk:rte_fastmem",
            "//backends/dpdk",
            "//core",
            "//platform",
            "//tests/contract",
            "//tests/dpdk:eal_main",
            "@dpdk",
        ],
        **kwargs
    )
