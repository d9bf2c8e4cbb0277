// SPDX-License-Identifier: BSD-3-Clause
#include "tools/replay/player.h"

#include <pthread.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <numeric>

#include "tools/replay/clock.h"
#include "tools/replay/schedule.h"
#include "tools/text.h"

namespace fastmem::tools {
namespace {

constexpr std::size_t kWriteAll = 512;
constexpr std::size_t kLine = 64;
constexpr std::size_t kWriteLines = std::size_t{64} << 10;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kStackBytes = std::size_t{256} << 10;
constexpr std::uint32_t kBatch = 256;        // operations between two looks at the thread's CPU time
constexpr std::uint64_t kLongCall = 20'000;  // cycles: long enough to have been interrupted

// Writes bytes [from, to) of an object as its program would.
void touch(void* ptr, std::size_t from, std::size_t to) {
  auto* const bytes = static_cast<unsigned char*>(ptr);
  if (to - from <= kWriteAll) {
    std::memset(bytes + from, 0x5a, to - from);
    return;
  }
  const std::size_t step = to <= kWriteLines ? kLine : kPage;
  for (std::size_t at = from; at < to; at += step) bytes[at] = 0x5a;
  bytes[to - 1] = 0x5a;
}

std::uint64_t mark_of(const PlannedOp& op) { return 0x9e3779b97f4a7c15u * (op.object + 1u); }

void mark(void* ptr, std::size_t size, const PlannedOp& op) {
  const std::uint64_t value = mark_of(op);
  if (size >= sizeof(value)) std::memcpy(ptr, &value, sizeof(value));
}

bool marked(const ObjectState& object, const PlannedOp& op) {
  const std::uint64_t value = mark_of(op);
  return object.size < sizeof(value) || std::memcmp(object.ptr, &value, sizeof(value)) == 0;
}

class Player {
 public:
  Player(const Plan& plan, const Allocator& allocator, std::uint64_t limit)
      : plan_(plan), ours_(allocator), limit_(limit), schedule_(plan), objects_(plan.objects) {}

  PlayResult run();

 private:
  // What one thread found out; a line of its own each.
  struct alignas(64) Tally {
    Player* player = nullptr;
    const ThreadPlan* plan = nullptr;
    pthread_t thread{};
    std::uint64_t allocs = 0;
    std::uint64_t frees = 0;
    double alloc_cycles = 0;
    double free_cycles = 0;
    std::uint64_t large_objects = 0;
    std::uint64_t large_bytes = 0;
    // In this batch:
    std::uint64_t batch_alloc = 0;
    std::uint64_t batch_free = 0;
    std::uint64_t long_alloc = 0;  // in calls of more than kLongCall
    std::uint64_t long_free = 0;
    std::uint64_t wall_start = 0;
    std::uint64_t cpu_start = 0;
  };

  void play_thread(Tally& tally);
  void play_op(const PlannedOp& op, Tally& tally);
  void allocate(const PlannedOp& op, ObjectState& object, Tally& tally);
  void reallocate(const PlannedOp& op, ObjectState& object, Tally& tally);
  void release(ObjectState& object, Tally& tally);
  void start_batch(Tally& tally) const;
  void end_batch(Tally& tally) const;
  void count(std::uint64_t cycles, std::uint64_t& all, std::uint64_t& in_long_calls) const;
  bool is_large(std::uint64_t size) const { return size > limit_; }
  void fail(const std::string& error);

  const Plan& plan_;
  const Allocator ours_;
  const std::uint64_t limit_;
  Schedule schedule_;
  MappedVector<ObjectState> objects_;
  std::mutex error_mutex_;
  char error_[256] = {};
};

PlayResult Player::run() {
  MappedVector<Tally> tallies(plan_.threads.size());
  MappedVector<std::uint32_t> order(plan_.threads.size());  // of starting
  std::iota(order.begin(), order.end(), 0u);
  std::erase_if(order, [&](std::uint32_t t) { return plan_.threads[t].segments.empty(); });
  const auto first_epoch = [&](std::uint32_t t) { return plan_.threads[t].segments.front().epoch; };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return first_epoch(a) < first_epoch(b); });
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  calibrate_clock();
  settle_memory();

