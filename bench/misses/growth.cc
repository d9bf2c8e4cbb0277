// SPDX-License-Identifier: BSD-3-Clause
// bench/misses/growth.cc -- Q: what does an allocation cost that needs a new region, and the first one in every class?
#include <vector>

#include "bench/misses/ground.h"
#include "bench/misses/paths.h"

namespace bench {
namespace {

using fastmem::kMiB;

constexpr std::size_t kLarge = kMiB.rep;  // the largest class: 16 granules a slab, one object; a magazine holds two
constexpr double kFirstAsked = 10'000;    // ns

// Slabs' worth of regions, one after the other; every miss that exhausts a region is timed.
void exhaust(const PathPlan& plan, Bytes region, std::size_t regions, bool reserved, Samples& samples) {
  const std::size_t per_region = region.rep / kLarge;
  const Ground ground({.pages = plan.pages, .reserve = {}, .region = region});
  if (reserved) {
    const fastmem::Error error = ground.heap().reserve(region * (regions + 2), fastmem::kAnyNode);
    if (!error.ok()) die("no memory reserved", error.text);
  }
  Herd herd(ground.heap(), kLarge, (regions + 2) * per_region);
  herd.grow(per_region);
  if (reserved) herd.grow_past_misses(1);  // the cache then has the other one of two: the timed call is to miss
  const unsigned before = ground.heap().stats().regions;
  const std::uint64_t misses_before = herd.slot().alloc_misses;
  for (std::size_t i = 0; i < regions && !samples.full(); ++i) {
    if (reserved) herd.grow(1);
    samples.watch();
    herd.grow_timed(samples);
    herd.grow(per_region - (reserved ? 2 : 1));
  }
  const std::uint64_t misses = herd.slot().alloc_misses - misses_before;
  const unsigned grown = ground.heap().stats().regions - before;
  require(reserved ? grown == 0 : grown == regions || samples.full(), "new region");
  require(!reserved || misses == (herd.count() - per_region) / 2 - 1, "new slabs of a reserved region");
}

Path region_path(const PathPlan& plan, const char* name, const char* forced, Bytes region, std::size_t regions,
                 bool reserved) {
  Samples samples(plan.samples(20 * regions));
  while (!samples.full()) exhaust(plan, region, regions, reserved, samples);
  return {.name = name, .forced = forced, .took = samples.distribution()};
}

void first_in_each_class(const PathPlan& plan, Samples& very_first, Samples& all) {
  const Ground ground({.pages = plan.pages, .reserve = kMiB * 64});
  const core::SizeClasses& classes = ground.heap().classes();
  std::vector<void*> kept;
  kept.reserve(classes.count);
  for (unsigned c = 1; c <= classes.count; ++c) {
    const std::size_t size = classes.classes[c].size;
    Samples& samples = c == 1 ? very_first : all;
    void* p = nullptr;
    samples.watch();
    samples.time([&] {
      p = ground.heap().alloc(size);
      if (p != nullptr) *static_cast<volatile std::uint64_t*>(p) = size;
    });
    if (p == nullptr) die("out of memory");
    kept.push_back(p);
  }
  for (void* p : kept) ground.heap().free(p);
}

}  // namespace

std::vector<Path> growth_paths(const PathPlan& plan) {
  return {region_path(plan, "new region of 4 MiB, asked of the kernel",
                      "objects of 1 MiB until a region is full, then one more; regions grown == samples", kMiB * 4, 100,
                      false),
          region_path(plan, "new region of 128 MiB, asked of the kernel",
                      "the same; none of it is touched (hugetlb pages are zeroed as they come)", kMiB * 128, 4, false),
          region_path(plan, "new region of 4 MiB, reserved up front",
                      "the same after Heap::reserve() of them all; no region is grown", kMiB * 4, 100, true)};
}

std::vector<Path> first_paths(const PathPlan& plan) {
  Samples very_first(plan.samples(200));
  Samples all(plan.samples(200) * 64);
  while (!very_first.full()) first_in_each_class(plan, very_first, all);
  const Bound asked{kFirstAsked, &Distribution::undisturbed_max, "undisturbed max"};
  return {
      {.name = "first allocation of a thread in a heap",
       .forced = "fresh heaps, 64 MiB reserved and populated: the smallest class, which also makes the slot's books",
       .took = very_first.distribution(),
       .asked = asked},
      {.name = "first allocation in every other class",
       .forced = "the same heaps, one object of every class, its first word written",
       .took = all.distribution(),
       .asked = asked}};
}

}  // namespace bench
