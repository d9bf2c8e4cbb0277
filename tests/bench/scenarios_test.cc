// SPDX-License-Identifier: BSD-3-Clause
// tests/bench/scenarios_test.cc: scenarios of several threads lose no object, whoever frees it, and count what was done.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <vector>

#include "bench/suite.h"

namespace bench {
namespace {

struct CountingApi {
  static constexpr bool kAnySize = true;
  static constexpr bool kCalled = true;
  using OutOfLine = CountingApi;
  using Plugin = CountingApi;
  using CorePlugin = CountingApi;
  static inline std::atomic<long> live{0};

  static const char* start(const Setup&) { return nullptr; }
  static void* alloc(std::size_t size) {
    live.fetch_add(1, std::memory_order_relaxed);
    return std::malloc(size);
  }
  static void free(void* p) {
    live.fetch_sub(1, std::memory_order_relaxed);
    std::free(p);
  }
  static void free_sized(void* p, std::size_t) { free(p); }
  static void read_books(Footprint&) {}
  static void alloc_bulk(void** objects, std::size_t n, std::size_t size) {
    for (std::size_t i = 0; i < n; ++i) objects[i] = alloc(size);
  }
  static void free_bulk(void** objects, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) free(objects[i]);
  }
  struct Fixed {
    static constexpr bool kCalled = true;
    explicit Fixed(std::size_t n) : size(n) {}
    void* alloc() const { return CountingApi::alloc(size); }
    void free(void* p) const { CountingApi::free(p); }
    std::size_t size;
  };
};

// Objects alive after warming up and a run of the scenario.
long left_by(const char* name) {
  const ScenarioInfo* const info = find_scenario(name);
  REQUIRE(info != nullptr);
  INFO(name);
  CountingApi::live = 0;
  const std::unique_ptr<Scenario> scenario = make_scenario<CountingApi>(*info, Plan{.setup = {}, .quick = true});
  REQUIRE(scenario != nullptr);
  scenario->warm_up();
  CHECK(scenario->run().cycles > 0);
  return CountingApi::live;
}

TEST_CASE("nothing is left where every object finds its end") {
  for (const char* name : {"pipe/1-3", "pipe32/3-1", "threads/2", "larson/4", "xmalloc/4"}) {
    CHECK(left_by(name) == 0);
  }
}

TEST_CASE("threads in a circle keep their rings half full") {
  CHECK(left_by("pipe/ring4") == 4 * Ring::kSlots / 2);
  CHECK(left_by("pipe32/ring4") == 4 * Ring::kSlots / 2);
}

TEST_CASE("sh8bench keeps a shelf of survivors") { CHECK(left_by("sh8bench/4") == 16 * 1024 / 8); }

TEST_CASE("a ring gives objects in order, all of a batch or none") {
  const auto ring = std::make_unique<Ring>();
  int objects[3];
  void* in[] = {&objects[0], &objects[1], &objects[2]};
  void* out[3] = {};
  ring->push(in, 2);
  CHECK_FALSE(ring->pop(out, 3));
  ring->push(in + 2, 1);
  REQUIRE(ring->pop(out, 3));
  CHECK(out[0] == in[0]);
  CHECK(out[2] == in[2]);
  CHECK(ring->popped() == ring->pushed());
}

TEST_CASE("a ring has room for its slots") {
  const auto ring = std::make_unique<Ring>();
  void* object = nullptr;
  for (std::size_t i = 0; i < Ring::kSlots; ++i) {
    REQUIRE(ring->has_room(1));
    ring->push(&object, 1);
  }
  CHECK_FALSE(ring->has_room(1));
  REQUIRE(ring->pop(&object, 1));
  CHECK(ring->has_room(1));
  CHECK_FALSE(ring->has_room(2));
}

TEST_CASE("a window counts what all threads do") {
  Window window(2, true);
  std::atomic<std::uint64_t> done{0};
  run_threads(2, [&](unsigned) {
    window.count([&] {
      done += 10;
      return 10u;
    });
  });
  CHECK(window.operations() == done);
  CHECK(window.cycles_per_operation() > 0);
}

}  // namespace
}  // namespace bench
