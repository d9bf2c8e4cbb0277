// SPDX-License-Identifier: BSD-3-Clause
#include "bench/misses/ground.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "platform/machine_topology.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace bench {
namespace {

constexpr std::size_t kMostRegions = 64;  // that are populated

// Kernels before 5.14 do not know MADV_POPULATE_WRITE: a touch of every page does the same.
void make_present(void* at, Bytes size, Bytes page) {
  if (madvise(at, size.rep, MADV_POPULATE_WRITE) == 0) return;
  for (std::size_t offset = 0; offset < size.rep; offset += page.rep) {
    static_cast<volatile unsigned char*>(at)[offset] = 0;
  }
}

}  // namespace

Ground::Ground(const Setup& setup) {
  const fastmem::Topology& topology = fastmem::machine_topology();
  auto backing = fastmem::make_standalone_backing({.pages = setup.pages}, topology);
  if (!backing.ok()) die("no backing", backing.error().text);
  core::HeapConfig config{.backing = backing.value().release(), .owns_backing = true, .topology = &topology};
  if (setup.region.rep != 0) config.region_size = config.first_region = setup.region;
  fastmem::Result<core::Heap*> made = core::Heap::create(config);
  if (!made.ok()) die("no heap", made.error().text);
  heap_ = made.value();
  if (setup.reserve.rep == 0) return;
  const fastmem::Error error = heap_->reserve(setup.reserve, fastmem::kAnyNode);
  if (!error.ok()) die("no memory reserved", error.text);
  populate();
}

void Ground::populate() {
  std::array<core::RegionStats, kMostRegions> regions;
  const std::size_t n = heap_->regions(regions);
  for (std::size_t i = 0; i < n; ++i) {
    make_present(const_cast<void*>(regions[i].base), regions[i].size, regions[i].page_size);
  }
}

std::string Ground::pages() const {
  std::array<core::RegionStats, 1> first;
  if (heap_->regions(first) == 0) return "no pages";
  const std::size_t kib = first[0].page_size.rep / fastmem::kKiB.rep;
  std::string text = kib < 1024 ? std::to_string(kib) + " KiB pages" : std::to_string(kib / 1024) + " MiB pages";
  if (resident().thp_kib >= first[0].size.rep / fastmem::kKiB.rep) text += ", transparent huge pages";
  return text;
}

}  // namespace bench
