# SPDX-License-Identifier: BSD-3-Clause
"""How everything that measures is compiled."""

# -fno-plt: see api_malloc.h. The alignments keep a loop's place in the program from deciding its speed.
BENCH_COPTS = [
    "-O2",
    "-fno-plt",
    "-falign-functions=64",
    "-falign-loops=64",
]
