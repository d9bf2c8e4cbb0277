#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# examples_test.sh HELLO_CC HELLO_C FILE_BACKING ANY_SIZE COMES_AND_GOES: each example ends well and prints what it should.
set -euo pipefail

expect() { # expect PATTERN COMMAND...
  local pattern=$1 output
  shift
  output=$("$@")
  echo "$output"
  grep -Eqx "$pattern" <<<"$output" || { echo "$1: no line like: $pattern"; exit 1; }
}

work=${TEST_TMPDIR:-$(mktemp -d)}
expect 'C\+\+: [1-9][0-9]* KiB held, 0 bytes in use' "$1"
expect 'C: [1-9][0-9]* KiB held, 0 bytes in use' "$2"
expect '16384 objects of 4096 bytes in 64 MiB of .*' "$3" "$work/heap"
expect 'then: no object of 4096 bytes on node 0: .* no room left in the file' "$3" "$work/heap"
expect 'trim gave 64 MiB back, the file holds 0 KiB' "$3" "$work/heap"
expect 'table: 500 MiB' "$4"
expect 'ring: (one run|.*contiguous.*|.*IOVA.*)' "$4"
expect 'came: [0-9]* KiB' "$5"
expect 'goes: [0-9]* KiB' "$5"
expect 'trimmed: [1-9][0-9]* KiB' "$5"
