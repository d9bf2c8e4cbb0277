#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# install_test.sh ARCHIVE EXAMPLE_SOURCES: unpacks the install archive and builds DPDK programs against it as a stranger
# would, examples/dpdk among them.
set -euo pipefail

archive=$PWD/$1
work=${TEST_TMPDIR:-$(mktemp -d)}/install
prefix=$work/prefix
mkdir -p "$prefix" "$work/examples/dpdk"
cp -L "${@:2}" "$work/examples/dpdk"
cd "$work"
tar -xzf "$archive" -C "$prefix" --no-same-owner
eal=(--no-huge -m 256 --no-shconf --no-pci --no-telemetry -l 0 --log-level=lib.eal:error)

cat > c_user.c <<'END'
#include <rte_eal.h>
#include <rte_fastmem.h>
#include <rte_memzone.h>
#include <string.h>
int main(int argc, char **argv) {
  if (rte_eal_init(argc, argv) < 0 || rte_fastmem_init() != 0) return 1;
  void *p = rte_fastmem_alloc(100, 0, RTE_FASTMEM_F_ZERO);
  if (p == NULL || rte_fastmem_virt2iova(p) == RTE_BAD_IOVA) return 2;
  memset(p, 1, 100);
  rte_fastmem_free(p);
  struct rte_fastmem_stats stats;
  if (rte_fastmem_stats(&stats) != 0 || stats.alloc_total != 1 || stats.bytes_in_use != 0) return 3;
  rte_fastmem_deinit();
  return rte_eal_cleanup();
}
END
cat > cpp_user.cc <<'END'
#include <rte_eal.h>
#include <fastmem.hpp>
#include <fastmem_dpdk.hpp>
int main(int argc, char** argv) {
  if (rte_eal_init(argc, argv) < 0) return 1;
  {
    const auto topology = fastmem::make_dpdk_topology();
    auto backing = fastmem::make_dpdk_backing();
    if (!backing.ok()) return 2;
    auto heap = fastmem::Heap::create({.backing = backing->get(), .topology = topology.get()});
    if (!heap.ok()) return 3;
    void* const p = heap->alloc(1500);
    if (p == nullptr || heap->stats().in_use.rep < 1500) return 4;
    heap->free(p);
  }
  return rte_eal_cleanup();
}
END
# Links nothing of fastmem; EAL is told to load it.
cat > plugin_user.c <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <rte_eal.h>
#include <stdio.h>
int main(int argc, char **argv) {
  if (rte_eal_init(argc, argv) < 0) return 1;
  void *plugin = dlopen("librte_mempool_fastmem.so", RTLD_NOW | RTLD_NOLOAD);
  if (plugin == NULL || dlsym(plugin, "rte_fastmem_init") == NULL) return puts(dlerror()), 2;
  return rte_eal_cleanup();
}
END

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
read -ra flags < <(pkg-config --cflags --libs fastmem-dpdk)
read -ra both < <(pkg-config --cflags --libs fastmem-dpdk fastmem)
read -ra static_flags < <(pkg-config --static --cflags --libs fastmem-dpdk)
read -ra dpdk < <(pkg-config --cflags --libs libdpdk-libs)

echo "== C"
gcc -std=gnu11 -Wall -Wextra -Werror c_user.c "${flags[@]}" -o c_user
./c_user "${eal[@]}"
echo "== the example"
gcc -O2 -Wall -Wextra -Werror -I. examples/dpdk/*.c "${flags[@]}" -o l2fwd_flows
./l2fwd_flows "${eal[@]}" --vdev=net_null0 --vdev=net_null1 -- --packets 10000
echo "== C++"
g++ -std=c++20 -Wall -Wextra -Werror cpp_user.cc "${both[@]}" -o cpp_user
./cpp_user "${eal[@]}"
echo "== static"
mkdir static && ln -s "$prefix/lib/libfastmem_dpdk.a" static/
gcc c_user.c -Lstatic "${static_flags[@]}" -o static_user
./static_user "${eal[@]}"
if readelf -d static_user | grep libfastmem; then echo "static_user is not static"; exit 1; fi
nm -C static_user | grep -c >/dev/null fastmem_register_telemetry || { echo "static_user has no telemetry"; exit 1; }
echo "== plugin"
# By its bare name: EAL refuses a path below a folder that everybody may write to.
gcc plugin_user.c "${dpdk[@]}" -ldl -o plugin_user
./plugin_user "${eal[@]}" -d librte_mempool_fastmem.so

echo "== files"
for link in libfastmem_dpdk.so libfastmem_dpdk.so.0 librte_mempool_fastmem.so; do
  [ -L "$prefix/lib/$link" ] && [ -e "$prefix/lib/$link" ] || { echo "lib/$link is no link to a file"; exit 1; }
done
readelf -d "$prefix/lib/libfastmem_dpdk.so" | grep -c >/dev/null 'SONAME.*\[libfastmem_dpdk.so.0\]'
foreign=$(nm -DC --defined-only "$prefix/lib/libfastmem_dpdk.so" | cut -d' ' -f3- | grep -v fastmem -i || true)
[ -z "$foreign" ] || { echo "exported, but not ours: $foreign"; exit 1; }
python3 -c 'import runpy, sys; assert runpy.run_path(sys.argv[1])["info"]()' \
  "$prefix/share/dpdk/telemetry-endpoints/fastmem.py"
