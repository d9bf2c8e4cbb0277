#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Sourced by the tests that load the mempool ops into DPDK's own programs. PLUGIN: librte_mempool_fastmem.so.
# shellcheck disable=SC2034
# EAL refuses a plugin by a path below a folder that anybody may write to: by its name it is found here.
export LD_LIBRARY_PATH
LD_LIBRARY_PATH=$(dirname "$(readlink -f "$PLUGIN")"):${LD_LIBRARY_PATH-}

NAME=${TEST_TARGET-program}
NAME=${NAME##*:}
PREFIX=fastmem_programs_$$
WORK=$(mktemp -d)
EAL=(--no-huge -m 512 --no-pci --no-shconf --no-telemetry "--file-prefix=$PREFIX" --log-level=lib.eal:warning)
WITH_PLUGIN=(-d librte_mempool_fastmem.so)
FASTMEM=("${WITH_PLUGIN[@]}" --mbuf-pool-ops-name=fastmem)

skip() {
    echo "[skipped] $NAME: $1"
    exit 0
}

fail() {
    echo "FAILED: $1"
    test -z "${2-}" || cat "$2"
    exit 1
}

clean_up() {
    rm -rf "$WORK" "/var/run/dpdk/$PREFIX" "/tmp/dpdk/$PREFIX" "${XDG_RUNTIME_DIR-/tmp}/dpdk/$PREFIX"
}
trap clean_up EXIT

needs_program() {
    command -v "$1" >/dev/null || skip "$1 is not installed"
}

# How EAL gets main lcore 0 and workers 1..N, whatever processors there are.
lcores() {
    local last=$1 processors list="" i
    processors=$(nproc)
    for ((i = 0; i <= last; i++)); do list+="${list:+,}$i@$((i * processors / (last + 1)))"; done
    echo "--lcores=$list"
}

# The sum of "RX-packets: N" of the accumulated statistics in a log of testpmd; likewise for other names.
accumulated() {
    sed -n '/Accumulated forward statistics/,$s/.*'"$1"': *\([0-9]*\).*/\1/p' "$2" | head -n 1
}
