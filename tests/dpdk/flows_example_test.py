#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""flows_example_test.py PROGRAM: examples/dpdk with packets from pcap files, and, as root, from veth pairs."""
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

TCP, UDP = 6, 17
MAC_A, MAC_B = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
REPORT = re.compile(
    r"packets: (?P<received>\d+) received, (?P<sent>\d+) sent, (?P<dropped>\d+) dropped, (?P<other>\d+) of no .*\n"
    r"flows: (?P<created>\d+) created, (?P<expired>\d+) expired, (?P<live>\d+) live, (?P<peak>\d+) at most, "
    r"(?P<untracked>\d+) packets.*\n"
    r"at work: (?P<objects>\d+) objects, (?P<bytes>\d+) bytes in use")


# ---- packets -------------------------------------------------------------------------------------------------------

def frame(source, target, protocol, payload=b"", options=b"", offset=0):
    """(address, port) to (address, port)."""
    tcp = struct.pack(">IIBBHHH", 1, 0, 5 << 4, 0x10, 1024, 0, 0) if protocol == TCP else b""
    udp = struct.pack(">HH", 8 + len(payload), 0) if protocol == UDP else b""
    body = struct.pack(">HH", source[1], target[1]) + tcp + udp + payload
    header = struct.pack(">BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 20 + len(options) + len(body), 0, offset, 64,
                         protocol, 0, socket.inet_aton(source[0]), socket.inet_aton(target[0]))
    return MAC_B + MAC_A + b"\x08\x00" + header + options + body


def swapped(packet):
    return packet[6:12] + packet[:6] + packet[12:]


