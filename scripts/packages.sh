#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# packages.sh [--check | --quiet] [--no-dpdk] [COMMAND]: installs the Debian packages that COMMAND of ./run needs
# (without COMMAND: all), as far as they are missing. --check only names them; --quiet is silent when
# there is nothing to do. DPDK, liburing and libdw are optional: they come with all, DPDK unless
# --no-dpdk says otherwise.
set -euo pipefail

build=(bazel-bootstrap g++ pkg-config python3 libnuma-dev libhwloc-dev doctest-dev)
show=(gnuplot-nox sqlite3 xz-utils)
peers=(libjemalloc2 libmimalloc2.0 libtcmalloc-minimal4)
clang=(clang-14 libclang-rt-14-dev)
dpdk=(libdpdk-dev dpdk-dev iproute2)
uring=(liburing-dev)
symbols=(libdw-dev binutils)
optional=(cmake shellcheck g++-multilib) # used when they are there

mode=install
while [ $# -gt 0 ]; do
  case $1 in
    --check | --quiet) mode=${1#--} ;;
    --no-dpdk) dpdk=() ;;
    *) break ;;
  esac
  shift
done
case ${1:-all} in
  build | test) wanted=("${build[@]}") ;;
  demo) wanted=("${build[@]}" "${show[@]}" "${peers[@]}") ;;
  dpdk) wanted=("${build[@]}" "${dpdk[@]}") ;;
  bench) wanted=("${build[@]}" "${show[@]}" "${peers[@]}") ;;
  fuzz) wanted=("${build[@]}" "${clang[@]}") ;;
  lint) wanted=("${build[@]}" "${clang[@]}" git clang-format-14 clang-tidy-14) ;;
  all)
    wanted=("${build[@]}" "${dpdk[@]}" "${uring[@]}" "${symbols[@]}" "${show[@]}" "${peers[@]}" "${clang[@]}" git
      clang-format-14 clang-tidy-14 "${optional[@]}")
    ;;
  *) echo "packages.sh: no such command: $1" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
  [ "$mode" = quiet ] && exit 0
  echo "this is not Debian; the build needs what these Debian 12 packages hold: ${wanted[*]}" >&2
  exit 1
fi

installed=" $(dpkg-query -W -f '${db:Status-Status}=${Package} ' "${wanted[@]}" 2>/dev/null || true) "
missing=()
for package in "${wanted[@]}"; do
  case $installed in *" installed=$package "*) ;; *) missing+=("$package") ;; esac
done

if [ ${#missing[@]} = 0 ]; then
  [ "$mode" = quiet ] || echo "all packages are installed"
  exit 0
fi
line="apt-get install --no-install-recommends ${missing[*]}"
if [ "$mode" = check ]; then
  echo "missing; to install: $line"
  exit 1
fi

as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! sudo -n true 2>/dev/null; then
    echo "packages are missing, and installing them takes root. Run: sudo $line" >&2
    exit 1
  fi
  as_root=(sudo -n)
fi
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" </dev/null >&2; }
echo "installing: ${missing[*]}" >&2
if ! apt install --no-install-recommends "${missing[@]}"; then
  if ! apt update || ! apt install --no-install-recommends "${missing[@]}"; then
    echo "could not install the packages. Needed: $line" >&2
    exit 1
  fi
fi
