// SPDX-License-Identifier: BSD-3-Clause
// bench/scenarios_small.h -- Q: what do an allocation and its free cost when the allocator's caches hit?
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "bench/clock.h"
#include "bench/scenario.h"

namespace bench {

// The compiler must take it that the object is used: it may neither drop the pair nor the write.
inline void use(void*& p) { asm volatile("" : "+r"(p) : : "memory"); }

template <class Api>
class AnySource {
 public:
  static constexpr bool kCalled = Api::kCalled;

  explicit AnySource(std::size_t size) : size_(size) {}
  void* alloc() const { return Api::alloc(size_); }
  void free(void* p) const { Api::free(p); }
  void alloc_bulk(void** objects, std::size_t n) const { Api::alloc_bulk(objects, n, size_); }
  void free_bulk(void** objects, std::size_t n) const { Api::free_bulk(objects, n); }

 private:
  std::size_t size_;
};

// The source's functions, called: those of one that calls functions anyhow (kCalled) are not called twice.
template <class Source>
class CalledSource {
 public:
  explicit CalledSource(Source source) : source_(source) {}
  void* alloc() const { return call_alloc(source_); }
  void free(void* p) const { call_free(source_, p); }

 private:
  // The source by value: what it knows, a size or a handle, comes as an argument.
  [[gnu::noinline]] static void* call_alloc(Source source) { return source.alloc(); }
  [[gnu::noinline]] static void call_free(Source source, void* p) { source.free(p); }

  Source source_;
};
template <class Source>
requires Source::kCalled class CalledSource<Source> : public Source {
 public:
  explicit CalledSource(Source source) : Source(source) {}
};

// Each loop does at least n operations, writes the first word of every object, and says how many it did.

template <class Source>
struct Pairs {
  [[gnu::noinline]] static std::uint64_t loop(Source source, std::uint64_t n) {
    for (std::uint64_t i = 0; i < n; ++i) {
      void* p = source.alloc();
      *static_cast<std::uint64_t*>(p) = i;
      use(p);
      source.free(p);
    }
    return n;
  }
};

template <class Source, bool kLastInFirstOut>
struct Bursts {
  [[gnu::noinline]] static std::uint64_t loop(Source source, std::uint64_t n) {
    std::array<void*, kBurst> objects;
    std::uint64_t done = 0;
    for (; done < n; done += kBurst) {
      for (void*& p : objects) {
        p = source.alloc();
        *static_cast<std::uint64_t*>(p) = done;
      }
      for (std::size_t i = 0; i < kBurst; ++i) {
        source.free(objects[kLastInFirstOut ? kBurst - 1 - i : i]);
      }
    }
    return done;
  }
};

template <class Source>
struct Bulks {
  [[gnu::noinline]] static std::uint64_t loop(Source source, std::uint64_t n) {
    std::array<void*, kBurst> objects;
    std::uint64_t done = 0;
    for (; done < n; done += kBurst) {
      source.alloc_bulk(objects.data(), kBurst);
      for (void* p : objects) *static_cast<std::uint64_t*>(p) = done;
      source.free_bulk(objects.data(), kBurst);
    }
    return done;
  }
};

// A run is kSlices slices of one of the loops; its figure is the median slice's, so that an interrupt does not count.
// A slice is tens of thousands of operations at least: what an allocator does now and then is in each.
template <class Loop, class Source>
class SmallScenario final : public Scenario {
 public:
  SmallScenario(Source source, bool quick) : source_(source), slice_cycles_(quick ? 2'000'000 : 5'000'000) {}

  void warm_up() override {
    for (std::uint64_t n = 1024;; n *= 2) {
      const std::uint64_t begin = ticks();
      Loop::loop(source_, n);
      const std::uint64_t took = std::max<std::uint64_t>(ticks() - begin, 1);
      if (took < slice_cycles_) continue;
      n_ = std::max<std::uint64_t>(n * slice_cycles_ / took, 1);
      return;
    }
  }

  Sample run() override {
    std::array<double, kSlices> slices;
    for (double& cycles : slices) {
      const std::uint64_t begin = ticks();
      const std::uint64_t done = Loop::loop(source_, n_);
      const std::uint64_t end = ticks();
      cycles = static_cast<double>(end - begin) / static_cast<double>(done);
    }
    std::sort(slices.begin(), slices.end());
    return {.cycles = slices[kSlices / 2]};
  }

 private:
  static constexpr std::size_t kSlices = 9;

  Source source_;
  std::uint64_t slice_cycles_;
  std::uint64_t n_ = 0;  // operations in a slice
};

template <class PluginApi>
std::unique_ptr<Scenario> make_plugin(const ScenarioInfo& info, const Plan& plan) {
  using Source = AnySource<PluginApi>;
  if (const char* why = PluginApi::start(plan.setup); why != nullptr) die("no plugin", why);
  return std::make_unique<SmallScenario<Pairs<Source>, Source>>(Source(info.size), plan.quick);
}

template <class Api>
std::unique_ptr<Scenario> make_small(const ScenarioInfo& info, const Plan& plan) {
  using Any = AnySource<Api>;
  using OutOfLine = AnySource<typename Api::OutOfLine>;
  using Called = CalledSource<Any>;
  using Fixed = typename Api::Fixed;
  using FixedOutOfLine = typename Api::OutOfLine::Fixed;
  using FixedCalled = CalledSource<Fixed>;
  const bool quick = plan.quick;
  switch (info.kind) {
    case Kind::kPair:
      return std::make_unique<SmallScenario<Pairs<Any>, Any>>(Any(info.size), quick);
    case Kind::kPairC:
      return std::make_unique<SmallScenario<Pairs<OutOfLine>, OutOfLine>>(OutOfLine(info.size), quick);
    case Kind::kPairCalled:
      return std::make_unique<SmallScenario<Pairs<Called>, Called>>(Called(Any(info.size)), quick);
    case Kind::kPairPlugin:
      return make_plugin<typename Api::Plugin>(info, plan);
    case Kind::kPluginCalled:
      return make_plugin<typename Api::CorePlugin>(info, plan);
    case Kind::kBurstLifo:
      return std::make_unique<SmallScenario<Bursts<Any, true>, Any>>(Any(info.size), quick);
    case Kind::kBurstFifo:
      return std::make_unique<SmallScenario<Bursts<Any, false>, Any>>(Any(info.size), quick);
    case Kind::kBulk:
      return std::make_unique<SmallScenario<Bulks<Any>, Any>>(Any(info.size), quick);
    case Kind::kHandle:
      return std::make_unique<SmallScenario<Pairs<Fixed>, Fixed>>(Fixed(info.size), quick);
    case Kind::kHandleC:
      return std::make_unique<SmallScenario<Pairs<FixedOutOfLine>, FixedOutOfLine>>(FixedOutOfLine(info.size), quick);
    case Kind::kHandleCalled:
      return std::make_unique<SmallScenario<Pairs<FixedCalled>, FixedCalled>>(FixedCalled(Fixed(info.size)), quick);
    default:
      return nullptr;
  }
}

}  // namespace bench
