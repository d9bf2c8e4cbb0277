#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""compile_commands.py [bazel flags]: writes compile_commands.json, for clang-tidy and clangd.

Asks Bazel how it would compile each of our sources; builds nothing. The variable BAZEL holds the
command that ./run uses (with its start-up options).
"""
import json
import os
import shlex
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BAZEL = shlex.split(os.environ.get("BAZEL", "bazel"))
# Known to gcc only.
UNKNOWN_TO_CLANG = ("-fno-canonical-system-headers", "-Wno-free-nonheap-object", "-Wunused-but-set-parameter")


def bazel(*args):
    return subprocess.run(BAZEL + list(args), cwd=ROOT, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True).stdout


def clean(arguments, output_base):
    out = []
    words = iter(arguments)
    for word in words:
        if word == "-MF":
            next(words)
        elif word == "-MD" or word in UNKNOWN_TO_CLANG or word.startswith(("-frandom-seed=", "-D__DATE__", "-D__TIME")):
            continue
        else:
            out.append(os.path.join(output_base, word) if word.startswith("external/") else word)
    return out


def main():
    try:
        output_base = bazel("info", "output_base").strip()
        graph = json.loads(bazel("aquery", *sys.argv[1:], "--output=jsonproto", 'mnemonic("CppCompile", //...)'))
    except subprocess.CalledProcessError as e:
        sys.exit(e.stderr)
    commands = {}
    for action in graph.get("actions", []):
        arguments = action["arguments"]
        source = arguments[arguments.index("-c") + 1]
        if not source.startswith(("external/", "bazel-out/")):
            commands[source] = clean(arguments, output_base)
    with open(os.path.join(ROOT, "compile_commands.json"), "w", encoding="utf-8") as f:
        json.dump([{"directory": ROOT, "file": source, "arguments": commands[source]} for source in sorted(commands)],
                  f, indent=1)
    print("compile_commands.json: %d files" % len(commands))


main()
