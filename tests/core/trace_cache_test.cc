// SPDX-License-Identifier: BSD-3-Clause
// The cache's traces are those that a walk comes to, whatever was walked before.
#include "core/trace_cache.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>
#include <latch>
#include <random>
#include <thread>
#include <vector>

#include "platform/stack_trace.h"
#include "tests/core/workbench.h"

namespace fastmem::core {
namespace {

struct Traces {
  explicit Traces(Bytes size = kMiB)
      : memory(size, true),
        table(TraceCache::table_size(), true),
        depot(memory.get(), size),
        cache(table.get(), &depot) {}
  Memory memory;
  Memory table;
  TraceDepot depot;
  TraceCache cache;
};

void stay() { asm volatile("" ::: "memory"); }

struct Taken {
  TraceId id;
  std::vector<void*> walked;
};

// Both begin where this is called.
[[gnu::noinline]] Taken take(TraceCache& cache, unsigned skip) {
  const TraceId id = cache.here(__builtin_frame_address(0), skip);
  void* pcs[kMostTraceFrames];
  const unsigned n = capture_stack(pcs, kMostTraceFrames, 1 + skip);
  stay();
  return {id, std::vector<void*>(pcs, pcs + n)};
}

void check_equal(const Traces& traces, const Taken& taken) {
  const auto cached = traces.depot.frames(taken.id);
  REQUIRE(!taken.walked.empty());
  if (!std::equal(cached.begin(), cached.end(), taken.walked.begin(), taken.walked.end())) {
    FAIL_CHECK("a trace of ", cached.size(), " frames, walked: ", taken.walked.size());
  }
}

// Many ways to the same call, at the same and at different distances. Some have frames of changing size, or aligned ones.
class Paths {
 public:
  Paths(Traces& traces, std::uint64_t seed) : traces_(traces), random_(seed) {}

  [[gnu::noinline]] void go(unsigned depth) {
    if (depth == 0) return arrive(), stay();
    // One place calls them all: two paths may differ in one return address.
    constexpr void (Paths::*kWays[])(unsigned) = {&Paths::left, &Paths::right, &Paths::wide, &Paths::aligned,
                                                  &Paths::changing};
    (this->*kWays[random_() % std::size(kWays)])(depth);
    stay();
  }

 private:
  [[gnu::noinline]] void arrive() {
    const unsigned skip = random_() % 3;
    check_equal(traces_, take(traces_.cache, skip));
    check_equal(traces_, take(traces_.cache, skip));
    stay();
  }
  [[gnu::noinline]] void left(unsigned depth) { go(depth - 1), stay(); }
  [[gnu::noinline]] void right(unsigned depth) {
    go(depth - 1);
    asm volatile("nop");  // the compiler makes one function of two that are equal
  }
  [[gnu::noinline]] void wide(unsigned depth) {
    volatile char room[200];
    room[0] = 1;
    go(depth - 1);
    stay();
    static_cast<void>(room[0]);
  }
  [[gnu::noinline]] void aligned(unsigned depth) {
    alignas(64) volatile char room[64];
    room[0] = 1;
    go(depth - 1);
    stay();
    static_cast<void>(room[0]);
  }
  [[gnu::noinline]] void changing(unsigned depth) {
    auto* const room = static_cast<volatile char*>(__builtin_alloca(16 + 16 * (random_() % 4)));
    room[0] = 1;
    go(depth - 1);
    stay();
    static_cast<void>(room[0]);
  }

  Traces& traces_;
  std::mt19937_64 random_;
};

TEST_CASE("every path has its own trace, the first time and again") {
  Traces traces;
  for (std::uint64_t i = 0; i < 3000; ++i) Paths(traces, i % 300).go(static_cast<unsigned>(i % 7));
  CHECK(traces.depot.traces() > 100);
  CHECK(traces.depot.refused() == 0);
}

TEST_CASE("the same call has the same number: from the walk, from the cache, and after rules were forgotten") {
  Traces traces;
  TraceId ids[4];
  for (TraceId& id : ids) {
    if (&id == &ids[3]) FrameRules::forget_for_test();
    id = take(traces.cache, 0).id;
  }
  CHECK(ids[0] != kNoTrace);
  CHECK(std::count(ids, ids + 4, ids[0]) == 4);
  CHECK(take(traces.cache, 0).id != ids[0]);  // another call
}

// A stack on which the cache's words are where they were, and do not mean what they meant: one frame is
// as much larger as the one above it is smaller, so that all others stay where they are.
class Forgery {
 public:
  explicit Forgery(Traces& traces) : traces_(traces) {}

  template <std::size_t kOuter>
  [[gnu::noinline]] Taken call(bool framed, std::size_t inner, void* fill) {
    volatile char room[kOuter];
    room[0] = 1;
    Taken taken = filled(framed, inner, fill);
    stay();
    static_cast<void>(room[0]);
    return taken;
  }

 private:
  [[gnu::noinline]] Taken filled(bool framed, std::size_t inner, void* fill) {
    auto* const room = static_cast<void* volatile*>(__builtin_alloca(inner + 16));
    for (std::size_t i = 0; i < (inner + 16) / sizeof(void*); ++i) room[i] = fill;
    Taken taken = framed ? with_frame(64) : plain();
    stay();
    static_cast<void>(room[0]);
    return taken;
  }
  // Has a frame pointer of its own, so the caller's is read from the stack.
  [[gnu::noinline]] Taken with_frame(std::size_t size) {
    auto* const room = static_cast<void* volatile*>(__builtin_alloca(size));
    room[0] = nullptr;
    Taken taken = plain();
    stay();
    static_cast<void>(room[0]);
    return taken;
  }
  [[gnu::noinline]] Taken plain() {
    Taken taken = take(traces_.cache, 0);
    stay();
    return taken;
  }

  Traces& traces_;
};

TEST_CASE("words that lie where a frame ended before do not pass for its end") {
  for (const bool framed : {false, true}) {
    Traces traces;
    Forgery forgery(traces);
    const auto call = [&](bool forged, void* fill) {
      const auto caller = forged ? &Forgery::call<64> : &Forgery::call<64 + 256>;
      Taken taken = (forgery.*caller)(framed, forged ? 64 + 256 : 64, fill);
      check_equal(traces, taken);
      return taken;
    };
    const Taken first = call(false, nullptr);
    for (void* const return_address : first.walked) {
      for (const bool forged : {false, true, false}) call(forged, return_address);
    }
  }
}

TEST_CASE("threads share a cache") {
  constexpr unsigned kThreads = 4;
  Traces traces(kMiB * 8);
  std::latch all(kThreads);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      all.arrive_and_wait();
      for (std::uint64_t i = 0; i < 1000; ++i) Paths(traces, i % 100).go(static_cast<unsigned>(i % 5));
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("a full depot has no number for what is new") {
  Traces traces(Bytes{64});
  CHECK(take(traces.cache, 0).id == kNoTrace);
  CHECK(take(traces.cache, 1000).id == kNoTrace);
}

}  // namespace
}  // namespace fastmem::core
