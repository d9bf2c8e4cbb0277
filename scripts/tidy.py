#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""tidy.py: clang-tidy over compile_commands.json, one process per processor; clean results are remembered.

.cache/tidy.json maps a source to the hash of all that its result depends on: the compile command,
.clang-tidy, the source, and the project's headers that it includes, directly or not.
"""
import hashlib
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = ".cache/tidy.json"
INCLUDE = re.compile(rb'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


@lru_cache(maxsize=None)
def read(path):
    with open(path, "rb") as f:
        return f.read()


def project_files_of(source):
    """The source and every header of the project that it reaches."""
    seen, todo = set(), [source]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        for header in INCLUDE.findall(read(path)):
            for candidate in (header.decode(), "api/" + header.decode()):
                if os.path.isfile(candidate):
                    todo.append(candidate)
    return sorted(seen)


def fingerprint(entry):
    digest = hashlib.sha256(json.dumps(entry["arguments"]).encode() + read(".clang-tidy") + read("scripts/tidy.py"))
    for path in project_files_of(entry["file"]):
        digest.update(path.encode() + b"\0" + read(path))
    return digest.hexdigest()


def options_for(source):
    """The analyzer takes most of the time, and least of all finds something where doctest's macros are."""
    return ["--checks=-clang-analyzer-*"] if source.startswith("tests/") else []


def check(entry):
    result = subprocess.run(["clang-tidy-14", "--quiet", "-p", ".", *options_for(entry["file"]), entry["file"]],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        return False, result.stdout or result.stderr
    return True, ""


def load_cache():
    try:
        return json.loads(read(CACHE))
    except (OSError, ValueError):
        return {}


def save_cache(clean):
    try:
        os.makedirs(os.path.dirname(CACHE), exist_ok=True)
        with open(CACHE + ".new", "w", encoding="utf-8") as f:
            json.dump(clean, f, indent=1, sort_keys=True)
        os.replace(CACHE + ".new", CACHE)
    except OSError as e:
        print("results are not kept: %s" % e)


def main():
    os.chdir(ROOT)
    entries = [e for e in json.loads(read("compile_commands.json")) if os.path.isfile(e["file"])]
    prints = {e["file"]: fingerprint(e) for e in entries}
    known = load_cache()
    clean = {f: h for f, h in prints.items() if known.get(f) == h}
    todo = [e for e in entries if e["file"] not in clean]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for entry, (ok, text) in zip(todo, pool.map(check, todo)):
            if ok:
                clean[entry["file"]] = prints[entry["file"]]
            else:
                print(text)
    save_cache(clean)
    print("%d files, %d checked now, %d with warnings" % (len(entries), len(todo), len(entries) - len(clean)))
    sys.exit(len(entries) != len(clean))


main()
