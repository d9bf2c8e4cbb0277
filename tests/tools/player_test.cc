// SPDX-License-Identifier: BSD-3-Clause
// Plans are played by real threads; turns and epochs keep what objects and the trace impose.
#include "tools/replay/player.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "tests/tools/temporary.h"
#include "tools/replay/plan.h"
#include "tools/trace/writer.h"

using namespace fastmem::tools;
using fastmem::test::Temporary;

namespace {

std::atomic<std::uint64_t> calls{0};

// Counts, and has no function that another library might have replaced.
const Allocator kCounting = {
    .start = nullptr,
    .alloc = [](std::size_t size) { return ++calls, std::malloc(size); },
    .calloc = [](std::size_t size) { return ++calls, std::calloc(1, size); },
    .aligned =
        [](std::size_t alignment, std::size_t size) {
          void* ptr = nullptr;
          ++calls;
          return posix_memalign(&ptr, alignment, size) == 0 ? ptr : nullptr;
        },
    .realloc = [](void* ptr, std::size_t size) { return ++calls, std::realloc(ptr, size); },
    .free = [](void* ptr) { ++calls, std::free(ptr); },
};

Plan plan_of(const TraceWriter& writer, TraceSummary* summary = nullptr) {
  Temporary folder;
  REQUIRE(writer.save(folder / "t"));
  TraceReader reader;
  REQUIRE_MESSAGE(reader.open((folder / "t").c_str()), reader.error());
  const TraceSummary sum = summarize(reader);
  if (summary != nullptr) *summary = sum;
  return make_plan(reader, sum);
}

// Every object is freed or resized by another thread than the one that made it.
TraceWriter ring_of_threads(std::uint32_t threads, std::uint64_t events) {
  TraceWriter writer("ring");
  std::mt19937_64 random(5);
  std::vector<std::uint64_t> live;
  std::uint64_t next = 0x10000;
  for (std::uint64_t i = 0; i < events; ++i) {
    const auto thread = static_cast<std::uint32_t>(i % threads);
    if (live.size() < 100 || random() % 2 == 0) {
      writer.alloc(thread, 1 + random() % 3000, next, i % 7 == 0 ? Event::kCalloc : Event::kAlloc);
      live.push_back(next);
      next += 4096;
    } else {
      std::swap(live[random() % live.size()], live.back());
      if (random() % 8 == 0) {
        writer.realloc(thread, live.back(), 1 + random() % 9000, next);
        live.back() = next;
        next += 16384;
      } else {
        writer.free(thread, live.back());
        live.pop_back();
      }
    }
  }
  for (const std::uint64_t address : live) writer.free(0, address);
  return writer;
}

}  // namespace

TEST_CASE("every operation is played once, whichever thread it belongs to") {
  TraceSummary sum;
  const Plan plan = plan_of(ring_of_threads(6, 60'000), &sum);
  CHECK(plan.threads.size() == 6);
  calls = 0;
  const PlayResult result = play(plan, kCounting, UINT64_MAX);
  CHECK(result.error == "");
  CHECK(result.ops == sum.ops);
  CHECK(calls.load() == sum.ops);
  CHECK(result.large_objects == 0);
  CHECK(result.seconds > 0);
  CHECK(result.alloc_cycles > 0);
}

TEST_CASE("more threads than a replay has are folded") {
  TraceSummary sum;
  const Plan plan = plan_of(ring_of_threads(kMaxThreads + 40, 20'000), &sum);
  CHECK(plan.threads.size() == kMaxThreads);
  const PlayResult result = play(plan, kCounting, UINT64_MAX);
  CHECK(result.error == "");
  CHECK(result.ops == sum.ops);
}

TEST_CASE("a thread whose turn comes late waits for it") {
  TraceWriter writer("late");
  for (std::uint64_t i = 1; i <= 3 * kEpochOps; ++i) writer.alloc(0, 8, 16 * i);
  for (std::uint64_t i = 1; i <= 3 * kEpochOps; ++i) writer.free(1, 16 * i);
  const Plan plan = plan_of(writer);
  CHECK(plan.threads[1].segments.front().epoch >= 3);
  CHECK(plan.floor_for(plan.threads[1].segments.front().epoch) >= 2);
  CHECK(play(plan, kCounting, UINT64_MAX).error == "");
}

TEST_CASE("nothing runs beyond the peak before it is measured") {
  TraceWriter writer("peak");
  writer.alloc(0, 1 << 20, 0x100000);
  writer.alloc(1, 1 << 20, 0x400000);  // here
  writer.free(0, 0x400000);
  writer.free(1, 0x100000);
  const Plan plan = plan_of(writer);
  CHECK(plan.peak_epoch == 0);
  CHECK(plan.floor_for(1) == 1);
  CHECK(plan.threads_in_epoch.size() == 2);
  const PlayResult result = play(plan, kCounting, UINT64_MAX);
  CHECK(result.error == "");
}

TEST_CASE("an allocator that loses contents does not pass") {
  TraceWriter writer("bad");
  writer.alloc(0, 64, 0x1000);
  writer.alloc(0, 64, 0x2000);
  writer.free(0, 0x1000);
  writer.free(0, 0x2000);
  Allocator bad = kCounting;
  static char only[64];
  bad.alloc = [](std::size_t) -> void* { return only; };
  bad.free = [](void*) {};
  const PlayResult result = play(plan_of(writer), bad, UINT64_MAX);
  CHECK(result.error == "an object of 64 bytes lost its contents");
}

TEST_CASE("an allocator without memory ends the replay with a sentence") {
  Allocator none = kCounting;
  none.alloc = [](std::size_t) -> void* { return nullptr; };
  none.calloc = none.alloc;
  const PlayResult result = play(plan_of(ring_of_threads(4, 1000)), none, UINT64_MAX);
  CHECK(result.error.find("no memory for an object of") == 0);
}
