#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check_includes.py FILE...: includes point down, and the machine's headers stay where they belong.

Bazel's visibility refuses most of this too, but says it less plainly, and knows nothing of system headers.
"""
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
# What a folder may include besides itself. Folders that are not listed may include everything.
BELOW = {
    "platform": set(),
    "backends": {"platform"},
    "core": {"platform"},
    "api": {"platform", "core", "backends"},
    "tools": {"platform", "core", "backends", "api"},
}
PUBLIC = re.compile(r"fastmem[a-z_]*\.(h|hpp)$")
MACHINE = re.compile(r"(sys/mman\.h|numa.*\.h|hwloc(/.*)?\.h)$")
# The recorder is loaded into any program and may depend on nothing of ours.
MACHINE_USERS = ("platform/", "backends/standalone/", "tools/recorder/")
DPDK = re.compile(r"rte_.*\.h$")


def complaint(path, quote, header):
    """What is wrong with this include, or None."""
    folder = path.split("/")[0]
    target = header.split("/")[0]
    if quote == '"' and "/" not in header:
        return 'write the path from the root: "%s/%s"' % (path.rsplit("/", 1)[0], header)
    if quote == "<" and PUBLIC.match(header):
        target = "api"
    elif quote == "<":
        if MACHINE.match(header) and folder in BELOW and not path.startswith(MACHINE_USERS):
            return "belongs to platform/, backends/standalone/ and tools/recorder/ only"
        if DPDK.match(header) and "dpdk" not in path.split("/")[:-1]:
            return "belongs below a folder named dpdk only"
        return None
    if folder in BELOW and target != folder and target not in BELOW[folder]:
        return "%s/ may include only %s" % (folder, ", ".join(sorted(BELOW[folder] | {folder})))
    if folder == target == "backends" and path.split("/")[1] != header.split("/")[1]:
        return "one backend may not include another"
    return None


bad = 0
for name in sys.argv[1:]:
    with open(name, encoding="utf-8", errors="replace") as f:
        for number, line in enumerate(f, 1):
            match = INCLUDE.match(line)
            wrong = match and complaint(name, match.group(1), match.group(2))
            if wrong:
                print("%s:%d: %s: %s" % (name, number, match.group(2), wrong))
                bad += 1
sys.exit(1 if bad else 0)
