#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check_spdx.py FILE...: every text file names the licence in its first lines."""
import sys

TAG = b"SPDX-License-Identifier: BSD-3-Clause"
DATA = (".json", ".csv", ".svg", ".lock")  # formats without comments, or made by programs

bad = 0
for path in sys.argv[1:]:
    with open(path, "rb") as f:
        head = f.read(1024)
    if head and b"\0" not in head and not path.endswith(DATA) and TAG not in head:
        print("%s: no line with %s" % (path, TAG.decode()))
        bad += 1
sys.exit(1 if bad else 0)
