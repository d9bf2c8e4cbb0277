// SPDX-License-Identifier: BSD-3-Clause
// bench/misses/paths.h -- Q: which paths below a hit are there to measure?
#pragma once

#include <vector>

#include "api/fastmem.hpp"
#include "bench/misses/report.h"

namespace bench {

struct PathPlan {
  fastmem::PageKind pages = fastmem::PageKind::kTransparent;
  bool quick = false;

  std::size_t samples(std::size_t full) const { return quick ? full / 10 : full; }
};

inline constexpr std::size_t kPathSize = 256;      // of the objects, where nothing else is said
inline constexpr std::size_t kPathMagazine = 128;  // what a magazine of them holds
inline constexpr std::size_t kPathCrumbs = 8;      // free objects that slabs have when there is little left of them
inline constexpr std::size_t kPathDepot = 64;      // magazines that their depot keeps

// Each by its file: the heap's calls, with what the whole call took.
std::vector<Path> hit_paths(const PathPlan& plan);
std::vector<Path> exchange_paths(const PathPlan& plan);
std::vector<Path> slab_paths(const PathPlan& plan);
std::vector<Path> growth_paths(const PathPlan& plan);
std::vector<Path> first_paths(const PathPlan& plan);
std::vector<Path> stall_paths(const PathPlan& plan);
std::vector<Path> ahead_paths(const PathPlan& plan);

// How long each function of Bin and PageHeap takes, which holds its lock from beginning to end.
std::vector<Path> lock_paths(const PathPlan& plan);

// What a cache line costs that another core wrote last.
struct Transfer {
  double line_ns = 0;      // one line, waited for
  double magazine_ns = 0;  // a magazine's lines, asked for all at once, beyond the first
};
Transfer measure_transfer(const PathPlan& plan);

// An operation of a loop of hits.
double measure_hit_ns(const PathPlan& plan);

}  // namespace bench
