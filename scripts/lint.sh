#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# lint.sh [--fix]: every check that needs no running program, one line each. Called by ./run lint,
# which sets BAZEL. --fix first rewrites what clang-format would complain about.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

checkout=${FASTMEM_CHECKOUT:-$PWD}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
read -ra bazel <<<"${BAZEL:-bazel}"

# What is committed or about to be, as paths from the root.
project_files() { git -C "$checkout" ls-files -co --exclude-standard -z -- "$@"; }
existing() { while IFS= read -r -d '' f; do if [ -f "$f" ]; then printf '%s\0' "$f"; fi; done; }

mapfile -d '' -t cxx < <(project_files '*.h' '*.hpp' '*.c' '*.cc' | existing)
mapfile -d '' -t scripts < <(project_files run .ci/run '*.sh' | existing)
mapfile -d '' -t all < <(project_files | existing)
[ ${#all[@]} -gt 0 ] || { echo "lint: git lists no files in $checkout"; exit 1; }

if [ "${1:-}" = --fix ]; then clang-format-14 -i "${cxx[@]}"; fi

format() {
  local f status=0
  for f in "${cxx[@]}"; do
    clang-format-14 --dry-run -Werror "$f" 2>/dev/null || { echo "$f: ./run lint --fix would change it"; status=1; }
  done
  return $status
}
directions() { python3 scripts/check_includes.py "${cxx[@]}"; }
licences() { python3 scripts/check_spdx.py "${all[@]}"; }
shells() {
  local f status=0
  for f in "${scripts[@]}"; do bash -n "$f" || status=1; done
  if command -v shellcheck >/dev/null; then shellcheck --severity=warning -x "${scripts[@]}" || status=1; fi
  return $status
}
annotations() { "${bazel[@]}" build --config=lint --keep_going --noshow_progress --ui_event_filters=-info //...; }
tidy() { python3 scripts/compile_commands.py --config=lint && python3 scripts/tidy.py; }

failed=()
step() { # step NAME COMMAND
  if "$2" >"$log" 2>&1; then
    echo "ok      $1"
  else
    cat "$log"
    echo "FAILED  $1"
    failed+=("$1")
  fi
}
step "clang-format" format
step "include directions" directions
step "licence lines" licences
step "shell scripts" shells
step "clang warnings and lock annotations" annotations
step "clang-tidy" tidy

if [ ${#failed[@]} -gt 0 ]; then
  (IFS=,; echo "lint: failed: ${failed[*]}")
  exit 1
fi
echo "lint: clean"
