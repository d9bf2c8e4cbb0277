#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""pack.py MANIFEST.json OUT.tar.gz: writes the install archive, the same bytes for the same input.

Inside the project, headers include each other by paths from the root ("core/heap.h"). An installed
header must not claim such common names, so internal headers move to include/fastmem/ and the
includes of every installed header follow.
"""
import gzip
import io
import json
import re
import sys
import tarfile

INCLUDE = re.compile(r'^(\s*#\s*include\s*")([^"]+)(")', re.MULTILINE)


def relocate(path, internal, wanted):
    """The text of a header with its includes rewritten; adds the internal headers it needs to wanted."""
    with open(path, encoding="utf-8") as f:
        text = f.read()

    def rewrite(match):
        header = match.group(2)
        if header not in internal:
            sys.exit('%s includes "%s", which is not installed' % (path, header))
        wanted.append(header)
        return match.group(1) + "fastmem/" + header + match.group(3)

    return INCLUDE.sub(rewrite, text).encode()


def installed_headers(public, internal):
    out, wanted, done = {}, [], set()
    for name, path in public.items():
        out["include/" + name] = relocate(path, internal, wanted)
    while wanted:
        header = wanted.pop()
        if header not in done:
            done.add(header)
            out["include/fastmem/" + header] = relocate(internal[header], internal, wanted)
    return out


def mode_of(dest):
    return 0o755 if dest.startswith("bin/") or ".so" in dest else 0o644


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        manifest = json.load(f)
    contents = installed_headers(manifest["public_headers"], manifest["internal_headers"])
    for dest, path in manifest["files"].items():
        with open(path, "rb") as f:
            contents[dest] = f.read()
    with open(sys.argv[2], "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as zipped, \
            tarfile.open(fileobj=zipped, mode="w") as tar:
        for dest in sorted(contents):
            entry = tarfile.TarInfo(dest)
            entry.size, entry.mode = len(contents[dest]), mode_of(dest)
            tar.addfile(entry, io.BytesIO(contents[dest]))
        for link, target in sorted(manifest["symlinks"].items()):
            entry = tarfile.TarInfo(link)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)


main()
