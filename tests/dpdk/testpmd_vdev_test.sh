#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# testpmd_vdev_test.sh PLUGIN: DPDK's own testpmd forwards between null and ring devices on two lcores, with its packet
# buffers in the mempool ops fastmem.
set -euo pipefail
PLUGIN=$1
# shellcheck source=tests/dpdk/mempool_programs.sh
. "$(dirname "$0")/mempool_programs.sh"
needs_program dpdk-testpmd

# forward LOG START ARGUMENTS...: two seconds of forwarding between the command START and "stop".
forward() {
    local log=$1 start=$2
    shift 2
    (
        echo "$start"
        sleep 2
        echo stop
        echo quit
    ) | timeout 60 dpdk-testpmd "${FASTMEM[@]}" "${EAL[@]}" "$(lcores 2)" "$@" >"$log" 2>&1 ||
        fail "testpmd $* exits with an error" "$log"
    local received sent
    received=$(accumulated RX-packets "$log")
    sent=$(accumulated TX-packets "$log")
    echo "${log##*/}: ${received:-no} packets received, ${sent:-no} sent"
    test "${received:-0}" -gt 10000 || fail "hardly a packet was received" "$log"
    test "${sent:-0}" -gt 10000 || fail "hardly a packet was sent" "$log"
    ! grep -Eq "RX-nombufs?: *[1-9]|Fail|PANIC|cannot" "$log" || fail "testpmd complains" "$log"
}

# Without the plugin the name is unknown: what passes below is no other ops' work.
if timeout 20 dpdk-testpmd --mbuf-pool-ops-name=fastmem "${EAL[@]}" "$(lcores 1)" --vdev=net_null0 -- \
    --total-num-mbufs=2048 </dev/null >"$WORK/unknown" 2>&1; then
    fail "testpmd runs with unknown ops" "$WORK/unknown"
fi

NULLS=(--vdev=net_null0 --vdev=net_null1)
RINGS=(--vdev=net_ring0 --vdev=net_ring1)
TWO=(-i --nb-cores=2 --total-num-mbufs=8192)
forward "$WORK/null" start "${NULLS[@]}" -- "${TWO[@]}"
forward "$WORK/null_no_cache" start "${NULLS[@]}" -- "${TWO[@]}" --mbcache=0
forward "$WORK/null_copies" start "${NULLS[@]/%/,copy=1}" -- "${TWO[@]}" --forward-mode=mac
forward "$WORK/null_scarce" start "${NULLS[@]}" -- -i --nb-cores=2 --total-num-mbufs=2400 --mbcache=64
forward "$WORK/ring" "start tx_first 4" "${RINGS[@]}" -- "${TWO[@]}"
forward "$WORK/ring_no_cache" "start tx_first 4" "${RINGS[@]}" -- "${TWO[@]}" --mbcache=0
