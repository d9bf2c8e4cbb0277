// SPDX-License-Identifier: BSD-3-Clause
// bench/hardening/scenarios.h -- Q: how many ns are an alloc and a free, of one thread, in three ways of using a heap?
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <vector>

#include "bench/random.h"

namespace bench::hardening {

inline constexpr const char* kScenarios[] = {"pair/64", "burst32/64", "random-small"};
inline constexpr std::size_t kCount = std::size(kScenarios);
using Figures = std::array<double, kCount>;  // ns for one object, in that order

template <class Work>
double ns_each(std::size_t objects, Work work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
  return took.count() / static_cast<double>(objects);
}

// alloc(size) and free(p, size), both out of line; at_rest() while some thousands of random sizes live.
template <class Alloc, class Free, class AtRest>
Figures measure(Alloc alloc, Free free, AtRest at_rest, std::size_t objects) {
  constexpr std::size_t kSize = 64;
  constexpr std::size_t kBurst = 32;
  constexpr std::size_t kLive = 4096;
  const auto touched = [&](std::size_t size) {
    void* const p = alloc(size);
    *static_cast<volatile char*>(p) = 1;
    return p;
  };
  Figures figures;
  figures[0] = ns_each(objects, [&] {
    for (std::size_t i = 0; i < objects; ++i) free(touched(kSize), kSize);
  });
  figures[1] = ns_each(objects, [&] {
    void* burst[kBurst];
    for (std::size_t i = 0; i < objects; i += kBurst) {
      for (void*& p : burst) p = touched(kSize);
      for (void* const p : burst) free(p, kSize);
    }
  });
  struct Object {
    void* p = nullptr;
    std::size_t size = 0;
  };
  std::vector<Object> live(kLive);
  Random random(kSeed);
  figures[2] = ns_each(objects, [&] {
    for (std::size_t i = 0; i < objects; ++i) {
      Object& o = live[random.below(kLive)];
      if (o.p != nullptr) free(o.p, o.size);
      o.size = 16 + random.below(1009);
      o.p = touched(o.size);
    }
  });
  at_rest();
  for (const Object& o : live) {
    if (o.p != nullptr) free(o.p, o.size);
  }
  return figures;
}

}  // namespace bench::hardening
