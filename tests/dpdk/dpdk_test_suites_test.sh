#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# dpdk_test_suites_test.sh PLUGIN: the suites of DPDK's own dpdk-test that use mempools pass with the mempool ops fastmem
# as with the default ones. What fails or skips itself with the default ones, too, is skipped.
set -euo pipefail
PLUGIN=$1
# shellcheck source=tests/dpdk/mempool_programs.sh
. "$(dirname "$0")/mempool_programs.sh"
needs_program dpdk-test

SUITES="mempool_autotest mbuf_autotest reorder_autotest ipfrag_autotest distributor_autotest table_autotest pdump_autotest
    bpf_autotest eventdev_selftest_sw event_eth_tx_adapter_autotest latencystats_autotest bitratestats_autotest
    pcapng_autotest"

# run SUITE ARGUMENTS...: prints OK, Failed, Skipped, or nothing when it did not end.
run() {
    local suite=$1
    shift
    printf '%s\nquit\n' "$suite" | timeout 60 dpdk-test "$@" "${EAL[@]}" "$(lcores 1)" >"$WORK/$suite" 2>&1 || true
    sed -n 's/^Test \(OK\|Failed\|Skipped\).*/\1/p' "$WORK/$suite" | tail -n 1
}

bad=0
for suite in $SUITES; do
    ours=$(run "$suite" "${FASTMEM[@]}")
    cp "$WORK/$suite" "$WORK/ours"
    if test "$ours" = OK; then
        echo "$suite: OK"
        continue
    fi
    theirs=$(run "$suite" "${WITH_PLUGIN[@]}")
    if test "$theirs" = OK; then
        echo "FAILED: $suite: ${ours:-no end} with fastmem, OK with the default ops"
        tail -n 50 "$WORK/ours"
        bad=1
    else
        echo "[skipped] $suite: ${theirs:-no end} with the default ops, too"
    fi
done
exit $bad
