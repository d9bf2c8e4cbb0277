// SPDX-License-Identifier: BSD-3-Clause
// tests/core/flip_trial.h: a heap in use, one bit of its books turned over, and what comes of it: each time in a child of
// its own, which goes on to use the heap and compares every pointer with a model of what lives.
#pragma once

#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "platform/log.h"
#include "tests/core/test_heap.h"

namespace fastmem::core {

class FlipTrial {
 public:
  enum Outcome : unsigned {
    kHarmless,  // all pointers were right, and the books are at the end
    kFound,     // by check(), an error or a message
    kStopped,   // one of our checks ended the program
    kFault,     // the processor refused an access: not silent, but nobody said why
    kStuck,     // it waits for ever, or goes round
    kTwin,      // a live object's address in place of a free one's of its class: who keeps no record of each object, as
                // heaps do that are not checked in full, cannot know
    kSilent,    // any other wrong pointer, and nobody said so
    kOutcomes
  };
  struct Tally {
    std::array<unsigned, kOutcomes> cold{};
    std::array<unsigned, kOutcomes> hot{};  // in words that the hot path goes by without a look: see is_hot()
  };
  // Whether check() sees the heap before it is used again.
  enum class First { kCheck, kUse };

  explicit FlipTrial(const TestHeap::Setup& setup) : heap_(setup), other_([this] { use_and_wait(); }) {
    while (!filled_) std::this_thread::yield();
    use(random_, 3000);
    find_lines();
  }
  FlipTrial(const FlipTrial&) = delete;
  FlipTrial& operator=(const FlipTrial&) = delete;
  ~FlipTrial() {
    over_ = true;
    other_.join();
    for (const auto& [p, object] : live_) CHECK(heap_->free(p) == ErrorCode::kOk);
  }

  Tally run(unsigned n, First first, unsigned seed) {
    Tally tally;
    std::map<pid_t, bool> running;  // whether its word was hot
    const auto reap = [&] {
      int status = 0;
      const pid_t child = waitpid(-1, &status, 0);
      REQUIRE(running.count(child) == 1);
      const unsigned outcome = WIFEXITED(status) ? static_cast<unsigned>(WEXITSTATUS(status)) : unsigned{kFault};
      REQUIRE(outcome < kOutcomes);
      ++(running[child] ? tally.hot : tally.cold)[outcome];
      running.erase(child);
    };
    for (unsigned i = 0; i < n; ++i) {
      std::mt19937 random(seed + i);
      std::byte* const at = lines_[random() % lines_.size()] + random() % kCacheLine;
      const std::byte bit{static_cast<unsigned char>(1u << random() % 8)};
      const pid_t child = _Fork();  // no handler of ours: the heap is as it was, with another thread's caches
      REQUIRE(child >= 0);
      if (child == 0) try_flip(at, bit, first, random);
      running[child] = is_hot(at);
      if (running.size() == kAtOnce) reap();
    }
    while (!running.empty()) reap();
    return tally;
  }
  std::size_t lines() const { return lines_.size(); }

 private:
  static constexpr std::size_t kAtOnce = 8;
  struct Object {
    std::size_t size;
    std::uint8_t pattern;
  };

