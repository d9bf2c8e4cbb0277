# SPDX-License-Identifier: BSD-3-Clause
"""Third-party packages: all come from the distribution, none is downloaded."""

load("//build_defs:pkg_config.bzl", "pkg_config_repository")

def system_deps():
    pkg_config_repository(
        name = "numa",
        apt = "libnuma-dev",
        modules = ["numa"],
    )
    pkg_config_repository(
        name = "hwloc",
        apt = "libhwloc-dev",
        modules = ["hwloc"],
    )
    pkg_config_repository(
        name = "doctest",
        apt = "doctest-dev",
        headers = ["doctest/doctest.h"],  # Debian's package has no .pc file
    )
    pkg_config_repository(
        name = "dpdk",
        apt = "libdpdk-dev",
        # Not libdpdk: that one adds what libbsd and libnl need to compile, which is none of our business.
        modules = ["libdpdk-libs"],
        min_version = "21.11",
        optional = True,
    )
    pkg_config_repository(
        name = "liburing",
        apt = "liburing-dev",
        modules = ["liburing"],
        min_version = "2.2",
        optional = True,
    )
    pkg_config_repository(
        name = "libdw",
        apt = "libdw-dev",
        modules = ["libdw"],
        optional = True,
    )
