#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""telemetry_test.py PROGRAM ENDPOINT [PLUGIN]: /fastmem/... as DPDK's own dpdk-telemetry.py and the exporter's endpoint
see it.

PROGRAM is telemetry_program.cc, ENDPOINT the file fastmem.py, PLUGIN what EAL loads into other programs.
"""
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

TOOL = "dpdk-telemetry.py"
HEAP = "rte_fastmem"
CLASSES = [str(8 << i) for i in range(18)]


class Program:
    """A program inside EAL, with telemetry."""

    def __init__(self, path, runtime, eal="-l 0", options="", **environment):
        self.prefix = "%s_%d" % (os.path.basename(path), os.getpid())
        self.environment = dict(os.environ, RUNTIME_DIRECTORY=runtime, **environment)
        self.socket = os.path.join(runtime, "dpdk", self.prefix, "dpdk_telemetry.v2")
        arguments = "-m 768 --no-huge --no-pci --file-prefix=%s %s -- %s" % (self.prefix, eal, options)
        self.process = subprocess.Popen([path] + arguments.split(), env=self.environment, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def wait_for(self, pattern):
        """The first line of its output that matches."""
        for line in self.process.stdout:
            if re.match(pattern, line):
                return line
        raise AssertionError("no line like %s" % pattern)

    def wait_for_socket(self):
        """For a program that keeps its output to itself."""
        while self.process.poll() is None:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
                if probe.connect_ex(self.socket) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("it ended with %d" % self.process.returncode)

    def begin(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def expect_ok(self, what):
        expect(what, self.wait_for("ok|failed"), "ok\n")

    def tell(self, line):
        self.begin(line)
        self.expect_ok(line)

    def ask(self, *commands):
        """The answers of the unmodified tool."""
        ran = subprocess.run([shutil.which(TOOL), "-f", self.prefix], input="".join(c + "\n" for c in commands),
                             env=self.environment, text=True, capture_output=True, check=True)
        answers = [json.loads(line) for line in ran.stdout.splitlines()]
        # Some versions begin with a line about the connection.
        answers = [a for a in answers if "max_output_len" not in a]
        assert len(answers) == len(commands), (commands, ran.stdout, ran.stderr)
        return [only_value(a) for a in answers]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.process.kill()
        self.process.communicate()
        assert kind is not None or self.process.returncode == 0, self.process.returncode


def only_value(answer):
    assert len(answer) == 1, answer
    return list(answer.values())[0]


class ExporterSocket:
    """What the exporter hands to an endpoint."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.connect(path)
        self.length = json.loads(self.sock.recv(1024))["max_output_len"]

    def cmd(self, uri, arg=None):
        self.sock.send((uri if arg is None else "%s,%s" % (uri, arg)).encode())
        return only_value(json.loads(self.sock.recv(self.length)))


def expect(what, got, wanted):
    assert got == wanted, "%s: %r, not %r" % (what, got, wanted)


def all_numbers(answer):
    return all(all_numbers(v) if isinstance(v, dict) else type(v) is int for v in answer.values())


def test_without_a_heap(program):
    commands = ["list", "heap", "classes", "class,64", "lcores", "lcore,0", "nodes", "node,0", "regions", "region,0"]
    expect("no heap", program.ask(*["/fastmem/" + c for c in commands]), [[]] + [{}] * 9)
    listed = program.ask("/")[0]
    for command in commands:
        assert "/fastmem/" + command.split(",")[0] in listed, command
    assert "ytes" in program.ask("/help,/fastmem/heap")[0]["/fastmem/heap"]


