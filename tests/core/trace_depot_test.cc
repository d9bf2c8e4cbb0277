// SPDX-License-Identifier: BSD-3-Clause
// Each trace has one number, whoever adds it; a full depot says so and keeps what it has.
#include "core/trace_depot.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <latch>
#include <set>
#include <thread>
#include <vector>

#include "tests/core/workbench.h"

namespace fastmem::core {
namespace {

struct Depot {
  explicit Depot(Bytes size) : memory(size, true), depot(memory.get(), size) {}
  Memory memory;
  TraceDepot depot;
};

// Traces that share their inner frames, as those of one allocator's callers do.
std::vector<void*> trace(unsigned number, unsigned depth) {
  std::vector<void*> frames(depth, reinterpret_cast<void*>(std::uintptr_t{0x400000}));
  frames.back() = reinterpret_cast<void*>(std::uintptr_t{0x500000} + number);
  return frames;
}

bool holds(const TraceDepot& depot, TraceId id, const std::vector<void*>& frames) {
  const auto held = depot.frames(id);
  return std::equal(held.begin(), held.end(), frames.begin(), frames.end());
}

TEST_CASE("a trace is kept once, and found by its number") {
  Depot d(kMiB);
  std::vector<TraceId> ids;
  for (unsigned i = 0; i < 1000; ++i) {
    ids.push_back(d.depot.add(trace(i, 1 + i % kMostTraceFrames)));
    REQUIRE(ids.back() != kNoTrace);
  }
  CHECK(std::set<TraceId>(ids.begin(), ids.end()).size() == 1000);
  CHECK(d.depot.traces() == 1000);
  const Bytes full = d.depot.bytes();
  for (unsigned i = 0; i < 1000; ++i) {
    CHECK(d.depot.add(trace(i, 1 + i % kMostTraceFrames)) == ids[i]);
    CHECK(holds(d.depot, ids[i], trace(i, 1 + i % kMostTraceFrames)));
  }
  CHECK(d.depot.traces() == 1000);
  CHECK(d.depot.bytes() == full);
  CHECK(d.depot.refused() == 0);
}

TEST_CASE("a trace that begins another is another; of a long one the first frames are kept") {
  Depot d(kMiB);
  const std::vector<void*> whole = trace(1, kMostTraceFrames + 5);
  const std::vector<void*> first(whole.begin(), whole.begin() + kMostTraceFrames);
  const TraceId id = d.depot.add(whole);
  CHECK(holds(d.depot, id, first));
  CHECK(d.depot.add(first) == id);
  CHECK(d.depot.add({first.data(), kMostTraceFrames - 1}) != id);
  CHECK(d.depot.add({}) == kNoTrace);
}

TEST_CASE("numbers that nobody got have no frames") {
  Depot d(kKiB * 64);
  const TraceId id = d.depot.add(trace(1, 4));
  CHECK(d.depot.frames(kNoTrace).empty());
  CHECK(d.depot.frames(TraceId{1}).empty());
  CHECK(d.depot.frames(TraceId{id.rep + 1000}).empty());
  CHECK(d.depot.frames(TraceId{~0u}).empty());
}

TEST_CASE("a full depot counts what it refuses, and finds what it has") {
  Depot d(kKiB * 64);
  std::vector<TraceId> ids;
  TraceId id;
  for (unsigned i = 0; (id = d.depot.add(trace(i, 8))) != kNoTrace; ++i) ids.push_back(id);
  CHECK(ids.size() > 64 * 1024 / 128);
  CHECK(d.depot.bytes() <= kKiB * 64);
  CHECK(d.depot.add(trace(1'000'000, 8)) == kNoTrace);
  CHECK(d.depot.refused() == 2);
  for (unsigned i = 0; i < ids.size(); ++i) CHECK(d.depot.add(trace(i, 8)) == ids[i]);
  CHECK(d.depot.traces() == ids.size());

  TraceDepot none(nullptr, Bytes{0});
  CHECK(none.add(trace(1, 8)) == kNoTrace);
  CHECK(none.frames(TraceId{1}).empty());
}

TEST_CASE("threads that add the same traces at once get the same numbers") {
  constexpr unsigned kThreads = 4;
  constexpr unsigned kTraces = 5000;
  Depot d(kMiB * 8);
  std::latch all(kThreads);
  std::vector<std::vector<TraceId>> ids(kThreads);
  std::vector<std::thread> threads;
  for (auto& mine : ids) {
    threads.emplace_back([&] {
      all.arrive_and_wait();
      for (unsigned i = 0; i < kTraces; ++i) mine.push_back(d.depot.add(trace(i, 8)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& mine : ids) CHECK(mine == ids[0]);
  for (unsigned i = 0; i < kTraces; ++i) REQUIRE(holds(d.depot, ids[0][i], trace(i, 8)));
  CHECK(d.depot.traces() == kTraces);
}

}  // namespace
}  // namespace fastmem::core
