// SPDX-License-Identifier: BSD-3-Clause
#include "core/hardener.h"

#include <cstring>

#include "platform/address_space.h"
#include "platform/entropy.h"

namespace fastmem::core {
namespace {

constexpr std::size_t kEdge = kSmallPage.rep;  // of a marked guard, at either end: what an overrun meets first
constexpr unsigned kMostDenied = 16384;        // each splits a mapping in three; the kernel allows 65,530 by default

// A tag lies where addresses have zeroes; on 32 bits there is no such place.
constexpr unsigned kAddressBits = sizeof(void*) == 8 ? 48 : 32;

constexpr std::uintptr_t address_part(std::uintptr_t cell) {
  return sizeof(void*) == 8 ? cell & ((std::uint64_t{1} << kAddressBits) - 1) : cell;
}

}  // namespace

Hardener::Hardener(const Hardening& options, RegionTable* regions) : options_(options), regions_(regions) {
  if (!options.random_order && !options.encoded_magazines && !options.delayed_reuse && !options.guard_granules) return;
  fill_random(&key_, sizeof(key_));
  fill_random(&secret_, sizeof(secret_));
}

void Hardener::reset_in_child() {
  std::uint64_t other = 0;
  fill_random(&other, sizeof(other));
  streams_.store(other, std::memory_order_relaxed);
}

// ---- encoded magazines -----------------------------------------------------------------------------------------------

// Another one for each cell: equal pointers do not look alike, and cells cannot be exchanged.
std::uintptr_t Hardener::mask(void* const* cell) const {
  const auto at = reinterpret_cast<std::uintptr_t>(cell);
  return static_cast<std::uintptr_t>((secret_ ^ at) * 0x9e3779b97f4a7c15 ^ secret_);
}

std::uintptr_t Hardener::tag(std::uintptr_t object) const {
  if (kAddressBits == sizeof(void*) * 8) return 0;
  const std::uint64_t mixed = (object ^ key_.k0) * 0xbf58476d1ce4e5b9;
  return static_cast<std::uintptr_t>(mixed >> kAddressBits << kAddressBits);
}

void Hardener::seal(Magazine& m) const {
  if (!options_.encoded_magazines) return;
  for (void** cell = m.objects(); cell != m.objects() + m.count; ++cell) {
    const auto object = reinterpret_cast<std::uintptr_t>(*cell);
    *cell = reinterpret_cast<void*>(object ^ tag(address_part(object)) ^ mask(cell));
  }
}

void* Hardener::unseal(void* const* cell) const {
  if (!options_.encoded_magazines) return *cell;
  const std::uintptr_t decoded = reinterpret_cast<std::uintptr_t>(*cell) ^ mask(cell);
  const std::uintptr_t object = address_part(decoded);
  return decoded == (object ^ tag(object)) ? reinterpret_cast<void*>(object) : nullptr;
}

void Hardener::unseal(Magazine& m, BinId bin, Strays& strays) const {
  if (!options_.encoded_magazines) return;
  std::uint32_t sound = 0;
  for (std::uint32_t i = 0; i < m.count; ++i) {
    void** const cell = m.objects() + i;
    void* const object = unseal(cell);
    if (object != nullptr) {
      m.objects()[sound++] = object;
    } else {
      strays.add(cell, Stray::kCellWritten, bin, bin);
    }
  }
  m.count = sound;
}

// ---- guard granules --------------------------------------------------------------------------------------------------

bool Hardener::deny(const Extent& slab, std::byte* guard) {
  const RegionInfo& info = (*regions_)[slab.region.load(std::memory_order_relaxed)];
  const bool may = denies_.load(std::memory_order_relaxed) && info.region.page_size == kSmallPage &&
                   info.owner.load(std::memory_order_relaxed) == Owner::kBacking;
  if (!may || denied_.fetch_add(1, std::memory_order_relaxed) >= kMostDenied) {
    if (may) denied_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  if (deny_access(guard, Bytes{kGranule})) return true;
  denied_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

void Hardener::set_guard(Extent& slab, std::byte* guard) {
  slab.guard = deny(slab, guard) ? GuardKind::kDenied : GuardKind::kMarked;
  if (slab.guard == GuardKind::kMarked) mark(guard);
}

std::uint64_t Hardener::mark_of(const std::byte* guard) const {
  return siphash::of(key_, reinterpret_cast<std::uintptr_t>(guard), ~std::uint64_t{0});
}

void Hardener::mark(std::byte* guard) const {
  const std::uint64_t word = mark_of(guard);
  for (std::byte* const edge : {guard, guard + kGranule - kEdge}) {
    for (std::size_t i = 0; i < kEdge; i += sizeof(word)) std::memcpy(edge + i, &word, sizeof(word));
  }
}

void Hardener::open_guard(Extent& slab, std::byte* guard) {
  if (slab.guard != GuardKind::kDenied || !allow_access(guard, Bytes{kGranule})) return;
  denied_.fetch_sub(1, std::memory_order_relaxed);
  slab.guard = GuardKind::kMarked;
  mark(guard);
}

bool Hardener::drop_guard(Extent& slab, std::byte* guard, BinId bin, Strays& strays) {
  const GuardKind was = slab.guard;
  slab.guard = GuardKind::kNone;
  if (was == GuardKind::kDenied) {
    if (!allow_access(guard, Bytes{kGranule})) return false;
    denied_.fetch_sub(1, std::memory_order_relaxed);
    return true;
  }
  const std::uint64_t word = mark_of(guard);
  for (std::byte* const edge : {guard, guard + kGranule - kEdge}) {
    std::size_t i = 0;
    while (i < kEdge && std::memcmp(edge + i, &word, sizeof(word)) == 0) i += sizeof(word);
    if (i < kEdge) {
      const auto* const bytes = reinterpret_cast<const std::byte*>(&word);
      std::size_t b = 0;
      while (edge[i + b] == bytes[b]) ++b;
      strays.add(edge + i + b, Stray::kGuardWritten, bin, bin);
    }
    std::memset(edge, 0, kEdge);
  }
  return true;
}

}  // namespace fastmem::core
