#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# testpmd_af_packet_test.sh PLUGIN: real packets through two veth pairs and DPDK's own testpmd, with its packet buffers
# in the mempool ops fastmem; each packet arrives once and unchanged. Interfaces live in a network namespace of the
# test's own.
set -euo pipefail
if test -z "${IN_NAMESPACE-}"; then
    if ! unshare -n true 2>/dev/null || ! command -v ip >/dev/null; then
        echo "[skipped] testpmd_af_packet_test: takes root, network namespaces and the program ip"
        exit 0
    fi
    IN_NAMESPACE=yes exec unshare -n "$0" "$@"
fi
PLUGIN=$1
# shellcheck source=tests/dpdk/mempool_programs.sh
. "$(dirname "$0")/mempool_programs.sh"
needs_program dpdk-testpmd
needs_program python3

for i in 0 1; do
    ip link add "port$i" type veth peer name "peer$i" 2>/dev/null || skip "no veth pairs"
    for end in "port$i" "peer$i"; do
        echo 1 >"/proc/sys/net/ipv6/conf/$end/disable_ipv6" 2>/dev/null || true # no packets of the kernel's own
        ip link set "$end" up promisc on
    done
done

mkfifo "$WORK/commands"
timeout 60 dpdk-testpmd "${FASTMEM[@]}" "${EAL[@]}" "$(lcores 2)" --vdev=net_af_packet0,iface=port0 \
    --vdev=net_af_packet1,iface=port1 -- -i --nb-cores=2 --total-num-mbufs=2400 --mbcache=32 \
    <"$WORK/commands" >"$WORK/log" 2>&1 &
TESTPMD=$!
exec 3>"$WORK/commands"
echo start >&3
for _ in $(seq 100); do
    ! grep -q "packet forwarding" "$WORK/log" || break
    sleep 0.1
done
SENT=4000
python3 "$(dirname "$0")/mempool_packets.py" peer0 peer1 $SENT || fail "packets got lost or changed" "$WORK/log"
echo stop >&3
echo quit >&3
exec 3>&-
wait $TESTPMD || fail "testpmd exits with an error" "$WORK/log"
received=$(accumulated RX-packets "$WORK/log")
echo "testpmd received ${received:-no} packets"
test "${received:-0}" -ge $((2 * SENT)) || fail "testpmd saw fewer packets than were sent" "$WORK/log"