  const MemoryUse before = memory_use();
  const double cpu_before = process_cpu_seconds();
  const double start = wall_seconds();
  if (ours_.start != nullptr) ours_.start();
  const double ready = wall_seconds();
  std::size_t started = 0;
  for (const std::uint32_t t : order) {
    schedule_.wait_for(first_epoch(t));
    tallies[t].player = this;
    tallies[t].plan = &plan_.threads[t];
    const auto body = [](void* tally) -> void* {
      static_cast<Tally*>(tally)->player->play_thread(*static_cast<Tally*>(tally));
      return nullptr;
    };
    if (pthread_create(&tallies[t].thread, &attributes, body, &tallies[t]) != 0) {
      fail("the system refuses another thread");
      break;
    }
    ++started;
  }
  for (std::size_t i = 0; i < started; ++i) pthread_join(tallies[order[i]].thread, nullptr);
  PlayResult result;
  result.start_seconds = ours_.start == nullptr ? 0 : ready - start;
  result.seconds = wall_seconds() - start;
  result.cpu_seconds = process_cpu_seconds() - cpu_before;
  const MemoryUse after = memory_use();
  pthread_attr_destroy(&attributes);

  const auto above = [](std::uint64_t value, std::uint64_t base) { return value > base ? value - base : 0; };
  const std::uint64_t hugetlb = std::max(schedule_.most_hugetlb(), after.hugetlb);
  result.peak_rss = above(after.peak_resident + hugetlb, before.resident);
  result.rss_at_peak = above(schedule_.at_peak().resident, before.resident);
  for (const Tally& tally : tallies) {
    result.allocs += tally.allocs;
    result.ops += tally.allocs + tally.frees;
    result.alloc_cycles += tally.alloc_cycles;
    result.free_cycles += tally.free_cycles;
    result.large_objects += tally.large_objects;
    result.large_bytes += tally.large_bytes;
  }
  result.error = error_;
  return result;
}

void Player::play_thread(Tally& tally) {
  for (const Segment& segment : tally.plan->segments) {
    schedule_.wait_for(segment.epoch);
    for (std::uint32_t at = segment.first; at < segment.end;) {
      const std::uint32_t end = std::min(at + kBatch, segment.end);
      start_batch(tally);
      for (; at < end; ++at) play_op(tally.plan->ops[at], tally);
      end_batch(tally);
    }
    schedule_.leave(segment.epoch);
  }
}

void Player::play_op(const PlannedOp& op, Tally& tally) {
  ObjectState& object = objects_[op.object];
  if (object.turn.load(std::memory_order_acquire) != op.turn) [[unlikely]] {
    wait_until([&] { return schedule_.stopped() || object.turn.load(std::memory_order_acquire) == op.turn; });
  }
  if (schedule_.stopped()) [[unlikely]]
    return;
  const auto kind = static_cast<OpKind>(op.kind);
  if (kind == OpKind::kFree || kind == OpKind::kRealloc) {
    if (!marked(object, op)) fail(format("an object of %zu bytes lost its contents", std::size_t{object.size}));
  }
  switch (kind) {
    case OpKind::kFree:
      release(object, tally);
      break;
    case OpKind::kRealloc:
      reallocate(op, object, tally);
      break;
    default:
      allocate(op, object, tally);
  }
  object.turn.store(op.turn + 1, std::memory_order_release);
}

void Player::allocate(const PlannedOp& op, ObjectState& object, Tally& tally) {
  const auto kind = static_cast<OpKind>(op.kind);
  const std::size_t alignment = std::size_t{1} << op.align_log2;
  const std::size_t size = std::max<std::size_t>(op.size, is_large(alignment) ? sizeof(std::uint64_t) : 1);
  const bool large = is_large(size) || is_large(alignment);
  const Allocator& a = large ? system_allocator() : ours_;
  const std::uint64_t start = ticks();
  void* const ptr = kind == OpKind::kAligned  ? a.aligned(alignment, size)
                    : kind == OpKind::kCalloc ? a.calloc(size)
                                              : a.alloc(size);
  const std::uint64_t cycles = ticks() - start;
  if (ptr == nullptr) return fail(format("no memory for an object of %zu bytes", size));
  if (large) {
    ++tally.large_objects;
    tally.large_bytes += size;
  } else {
    ++tally.allocs;
    count(cycles, tally.batch_alloc, tally.long_alloc);
  }
  if (kind == OpKind::kCalloc && static_cast<unsigned char*>(ptr)[size - 1] != 0) return fail("calloc without zeros");
  touch(ptr, 0, size);
  mark(ptr, size, op);
  // Which of the two has it is read from the size; an alignment above the limit counts as a size above it.
  object.ptr = ptr;
  object.size = large ? std::max<std::uint64_t>(size, limit_ + 1) : size;
}

