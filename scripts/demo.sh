#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# demo.sh [--out DIR] [--runs N]: records real programs at work on this machine's own files, plays what they allocated on
# fastmem and on other allocators, and shows tables and a plot. Called by ./run demo, which has built the tools; they are
# taken from $FASTMEM_TOOLS (a directory) or from the build tree.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=demo-out
runs=3

say() { printf '%s\n' "$*" >&2; }
die() { say "demo: $*"; exit 1; }
usage() {
  cat <<'END'
usage: ./run demo [--out DIR] [--runs N]

Records python3, sqlite3, git and xz (those that are installed) at work on files of this machine, then replays their
allocations on fastmem, glibc, jemalloc, mimalloc and tcmalloc. Takes a minute or two and needs no network.
  --out DIR   where traces, tables (report.txt, report.json) and plots (plot.svg, plot.png) go; default ./demo-out
  --runs N    replays of each trace on each allocator, taking turns; default 3
END
}

while [ $# -gt 0 ]; do
  case $1 in
    --out | --runs)
      [ $# -ge 2 ] || { usage >&2; exit 2; }
      if [ "$1" = --out ]; then out=$2; else runs=$2; fi
      shift 2
      ;;
    -h | --help | help) usage; exit 0 ;;
    *) usage >&2; say "demo: no such argument: $1"; exit 2 ;;
  esac
done

find_tools() {
  local place
  for place in "${FASTMEM_TOOLS:-}" "$root/.cache/bazel-bin/tools"; do
    if [ -x "$place/fastmem" ] && [ -e "$place/recorder/libfastmem_recorder.so" ]; then
      fastmem=$place/fastmem
      return
    fi
  done
  die "the fastmem command is not built; ./run demo builds it"
}
find_tools

mkdir -p -- "$out" || die "cannot write to $out; name another place with --out DIR"
out=$(cd -- "$out" && pwd)
work=$(mktemp -d "$out/work.XXXXXX") || die "cannot write to $out; name another place with --out DIR"
trap 'rm -rf -- "$work"' EXIT
rm -f -- "$out"/*.trace "$out"/report.* "$out"/plot.*

traces=()
recorded() { # recorded NAME: a trace of that name is there and holds something
  if [ -s "$out/$1.trace" ]; then
    traces+=("$out/$1.trace")
  else
    say "        nothing was recorded; left out"
  fi
}
record() { # record NAME COMMAND...: its trace is NAME.trace; the command's output goes nowhere
  local name=$1
  shift
  "$fastmem" record --no-children --max 64M -o "$out/$name.trace" -- "$@" >"$work/output" 2>"$work/messages" </dev/null ||
    { say "        $name failed:"; tail -n 3 "$work/messages" >&2; rm -f -- "$out/$name.trace"; }
  sed -n 's/^fastmem: .*\.trace: /        /p' "$work/messages" >&2
  recorded "$name"
}

# Small objects in great numbers, made and freed by several threads.
record_python() {
  local python
  python=$(PATH=/usr/bin:/bin:$PATH command -v python3) || return 0
  python=$("$python" -c 'import sys; print(sys.executable)') || return 0
  say "[1/4] recording python3: four threads parse the standard library's sources"
  cat >"$work/parse.py" <<'END'
import ast, os, sysconfig, threading
folder = sysconfig.get_paths()["stdlib"]
files, total = [], 0
for name in sorted(os.listdir(folder)):
    path = os.path.join(folder, name)
    if name.endswith(".py") and total < 1500000:
        files.append(path)
        total += os.path.getsize(path)
def parse(mine):
    for path in mine:
        with open(path, encoding="utf-8", errors="replace") as f:
            sum(1 for _ in ast.walk(ast.parse(f.read())))
threads = [threading.Thread(target=parse, args=(files[i::4],)) for i in range(4)]
for t in threads: t.start()
for t in threads: t.join()
END
  PYTHONMALLOC=malloc record python3 "$python" -S "$work/parse.py"
}

# A database: pages, cells and statements that live long beside what lives for a row.
record_sqlite() {
  command -v sqlite3 >/dev/null || return 0
  say "[2/4] recording sqlite3: a table of this machine's files, two indexes, queries"
  find /usr/lib /usr/share /usr/include -xdev -type f -printf '%s|%m|%T@|%u|%h|%f\n' 2>/dev/null |
    tr -d '"' | head -n 60000 >"$work/files.txt" || true
  cat >"$work/load.sql" <<END
create table files(size integer, mode text, time real, owner text, folder text, name text);
.separator |
.import '${work//\'/\'\'}/files.txt' files
create index by_name on files(name);
create index by_folder on files(folder, size);
select folder, count(*), sum(size), group_concat(name) from files group by folder order by 3 desc limit 20;
select a.name, count(*) from files a join files b on a.name = b.name group by a.name order by 2 desc limit 20;
select substr(name, instr(name, '.')), avg(size), max(time) from files group by 1 order by 2 desc limit 20;
select json_group_array(json_object('n', name, 's', size)) from files where size > 1000;
update files set owner = upper(owner) || printf('%08d', size);
END
  # Its output, statistics at the end included, is of no interest.
  record sqlite3 sqlite3 -batch ":memory:" ".read '${work//\'/\'\'}/load.sql'"
}

# Buffers of files' sizes, made by one thread and freed by another.
record_git() {
  command -v git >/dev/null || return 0
  say "[3/4] recording git: two threads pack a repository of header files"
  local repository=$work/repository
  (
    export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null HOME=$work
    export GIT_AUTHOR_NAME=demo GIT_AUTHOR_EMAIL=demo@localhost GIT_COMMITTER_NAME=demo GIT_COMMITTER_EMAIL=demo@localhost
    mkdir "$repository" && cd "$repository" && git init -q .
    find /usr/include /usr/lib/python3* -xdev -type f -size -200k \( -name '*.h' -o -name '*.py' \) 2>/dev/null |
      head -n 2500 | cpio -pdm --quiet . 2>/dev/null || cp -r /usr/include . || true
    git -c core.safecrlf=false add -A . && git commit -q -m demo
  ) >/dev/null 2>&1 || { say "        no repository could be made; left out"; return 0; }
  record git git -C "$repository" pack-objects -q --threads=2 --window=4 --all --revs --stdout
}

# Few objects, most of them larger than an allocator for small objects serves.
record_xz() {
  command -v xz >/dev/null || return 0
  say "[4/4] recording xz: two threads compress source files"
  find /usr/include /usr/share/doc /usr/lib/python3* -xdev -type f -size -2000k 2>/dev/null |
    head -n 4000 | tr '\n' '\0' | xargs -0 cat 2>/dev/null | head -c 24000000 >"$work/input" || true
  record xz xz -1 -T2 --block-size=2MiB -k -c "$work/input"
}

started=$SECONDS
record_python
record_sqlite
record_git
record_xz
[ ${#traces[@]} -gt 0 ] || die "nothing to record: python3, sqlite3, git and xz are all missing"

say "replaying; each allocator in a process of its own"
status=0
"$fastmem" replay "${traces[@]}" --runs "$runs" --json "$out/report.json" --svg "$out/plot.svg" --png "$out/plot.png" \
  >"$out/report.txt" || status=$?
echo
cat "$out/report.txt"
say
say "demo: $((SECONDS - started)) s; in $out:"
for file in plot.png plot.svg report.txt report.json; do
  if [ -s "$out/$file" ]; then say "  $file"; fi
done
for file in "${traces[@]}"; do say "  ${file##*/}"; done
exit "$status"
