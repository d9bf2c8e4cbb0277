#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""mempool_packets.py A B N: N Ethernet frames from interface A to B and as many back, a few at a time; exits 1 unless
each arrives once and unchanged."""
import socket
import struct
import sys

ETHERTYPE = 0x88B5  # for experiments
WINDOW = 64


def frame(number):
    """Its content follows from its number; lengths from 60 to 1514 bytes."""
    head = b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01" + struct.pack("!HQ", ETHERTYPE, number)
    length = 60 + number * 7919 % 1455
    return (head + bytes(((number * 31 + i) & 0xFF) for i in range(256)) * 6)[:length]


def open_interface(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    s.bind((name, ETHERTYPE))
    s.settimeout(10)
    return s


def exchange(sender, receiver, numbers):
    expected = set()
    for number in numbers:
        data = frame(number)
        sender.send(data)
        expected.add(data)
    while expected:
        data, address = receiver.recvfrom(2048)
        if address[2] == socket.PACKET_OUTGOING:
            continue
        if data not in expected:
            sys.exit("a packet that was not sent, or twice: %r" % data[:32])
        expected.remove(data)


def main():
    a, b = open_interface(sys.argv[1]), open_interface(sys.argv[2])
    total = int(sys.argv[3])
    for first in range(0, total, WINDOW):
        numbers = range(first, min(first + WINDOW, total))
        exchange(a, b, numbers)
        exchange(b, a, numbers)
    print("%d packets there and %d back" % (total, total))


if __name__ == "__main__":
    main()