// Over fastmem's limit and back the contents move by hand, on every side.
void Player::reallocate(const PlannedOp& op, ObjectState& object, Tally& tally) {
  const std::size_t size = std::max<std::size_t>(op.size, 1);
  const std::size_t old_size = object.size;
  const bool was_large = is_large(old_size);
  const bool large = is_large(size);
  const Allocator& to = large ? system_allocator() : ours_;
  const Allocator& from = was_large ? system_allocator() : ours_;
  const std::uint64_t start = ticks();
  void* ptr = nullptr;
  if (large == was_large) {
    ptr = to.realloc(object.ptr, size);
  } else {
    ptr = to.alloc(size);
    if (ptr != nullptr) std::memcpy(ptr, object.ptr, std::min(size, old_size));
    if (ptr != nullptr) from.free(object.ptr);
  }
  const std::uint64_t cycles = ticks() - start;
  if (ptr == nullptr) return fail(format("no memory for an object of %zu bytes", size));
  if (large) {
    ++tally.large_objects;
    tally.large_bytes += size;
  } else {
    ++tally.allocs;
    count(cycles, tally.batch_alloc, tally.long_alloc);
  }
  object.ptr = ptr;
  object.size = size;
  if (!marked(object, op) && old_size >= sizeof(std::uint64_t)) return fail("realloc lost an object's contents");
  if (size > old_size) touch(ptr, old_size, size);
  mark(ptr, size, op);
}

void Player::release(ObjectState& object, Tally& tally) {
  const bool large = is_large(object.size);
  const Allocator& a = large ? system_allocator() : ours_;
  const std::uint64_t start = ticks();
  a.free(object.ptr);
  const std::uint64_t cycles = ticks() - start;
  object.ptr = nullptr;
  if (large) return;
  ++tally.frees;
  count(cycles, tally.batch_free, tally.long_free);
}

void Player::count(std::uint64_t cycles, std::uint64_t& all, std::uint64_t& in_long_calls) const {
  cycles -= std::min(cycles, tick_cost());
  all += cycles;
  if (cycles > kLongCall) in_long_calls += cycles;
}

void Player::start_batch(Tally& tally) const {
  tally.batch_alloc = tally.batch_free = tally.long_alloc = tally.long_free = 0;
  tally.wall_start = ticks();
  tally.cpu_start = thread_cpu_nanoseconds();
}

// What the thread spent off the CPU in this batch it spent in its long calls, as far as there were any.
void Player::end_batch(Tally& tally) const {
  auto alloc = static_cast<double>(tally.batch_alloc);
  auto free = static_cast<double>(tally.batch_free);
  const auto in_long_calls = static_cast<double>(tally.long_alloc + tally.long_free);
  if (in_long_calls > 0) {
    const double cpu = static_cast<double>(thread_cpu_nanoseconds() - tally.cpu_start) * ticks_per_nanosecond();
    const double away = std::clamp(static_cast<double>(ticks() - tally.wall_start) - cpu, 0.0, in_long_calls);
    alloc -= away * static_cast<double>(tally.long_alloc) / in_long_calls;
    free -= away * static_cast<double>(tally.long_free) / in_long_calls;
  }
  tally.alloc_cycles += alloc;
  tally.free_cycles += free;
}

void Player::fail(const std::string& error) {
  const std::lock_guard<std::mutex> lock(error_mutex_);
  if (error_[0] == '\0') std::snprintf(error_, sizeof(error_), "%s", error.c_str());
  schedule_.stop();
}

}  // namespace

PlayResult play(const Plan& plan, const Allocator& allocator, std::uint64_t limit) {
  Player player(plan, allocator, limit);
  return player.run();
}

}  // namespace fastmem::tools
