// SPDX-License-Identifier: BSD-3-Clause
// core/slab.h -- floor 2 (core). One extent full of objects of one class, and the bitmap of those that are free in it.
// What:      nothing is ever written into the objects: the bitmap lies in the arena, or in the descriptor when it fits.
// Invariant: free == the number of bits set; no bit is set in a word below hint.
// Callers:   Bin, under its lock.
#pragma once

#include <bit>
#include <cstdint>

#include "core/arena.h"
#include "core/extent.h"
#include "core/size_class.h"

namespace fastmem::core {

namespace slab {

inline std::uint32_t bitmap_words(const SizeClass& c) { return (c.objects + 63) / 64; }
inline Bytes bitmap_bytes(const SizeClass& c) { return Bytes{bitmap_words(c) * sizeof(std::uint64_t)}; }
inline bool bitmap_is_inline(const SizeClass& c) { return c.objects <= 64; }

// The extent becomes a slab with every object free. false: no memory for the bitmap.
inline bool make(Extent& e, const SizeClass& c, BinId bin, Arena& arena) {
  e.bitmap = bitmap_is_inline(c) ? &e.word : static_cast<std::uint64_t*>(arena.take(bitmap_bytes(c)));
  if (e.bitmap == nullptr) return false;
  for (std::uint32_t w = 0; w < bitmap_words(c); ++w) e.bitmap[w] = ~std::uint64_t{0};
  if (c.objects % 64 != 0) e.bitmap[c.objects / 64] = (std::uint64_t{1} << (c.objects % 64)) - 1;
  e.kind.store(ExtentKind::kSlab, std::memory_order_relaxed);
  e.bin = bin;
  e.free = c.objects;
  e.hint = 0;
  return true;
}

inline void unmake(Extent& e, const SizeClass& c, Arena& arena) {
  if (!bitmap_is_inline(c)) arena.recycle(e.bitmap, bitmap_bytes(c));
  e.bitmap = nullptr;
  e.bin = kNoBin;
  e.kind.store(ExtentKind::kNone, std::memory_order_relaxed);
}

// Takes up to n objects, neighbours in ascending order, into out[0], out[-1], ...: a stack then pops them ascending.
inline std::uint32_t take(Extent& e, const SizeClass& c, std::byte* base, std::uint32_t n, void** out) {
  std::uint32_t taken = 0;
  const std::uint32_t words = bitmap_words(c);
  std::uint32_t w = e.hint;
  for (; w < words && taken < n; ++w) {
    std::uint64_t bits = e.bitmap[w];
    while (bits != 0 && taken < n) {
      const std::size_t index = w * 64 + static_cast<std::size_t>(std::countr_zero(bits));
      *out-- = base + index * c.size;
      bits &= bits - 1;
      ++taken;
    }
    e.bitmap[w] = bits;
    if (bits != 0) break;
  }
  e.hint = w;
  e.free -= taken;
  return taken;
}

enum class Put : std::uint8_t { kDone, kWasFree, kInsideObject };

// Marks the object at this offset of the slab free.
inline Put put(Extent& e, const SizeClass& c, std::size_t offset) {
  const std::size_t index = offset * c.reciprocal >> kReciprocalShift;
  if (index * c.size != offset || index >= c.objects) return Put::kInsideObject;
  std::uint64_t& word = e.bitmap[index / 64];
  const std::uint64_t bit = std::uint64_t{1} << (index % 64);
  if ((word & bit) != 0) return Put::kWasFree;
  word |= bit;
  if (index / 64 < e.hint) e.hint = static_cast<std::uint32_t>(index / 64);
  ++e.free;
  return Put::kDone;
}

}  // namespace slab

}  // namespace fastmem::core
