#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# exported_symbols_test.sh LIBRARY HEADER...: the shared library exports every function that the headers declare, and else
# only C++ names of namespace fastmem, whose inline functions call them.
set -euo pipefail

library=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

nm -D --defined-only "$library" | awk '{print $NF}' | sed 's/@.*//' | grep -v '^FASTMEM_0$' | sort -u >"$work/all"
sed -n '/^FASTMEM_API/,/;/p' "$@" | grep -o 'fastmem_[a-z_0-9]*(' | tr -d '(' | sort -u >"$work/declared"
grep '^fastmem_' "$work/all" >"$work/c" || true
grep -v '^fastmem_' "$work/all" | c++filt >"$work/cpp" || true

[ "$(wc -l <"$work/declared")" -gt 40 ] || { echo "the header's functions were not found"; exit 1; }

status=0
if ! diff -u "$work/declared" "$work/c"; then
  echo "the headers declare (-) what the library does not export (+), or the other way round"
  status=1
fi
foreign=$(grep -vE '^((typeinfo|typeinfo name|vtable|VTT) for |non-virtual thunk to |guard variable for )?fastmem::' "$work/cpp" || true)
if [ -n "$foreign" ]; then
  echo "exported, and neither of the headers nor of namespace fastmem:"
  echo "$foreign"
  status=1
fi
if nm -D --with-symbol-versions "$library" | grep ' T fastmem_' | grep -v '@@FASTMEM_0$'; then
  echo "exported without the version FASTMEM_0"
  status=1
fi
soname=$(objdump -p "$library" | awk '$1 == "SONAME" {print $2}')
if [ "$soname" != "$(basename "$library")" ]; then
  echo "soname is $soname"
  status=1
fi
exit $status
