// SPDX-License-Identifier: BSD-3-Clause
// Memory that comes ahead of need and goes by itself: watermarks, decay, pressure, and who answers them.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <thread>

#include "platform/clock.h"
#include "platform/thread_id.h"
#include "tests/core/test_heap.h"
#include "tests/support/child_process.h"
#include "tests/support/sanitizers.h"
#include "tests/support/skip.h"

namespace fastmem::core {
namespace {

constexpr std::size_t kM = kMiB.rep;
constexpr std::uint64_t kMs = 1'000'000;  // ns

TestHeap::Setup setup_of(Bytes unit = kKiB * 64) {
  TestHeap::Setup setup;
  setup.backing.discard_unit = unit;
  setup.backing.window = kGiB;
  setup.config.region_size = kMiB * 64;
  setup.config.first_region = kMiB * 4;
  setup.config.pressure.window_us = 0;  // the machine's own pressure is no part of these tests
  setup.starts_small = true;
  return setup;
}

Bytes free_of(const TestHeap& heap) {
  auto n = heap->node_stats(heap->node_at(0));
  return n->free;
}

bool comes_true(const std::function<bool()>& holds) {
  for (unsigned i = 0; i < 3000; ++i) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return holds();
}

// What callbacks were told.
struct Told {
  std::atomic<unsigned> low{0};
  std::atomic<unsigned> high{0};
  std::atomic<std::size_t> free_at_low{0};
  std::atomic<std::size_t> free_at_high{0};
  std::atomic<int> node{-1};
  std::atomic<std::uint32_t> thread{0};

