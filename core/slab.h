// SPDX-License-Identifier: BSD-3-Clause
// core/slab.h -- floor 2 (core). One extent full of objects of one class, and the bitmap of those that are free in it.
// What:      nothing is ever written into the objects: the bitmap lies in the arena, or in the descriptor when it fits.
//            A word of it is written when its objects are first wanted, so a slab of any size is born at once.
// Invariant: free == the number of bits set, all of those from word `fresh` on; no bit is set in a word below hint.
// Callers:   Bin, under its lock.
#pragma once

#include <bit>
#include <cstdint>

#include "core/arena.h"
#include "core/extent.h"
#include "core/object_record.h"
#include "core/random.h"
#include "core/size_class.h"

namespace fastmem::core {

namespace slab {

inline std::uint32_t bitmap_words(const SizeClass& c) { return (c.objects + 63) / 64; }
inline Bytes bitmap_bytes(const SizeClass& c) { return Bytes{bitmap_words(c) * sizeof(std::uint64_t)}; }
inline bool bitmap_is_inline(const SizeClass& c) { return c.objects <= 64; }

// A word whose objects are all free.
inline std::uint64_t full_word(const SizeClass& c, std::uint32_t w) {
  const bool cut = w == c.objects / 64;  // the last one, unless the objects fill it
  return cut ? (std::uint64_t{1} << (c.objects % 64)) - 1 : ~std::uint64_t{0};
}
inline std::uint64_t word_of(const Extent& e, const SizeClass& c, std::uint32_t w) {
  return w < e.fresh ? e.bitmap[w] : full_word(c, w);
}

// The extent becomes a slab with every object free. false: no memory for the bitmap.
inline bool make(Extent& e, const SizeClass& c, BinId bin, Arena& arena) {
  e.bitmap = bitmap_is_inline(c) ? &e.word : static_cast<std::uint64_t*>(arena.take(bitmap_bytes(c)));
  if (e.bitmap == nullptr) return false;
  e.kind.store(ExtentKind::kSlab, std::memory_order_relaxed);
  e.bin = bin;
  e.free = c.objects;
  e.hint = 0;
  e.fresh = 0;
  e.guard = GuardKind::kNone;
  e.records.store(0, std::memory_order_relaxed);
  return true;
}

inline void unmake(Extent& e, const SizeClass& c, Arena& arena) {
  if (!bitmap_is_inline(c)) arena.recycle(e.bitmap, bitmap_bytes(c));
  if (const std::uint32_t records = e.records.exchange(0, std::memory_order_relaxed); records != 0) {
    arena.recycle(arena.piece(records), Bytes{c.objects * sizeof(ObjectRecord)});
  }
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
    std::uint64_t bits = word_of(e, c, w);
    while (bits != 0 && taken < n) {
      const std::size_t index = w * 64 + static_cast<std::size_t>(std::countr_zero(bits));
      *out-- = base + index * c.size;
      bits &= bits - 1;
      ++taken;
    }
    e.bitmap[w] = bits;
    if (w >= e.fresh) e.fresh = w + 1;
    if (bits != 0) break;
  }
  e.hint = w;
  e.free -= taken;
  return taken;
}

// Takes up to n objects, each any of those that are free, and as likely as another but for what lies next to it.
inline std::uint32_t take_any(Extent& e, const SizeClass& c, std::byte* base, std::uint32_t n, void** out,
                              Random& random) {
  const std::uint32_t words = bitmap_words(c);
  for (; e.fresh < words; ++e.fresh) e.bitmap[e.fresh] = full_word(c, e.fresh);
  const std::uint32_t taken = n < e.free ? n : e.free;
  for (std::uint32_t k = 0; k < taken; ++k) {
    std::uint32_t w = random.below(words);
    while (e.bitmap[w] == 0) w = w + 1 < words ? w + 1 : 0;
    const unsigned turn = random.below(64);
    const auto bit =
        (static_cast<unsigned>(std::countr_zero(std::rotr(e.bitmap[w], static_cast<int>(turn)))) + turn) % 64;
    e.bitmap[w] &= ~(std::uint64_t{1} << bit);
    *out-- = base + (std::size_t{w} * 64 + bit) * c.size;
  }
  e.hint = 0;
  e.free -= taken;
  return taken;
}

// Whether the object that begins at this offset of the slab is free in it.
inline bool is_free(const Extent& e, const SizeClass& c, std::size_t offset) {
  const std::size_t index = offset * c.reciprocal >> kReciprocalShift;
  return (word_of(e, c, static_cast<std::uint32_t>(index / 64)) >> (index % 64) & 1) != 0;
}

enum class Put : std::uint8_t { kDone, kWasFree, kInsideObject };

// Marks the object at this offset of the slab free.
inline Put put(Extent& e, const SizeClass& c, std::size_t offset) {
  const std::size_t index = offset * c.reciprocal >> kReciprocalShift;
  if (index * c.size != offset || index >= c.objects) return Put::kInsideObject;
  if (index / 64 >= e.fresh) return Put::kWasFree;  // it was never handed out
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
