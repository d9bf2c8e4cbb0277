#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# demo_dpdk.sh: fastmem inside DPDK programs, on any machine: the mempool ops in the distribution's own testpmd, and an
# example that forwards packets of a pcap file. Called by ./run demo --dpdk, which has built both and says where they are:
# $FASTMEM_PLUGIN (librte_mempool_fastmem.so) and $FASTMEM_EXAMPLE (l2fwd_flows).
set -euo pipefail

seconds=3
say() { printf '\n== %s\n' "$*"; }
die() { echo "demo: $*" >&2; exit 1; }

for program in dpdk-testpmd python3; do
  command -v "$program" >/dev/null || die "$program is not installed (./run setup installs dpdk-dev)"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

lcores=0
if [ "$(nproc)" -gt 1 ]; then lcores=0,1; fi
eal=(--no-huge -m 256 --no-pci --no-shconf --no-telemetry -l "$lcores")
# By name: EAL refuses plugins by a path below a directory that everybody may write to.
LD_LIBRARY_PATH=$(dirname "$(readlink -f "$FASTMEM_PLUGIN")")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH

# testpmd_with OPS: an unmodified testpmd forwards between two null devices; prints its packets per second.
testpmd_with() {
  { sleep "$seconds"; echo "show port stats all"; echo quit; } |
    timeout 60 dpdk-testpmd "${eal[@]}" --vdev=net_null0 --vdev=net_null1 -d librte_mempool_fastmem.so \
      --mbuf-pool-ops-name="$1" -- -i --auto-start --total-num-mbufs=8192 --no-mlockall >"$1.log" 2>&1 ||
    { cat "$1.log"; die "testpmd failed with the mempool ops $1"; }
  awk '/RX-packets:/ {sum += $2} END {printf "%.1f million packets per second", sum / 1e6 / '"$seconds"'}' "$1.log"
}

say "dpdk-testpmd, unmodified, all mbufs from each mempool ops in turn"
for ops in ring_mp_mc fastmem; do
  printf '%-12s %s\n' "$ops" "$(testpmd_with "$ops")"
done
if [ "$lcores" = 0 ]; then echo "(one processor: testpmd forwards on the main lcore)"; fi

say "examples/dpdk: 200 connections of a pcap file; packet buffers, connections and timers from rte_fastmem"
python3 - <<'END'
import socket, struct
def packet(flow, step):
    client = (socket.inet_aton("10.0.%d.%d" % (flow // 250, flow % 250 + 1)), 1024 + flow)
    udp = struct.pack(">HHHH", client[1], 53, 8 + 4 * step, 0) + bytes(4 * step)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, client[0], socket.inet_aton("10.9.0.1"))
    return bytes.fromhex("020000000002020000000001") + b"\x08\x00" + ip + udp
with open("in.pcap", "wb") as f:
    f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    for step in range(10):
        for flow in range(200):
            p = packet(flow, step).ljust(60, b"\0")
            f.write(struct.pack("<IIII", step, flow, len(p), len(p)) + p)
open("none.pcap", "wb").write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
END
timeout 60 "$FASTMEM_EXAMPLE" "${eal[@]}" --log-level=warning \
  --vdev=net_pcap0,rx_pcap=in.pcap,tx_pcap=out0.pcap --vdev=net_pcap1,rx_pcap=none.pcap,tx_pcap=out1.pcap \
  -- --flow-idle 300 --exit-idle 1000
