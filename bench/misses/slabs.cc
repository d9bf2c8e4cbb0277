// SPDX-License-Identifier: BSD-3-Clause
// bench/misses/slabs.cc -- Q: what does a refill from a slab cost, and what one that needs a new slab?
#include <algorithm>

#include "bench/misses/ground.h"
#include "bench/misses/paths.h"
#include "bench/random.h"

namespace bench {
namespace {

constexpr std::size_t kM = kPathMagazine;
constexpr std::size_t kPerSlab = 256;
constexpr unsigned kPastReach = 5;  // misses after a flush until one brings a whole magazine
constexpr Bytes kRoom = fastmem::kMiB * 128;

// Right behind the miss that made a slab: the cache has a magazine of it less one, the slab has the other.
void grow_past_new_slab(Herd& herd) {
  for (const std::uint64_t until = herd.bin().slab_acquires + 1; herd.bin().slab_acquires < until;) {
    herd.grow_past_misses(1);
  }
}

// Partial and new slabs take turns: two magazines make a slab.
void fill_slabs(Herd& herd, std::size_t slabs, Samples& partial, Samples& fresh) {
  herd.grow_past_misses(kPastReach);
  grow_past_new_slab(herd);
  const core::ClassStats before = herd.bin();
  for (std::size_t i = 0; i < slabs; ++i) {
    partial.watch();
    herd.grow(kM - 1);
    herd.grow_timed(partial);
    fresh.watch();
    herd.grow(kM - 1);
    herd.grow_timed(fresh);
  }
  const core::ClassStats after = herd.bin();
  require(after.slab_acquires - before.slab_acquires == slabs &&
              after.alloc_misses - before.alloc_misses == 2 * slabs && after.free_in_slabs == before.free_in_slabs,
          "refill, new slab");
}

// All objects live but one in `kept` at random: a refill picks a magazine's worth from many slabs.
void refill_from_crumbs(core::Heap& heap, Samples& samples) {
  constexpr std::size_t kKept = 32;
  Random random(2);
  Herd herd(heap, kPathSize, 400 * kPerSlab);
  const std::size_t most = herd.objects().size();
  herd.grow_to(most);
  while (!samples.full()) {
    for (std::size_t i = most - 1; i > 0; --i) {
      std::swap(herd.objects()[i], herd.objects()[random.below(static_cast<std::uint32_t>(i + 1))]);
    }
    herd.shrink(most / kKept);
    heap.flush();
    herd.grow_past_misses(kPastReach);
    const core::ClassStats before = herd.bin();
    const std::size_t refills = std::min<std::size_t>((most - herd.count()) / kM, before.free_in_slabs / kM);
    for (std::size_t i = 0; i < refills; ++i) {
      samples.watch();
      herd.grow(kM - 1);
      herd.grow_timed(samples);
    }
    require(before.free_in_slabs - herd.bin().free_in_slabs == refills * kM, "refill from crumbs");
    herd.grow_to(most);
  }
  herd.shrink_to(0);
}

}  // namespace

std::vector<Path> slab_paths(const PathPlan& plan) {
  constexpr std::size_t kSlabs = 1500;
  const std::size_t most = plan.samples(20 * kSlabs);
  Samples partial(most);
  Samples fresh(most);
  Samples first(most);
  Samples unused(most);
  {
    const Ground ground({.pages = plan.pages, .reserve = kRoom});
    Herd herd(ground.heap(), kPathSize, (kSlabs + 16) * kPerSlab);
    fill_slabs(herd, kSlabs, unused, first);
    while (!fresh.full()) {
      herd.shrink_to(0);
      ground.heap().flush();
      fill_slabs(herd, kSlabs, partial, fresh);
    }
  }
  while (!first.full()) {
    const Ground ground({.pages = plan.pages, .reserve = kRoom});
    Herd herd(ground.heap(), kPathSize, (kSlabs + 16) * kPerSlab);
    fill_slabs(herd, kSlabs, unused, first);
  }
  Samples crumbs(plan.samples(5'000));
  const Ground ground({.pages = plan.pages, .reserve = kRoom});
  refill_from_crumbs(ground.heap(), crumbs);
  return {
      {.name = "slab refill, from one partial slab",
       .forced = "127 hits, then a miss; depot empty; the slab made by the miss before has one magazine's worth left",
       .took = partial.distribution()},
      {.name = "slab refill, from crumbs of many slabs",
       .forced = "1 object in 32 is free, at random: a magazine's worth lies in some 16 slabs",
       .took = crumbs.distribution()},
      {.name = "new slab, its books touched before",
       .forced = "127 hits, then a miss; no slab has a free object, the region has room: slabs made == samples",
       .took = fresh.distribution()},
      {.name = "new slab, for the first time",
       .forced = "the same in fresh heaps: the kernel gives a page for every 64 slabs' descriptors and bitmaps",
       .took = first.distribution()}};
}

}  // namespace bench
