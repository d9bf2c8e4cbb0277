#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""misuse_test.py [--write] HARDENING.md FACE=PROGRAM...: commits every misuse through every face, at every level of
checks, and compares all that the process says with reports.py; then the table in HARDENING.md with what was seen.

--write, by hand: the table is put there.
"""
import collections
import concurrent.futures
import glob
import os
import re
import resource
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from reports import FACES, LEVELS, MISUSES, Case, exists, needs_one_node

BEGIN, END = "<!-- misuses -->\n", "<!-- /misuses -->\n"
STEP = re.compile(r"^-- (.*)\n", re.M)
WHEN = {"": "named at once", "free": "named at the free", "flush": "named later", "end": "named at the end"}
NOT_THERE = "-"

# Where memory lies, which node that is, how long things took and where code lies differ from run to run.
MASKS = [(re.compile(r"(?:fastmem: +#\d+ 0x[0-9a-f]+ in .*\n)+"), "fastmem:     #N <frame>\n"),
         (re.compile(r"0x[0-9a-f]+"), "<address>"), (re.compile(r"\b\d+ m?s ago"), "<age> ago"),
         (re.compile(r"-ago=\d+"), "-ago=<age>"), (re.compile(r"\bnode([ =])\d+"), r"node\1<node>")]


def masked(text):
    for pattern, instead in MASKS:
        text = pattern.sub(instead, text)
    return text


Ran = collections.namedtuple("Ran", "said status")


def run(program, case, folder):
    """All objects but those of the misuse "leak" are left for another reason."""
    check = LEVELS[case.level].check + ("" if case.misuse == "leak" or case.level == "off" else ",leaks=off")
    done = subprocess.run([program, case.misuse, case.size, case.thread], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, timeout=60,
                          env=dict(os.environ, FASTMEM_CHECK=check, RUNTIME_DIRECTORY=folder))
    return Ran(masked(done.stderr), done.returncode)


def steps_of(case):
    """What the program announces."""
    if case.misuse in ("early-use", "late-use"):
        return ["", "refused"]
    return ["", "flush", "end"] if case.misuse == "leak" else ["", "free", "flush", "end"]


def expected(case):
    said = LEVELS[case.level].expected(case)
    text = ""
    for step in steps_of(case):
        text += "-- %s\n" % step if step else ""
        if step == said.after:
            text += said.text
            if said.fatal:
                return Ran(text, -11)
    return Ran(text, 0)


def cell(ran):
    """What was seen, in a word."""
    if ran.status < 0:
        return "a fault, named" if "fastmem: " in ran.said else "a fault"
    step = ""
    for line in ran.said.splitlines(keepends=True):
        match = STEP.match(line)
        if match:
            step = match.group(1)
        elif line.startswith("fastmem: "):
            return WHEN[step]
    return "refused" if step == "refused" else "not noticed"


def rows():
    return [(name, size, thread) for name, of in MISUSES.items() for size in of.sizes for thread in of.threads]


def columns():
    return [(level, face) for level in LEVELS for face in FACES]


def title(name, size, thread):
    misuse = MISUSES[name]
    words = [misuse.title]
    if len(misuse.sizes) > 1:
        words.append(size)
    if len(misuse.threads) > 1:
        words.append(thread + " thread")
    return ", ".join(words)


def table(cells, old):
    """cells: by row and column; those that could not be seen here are as in the old table."""
    kept = [[c.strip() for c in line.strip("| \n").split("|")] for line in old.splitlines() if line.startswith("|")]
    kept = {line[0]: line[1:] for line in kept if len(line) == 1 + len(columns())}
    out = ["| misuse | " + " | ".join("`%s`, %s" % column for column in columns()) + " |",
           "|---" * (1 + len(columns())) + "|"]
    for row in rows():
        before = kept.get(title(*row), ["?"] * len(columns()))
        out.append("| " + " | ".join([title(*row)] + [
            cells.get((row, column), before[i]) for i, column in enumerate(columns())]) + " |")
    return "\n".join(out) + "\n"


def commit_all(programs):
    """Ran by case, and the cells of what does not exist."""
    cases, cells = [], {}
    one_node = len(glob.glob("/sys/devices/system/node/node[0-9]*")) <= 1
    if not one_node:
        print("[skipped] misuse_test: a wrong size at the level off: there are several nodes")
    for row in rows():
        for level, face in columns():
            case = Case(*row, face, level)
            if not exists(case):
                cells[row, (level, face)] = NOT_THERE
            elif face in programs and (one_node or not needs_one_node(case)):
                cases.append(case)
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        ran = dict(zip(cases, pool.map(lambda case: run(programs[case.face], case, folder), cases)))
    for case, what in ran.items():
        cells[case[:3], (case.level, case.face)] = cell(what)
    return ran, cells


def check_reports(ran):
    """How many differ."""
    wrong = 0
    for case, what in ran.items():
        wanted = expected(case)
        if what == wanted:
            continue
        wrong += 1
        print("FAILED: %s\n--- expected, status %d\n%s--- said, status %d\n%s" %
              (" ".join(case), wanted.status, wanted.said, what.status, what.said))
    return wrong


def check_table(path, cells, write):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    before, begin, rest = text.partition(BEGIN)
    old, end, after = rest.partition(END)
    assert begin and end, "%s has no %s ... %s" % (path, BEGIN.strip(), END.strip())
    new = table(cells, old)
    if new == old:
        return 0
    if write:
        with open(path, "w", encoding="utf-8") as f:
            f.write(before + begin + new + end + after)
        return 0
    print("FAILED: the table in docs/hardening.md is not what was seen, which is:\n" + new)
    return 1


def main():
    words = sys.argv[1:]
    write = "--write" in words
    words = [word for word in words if word != "--write"]
    programs = dict(word.split("=", 1) for word in words[1:])
    for face in FACES:
        if face not in programs:
            print("[skipped] misuse_test: the face %s: it was not built here" % face)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ran, cells = commit_all(programs)
    wrong = check_reports(ran) + check_table(words[0], cells, write)
    print("%d misuses, %d wrong" % (len(ran), wrong))
    return 1 if wrong else 0


sys.exit(main())
