// SPDX-License-Identifier: BSD-3-Clause
// Addresses become objects, also where the trace does not know everything.
#include "tools/trace/objects.h"

#include <doctest/doctest.h>

#include <random>
#include <unordered_map>
#include <vector>

using namespace fastmem::tools;

namespace {

struct Tracked {
  explicit Tracked(std::uint32_t threads) : tracker(threads) {}

  std::vector<ObjectOp> take(Event event, std::uint32_t thread, std::uint64_t address, std::uint64_t size = 0) {
    TraceEvent e;
    e.event = event;
    e.thread = thread;
    e.address = address;
    e.size = size;
    e.sequence = ++sequence;
    ObjectOp ops[2];
    const std::size_t n = tracker.take(e, ops);
    return {ops, ops + n};
  }

  ObjectTracker tracker;
  std::uint64_t sequence = 0;
};

}  // namespace

TEST_CASE("an address that is used again is another object for another thread") {
  Tracked t(2);
  const auto first = t.take(Event::kAlloc, 0, 0x1000, 10);
  REQUIRE(first.size() == 1);
  REQUIRE(t.take(Event::kFree, 1, 0x1000).size() == 1);
  const auto second = t.take(Event::kAlloc, 0, 0x1000, 10);
  REQUIRE(second.size() == 1);
  CHECK(second[0].object != first[0].object);  // the number is the other thread's: nobody waits for it
  const auto third = t.take(Event::kAlloc, 1, 0x2000, 10);
  CHECK(third[0].object == first[0].object);
}

TEST_CASE("frees that the trace cannot know are dropped or added") {
  Tracked t(1);
  CHECK(t.take(Event::kFree, 0, 0x5000).empty());
  CHECK(t.tracker.unknown_frees() == 1);
  t.take(Event::kAlloc, 0, 0x1000, 10);
  const auto again = t.take(Event::kAlloc, 0, 0x1000, 20);
  REQUIRE(again.size() == 2);
  CHECK(again[0].kind == OpKind::kFree);
  CHECK(again[1].kind == OpKind::kAlloc);
  CHECK(t.tracker.lost_frees() == 1);
  CHECK(t.tracker.live_bytes() == 20);
}

TEST_CASE("realloc: moved, failed, of an unknown object, never ended") {
  Tracked t(2);
  const auto made = t.take(Event::kAlloc, 0, 0x1000, 10);
  CHECK(t.take(Event::kReallocBegin, 0, 0x1000).empty());
  CHECK(t.take(Event::kAlloc, 1, 0x1000, 7).size() == 1);  // meanwhile the old address serves another
  const auto moved = t.take(Event::kReallocEnd, 0, 0x2000, 30);
  REQUIRE(moved.size() == 1);
  CHECK(moved[0].kind == OpKind::kRealloc);
  CHECK(moved[0].object == made[0].object);
  CHECK(moved[0].old_size == 10);
  CHECK(t.tracker.live_bytes() == 37);

  t.take(Event::kReallocBegin, 0, 0x2000);
  CHECK(t.take(Event::kReallocEnd, 0, 0x2000, 0).empty());  // failed
  CHECK(t.tracker.live_bytes() == 37);

  t.take(Event::kReallocBegin, 0, 0x7000);
  const auto born = t.take(Event::kReallocEnd, 0, 0x7100, 5);
  REQUIRE(born.size() == 1);
  CHECK(born[0].kind == OpKind::kAlloc);

  t.take(Event::kReallocBegin, 0, 0x2000);
  const auto late = t.take(Event::kAlloc, 0, 0x9000, 1);
  REQUIRE(late.size() == 2);
  CHECK(late[0].kind == OpKind::kFree);
  CHECK(late[0].size == 30);
}

TEST_CASE("a million operations against a map") {
  Tracked t(1);
  std::unordered_map<std::uint64_t, std::uint32_t> model;
  std::mt19937_64 random(3);
  for (int i = 0; i < 1'000'000; ++i) {
    const std::uint64_t address = 16 * (1 + random() % 30000);
    const auto at = model.find(address);
    if (at == model.end()) {
      const auto ops = t.take(Event::kAlloc, 0, address, 1);
      REQUIRE(ops.size() == 1);
      model[address] = ops[0].object;
    } else {
      const auto ops = t.take(Event::kFree, 0, address);
      REQUIRE(ops.size() == 1);
      REQUIRE(ops[0].object == at->second);
      model.erase(at);
    }
  }
  CHECK(t.tracker.live_objects() == model.size());
  CHECK(t.tracker.objects() <= 30000);
}

TEST_CASE("a producer and a consumer do not need a number per object") {
  Tracked t(2);
  for (std::uint64_t i = 1; i <= 1'000'000; ++i) {
    t.take(Event::kAlloc, 0, 16 * i, 1);
    t.take(Event::kFree, 1, 16 * i);
  }
  CHECK(t.tracker.objects() < 200'000);
}
