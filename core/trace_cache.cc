// SPDX-License-Identifier: BSD-3-Clause
#include "core/trace_cache.h"

#include "platform/stack_trace.h"

namespace fastmem::core {

// What a walk from its second frame on read.
struct TraceCache::Walked {
  std::uintptr_t first;
  std::uintptr_t second;
  std::uintptr_t sp;
  std::uintptr_t fp;
  unsigned generation;
  bool repeatable = true;  // all that it read is noted here
  bool asked_fp = false;
  unsigned addresses = 0;
  unsigned pointers = 0;
  std::uintptr_t address_at[kMostTraceFrames];
  std::uintptr_t pointer_at[kMostTraceFrames];

  // Before the walk goes on.
  FrameKind note(const StackWalk& walk) {
    const FrameKind kind = FrameRules::kind(walk.rule());
    if (kind == FrameKind::kFromFp) note_pointer(walk.fp_from());
    if (kind != FrameKind::kFromFp && kind != FrameKind::kFromSp && kind != FrameKind::kOutermost) repeatable = false;
    return kind;
  }
  void note_pointer(std::uintptr_t at) {
    if (at == 0 || at < sp) {
      asked_fp = true;  // read by the frames below, or in the register: either way the walk began with it
    } else if (pointers == 0 || pointer_at[pointers - 1] != at) {
      pointer_at[pointers++] = at;
    }
  }
};

TraceId TraceCache::here(const void* frame, unsigned skip) {
  if constexpr (!kHasFrameRules) {
    void* pcs[kMostTraceFrames];
    return depot_->add({pcs, capture_stack(pcs, kMostTraceFrames, skip + 2)});
  }
  StackWalk walk(frame);
  for (; skip > 0; --skip) {
    if (!walk.next()) [[unlikely]]
      return kNoTrace;
  }
  const std::uintptr_t first = walk.pc();
  if (!walk.next()) [[unlikely]]
    return depot_->add({reinterpret_cast<void* const*>(&first), 1});
  std::uint64_t hash = (first * 3 ^ walk.pc()) + (walk.sp() >> 4);
  hash = hash * 0x9e3779b97f4a7c15 >> 32;
  Entry& entry = table_[hash % kEntries];
  const std::uint32_t version = entry.version.load(std::memory_order_acquire);
  if (version % 2 == 0 && leads_again(entry, first, walk)) [[likely]] {
    const TraceId id = entry.id.load(std::memory_order_acquire);
    if (entry.version.load(std::memory_order_relaxed) == version) return id;
  }
  return walk_slow(entry, first, walk);
}

// acquire: the version is read again after all of them; pairs with keep(). The whole span is within reach, so that words can
// be read before it is known that the walk would read them.
[[gnu::always_inline]] inline bool TraceCache::leads_again(const Entry& entry, std::uintptr_t first, StackWalk walk) {
  constexpr auto kAcquire = std::memory_order_acquire;
  const std::uintptr_t sp = walk.sp();
  const std::uintptr_t fp = entry.fp.load(kAcquire);
  if (entry.first.load(kAcquire) != first || entry.second.load(kAcquire) != walk.pc()) return false;
  if (fp != kAnyFp && fp != walk.fp() - sp) return false;
  if (entry.generation.load(kAcquire) != FrameRules::generation()) return false;
  if (std::uintptr_t{entry.span.load(kAcquire)} * sizeof(std::uintptr_t) > t_stack_reach.end - sp) return false;
  const auto word = [&](unsigned i) {
    return StackWalk::word_at(sp + std::uintptr_t{entry.at[i].load(kAcquire)} * sizeof(std::uintptr_t));
  };
  const unsigned addresses = entry.addresses.load(kAcquire);
  for (unsigned i = 0; i < addresses; ++i) {
    if (word(i) != entry.word[i].load(kAcquire)) return false;
  }
  const unsigned all = addresses + entry.pointers.load(kAcquire);
  for (unsigned i = addresses; i < all; ++i) {
    if (word(i) - sp != entry.word[i].load(kAcquire)) return false;
  }
  return true;
}

[[gnu::noinline]] TraceId TraceCache::walk_slow(Entry& entry, std::uintptr_t first, StackWalk walk) {
  Walked walked{.first = first,
                .second = walk.pc(),
                .sp = walk.sp(),
                .fp = walk.fp(),
                .generation = FrameRules::generation(),
                .address_at = {},
                .pointer_at = {}};
  void* pcs[kMostTraceFrames] = {reinterpret_cast<void*>(first), reinterpret_cast<void*>(walk.pc())};
  unsigned n = 2;
  while (n < kMostTraceFrames) {
    const FrameKind kind = walked.note(walk);
    if (!walk.next()) {
      // Only where nobody called is the end the same each time.
      if (kind != FrameKind::kOutermost) walked.repeatable = false;
      break;
    }
    walked.address_at[walked.addresses++] = walk.sp() - sizeof(std::uintptr_t);
    pcs[n++] = reinterpret_cast<void*>(walk.pc());
  }
  const TraceId id = depot_->add({pcs, n});
  if (walked.repeatable) keep(entry, id, walked);
  return id;
}

void TraceCache::keep(Entry& entry, TraceId id, const Walked& walked) {
  constexpr auto kRelease = std::memory_order_release;
  constexpr std::uintptr_t kWord = sizeof(std::uintptr_t);
  const unsigned all = walked.addresses + walked.pointers;
  const std::uintptr_t highest = walked.addresses == 0 ? walked.sp : walked.address_at[walked.addresses - 1];
  const std::uintptr_t span = (highest - walked.sp) / kWord + 1;
  if (all > kMostWords || span > UINT16_MAX) return;
  std::uint32_t version = entry.version.load(std::memory_order_relaxed);
  if (version % 2 != 0) return;
  if (!entry.version.compare_exchange_strong(version, version + 1, std::memory_order_acquire)) return;
  // release, each of them: the version is odd before any word changes, and even again after. Pairs with here().
  entry.id.store(id, kRelease);
  entry.generation.store(walked.generation, kRelease);
  entry.span.store(static_cast<std::uint16_t>(span), kRelease);
  entry.addresses.store(static_cast<std::uint8_t>(walked.addresses), kRelease);
  entry.pointers.store(static_cast<std::uint8_t>(walked.pointers), kRelease);
  entry.first.store(walked.first, kRelease);
  entry.second.store(walked.second, kRelease);
  entry.fp.store(walked.asked_fp ? walked.fp - walked.sp : kAnyFp, kRelease);
  for (unsigned i = 0; i < all; ++i) {
    const bool address = i < walked.addresses;
    const std::uintptr_t at = address ? walked.address_at[i] : walked.pointer_at[i - walked.addresses];
    const std::uintptr_t word = StackWalk::word_at(at);
    entry.at[i].store(static_cast<std::uint16_t>((at - walked.sp) / kWord), kRelease);
    entry.word[i].store(address ? word : word - walked.sp, kRelease);
  }
  entry.version.store(version + 2, kRelease);
}

}  // namespace fastmem::core
