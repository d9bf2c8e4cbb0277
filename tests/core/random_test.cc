// SPDX-License-Identifier: BSD-3-Clause
// Numbers that cannot be guessed: those of the algorithm's authors, and what is made of them.
#include "core/random.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace fastmem::core {
namespace {

constexpr RandomKey kKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};

TEST_CASE("SipHash-2-4 of the message 00 .. 0f under the key 00 .. 0f is what its authors list") {
  CHECK(siphash::of(kKey, 0x0706050403020100, 0x0f0e0d0c0b0a0908) == 0x3f2acc7f57c29bdb);
}

TEST_CASE("numbers are below the bound, and each comes") {
  Random random(kKey, 1);
  for (const std::uint32_t n : {1u, 2u, 7u, 64u}) {
    std::set<std::uint32_t> seen;
    for (int i = 0; i < 4000; ++i) seen.insert(random.below(n));
    CHECK(seen.size() == n);
    CHECK(*seen.rbegin() == n - 1);
  }
}

std::vector<void*> shuffled(std::uint64_t stream, std::uint32_t n) {
  std::vector<void*> all;
  for (std::uintptr_t i = 1; i <= n; ++i) all.push_back(reinterpret_cast<void*>(i));
  Random(kKey, stream).shuffle(all.data(), n);
  return all;
}

TEST_CASE("a shuffle keeps what is there; each stream's is another, each time the same") {
  for (const std::uint32_t n : {0u, 1u, 2u, 5u, 512u}) {
    std::vector<void*> all = shuffled(3, n);
    std::sort(all.begin(), all.end());
    for (std::uintptr_t i = 0; i < n; ++i) CHECK(all[i] == reinterpret_cast<void*>(i + 1));
  }
  CHECK(shuffled(3, 100) == shuffled(3, 100));
  CHECK(shuffled(3, 100) != shuffled(4, 100));
}

TEST_CASE("a shuffle prefers no place") {
  std::vector<unsigned> where_one_went(8);
  constexpr unsigned kTimes = 8000;
  for (unsigned i = 0; i < kTimes; ++i) {
    const std::vector<void*> all = shuffled(i, 8);
    ++where_one_went[static_cast<std::size_t>(std::find(all.begin(), all.end(), reinterpret_cast<void*>(1)) -
                                              all.begin())];
  }
  for (const unsigned n : where_one_went) CHECK((n > kTimes / 8 * 3 / 4 && n < kTimes / 8 * 5 / 4));
}

}  // namespace
}  // namespace fastmem::core