def flows(n):
    """Endpoints of n connections, of which many differ in one thing only."""
    for i in range(n):
        client = ("10.0.%d.%d" % (i // 8 % 4, 1 + i // 32), 1024 + i % 4)
        yield client, ("10.1.0.1", 80), TCP if i % 8 < 4 else UDP


def no_flows():
    client, server = ("10.0.0.1", 1), ("10.1.0.1", 2)
    arp = MAC_B + MAC_A + b"\x08\x06" + bytes(46)
    ipv6 = MAC_B + MAC_A + b"\x86\xdd" + bytes(60)
    icmp = frame(client, server, 1)
    fragment = frame(client, server, UDP, offset=100)
    short = frame(client, server, UDP)[:30]
    lies = bytearray(frame(client, server, UDP))
    lies[14] = 0x4f  # a header longer than the packet
    return [arp, ipv6, icmp, fragment, short, bytes(lies)]


def write_pcap(path, packets):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for i, packet in enumerate(packets):
            f.write(struct.pack("<IIII", i, 0, len(packet), len(packet)) + packet)


def read_pcap(path):
    with open(path, "rb") as f:
        data = f.read()
    at, packets = 24, []
    while at < len(data):
        length, = struct.unpack_from("<I", data, at + 8)
        packets.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return packets


# ---- the program -----------------------------------------------------------------------------------------------------

def command(program, vdevs, options):
    eal = "-l 0 -m 128 --no-huge --no-pci --no-shconf --no-telemetry --log-level=lib.eal:error"
    return [program] + eal.split() + ["--vdev=" + v for v in vdevs] + ["--"] + options.split()


def report_of(text):
    """The numbers; the memory's must say that everything went back."""
    found = REPORT.search(text)
    assert found, text
    assert re.search(r"^at the end: 0 objects, 0 bytes in use", text, re.MULTILINE), text
    return {key: int(value) for key, value in found.groupdict().items()}, text


def run(program, vdevs, options):
    ran = subprocess.run(command(program, vdevs, options), text=True, capture_output=True)
    assert ran.returncode == 0, (ran.returncode, ran.stdout, ran.stderr)
    return report_of(ran.stdout)


def expect(what, got, wanted):
    assert got == wanted, "%s: %r, not %r" % (what, got, wanted)


def class_counts(text):
    """Class size -> (in use, allocated, freed)."""
    rows = re.findall(r"^ +(\d+) +(\d+) +(\d+) +(\d+)$", text, re.MULTILINE)
    return {int(size): tuple(map(int, counts)) for size, *counts in rows}


# ---- pcap ------------------------------------------------------------------------------------------------------------

def test_connections_expire(program, folder):
    requests = [frame(c, s, p, b"request") for c, s, p in flows(100)]
    long_flow = [frame(("10.9.9.9", 9), ("10.1.0.1", 9), UDP, bytes(n), options=bytes(4)) for n in range(300)]
    replies = [frame(s, c, p, b"reply" * 20) for c, s, p in flows(100)]
    there, back = requests + no_flows() + long_flow, replies
    write_pcap(folder + "/a.pcap", there)
    write_pcap(folder + "/b.pcap", back)
    vdevs = ["net_pcap%d,rx_pcap=%s/%s.pcap,tx_pcap=%s/%s_out.pcap" % (i, folder, name, folder, name)
             for i, name in enumerate("ab")]
    got, text = run(program, vdevs, "--flow-idle 100 --exit-idle 300")
    everything = len(there) + len(back)
    expect("packets", (got["received"], got["sent"], got["dropped"], got["other"]), (everything, everything, 0, 6))
    expect("flows", (got["created"], got["expired"], got["live"], got["untracked"]), (101, 101, 0, 0))
    expect("the first port's", read_pcap(folder + "/a_out.pcap"), [swapped(p) for p in back])
    expect("the second port's", read_pcap(folder + "/b_out.pcap"), [swapped(p) for p in there])
    # Its history grew to 512 packets of 8 bytes.
    expect("a long history", class_counts(text)[4096][1:], (1, 1))


def test_connections_that_are_left(program, folder):
    packets = [frame(c, s, p, b"hello") for c, s, p in flows(100)]
    write_pcap(folder + "/in.pcap", packets)
    vdevs = ["net_pcap0,rx_pcap=%s/in.pcap,tx_pcap=%s/unused.pcap" % (folder, folder),
             "net_pcap1,tx_pcap=%s/out.pcap" % folder]
    got, text = run(program, vdevs, "--flow-idle 3600000 --packets 100")
    expect("flows", (got["created"], got["expired"], got["live"], got["peak"]), (100, 0, 100, 100))
    counts = class_counts(text)
    expect("objects", sum(in_use for in_use, _, _ in counts.values()), got["objects"])
    expect("bytes", sum(size * in_use for size, (in_use, _, _) in counts.items()), got["bytes"])
    # Entry, timer and history each; buffers and the table besides.
    assert got["objects"] > 300 and got["bytes"] > 4095 * 2048, text
    expect("packets", read_pcap(folder + "/out.pcap"), [swapped(p) for p in packets])


def test_mistakes(program):
    for vdevs, options, message in [(["net_null0", "net_null1"], "--packets x", "usage:"),
                                    (["net_null0", "net_null1"], "--unknown", "usage:"),
                                    (["net_null0"], "", "exactly two ports"), ([], "", "exactly two ports")]:
        ran = subprocess.run(command(program, vdevs, options), text=True, capture_output=True)
        assert ran.returncode == 1 and message in ran.stderr, (options, ran)


# ---- veth ------------------------------------------------------------------------------------------------------------

def ip(*words):
    subprocess.run(["ip"] + list(words), check=True)


def quiet_pair(name):
    """A veth pair on which nobody speaks."""
    ip("link", "add", name, "type", "veth", "peer", "name", name + "_fwd")
    for end in (name, name + "_fwd"):
        with open("/proc/sys/net/ipv6/conf/%s/disable_ipv6" % end, "w", encoding="ascii") as f:
            f.write("1")
        ip("link", "set", end, "up")


def raw_socket(interface):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((interface, 0))
    s.settimeout(20)
    return s


def receive(sock, n):
    packets = []
    while len(packets) < n:
        packet, address = sock.recvfrom(2048)
        if address[2] != socket.PACKET_OUTGOING:
            packets.append(packet)
    return packets


def test_veth(program):
    """In a network namespace of its own, which goes with this process."""
    for name in ("left", "right"):
        quiet_pair(name)
    vdevs = ["net_af_packet%d,iface=%s_fwd" % (i, name) for i, name in enumerate(("left", "right"))]
    left, right = raw_socket("left"), raw_socket("right")
    with subprocess.Popen(command(program, vdevs, "--flow-idle 3600000 --packets 1000"), text=True,
                          stdout=subprocess.PIPE) as running:
        started = running.stdout.readline()
        assert started.startswith("forwarding, 4095 buffers"), started
        for _ in range(5):
            for client, server, protocol in flows(100):
                request = frame(client, server, protocol, b"request over there")
                left.send(request)
                expect("on the right", receive(right, 1), [swapped(request)])
                reply = frame(server, client, protocol, b"reply")
                right.send(reply)
                arrived, = receive(left, 1)
                expect("on the left", arrived[:len(reply)], swapped(reply))
        text = running.stdout.read()
        assert running.wait() == 0, text
    got, _ = report_of(text)
    expect("packets", (got["received"], got["sent"], got["other"]), (1000, 1000, 0))
    expect("flows", (got["created"], got["live"]), (100, 100))


def why_no_veth():
    if os.getuid() != 0:
        return "network interfaces take root"
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        return "iproute2 or unshare is not installed"
    probe = subprocess.run("unshare --net ip link add left type veth peer name right".split(), capture_output=True)
    return "" if probe.returncode == 0 else "no network namespace with veth can be made"


def main():
    program = os.path.abspath(sys.argv[1])
    if sys.argv[2:] == ["--veth"]:
        test_veth(program)
        return
    with tempfile.TemporaryDirectory() as folder:
        test_connections_expire(program, folder)
        test_connections_that_are_left(program, folder)
    test_mistakes(program)
    reason = why_no_veth()
    if reason:
        print("[skipped] flows_example_test with veth: " + reason)
    else:
        subprocess.run(["unshare", "--net", sys.executable, __file__, program, "--veth"], check=True)


main()