def test_heap_and_classes(program):
    names, heap, named, classes = program.ask("/fastmem/list", "/fastmem/heap", "/fastmem/heap," + HEAP,
                                              "/fastmem/classes")
    expect("list", names, [HEAP])
    expect("the same heap", heap, named)
    assert all_numbers(heap)
    expect("in use", heap["in_use"], 100 * 64 + 10 * 2048 + 7 * 512 + 3 * 1048576)
    expect("allocs", (heap["allocs"], heap["frees"]), (120, 0))
    expect("shape", (heap["classes"], heap["misuses"], heap["nomem"], heap["elsewhere"]), (18, 1, 0, 0))
    assert heap["backing"] >= heap["slabs"] >= heap["in_use"] + heap["cached"] and heap["metadata"] > 0, heap
    used = {"64": 100, "2048": 10, "512": 7, "1048576": 3}
    expect("classes", classes, {c: used.get(c, 0) for c in CLASSES})
    expect("their order", list(classes), CLASSES)
    for size, of_class in zip(CLASSES, program.ask(*["/fastmem/class,%s" % c for c in CLASSES])):
        assert all_numbers(of_class)
        expect("class", (of_class["size"], of_class["in_use"]), (int(size), used.get(size, 0)))
        expect("allocs", of_class["alloc_hits"] + of_class["alloc_misses"], used.get(size, 0))
        slabs = of_class["slabs_empty"] + of_class["slabs_partial"] + of_class["slabs_full"]
        expect("objects", slabs * of_class["objects_per_slab"],
               of_class["in_use"] + of_class["cached"] + of_class["free_in_slabs"])


def test_lcores(program):
    lcores, lcore, unused, shared = program.ask("/fastmem/lcores", "/fastmem/lcore,0", "/fastmem/lcore,5",
                                                "/fastmem/lcore,shared")
    assert all_numbers(lcores)
    expect("lcores", {k: v["allocs"] for k, v in lcores.items()}, {"shared": 7, "0": 113})
    expect("lcore", lcore["alloc_hits"] + lcore["alloc_misses"], 113)
    expect("an lcore that never came", set(unused.values()), {0})
    expect("shared", shared["alloc_hits"] + shared["alloc_misses"], 7)


def test_nodes_and_regions(program):
    heap, nodes, regions = program.ask("/fastmem/heap", "/fastmem/nodes", "/fastmem/regions")
    assert all_numbers(nodes) and all_numbers(regions)
    expect("nodes", (len(nodes), sum(n["backing"] for n in nodes.values())), (heap["nodes"], heap["backing"]))
    node, = program.ask("/fastmem/node," + min(nodes))
    expect("node", node, nodes[min(nodes)])
    expect("regions", (regions.pop("count"), len(regions)), (heap["regions"], heap["regions"]))
    expect("their sizes", sum(r["size"] for r in regions.values()), heap["backing"])
    assert all(str(r["node"]) in nodes and r["address"] > 0 and r["page_size"] > 0 for r in regions.values())
    assert any("iova" in r for r in regions.values()), "an IOVA was asked for"
    region, = program.ask("/fastmem/region,0")
    expect("region", region, regions["0"])


def test_wrong_parameters(program):
    wrong = ["/fastmem/" + c for c in (
        "heap,none", "classes,none", "lcores,none", "nodes,none", "regions,none", "class", "class,", "class,65",
        "class,64,none", "class,64x", "class,-64", "class,99999999999999999999999", "class,x", "lcore", "lcore,x",
        "lcore,1000000", "lcore,sharedx", "lcore,0,none", "lcore,shared,none", "node,", "node,77", "node,65536",
        "node,4294967296", "region,99", "region,", "region," + "9" * 500)]
    for command, answer in zip(wrong, program.ask(*wrong)):
        expect(command, answer, None)
    expect("an empty name", program.ask("/fastmem/heap,")[0]["allocs"], 120)


def test_endpoint(program, path):
    spec = importlib.util.spec_from_file_location("fastmem_endpoint", path)
    endpoint = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(endpoint)
    known = endpoint.info()
    assert all(kind in ("gauge", "counter") and text for text, kind in known.values())
    found = endpoint.metrics(ExporterSocket(program.socket))
    for name, value, labels in found:
        assert type(value) is int and all(type(v) is str for v in labels.values()), (name, value, labels)
    expect("metrics", {name for name, _, _ in found}, set(known))
    keys = [(name, tuple(sorted(labels.items()))) for name, _, labels in found]
    expect("each once", len(set(keys)), len(keys))
    values = {key: value for key, (_, value, _) in zip(keys, found)}
    heap = ("heap", HEAP)
    expect("bytes", values["fastmem_in_use_bytes", (heap,)], 100 * 64 + 10 * 2048 + 7 * 512 + 3 * 1048576)
    expect("objects", values["fastmem_class_in_use", (heap, ("size", "2048"))], 10)
    expect("an lcore", values["fastmem_lcore_allocs", (heap, ("lcore", "0"))], 113)