  static void on_mark(int event, int node, std::size_t free, void* context) {
    Told& told = *static_cast<Told*>(context);
    (event == kBelowLow ? told.free_at_low : told.free_at_high) = free;
    told.node = node;
    told.thread = thread_id();
    ++(event == kBelowLow ? told.low : told.high);
  }
};

// ---- watermarks: the state machine -----------------------------------------------------------------------------------

TEST_CASE("a mark is told once, and again only after free memory was well on its other side") {
  Watermarks marks;
  CHECK_FALSE(marks.look(0));
  CHECK_FALSE(marks.look(1'000'000));
  CHECK_FALSE(marks.set(80, 800, 400));
  CHECK_FALSE(marks.look(80));
  CHECK(marks.look(79));
  CHECK_FALSE(marks.look(78));
  CHECK_FALSE(marks.look(81));  // not far enough
  CHECK_FALSE(marks.look(70));
  Watermarks::Seen seen = marks.take(70);
  CHECK(seen.low);
  CHECK_FALSE(seen.high);
  CHECK(seen.free_at_low == 79);
  CHECK_FALSE(marks.take(70).low);
  CHECK_FALSE(marks.look(400));
  marks.ask_for_growth_below(80, 400);
  CHECK(marks.look(10));
  CHECK(marks.take(10).low);
  CHECK_FALSE(marks.look(800));
  CHECK(marks.look(801));
  CHECK_FALSE(marks.look(800));
  CHECK_FALSE(marks.look(802));
  seen = marks.take(802);
  CHECK(seen.high);
  CHECK(seen.free_at_high == 801);
  CHECK(marks.look(1000));  // told already, and yet there is more to give back
  CHECK_FALSE(marks.take(1000).high);
  CHECK_FALSE(marks.look(500));
  CHECK(marks.look(900));
  CHECK(marks.take(900).high);
}

TEST_CASE("growth is asked for before the low mark, once until it is answered") {
  Watermarks marks;
  marks.set(80, Watermarks::kNone, 400);
  CHECK_FALSE(marks.ask_for_growth_below(200, 400));
  CHECK(marks.look(199));
  CHECK_FALSE(marks.look(150));
  CHECK_FALSE(marks.take(150).low);
  CHECK(marks.look(50));
  CHECK(marks.take(50).low);
  CHECK_FALSE(marks.look(40));
  CHECK(marks.ask_for_growth_below(200, 40));  // at once
}

TEST_CASE("a heap begins below its low mark") {
  Watermarks marks;
  CHECK(marks.set(80, Watermarks::kNone, 0));
  CHECK(marks.take(0).low);
}

TEST_CASE("the least that was free") {
  Watermarks marks;
  marks.forget_least(100);
  marks.look(120);
  marks.look(60);
  marks.look(90);
  CHECK(marks.least() == 60);
}

// ---- decay: the formula ----------------------------------------------------------------------------------------------

TEST_CASE("decay: what stays of an amount follows exp(-t/T)") {
  for (const std::uint64_t ticks : {0, 1, 4, 16, 64, 100, 128, 320, 640}) {
    CAPTURE(ticks);
    const double expected = 1e9 * std::exp(-static_cast<double>(ticks) / 64);
    const auto stays = static_cast<double>(Decay::share_that_stays(1'000'000'000, ticks));
    CHECK(stays == doctest::Approx(expected).epsilon(1e-4));
  }
  CHECK(Decay::share_that_stays(~std::size_t{0}, 0) == ~std::size_t{0});
  CHECK(Decay::share_that_stays(~std::size_t{0}, 100'000) == 0);
}

TEST_CASE("decay: many small steps and one long one come to the same") {
  constexpr std::uint64_t kT = 1000 * kMs;
  const std::size_t idle = kM * 1024;
  Decay small;
  Decay large;
  small.step(idle, kMs, kT);
  large.step(idle, kMs, kT);
  for (std::uint64_t t = kMs; t <= kMs + 2 * kT; t += kT / 16) small.step(idle, t, kT);
  const std::size_t due = large.step(idle, kMs + 2 * kT, kT);
  CHECK(static_cast<double>(small.due()) == doctest::Approx(static_cast<double>(due)).epsilon(1e-4));
  CHECK(static_cast<double>(due) == doctest::Approx(static_cast<double>(idle) * (1 - std::exp(-2.0))).epsilon(1e-4));
}

TEST_CASE("decay: what is used again is not due any more, and a clock that stands still lets nothing go") {
  constexpr std::uint64_t kT = 1000 * kMs;
  Decay decay;
  CHECK(decay.is_due(kMs, kT));
  CHECK(decay.step(kM * 100, kMs, kT) == 0);
  CHECK_FALSE(decay.is_due(2 * kMs, kT));
  CHECK(decay.step(kM * 100, kMs, kT) == 0);
  CHECK(decay.step(kM * 100, kMs + kT, kT) > kM * 60);
  CHECK(decay.step(kM * 10, kMs + kT, kT) == kM * 10);
  CHECK(decay.step(0, kMs + 2 * kT, kT) == 0);
  CHECK(decay.step(100, kMs + 3 * kT, kT) == 100);  // less than a granule goes whole
}

// ---- decay in a heap, by a clock of the test's own ---------------------------------------------------------------------

class Clock {
 public:
  Clock(TestHeap& heap, std::uint64_t constant) : heap_(heap), constant_(constant) { tick(0); }
  // So many sixteenths of the time constant, in steps of one.
  Bytes tick(unsigned sixteenths) {
    Bytes gone = heap_->decay_for_test(0, now_, kUnlimited);
    for (unsigned i = 0; i < sixteenths; ++i) {
      now_ += constant_ / 16;
      gone += heap_->decay_for_test(0, now_, kUnlimited);
    }
    return gone;
  }

 private:
  TestHeap& heap_;
  std::uint64_t constant_;
  std::uint64_t now_ = kMs;
};

TEST_CASE("after a burst free memory goes smoothly, down to the floor, and books stay right") {
  TestHeap heap(setup_of());
  heap->set_decay(1000);
  REQUIRE(heap->set_floor(kMiB * 8, node(0)).ok());
  std::vector<void*> all;
  for (unsigned i = 0; i < 50; ++i) all.push_back(heap->alloc(kM * 2));
  Clock clock(heap, 1000 * kMs);
  for (void* const p : all) heap->free(p);
  const Bytes held = heap->stats().backing;
  CHECK(clock.tick(1) < kMiB);  // within the step it was not free all the time
  const Bytes first = clock.tick(1);
  CHECK(first > Bytes{});
  CHECK(first < held / 8);
  clock.tick(15);
  const Bytes left = heap->stats().backing - kMiB * 8;
  CHECK(left < (held - kMiB * 8) / 2);
  CHECK(left > (held - kMiB * 8) / 4);
  clock.tick(16 * 12);
  CHECK(heap->stats().backing == kMiB * 8);
  heap->check_invariants();
  CHECK(heap->stats().backing == heap.backing.held() - heap.backing.discarded());
}

TEST_CASE("memory that is used every now and then stays") {
  TestHeap heap(setup_of());
  heap->set_decay(1000);
  Clock clock(heap, 1000 * kMs);
  heap->free(heap->alloc(kM * 40));
  clock.tick(1);
  const Bytes held = heap->stats().backing;
  for (unsigned i = 0; i < 100; ++i) {
    heap->free(heap->alloc(kM * 40));
    clock.tick(1);
  }
  CHECK(heap->stats().backing + kMiB * 4 >= held);
  CHECK(heap.backing.restores() <= 1);
  clock.tick(16 * 12);
  CHECK(heap->stats().backing == Bytes{});
}

TEST_CASE("memory that goes only in whole regions goes when all of a region is due") {
  TestHeap heap(setup_of(Bytes{}));
  heap->set_decay(1000);
  Clock clock(heap, 1000 * kMs);
  void* const live = heap->alloc(kM);
  heap->free(heap->alloc(kM * 30));
  const Bytes held = heap->stats().backing;
  CHECK(clock.tick(4) == Bytes{});
  CHECK(clock.tick(16 * 12) >= kMiB * 30);
  CHECK(heap->stats().backing <= held - kMiB * 30);
  heap->free(live);
}

TEST_CASE("decay leaves the low mark's memory where it is, and a constant of 0 all") {
  TestHeap heap(setup_of());
  heap->set_decay(1000);
  REQUIRE(heap->set_watermarks(kMiB * 8, kUnlimited, kAnyNode).ok());
  Clock clock(heap, 1000 * kMs);
  heap->free(heap->alloc(kM * 40));
  clock.tick(16 * 12);
  CHECK(free_of(heap) == kMiB * 10);  // the mark and a quarter
  heap->free(heap->alloc(kM * 40));
  heap->set_decay(0);
  CHECK(clock.tick(16 * 12) == Bytes{});
}

TEST_CASE("a thread that misses lets decay go on, where nobody maintains the heap") {
  TestHeap heap(setup_of());
  heap->set_decay(20);
  heap->free(heap->alloc(kM * 200));
  CHECK(comes_true([&] {
    heap->free(heap->alloc(kMaxSize * 2));
    heap->flush();
    return heap->stats().backing <= kMiB * 8;
  }));
  heap->check_invariants();
}

// ---- watermarks of a heap ----------------------------------------------------------------------------------------------

TEST_CASE("marks are checked") {
  TestHeap heap(setup_of());
  CHECK(heap->set_watermarks(kMiB, kMiB * 2, node(7)).code == ErrorCode::kNoNode);
  CHECK(heap->set_watermarks(kMiB, kMiB, node(0)).code == ErrorCode::kInvalid);
  CHECK(heap->set_watermarks(kMiB * 2, kMiB, node(0)).code == ErrorCode::kInvalid);
  CHECK(heap->set_watermarks(kGiB * 2, kUnlimited, node(0)).code == ErrorCode::kInvalid);
  CHECK(heap->set_watermarks({}, kUnlimited, kAnyNode).ok());
}

TEST_CASE("without a maintainer a thread that notices tells, grows nothing, and gives the surplus back") {
  TestHeap heap(setup_of());
  Told told;
  heap->on_watermark(Told::on_mark, &told);
  heap->free(heap->alloc(kM * 30));
  REQUIRE(heap->set_watermarks(kMiB * 8, kMiB * 64, kAnyNode).ok());
  CHECK(told.low == 0);
  const unsigned reserves = heap.backing.reserves();
  void* const p = heap->alloc(kM * 26);
  CHECK(told.low == 1);
  CHECK(told.free_at_low < kM * 8);
  CHECK(told.node == 0);
  CHECK(told.thread == thread_id());
  CHECK(heap.backing.reserves() == reserves);
  for (unsigned i = 0; i < 20; ++i) heap->free(heap->alloc(kM * 2));
  CHECK(told.low == 1);
  heap->free(p);
  CHECK(told.high == 0);
  heap->free(heap->alloc(kM * 100));
  CHECK(told.high == 1);
  CHECK(told.free_at_high > kM * 64);
  for (unsigned i = 0; i < 40; ++i) heap->free(heap->alloc(kMaxSize * 2));
  CHECK(told.high == 1);
  CHECK(free_of(heap) <= kMiB * 64);
  CHECK(free_of(heap) >= kMiB * 62);
  heap->check_invariants();
}

TEST_CASE("a caller's own thread maintains: it grows to the low mark and tells") {
  TestHeap heap(setup_of());
  Told told;
  heap->on_watermark(Told::on_mark, &told);
  REQUIRE(heap->maintain(0).ok());
  CHECK(heap->stats().backing == Bytes{});
  REQUIRE(heap->set_watermarks(kMiB * 16, kUnlimited, node(0)).ok());
  REQUIRE(heap->maintain(0).ok());
  CHECK(told.low == 1);
  CHECK(free_of(heap) >= kMiB * 16);
  CHECK(free_of(heap) <= kMiB * 24);
  void* const p = heap->alloc(kM * 12);
  REQUIRE(heap->maintain(1000 * kMs).ok());  // does not sleep: there is something to do
  CHECK(free_of(heap) >= kMiB * 16);
  heap->free(p);
  heap->on_watermark(nullptr, nullptr);
  heap->check_invariants();
}

TEST_CASE("the surplus goes back down to the high mark, and never below the floor") {
  TestHeap heap(setup_of());
  REQUIRE(heap->set_watermarks({}, kMiB * 16, kAnyNode).ok());
  heap->free(heap->alloc(kM * 100));
  REQUIRE(heap->maintain(0).ok());
  CHECK(free_of(heap) <= kMiB * 16);
  CHECK(free_of(heap) >= kMiB * 15);
  REQUIRE(heap->set_floor(kMiB * 40, node(0)).ok());
  REQUIRE(heap->maintain(0).ok());
  CHECK(heap->stats().backing >= kMiB * 40);
  heap->check_invariants();
}

TEST_CASE("growth ahead of need respects the limit, and what cannot be had is not asked for again and again") {
  TestHeap::Setup setup = setup_of();
  setup.config.limit_per_node = kMiB * 10;
  TestHeap heap(setup);
  REQUIRE(heap->set_watermarks(kMiB * 32, kUnlimited, kAnyNode).ok());
  REQUIRE(heap->maintain(0).ok());
  CHECK(heap->stats().backing <= kMiB * 12);
  TestHeap refused(setup_of());
  refused.backing.fail_always();
  REQUIRE(refused->set_watermarks(kMiB * 32, kUnlimited, kAnyNode).ok());
  REQUIRE(refused->maintain(0).ok());
  const unsigned refusals = refused.backing.refusals();
  CHECK(refusals > 0);
  for (unsigned i = 0; i < 5; ++i) REQUIRE(refused->maintain(0).ok());
  CHECK(refused.backing.refusals() == refusals);
  refused.backing.fail_never();
}

TEST_CASE("a callback may allocate and free, but not maintain, press, or stop") {
  struct Inside {
    Heap* heap;
    unsigned calls = 0;
    unsigned wrong = 0;
  };
  TestHeap heap(setup_of());
  Inside inside{heap.heap};
  const auto check = [](Inside& in) {
    ++in.calls;
    void* const p = in.heap->alloc(kM * 3);
    in.wrong += p == nullptr;
    in.wrong += in.heap->free(p) != ErrorCode::kOk;
    in.wrong += in.heap->maintain(0).code != ErrorCode::kReentered;
    in.wrong += in.heap->pressure(kSomePressure).code != ErrorCode::kReentered;
    in.wrong += in.heap->stop_maintainer().code != ErrorCode::kReentered;
    in.wrong += in.heap->start_maintainer().code != ErrorCode::kReentered;
    in.heap->trim();
  };
  static void (*const g_check)(Inside&) = check;
  heap->on_watermark([](int, int, std::size_t, void* in) { g_check(*static_cast<Inside*>(in)); }, &inside);
  heap->on_pressure([](int, void* in) { g_check(*static_cast<Inside*>(in)); }, &inside);
  REQUIRE(heap->set_watermarks(kMiB, kUnlimited, kAnyNode).ok());  // nobody maintains: told here
  CHECK(inside.calls == 1);
  REQUIRE(heap->pressure(kFullPressure).ok());
  CHECK(inside.calls == 2);
  CHECK(inside.wrong == 0);
}

TEST_CASE("a heap is not destroyed in its callback") {
  TestHeap heap(setup_of());
  heap->on_watermark([](int, int, std::size_t, void* h) { static_cast<Heap*>(h)->destroy(); }, heap.heap);
  REQUIRE(heap->start_maintainer().ok());
  REQUIRE(heap->set_watermarks(kMiB, kUnlimited, kAnyNode).ok());
  REQUIRE(heap->stop_maintainer().ok());
  REQUIRE(heap->set_watermarks(kMiB * 200, kUnlimited, kAnyNode).ok());
  void* const p = heap->alloc(kM);
  CHECK(p != nullptr);
  CHECK(heap->free(p) == ErrorCode::kOk);
}

// ---- pressure ------------------------------------------------------------------------------------------------------------

TEST_CASE("pressure: free memory goes down to the floor, and the callback hears the level") {
  for (const int level : {kSomePressure, kFullPressure}) {
    TestHeap heap(setup_of());
    int heard = 0;
    heap->on_pressure([](int l, void* out) { *static_cast<int*>(out) = l; }, &heard);
    REQUIRE(heap->set_floor(kMiB * 4, node(0)).ok());
    std::vector<void*> all;
    for (unsigned i = 0; i < 20'000; ++i) all.push_back(heap->alloc(1024));
    for (void* const p : all) heap->free(p);
    heap->free(heap->alloc(kM * 50));
    REQUIRE(heap->pressure(level).ok());
    CHECK(heard == level);
    if (level == kFullPressure) CHECK(heap->stats().cached == Bytes{});
    CHECK(heap->stats().backing <= kMiB * 8);
    CHECK(heap->stats().backing >= kMiB * 4);
    CHECK(heap->pressure(7).code == ErrorCode::kInvalid);
    CHECK(heap->pressure(0).code == ErrorCode::kInvalid);
    CHECK(heard == level);
    heap->check_invariants();
  }
}

TEST_CASE("after pressure nothing grows ahead of need for a while") {
  TestHeap heap(setup_of());
  REQUIRE(heap->set_watermarks(kMiB * 16, kUnlimited, kAnyNode).ok());
  REQUIRE(heap->maintain(0).ok());
  REQUIRE(heap->pressure(kSomePressure).ok());
  CHECK(heap->stats().backing == Bytes{});
  REQUIRE(heap->maintain(0).ok());
  CHECK(heap->stats().backing == Bytes{});
  CHECK(heap->alloc(100) != nullptr);  // but on demand
}

// ---- the thread of the heap's own ----------------------------------------------------------------------------------------

// Remembers which threads asked for memory.
class WatchfulBacking : public FakeBacking {
 public:
  using FakeBacking::FakeBacking;
  Result<Region> reserve(Bytes size, NodeId node, Contiguity c) override {
    note();
    return FakeBacking::reserve(size, node, c);
  }
  Error restore(const Region& region, Bytes offset, Bytes size) override {
    note();
    return FakeBacking::restore(region, offset, size);
  }
  Error discard(const Region& region, Bytes offset, Bytes size) override {
    note();
    return FakeBacking::discard(region, offset, size);
  }
  void release(const Region& region) override {
    note();
    FakeBacking::release(region);
  }
  unsigned calls_of(std::uint32_t thread) const {
    const std::lock_guard guard(lock_);
    const auto it = calls_.find(thread);
    return it == calls_.end() ? 0 : it->second;
  }
  unsigned calls() const {
    const std::lock_guard guard(lock_);
    unsigned sum = 0;
    for (const auto& [thread, n] : calls_) sum += n;
    return sum;
  }

 private:
  void note() {
    const std::lock_guard guard(lock_);
    ++calls_[thread_id()];
  }
  mutable std::mutex lock_;
  std::map<std::uint32_t, unsigned> calls_;
};

TEST_CASE("beside a maintainer a thread that allocates steadily never asks the backing") {
  FakeBackingOptions options = setup_of().backing;
  options.window = sizeof(void*) == 8 ? kGiB * 4 : kMiB * 1024;
  WatchfulBacking backing(options);
  const FakeTopology topology(std::vector<unsigned>{0});
  HeapConfig config = setup_of().config;
  config.backing = &backing;
  config.topology = &topology;
  const Result<Heap*> made = Heap::create(config);
  REQUIRE(made.ok());
  Heap& heap = *made.value();
  REQUIRE(heap.set_watermarks(kMiB * 64, kUnlimited, kAnyNode).ok());
  REQUIRE(heap.start_maintainer().ok());
  const auto free_now = [&] { return heap.node_stats(node(0))->free; };
  REQUIRE(comes_true([&] { return free_now() >= kMiB * 64; }));
  std::vector<void*> all;
  for (unsigned i = 0; i < 512; ++i) {  // 512 MiB, as fast as the machine's turns allow
    for (unsigned k = 0; k < 16; ++k) all.push_back(heap.alloc(kKiB.rep * 64));
    if (i % 16 == 0) REQUIRE(comes_true([&] { return free_now() >= kMiB * 32; }));
  }
  CHECK(backing.calls() > 5);
  CHECK(backing.calls_of(thread_id()) == 0);
  for (void* const p : all) CHECK(heap.free(p) == ErrorCode::kOk);
  heap.check_invariants();
  REQUIRE(heap.stop_maintainer().ok());
  heap.destroy();
}

TEST_CASE("the maintainer tells, gives the surplus back, and lets idle caches and free memory decay") {
  TestHeap heap(setup_of());
  Told told;
  heap->on_watermark(Told::on_mark, &told);
  heap->set_decay(50);
  REQUIRE(heap->start_maintainer().ok());
  CHECK(heap->start_maintainer().code == ErrorCode::kBusy);
  REQUIRE(heap->set_watermarks(kMiB * 4, kMiB * 32, kAnyNode).ok());
  CHECK(comes_true([&] { return told.low == 1; }));
  CHECK(told.thread != thread_id());
  std::vector<void*> all;
  for (unsigned i = 0; i < 1000; ++i) all.push_back(heap->alloc(kKiB.rep * 100));
  for (void* const p : all) heap->free(p);
  heap->flush();
  heap->free(heap->alloc(kM * 2));
  CHECK(comes_true([&] { return told.high >= 1; }));
  // This thread does nothing any more.
  CHECK(comes_true([&] { return heap->stats().cached == Bytes{} && heap->stats().backing <= kMiB * 8; }));
  REQUIRE(heap->stop_maintainer().ok());
  REQUIRE(heap->stop_maintainer().ok());   // none to stop
  REQUIRE(heap->start_maintainer().ok());  // destroy() stops it
}

TEST_CASE("the maintainer is called fastmem and takes no signals") {
  TestHeap heap(setup_of());
  Told told;
  heap->on_watermark(Told::on_mark, &told);
  REQUIRE(heap->start_maintainer().ok());
  REQUIRE(heap->set_watermarks(kMiB, kUnlimited, kAnyNode).ok());
  REQUIRE(comes_true([&] { return told.low == 1; }));
  const std::string task = "/proc/self/task/" + std::to_string(told.thread.load());
  std::string name;
  std::getline(std::ifstream(task + "/comm"), name);
  CHECK(name == "fastmem");
  std::ifstream status(task + "/status");
  std::string blocked;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("SigBlk:")) blocked = line.substr(line.size() - 16);
  }
  CHECK(blocked.size() == 16);
  CHECK((std::stoull(blocked, nullptr, 16) & 0x7fbbfeff & ~(1ull << 8 | 1ull << 18)) ==
        (0x7fbbfeff & ~(1ull << 8 | 1ull << 18)));
}

TEST_CASE("threads come and go beside a maintainer, trim and marks") {
  TestHeap heap(setup_of());
  Told told;
  heap->on_watermark(Told::on_mark, &told);
  heap->set_decay(5);
  REQUIRE(heap->set_watermarks(kMiB * 2, kMiB * 12, kAnyNode).ok());
  REQUIRE(heap->start_maintainer().ok());
  std::atomic<bool> done{false};
  std::thread second([&] {
    while (!done) REQUIRE(heap->maintain(20 * kMs).ok());
  });
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      std::vector<void*> live;
      for (unsigned i = 0; i < 3000; ++i) {
        const std::size_t size = i % 7 == 0 ? kMaxSize + i * 64 : 64 + i * 37 % 50'000;
        auto* const p = static_cast<unsigned char*>(heap->alloc(size));
        REQUIRE(p != nullptr);
        p[0] = p[size - 1] = static_cast<unsigned char>(t);
        live.push_back(p);
        if (live.size() < 20 + i % 30) continue;
        for (void* const q : live) CHECK(heap->free(q) == ErrorCode::kOk);
        live.clear();
        if (i % 16 == t) heap->set_watermarks(kMiB * (1 + i % 3), kMiB * (10 + i % 5), kAnyNode);
        if (i % 64 == 0) heap->pressure(kSomePressure);
      }
      for (void* const q : live) heap->free(q);
    });
  }
  for (std::thread& thread : threads) thread.join();
  done = true;
  second.join();
  REQUIRE(heap->stop_maintainer().ok());
  heap->check_invariants();
  heap->trim();
  CHECK(heap->stats().backing == Bytes{});
}

TEST_CASE("the maintainer does not come with a fork, and may be started anew") {
  if (test::kThreadSanitizer) FM_SKIP("the thread sanitizer starts no threads after a fork");
  TestHeap heap(setup_of());
  REQUIRE(heap->start_maintainer().ok());
  REQUIRE(heap->set_watermarks(kMiB * 4, kUnlimited, kAnyNode).ok());
  REQUIRE(comes_true([&] { return free_of(heap) >= kMiB * 4; }));
  const test::ChildResult child = test::run_in_child([&]() -> std::string {
    if (!heap->stop_maintainer().ok()) return "there is something to stop";
    for (unsigned i = 0; i < 100; ++i) {
      if (heap->alloc(kM) == nullptr) return "no memory";
    }
    if (!heap->start_maintainer().ok()) return "not started";
    if (!comes_true([&] { return free_of(heap) >= kMiB * 4; })) return "does not maintain";
    if (!heap->stop_maintainer().ok()) return "not stopped";
    return {};
  });
  CHECK(child.signal == 0);
  CHECK(child.text == "");
  void* const p = heap->alloc(kM * 4);
  CHECK(comes_true([&] { return free_of(heap) >= kMiB * 4; }));  // the parent's goes on
  heap->free(p);
}

}  // namespace
}  // namespace fastmem::core
