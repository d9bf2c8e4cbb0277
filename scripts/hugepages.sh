# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Sourced by run: lends the tests free 2 MiB hugepages where root may reserve some. What is given back
# is the number that was added, not the old total, so that two runs at once do not rob each other.

hugepages_dir=/sys/kernel/mm/hugepages/hugepages-2048kB
hugepages_added=0

# borrow_hugepages N: at least N are free afterwards, if the kernel finds them.
borrow_hugepages() {
  [ -w "$hugepages_dir/nr_hugepages" ] && [ "$(id -u)" = 0 ] || return 0
  local free total
  free=$(cat "$hugepages_dir/free_hugepages")
  total=$(cat "$hugepages_dir/nr_hugepages")
  [ "$free" -lt "$1" ] || return 0
  { echo $((total + $1 - free)) >"$hugepages_dir/nr_hugepages"; } 2>/dev/null || return 0
  hugepages_added=$(($(cat "$hugepages_dir/nr_hugepages") - total))
}

give_back_hugepages() {
  [ "$hugepages_added" -gt 0 ] || return 0
  local left=$(($(cat "$hugepages_dir/nr_hugepages") - hugepages_added))
  echo $((left > 0 ? left : 0)) >"$hugepages_dir/nr_hugepages"
  hugepages_added=0
}