  [[noreturn]] void try_flip(std::byte* at, std::byte bit, First first, std::mt19937& random) {
    std::signal(SIGSEGV, [](int) { _exit(kFault); });
    std::signal(SIGBUS, [](int) { _exit(kFault); });
    std::signal(SIGILL, [](int) { _exit(kFault); });
    std::signal(SIGFPE, [](int) { _exit(kFault); });
    std::signal(SIGABRT, [](int) { _exit(kStopped); });
    std::signal(SIGALRM, [](int) { _exit(kStuck); });
    std::signal(SIGPROF, [](int) { _exit(kStuck); });
    const itimerval waits{{}, {3, 0}};
    const itimerval works{{}, {0, 300'000}};
    setitimer(ITIMER_REAL, &waits, nullptr);
    setitimer(ITIMER_PROF, &works, nullptr);
    set_log([](LogLevel level, const char*, void*) { level == LogLevel::kError ? _exit(kFound) : void(); }, nullptr);
    close(2);  // what a failed check says
    in_child_ = true;
    *at ^= bit;
    if (first == First::kCheck && !heap_->check(true).ok()) _exit(kFound);
    use(random, 150);
    _exit(heap_->check(true).ok() ? kHarmless : kFound);
  }

  // Random operations, compared with what lives.
  void use(std::mt19937& random, unsigned operations) {
    for (unsigned i = 0; i < operations; ++i) {
      const bool shrink = live_.size() > 600;
      const unsigned what = random() % 64;
      if (what == 0) {
        heap_->trim();
      } else if (what < 4) {
        bulk(random);
      } else if (what < (shrink ? 24u : 36u)) {
        const std::size_t size = any_size(random);
        born(heap_->alloc(size), size);
      } else {
        bury(random);
      }
    }
  }
  static std::size_t any_size(std::mt19937& random) {
    static constexpr std::size_t kSizes[] = {16, 16, 64, 64, 64, 500, 500, 4000, 70'000};
    return random() % 100 == 0 ? 1'200'000 + random() % 500'000 : kSizes[random() % std::size(kSizes)];
  }
  void bulk(std::mt19937& random) {
    void* out[64];
    const std::size_t size = any_size(random) % 2000 + 1;
    if (heap_->alloc_bulk(out, std::size(out), size) != ErrorCode::kOk) return refused();
    for (void* const p : out) born(p, size);
  }
  void born(void* given, std::size_t size) {
    if (given == nullptr) return refused();
    auto* const p = static_cast<std::byte*>(given);
    const auto after = live_.lower_bound(p);
    bool right = reinterpret_cast<std::uintptr_t>(p) % 16 == 0 && in_region(p, size);
    right = right && (after == live_.end() || p + size <= after->first);
    if (after != live_.begin()) right = right && std::prev(after)->first + std::prev(after)->second.size <= p;
    if (!right) return live_.count(p) != 0 && live_[p].size <= size_of_class(p) ? twin() : silent();
    std::memset(p, ++pattern_, std::min<std::size_t>(size, 64));
    p[size - 1] = std::byte{pattern_};
    live_[p] = {size, pattern_};
  }
  void bury(std::mt19937& random) {
    if (live_.empty()) return;
    auto it = live_.lower_bound(std::next(live_.begin(), static_cast<long>(random() % live_.size()))->first);
    const auto [p, object] = *it;
    if (!all_bytes(p, std::min<std::size_t>(object.size, 64), object.pattern) ||
        p[object.size - 1] != std::byte{object.pattern}) {
      return silent();
    }
    live_.erase(it);
    if (heap_->free(p) != ErrorCode::kOk) refused();
  }
  bool in_region(const std::byte* p, std::size_t size) const {
    const std::vector<Region> regions = heap_.backing.live();
    return std::any_of(regions.begin(), regions.end(), [&](const Region& r) {
      const auto* const begin = static_cast<const std::byte*>(r.base);
      return p >= begin && p + size <= begin + r.size.rep;
    });
  }
  void refused() const { in_child_ ? _exit(kFound) : FM_CHECK(in_child_); }
  std::size_t size_of_class(const void* p) const { return heap_->usable_size(p); }
  void twin() const { in_child_ ? _exit(kTwin) : FM_CHECK(in_child_); }
  void silent() const { in_child_ ? _exit(kSilent) : FM_CHECK(in_child_); }

  // Another thread that has caches, and lives until all is over.
  void use_and_wait() {
    std::vector<void*> mine;
    for (const std::size_t size : {16u, 64u, 500u, 4000u}) {
      for (unsigned i = 0; i < 300; ++i) mine.push_back(heap_->alloc(size));
    }
    for (std::size_t i = 0; i < mine.size(); i += 2) heap_->free(mine[i]);
    filled_ = true;
    while (!over_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    for (std::size_t i = 1; i < mine.size(); i += 2) heap_->free(mine[i]);
  }

  // ---- where the books are ----

  // The lines with something in them: of the state and the arena behind it, and of the descriptors and the map where
  // regions are.
  void find_lines() {
    HeapState& state = *heap_->state_for_test();
    auto* const begin = reinterpret_cast<std::byte*>(&state);
    add_lines(begin, kMiB * 4);
    for (const Region& r : heap_.backing.live()) {
      const std::size_t first = state.map.granule_of(r.base);
      const std::size_t n = r.size.rep / kGranule;
      add_lines(reinterpret_cast<std::byte*>(&state.extents[static_cast<ExtentIndex>(first)]),
                Bytes{n * sizeof(Extent)});
      auto* const entries = static_cast<std::byte*>(state.map.entries(first));
      add_lines(entries, Bytes{n * sizeof(std::uint16_t)});
      map_.push_back({entries, entries + n * sizeof(std::uint16_t)});
    }
  }
  void add_lines(std::byte* begin, Bytes size) {
    static constexpr std::byte kNothing[kCacheLine] = {};
    for (std::byte* at = begin; at + kCacheLine <= begin + size.rep; at += kCacheLine) {
      if (std::memcmp(at, kNothing, kCacheLine) != 0) lines_.push_back(at);
    }
  }

  // Caches, the arrays they point into, and the map: alloc pops and free pushes by them and nothing else, with no
  // instruction to spare for a look.
  bool is_hot(const std::byte* at) {
    HeapState& state = *heap_->state_for_test();
    const auto within = [at](const void* begin, const void* end) {
      return at >= static_cast<const std::byte*>(begin) && at < static_cast<const std::byte*>(end);
    };
    for (const Range& r : map_) {
      if (within(r.begin, r.end)) return true;
    }
    for (const std::atomic<Slot*>& slot : state.slots) {
      if (slot.load() == nullptr) continue;
      Cache* const row = slot.load()->caches();
      if (within(row, row + state.bin_count())) return true;
      for (unsigned b = 0; b < state.bin_count(); ++b) {
        if (!row[b].is_unloaded() && within(row[b].base(), row[b].top())) return true;
      }
    }
    return false;
  }

  struct Range {
    std::byte* begin;
    std::byte* end;
  };

  TestHeap heap_;
  std::mt19937 random_{1};
  std::map<std::byte*, Object> live_;
  std::uint8_t pattern_ = 0;
  bool in_child_ = false;
  std::vector<std::byte*> lines_;
  std::vector<Range> map_;
  std::atomic<bool> filled_{false};
  std::atomic<bool> over_{false};
  std::thread other_;
};

}  // namespace fastmem::core
