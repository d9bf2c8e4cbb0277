#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""secondary_process_test.py PROGRAM: a primary and secondary EAL processes share a mempool with the ops `fastmem`, and
have heaps of their own in EAL's memory.

PROGRAM is secondary_program.cc. All of it happens in a mount namespace of its own, with a hugetlbfs of its own.
"""
import os
import subprocess
import sys
import tempfile

HUGEPAGES = 200  # 2 MiB each: two heaps of 128 MiB, and EAL's own
POOL = 600
SIZES = (8, 64, 1500, 65536, 1048576)
EACH = 8


def skip(reason):
    print("[skipped] secondary_process_test: " + reason)
    sys.exit(0)


def expect(what, got, wanted):
    assert got == wanted, "%s: %r, not %r" % (what, got, wanted)


class Process:
    """One EAL process that obeys; a number answers each command."""
    iova_mode = "va"  # a secondary does not learn the primary's from EAL

    def __init__(self, folder, lcore, *more):
        # Primaries run on the first processor, secondaries on the last one, whatever their lcore id.
        processor = os.cpu_count() - 1 if "--proc-type=secondary" in more else 0
        self.process = subprocess.Popen(
            [sys.argv[1], "--huge-dir=" + os.path.join(folder, "huge"), "--file-prefix=secondary_%d" % os.getpid(),
             "--lcores=%d@%d" % (lcore, processor), "--no-pci", "--no-telemetry", "--log-level=lib.eal:error",
             "--iova-mode=" + self.iova_mode, *more],
            env=dict(os.environ, RUNTIME_DIRECTORY=folder), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        expect("start", self.answer(), 0)

    def begin(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        assert line, "process %d ended with %r" % (self.process.pid, self.process.wait())
        return int(line)

    def do(self, command):
        self.begin(command)
        return self.answer()

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None or self.process.returncode is not None:
            return self.kill()
        self.process.communicate()
        expect("exit", self.process.returncode, 0)


def together(command, *processes):
    for p in processes:
        p.begin(command)
    return [p.answer() for p in processes]


# ---- one mempool, two processes --------------------------------------------------------------------------------------

def test_everything_moves(primary, secondary):
    expect("size", secondary.do("find"), POOL)
    for holder, other in ((secondary, primary), (primary, secondary)):
        expect("all at once", holder.do("take %d" % POOL), POOL)
        expect("nothing is left", (other.do("take 1"), other.do("count")), (0, 0))
        expect("half", (holder.do("give 300"), other.do("take 300"), other.do("take 1")), (300, 300, 0))
        expect("all", (other.do("give 300"), holder.do("give 300")), (300, 300))
        expect("count", (primary.do("count"), secondary.do("count")), (POOL, POOL))


def test_at_the_same_time(primary, secondary):
    expect("enough for both", together("churn %d" % (POOL // 2), primary, secondary), [0, 0])
    for refused in together("churn %d" % POOL, primary, secondary):
        assert refused >= 0, "an object was handed out twice"
    expect("count", (primary.do("count"), secondary.do("count")), (POOL, POOL))
    expect("all", (primary.do("take %d" % POOL), primary.do("give %d" % POOL)), (POOL, POOL))


def test_pool(folder, primary, lcore):
    expect("pool", primary.do("pool %d" % POOL), POOL)
    with Process(folder, lcore, "--proc-type=secondary") as secondary:
        test_everything_moves(primary, secondary)
        test_at_the_same_time(primary, secondary)
        expect("into its place", (secondary.do("take 200"), secondary.do("give 200")), (200, 200))
    expect("all, after it ended", (primary.do("take %d" % POOL), primary.do("give %d" % POOL)), (POOL, POOL))
    with Process(folder, lcore, "--proc-type=secondary") as secondary:
        test_everything_moves(primary, secondary)
        expect("what is lost", (secondary.do("take 250"), secondary.do("give 200")), (250, 200))
        secondary.kill()
    expect("what is left", (primary.do("count"), primary.do("take 550"), primary.do("take 1")), (550, 550, 0))
    expect("back", (primary.do("give 550"), primary.do("churn 550")), (550, 0))
    with Process(folder, lcore, "--proc-type=secondary") as secondary:
        expect("size", secondary.do("find"), POOL)
        expect("a successor", (secondary.do("take 550"), secondary.do("give 550")), (550, 550))
        expect("beside it", together("churn 275", primary, secondary), [0, 0])
    expect("at the end", primary.do("count"), 550)
    expect("drop", primary.do("drop"), 0)


# ---- a heap each -----------------------------------------------------------------------------------------------------

def take_objects(process, byte):
    for i, size in enumerate(SIZES):
        expect("objects", process.do("alloc %d %d" % (size, EACH)), EACH * (i + 1))
    expect("filled", process.do("fill %d" % byte), EACH * len(SIZES))


def test_heaps_at_once(primary, secondary):
    n = EACH * len(SIZES)
    expect("heaps", together("init", primary, secondary), [0, 0])
    take_objects(primary, 1)
    take_objects(secondary, 2)
    expect("both work", together("work 60000", primary, secondary), [0, 0])
    expect("contents", (primary.do("check 1"), secondary.do("check 2")), (n, n))
    expect("device addresses", together("iova", primary, secondary), [n, n])
    assert primary.do("zones") == secondary.do("zones") >= 2
    expect("free", together("free", primary, secondary), [0, 0])
    expect("in use", together("in_use", primary, secondary), [0, 0])


def test_objects_for_the_primary(primary, secondary):
    n = EACH * len(SIZES)
    take_objects(secondary, 3)
    held = secondary.do("in_use")
    expect("posted", (secondary.do("post"), primary.do("fetch")), (n, n))
    expect("read", primary.do("check 3"), n)
    expect("written", (primary.do("fill 4"), secondary.do("check 4")), (n, n))
    expect("not the primary's to free", (primary.do("foreign"), primary.do("in_use")), (2 * n, 0))
    expect("untouched", (secondary.do("check 4"), secondary.do("in_use")), (n, held))
    expect("free", (secondary.do("free"), secondary.do("in_use")), (0, 0))


def test_heaps(folder, primary):
    with Process(folder, 1, "--proc-type=secondary") as secondary:
        test_heaps_at_once(primary, secondary)
        test_objects_for_the_primary(primary, secondary)
        take_objects(primary, 5)
        expect("the secondary's goes", secondary.do("deinit"), 0)
        expect("the primary's stays", (primary.do("check 5"), primary.do("free")), (EACH * len(SIZES), 0))
        left = primary.do("zones")
        assert left >= 1, left
        expect("again", (secondary.do("init"), secondary.do("work 1000"), secondary.do("deinit")), (0, 0, 0))
        expect("zones", (primary.do("zones"), secondary.do("zones")), (left, left))
        expect("the primary's goes", primary.do("deinit"), 0)
        expect("nothing is left", together("zones", primary, secondary), [0, 0])
        expect("a heap for its end", (secondary.do("init"), secondary.do("work 1000")), (0, 0))
        secondary.kill()
    # EAL's memory is taken and returned beside a process that died.
    orphans = primary.do("zones")
    assert orphans >= 1, "nobody returned them"
    expect("goes on", (primary.do("init"), primary.do("work 20000"), primary.do("deinit")), (0, 0, 0))
    expect("only those", primary.do("zones"), orphans)


def check_machine():
    if os.getuid() != 0:
        skip("EAL's hugepages and a mount of their own take root")
    pages = {}
    try:
        for name in ("free", "resv"):
            with open("/sys/kernel/mm/hugepages/hugepages-2048kB/%s_hugepages" % name) as f:
                pages[name] = int(f.read())
    except OSError:
        skip("no 2 MiB hugepages")
    if pages["free"] - pages["resv"] < HUGEPAGES:
        skip("fewer than %d free 2 MiB hugepages" % HUGEPAGES)


def enter_namespace():
    """Runs this program again where its mount is nobody else's, and is gone with it."""
    if os.environ.get("OWN_MOUNTS") == "yes":
        return
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        skip("no mount namespace can be made")
    os.execvpe("unshare", ["unshare", "-m", sys.executable, *sys.argv], dict(os.environ, OWN_MOUNTS="yes"))


def main():
    check_machine()
    enter_namespace()
    # A socket's path must be short.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        huge = os.path.join(folder, "huge")
        os.mkdir(huge)
        if subprocess.run(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", huge]).returncode != 0:
            skip("no hugetlbfs can be mounted")
        try:
            for Process.iova_mode in ("va", "pa"):
                with Process(folder, 0) as primary:
                    test_pool(folder, primary, 0 if Process.iova_mode == "va" else 1)
                    test_heaps(folder, primary)
        finally:
            subprocess.run(["umount", "-l", huge], check=True)


main()
