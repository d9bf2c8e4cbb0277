#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_summary.py EVENTS.json STATUS: counts the tests of a "bazel test" run; exits 1 when any failed.

EVENTS.json is Bazel's build event file, STATUS its exit status. A doctest program counts with its
test cases, any other test as one. A test prints "[skipped] NAME: REASON" for what the machine cannot
run; doctest takes such a case for passed. A script that skips itself as a whole uses its target's name.
"""
import json
import re
import sys
from urllib.parse import unquote, urlparse

DOCTEST = re.compile(r"^\[doctest\] test cases: +\d+ \| +(\d+) passed \| +(\d+) failed \| +(\d+) skipped", re.MULTILINE)
SKIPPED = re.compile(r"^\[skipped\] (.+?): (.*)$", re.MULTILINE)


class Tally:
    def __init__(self):
        self.passed = self.failed = 0
        self.skipped = {}  # (target, name) -> reason
        self.problems = []

    def add_log(self, target, ok, text):
        skipped = {(target, name): reason for name, reason in SKIPPED.findall(text)}
        self.skipped.update(skipped)
        runs = DOCTEST.findall(text)
        if runs:
            passed, failed, switched_off = map(int, runs[-1])
            if switched_off:
                self.skipped.update({(target, "switched off in the source, case %d" % n): "doctest::skip()"
                                     for n in range(1, switched_off + 1)})
            self.passed += max(0, passed - len(skipped))
            # A crash or a leak report after the last case fails the program, not a case.
            self.failed += failed if ok else max(failed, 1)
        elif not ok:
            self.failed += 1
        elif (target, target.split(":")[-1]) not in skipped:
            self.passed += 1
        if not ok:
            self.problems.append("FAILED: " + target)


def read_events(path):
    with open(path, encoding="utf-8") as f:
        for line in f:
            try:
                yield json.loads(line)
            except ValueError:  # the last line of a run that was interrupted
                return


def read_log(result):
    for output in result.get("testActionOutput", []):
        if output["name"] == "test.log":
            with open(unquote(urlparse(output["uri"]).path), encoding="utf-8", errors="replace") as f:
                return f.read()
    return ""


def count(events):
    tally, last_attempt = Tally(), {}
    for event in events:
        ident = event.get("id", {})
        if "testResult" in event:
            key = ident["testResult"]
            last_attempt[key["label"], key.get("run"), key.get("shard")] = event["testResult"]
        elif "targetCompleted" in ident and not event.get("completed", {}).get("success") and "aborted" not in event:
            tally.failed += 1
            tally.problems.append("does not build: " + ident["targetCompleted"]["label"])
        elif event.get("aborted", {}).get("reason") in ("LOADING_FAILURE", "ANALYSIS_FAILURE"):
            label = next(iter(ident.values())).get("label", "") if ident else ""
            tally.failed += 1
            tally.problems.append(("does not load: " + label + " " + event["aborted"].get("description", "")).strip())
    for (label, _, _), result in sorted(last_attempt.items(), key=lambda item: item[0][0]):
        tally.add_log(label, result.get("status") == "PASSED", read_log(result))
    return tally


def main():
    tally, status = count(read_events(sys.argv[1])), int(sys.argv[2])
    for problem in tally.problems:
        print(problem)
    if status not in (0, 4) and not tally.failed:
        print("bazel test ended with status %d" % status)
        tally.failed = 1
    if tally.skipped:
        print("skipped:")
        for (target, name), reason in sorted(tally.skipped.items()):
            print("  %s (%s): %s" % (name, target, reason))
    line = "%d passed, %d failed" % (tally.passed, tally.failed)
    if tally.skipped:
        line += ", %d skipped" % len(tally.skipped)
    print(line)
    sys.exit(1 if tally.failed else 0)


main()
