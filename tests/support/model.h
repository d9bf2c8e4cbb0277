// SPDX-License-Identifier: BSD-3-Clause
// tests/support/model.h: operations on a heap as data, each checked against a naive model: which objects live, what is
// in them, where they may lie, when a call may fail. The random test and the fuzzer run the same bytes. What is wrong
// stops the program; run_model()'s `trace` says what was done before.
#pragma once

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/heap.h"
#include "platform/check.h"
#include "platform/log.h"
#include "platform/machine_topology.h"
#include "tests/support/fake_backing.h"

namespace fastmem::test {

// Operations and their arguments, taken from bytes; all zero once they are used up.
class OpBytes {
 public:
  explicit OpBytes(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  bool empty() const { return at_ >= bytes_.size(); }
  std::uint8_t byte() { return empty() ? 0 : bytes_[at_++]; }
  unsigned below(unsigned n) { return (byte() * 256u + byte()) % n; }
  // Mostly small, at times large, and often at an edge between two classes.
  std::size_t size() {
    const std::size_t power = std::size_t{1} << below(21);
    switch (byte() % 4) {
      case 0:
        return power;
      case 1:
        return power > 2 ? power - below(3) : power;
      case 2:
        return std::min(power + power / 4 * below(4) + below(2), core::kMaxSize);
      default:
        return 1 + below(2000);
    }
  }
  // That, or an object above the largest class.
  std::size_t any_size() {
    const std::size_t small = size();
    return byte() % 16 == 0 ? core::kMaxSize + small * (1 + below(6)) : small;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
};

struct ModelConfig {
  core::Profile profile = core::Profile::kFine;
  unsigned nodes = 1;
  std::size_t default_align = 16;
  Bytes discard_unit = kKiB * 64;  // of pages that go back inside of regions
  core::CheckOptions checks = {};
  bool misuses = false;      // operations are wrong at times, and each must be named: heaps checked in full
  unsigned check_every = 1;  // operations between two looks at the heap's own invariants
  core::Hardening hardening = {};
  bool trace = false;
};

class Model {
 public:
  explicit Model(const ModelConfig& config);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  void run(OpBytes& bytes);

 private:
  struct Object {
    std::size_t size;       // asked
    std::uint8_t pattern;   // of its bytes
    bool plain;             // may be freed by its size: no alignment was asked
    core::Handle handle{};  // that it came from; rep 0: none
    std::size_t place = 0;  // what the heap gives it
  };
  using Objects = std::map<std::byte*, Object>;

  // ---- operations ----
  void alloc(OpBytes& in);
  void alloc_with(OpBytes& in);
  void alloc_by_handle(OpBytes& in);
  void alloc_bulk(OpBytes& in);
  void free_one(OpBytes& in);
  void free_bulk(OpBytes& in);
  void free_handle_bulk(OpBytes& in);
  void realloc(OpBytes& in);
  void refuse_reserves(OpBytes& in);
  void limit(OpBytes& in);
  void reserve(OpBytes& in);
  void trim(Bytes most = kUnlimited);
  void bad_arguments(OpBytes& in);
  void misuse(OpBytes& in);
  void free_again(std::byte* p);
  void write_at_rest(std::byte* p);
  void check_statistics();
  void check_records();
  void check_addresses(OpBytes& in);

  // ---- what must hold ----
  void born(void* p, const Object& object, std::size_t align, unsigned flags, NodeId on);
  void may_fail(ErrorCode code) const;
  static void fill(std::byte* p, std::size_t place, std::uint8_t pattern);
  static void check_contents(const std::byte* p, const Object& object, std::size_t n);
  Objects::iterator pick(OpBytes& in);
  void bury(Objects::iterator it);
  void make_room();
  NodeId node(OpBytes& in) const { return in.byte() % 2 == 0 ? kAnyNode : node_at(in.below(config_.nodes)); }
  NodeId node_at(unsigned n) const { return topology_->nodes()[n].id; }
  template <class... Args>
  void say(const char* format, Args... args) const {
    if (config_.trace) std::printf(format, args...), std::fflush(stdout);
  }

  static constexpr std::size_t kWhole = 2048;
  static constexpr std::size_t kStep = 509;
  Bytes held() const { return backing_.held() - backing_.discarded(); }

  static constexpr Bytes kMostAlive = kMiB * 24;
  static constexpr Bytes kWindow = kMiB * 1024;

  ModelConfig config_;
  FakeBacking backing_;
  std::unique_ptr<SyntheticTopology> topology_;
  core::Heap* heap_ = nullptr;
  Objects live_;
  Bytes live_bytes_;  // by class size
  std::vector<core::Handle> handles_;
  bool limited_ = false;     // a limit may be in the way
  bool refusing_ = false;    // the backing may refuse
  std::uint64_t named_ = 0;  // misuses so far
  bool lost_ = false;        // some memory stays out of use for good
  std::uint8_t next_pattern_ = 1;
};

inline Model::Model(const ModelConfig& config)
    : config_(config), backing_([](Bytes unit) {
        FakeBackingOptions options;
        options.window = kWindow;
        options.discard_unit = unit;
        return options;
      }(config.discard_unit)) {
  char description[32];
  std::snprintf(description, sizeof(description), "numa:%u pu:1", config.nodes);
  auto topology = make_synthetic_topology(description);
  FM_CHECK(topology.ok());
  topology_ = std::move(*topology);
  topology_->set_current_node(node_at(0));
  core::HeapConfig heap;
  heap.backing = &backing_;
  heap.topology = topology_.get();
  heap.profile = config.profile;
  heap.default_align = config.default_align;
  heap.region_size = kMiB * 4;
  heap.hardening = config.hardening;
  heap.checks = config.checks;
  heap.checks.leaks = false;
  if (config.misuses) set_log([](LogLevel, const char*, void*) {}, nullptr);
  Result<core::Heap*> made = core::Heap::create(heap);
  FM_CHECK(made.ok());
  heap_ = *made;
}

inline Model::~Model() {
  while (!live_.empty()) {
    FM_CHECK(heap_->free(live_.begin()->first) == ErrorCode::kOk);
    bury(live_.begin());
  }
  check_statistics();
  trim();
  FM_CHECK(lost_ || backing_.regions() == 0);
  heap_->check_invariants();
  heap_->destroy();
}

inline void Model::run(OpBytes& in) {
  for (unsigned step = 1; !in.empty(); ++step) {
    const unsigned what = in.byte() % (config_.misuses ? 36 : 32);
    make_room();
    switch (what) {
      default:
        alloc(in);
        break;
      case 6:
      case 7:
      case 8:
        alloc_with(in);
        break;
      case 9:
      case 10:
        alloc_by_handle(in);
        break;
      case 11:
        alloc_bulk(in);
        break;
      case 12:
      case 13:
      case 14:
      case 15:
      case 16:
      case 17:
        free_one(in);
        break;
      case 18:
        free_bulk(in);
        break;
      case 19:
        free_handle_bulk(in);
        break;
      case 20:
      case 21:
        realloc(in);
        break;
      case 22:
        say("%s\n", "flush");
        heap_->flush();
        break;
      case 23:
        if (in.byte() % 8 == 0) trim(in.byte() % 2 == 0 ? kUnlimited : kKiB * in.below(8192));
        break;
      case 24:
        limit(in);
        break;
      case 25:
        refuse_reserves(in);
        break;
      case 26:
        bad_arguments(in);
        break;
      case 27:
        topology_->set_current_node(node_at(in.below(config_.nodes)));
        break;
      case 28:
        check_statistics();
        break;
      case 29:
        reserve(in);
        break;
      case 30:
        check_addresses(in);
        break;
      case 32:
      case 33:
      case 34:
      case 35:
        misuse(in);
        break;
      case 31:
        if (in.byte() % 16 == 0) heap_->reset_stats();
        break;
    }
    if (step % config_.check_every == 0) heap_->check_invariants();
  }
}

// ---- what must hold ----

inline void Model::born(void* given, const Object& object, std::size_t align, unsigned flags, NodeId on) {
  if (given == nullptr) return may_fail(last_error().code);
  auto* const p = static_cast<std::byte*>(given);
  const std::size_t place = heap_->usable_size(p);
  FM_CHECK(place >= object.size);
  FM_CHECK(reinterpret_cast<std::uintptr_t>(p) % (align != 0 ? align : config_.default_align) == 0 ||
           object.handle.rep != 0);
  // It overlaps no other.
  const auto after = live_.lower_bound(p);
  FM_CHECK(after == live_.end() || p + place <= after->first);
  if (after != live_.begin()) {
    const auto before = std::prev(after);
    FM_CHECK(before->first + before->second.place <= p);
  }
  if ((flags & core::kStrict) != 0 && on != kAnyNode) FM_CHECK(backing_.node_of(p) == on);
  if ((flags & core::kZero) != 0) {
    FM_CHECK(std::all_of(p, p + object.size, [](std::byte b) { return b == std::byte{0}; }));
  }
  fill(p, place, object.pattern);
  live_[p] = object;
  live_[p].place = place;
  live_bytes_ += Bytes{place};
}

// Nothing fails while memory is there: only a limit or a backing that refuses is an excuse.
inline void Model::may_fail(ErrorCode code) const {
  FM_CHECK(code == ErrorCode::kNoMemory);
  FM_CHECK(limited_ || refusing_);
}

// The first bytes of an object, and some of the others.
inline void Model::fill(std::byte* p, std::size_t place, std::uint8_t pattern) {
  std::memset(p, pattern, std::min(place, kWhole));
  for (std::size_t i = kWhole; i < place; i += kStep) p[i] = std::byte{pattern};
  p[place - 1] = std::byte{pattern};
}

inline void Model::check_contents(const std::byte* p, const Object& object, std::size_t n) {
  for (std::size_t i = 0; i < n; i += i < kWhole ? 1 : kStep) FM_CHECK(p[i] == std::byte{object.pattern});
}

inline Model::Objects::iterator Model::pick(OpBytes& in) {
  if (live_.empty()) return live_.end();
  // From a random address on: no walk along the map.
  const auto begin = reinterpret_cast<std::uintptr_t>(live_.begin()->first);
  const auto end = reinterpret_cast<std::uintptr_t>(live_.rbegin()->first);
  const std::uintptr_t at = begin + (end - begin) / 65'536 * in.below(65'536);
  return live_.lower_bound(reinterpret_cast<std::byte*>(at));
}

inline void Model::bury(Objects::iterator it) {
  live_bytes_ -= Bytes{it->second.place};
  live_.erase(it);
}

// The model's memory is bounded, so that shortage is always one that it made itself.
inline void Model::make_room() {
  while (live_bytes_ > kMostAlive) {
    const auto it = live_.begin();
    check_contents(it->first, it->second, it->second.size);
    std::byte* const p = it->first;
    bury(it);
    FM_CHECK(heap_->free(p) == ErrorCode::kOk);
  }
}

inline void run_model(const ModelConfig& config, std::span<const std::uint8_t> bytes) {
  OpBytes in(bytes);
  Model model(config);
  model.run(in);
}

}  // namespace fastmem::test

#include "tests/support/model_ops.h"
