// SPDX-License-Identifier: BSD-3-Clause
// tests/bench/random_set_test.cc: objects are freed with the size they have, however often the set is replaced; what
// could not be counted says why.
#include "bench/random_set.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <unordered_map>

#include "bench/counters.h"

namespace bench {
namespace {

// Remembers what it gave.
struct WatchedApi {
  static inline std::unordered_map<void*, std::size_t> live;
  static inline std::size_t largest = 0;
  static inline unsigned wrong = 0;

  static void* alloc(std::size_t size) {
    void* const p = std::malloc(size);
    live[p] = size;
    largest = std::max(largest, size);
    return p;
  }
  static void free(void* p) {
    wrong += live.erase(p) == 1 ? 0 : 1;
    std::free(p);
  }
  static void free_sized(void* p, std::size_t size) {
    wrong += live[p] == size ? 0 : 1;
    free(p);
  }
};

template <class Freeing>
void use_a_set() {
  constexpr std::size_t kLive = 500;
  constexpr std::size_t kMostBytes = 100;
  WatchedApi::largest = WatchedApi::wrong = 0;
  RandomSet<WatchedApi, Freeing> set(kLive, 2'000, kSeed, kMostBytes);
  for (int life = 0; life < 2; ++life) {
    set.fill();
    for (int i = 0; i < 3; ++i) set.replace();
    CHECK(WatchedApi::live.size() == kLive);
    set.drain();
    CHECK(WatchedApi::live.empty());
  }
  CHECK(WatchedApi::wrong == 0);
  CHECK(WatchedApi::largest == kMostBytes);
}

TEST_CASE("a set knows the size of everything that it frees") {
  use_a_set<FreeSized<WatchedApi>>();
  use_a_set<FreeByAddress<WatchedApi>>();
}

TEST_CASE("a counter counts, or there is a reason") {
  Counters counters;
  counters.start();
  { const Books<char> touched(std::size_t{64} << 20); }
  const CounterReading reading = counters.stop(1);
  CHECK(reading.asked);
  for (std::size_t i = 0; i < kCounters; ++i) {
    INFO(kCounterNames[i].text);
    if (reading.counted(i)) {
      CHECK(reading.count[i] >= 0);
    } else {
      CHECK(std::string(why_not_counted(reading.error[i])) != "");
    }
  }
  constexpr std::size_t kPageFaults = kCounters - 1;
  if (reading.counted(kPageFaults)) CHECK(reading.count[kPageFaults] >= 32);  // of 2 MiB each at least
}

}  // namespace
}  // namespace bench
