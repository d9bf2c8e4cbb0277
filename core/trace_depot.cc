// SPDX-License-Identifier: BSD-3-Clause
#include "core/trace_depot.h"

#include <algorithm>
#include <bit>

namespace fastmem::core {
namespace {

std::uint32_t hash_of(std::span<void* const> frames) {
  std::uint64_t h = frames.size();
  for (void* const pc : frames) {
    h = (h ^ reinterpret_cast<std::uintptr_t>(pc)) * 0x9e3779b97f4a7c15;
    h ^= h >> 32;
  }
  return static_cast<std::uint32_t>(h);
}

}  // namespace

TraceDepot::TraceDepot(void* memory, Bytes size)
    : memory_(static_cast<std::byte*>(memory)),
      size_(size.rep),
      chains_(static_cast<std::uint32_t>(std::bit_floor(size.rep / kBytesPerChain | 1))),
      used_(round_up(chains_ * sizeof(std::uint32_t), kUnit)) {}

std::atomic<std::uint32_t>& TraceDepot::chain(std::uint32_t hash) const {
  return reinterpret_cast<std::atomic<std::uint32_t>*>(memory_)[hash & (chains_ - 1)];
}

TraceId TraceDepot::add(std::span<void* const> frames) {
  if (frames.empty() || size_ < kBytesPerChain) return kNoTrace;
  frames = frames.first(std::min<std::size_t>(frames.size(), kMostTraceFrames));
  const std::uint32_t hash = hash_of(frames);
  std::uint32_t first = chain(hash).load(std::memory_order_acquire);  // pairs with the exchange below
  if (const TraceId known = find(TraceId{first}, kNoTrace, hash, frames); known != kNoTrace) return known;
  const TraceId made = make(hash, frames);
  if (made == kNoTrace) return kNoTrace;
  while (true) {
    const std::uint32_t looked_through = first;
    record(made)->next = first;
    // release: publishes the record; pairs with the loads of add().
    if (chain(hash).compare_exchange_weak(first, made.rep, std::memory_order_acq_rel)) break;
    // Another thread's may be the same; this one's room is lost then.
    const TraceId known = find(TraceId{first}, TraceId{looked_through}, hash, frames);
    if (known != kNoTrace) return known;
  }
  traces_.fetch_add(1, std::memory_order_relaxed);
  return made;
}

// In a chain from `from` on, up to `before`.
TraceId TraceDepot::find(TraceId from, TraceId before, std::uint32_t hash, std::span<void* const> frames) const {
  for (TraceId id = from; id != before && id != kNoTrace; id = TraceId{record(id)->next}) {
    Record& r = *record(id);
    if (r.hash == hash && r.count == frames.size() && std::equal(frames.begin(), frames.end(), r.frames())) return id;
  }
  return kNoTrace;
}

TraceId TraceDepot::make(std::uint32_t hash, std::span<void* const> frames) {
  const std::size_t size = round_up(sizeof(Record) + frames.size_bytes(), kUnit);
  std::size_t at = used_.load(std::memory_order_relaxed);
  do {
    if (size > size_ - std::min(at, size_)) {
      refused_.fetch_add(1, std::memory_order_relaxed);
      return kNoTrace;
    }
  } while (!used_.compare_exchange_weak(at, at + size, std::memory_order_relaxed));
  const TraceId id{static_cast<std::uint32_t>(at / kUnit)};
  Record& r = *record(id);
  r.hash = hash;
  r.count = frames.size();
  std::copy(frames.begin(), frames.end(), r.frames());
  return id;
}

std::span<void* const> TraceDepot::frames(TraceId id) const {
  const std::uint64_t at = std::uint64_t{id.rep} * kUnit;
  if (at < round_up(chains_ * sizeof(std::uint32_t), kUnit) || at + sizeof(Record) > bytes().rep) return {};
  Record& r = *record(id);
  if (r.count > kMostTraceFrames) return {};
  return {r.frames(), static_cast<std::size_t>(r.count)};
}

}  // namespace fastmem::core