def test_more_regions_than_an_answer_holds(program):
    heap, regions, last, beyond = program.ask("/fastmem/heap", "/fastmem/regions", "/fastmem/region,99",
                                              "/fastmem/region,100")
    expect("regions", (heap["regions"], regions.pop("count"), beyond), (100, 100, None))
    assert last["size"] >= 2 << 20, last
    expect("in the answer", list(regions), [str(i) for i in range(96)])
    assert all(len(r) >= 4 for r in regions.values()), regions


def test_heaps_that_come_and_go(program):
    program.begin("cycle 60")
    sock = ExporterSocket(program.socket)
    for _ in range(100):
        for command in ("list", "heap", "class,64", "lcores", "nodes", "regions"):
            sock.cmd("/fastmem/" + command)
    program.expect_ok("cycle")


def test_program(program, endpoint):
    program.expect_ok("start")
    test_without_a_heap(program)
    for line in ("init", "alloc 64 100", "alloc 2048 10", "alloc 1048576 3", "thread 400 7", "iova", "misuse"):
        program.tell(line)
    test_heap_and_classes(program)
    test_lcores(program)
    test_nodes_and_regions(program)
    test_wrong_parameters(program)
    test_endpoint(program, endpoint)
    program.tell("free")
    heap, = program.ask("/fastmem/heap")
    expect("at the end", (heap["in_use"], heap["frees"]), (0, 120))
    program.tell("deinit")
    test_without_a_heap(program)
    program.tell("init")
    program.tell("regions 100")
    test_more_regions_than_an_answer_holds(program)
    program.tell("deinit")
    test_heaps_that_come_and_go(program)


def test_pools(program, still):
    pools, = program.ask("/fastmem/pools")
    assert pools, "testpmd has a mempool for its packets"
    for name in pools:
        pool, = program.ask("/fastmem/pool," + name)
        if still:
            expect("no packet is under way", (pool["in_use"], pool["free"] + pool["cached"]), (0, 2048))
        assert all_numbers(pool) and pool["slots"] > 0 and pool["magazine_size"] > 0, pool
        expect("size", (pool["size"], pool["free"] + pool["cached"] + pool["in_use"]), (2048, 2048))
        assert pool["full_magazines"] * pool["magazine_size"] <= 2048, pool
    expect("wrong", program.ask("/fastmem/pool", "/fastmem/pool,", "/fastmem/pool,none"), [None] * 3)


def packets_under_way(program):
    pools, = program.ask("/fastmem/pools")
    return sum(program.ask("/fastmem/pool," + name)[0]["in_use"] for name in pools)


def wait_until(condition, seconds=30):
    """What does not come true in that time is left to the checks that follow."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)


def test_plugin(runtime, plugin):
    """In a program that knows nothing of fastmem."""
    testpmd = shutil.which("dpdk-testpmd")
    if testpmd is None:
        print("[skipped] telemetry_test with a plugin: dpdk-testpmd is not installed")
        return
    # EAL takes a plugin by its bare name where the path leads through a folder that everybody may write to.
    folder, name = os.path.split(plugin)
    with Program(testpmd, runtime, "-l 0,1 --vdev=net_null0 --mbuf-pool-ops-name=fastmem -d " + name,
                 "-i --total-num-mbufs=2048", LD_LIBRARY_PATH=folder) as program:
        program.wait_for_socket()
        test_without_a_heap(program)
        program.begin("start")
        wait_until(lambda: packets_under_way(program) > 0)
        test_pools(program, still=False)
        program.begin("stop")
        wait_until(lambda: packets_under_way(program) == 0)
        test_pools(program, still=True)
        program.begin("quit")


def main():
    path, endpoint = sys.argv[1:3]
    if shutil.which(TOOL) is None:
        print("[skipped] telemetry_test: %s is not installed" % TOOL)
        return
    # A socket's path must be short.
    with tempfile.TemporaryDirectory(dir="/tmp") as runtime:
        with Program(path, runtime) as program:
            test_program(program, endpoint)
        if len(sys.argv) == 4:
            test_plugin(runtime, os.path.abspath(sys.argv[3]))


main()
