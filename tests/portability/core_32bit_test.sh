#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# core_32bit_test.sh: compiles platform/ and core/ for 32-bit x86, where addresses and sizes are small, and runs the tests of
# core/ there, all in one program. Left out: what asks libnuma or hwloc, whose 32-bit forms few machines have, the tests
# that need them for a topology, those of memory from backends/, and the ten thousand flips, which take their time.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compiler=(g++ -m32 -std=c++20 -Wall -Wextra -UNDEBUG -DFASTMEM_CHECKED=1 -msse2 -Wno-psabi -I. -Iapi)

skip() {
  echo "[skipped] the core in 32 bits: $1"
  exit 0
}
fail() {
  echo "$1"
  exit 1
}

echo 'int main() {}' >"$work/probe.cc"
"${compiler[@]}" "$work/probe.cc" -o "$work/probe" 2>/dev/null || skip "no 32-bit compiler (apt-get install g++-multilib)"
"$work/probe" 2>/dev/null || skip "this kernel runs no 32-bit programs"

left_out='platform/(machine_topology|node_binding)|tests/core/(heap_nodes|heap_caller|heap_kinds|heap_flips|model|hardened_model)_test'
for source in platform/*.cc core/*.cc tests/core/*_test.cc tests/support/doctest_main.cc; do
  [[ $source =~ $left_out ]] && continue
  object=$work/${source//\//_}.o
  printf '%s\0' "${compiler[*]} -c $source -o '$object'"
done | xargs -0 -P "$(nproc)" -I{} sh -c '{} || exit 255' || fail "it does not compile"
"${compiler[@]}" "$work"/*.o -pthread -o "$work/tests" || fail "it does not link"
"$work/tests" >"$work/log" 2>&1 || {
  grep -v '^fastmem: ' "$work/log" | tail -n 60
  fail "a test fails in 32 bits"
}
tail -n 3 "$work/log"
