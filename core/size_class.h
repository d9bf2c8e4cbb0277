// SPDX-License-Identifier: BSD-3-Clause
// core/size_class.h -- floor 2 (core). Which sizes a heap hands out, and how a size finds its class.
// What:      two profiles, both made at compile time. fine: eight classes per doubling from 128 B to 2 KiB, so that a
//            ninth is lost to rounding at most, four above; rfc: powers of two.
// Invariant: class_of(s) is the smallest class that holds s; every class is a multiple of the largest power of two that
//            divides it and slabs are aligned to that, so an alignment is had by rounding the size up to a multiple of it
//            -> size_class_proof.cc, over every size
// Callers:   Heap's hot path through SizeTable; everything else through SizeClasses.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "platform/types.h"

namespace fastmem::core {

enum class Profile : std::uint8_t { kFine, kRfc };

inline constexpr ClassId kNoClass{0};
inline constexpr unsigned kMaxClasses = 80;  // class ids are 1 .. 79: a node's caches are one row of 80
inline constexpr std::size_t kMaxSize = kMiB.rep;
inline constexpr std::size_t kGranule = 64 * kKiB.rep;  // the page heap's unit; slabs are whole granules

// What one class is made of.
struct SizeClass {
  std::uint32_t size = 0;
  std::uint32_t objects = 0;     // per slab
  std::uint32_t granules = 0;    // per slab
  std::uint32_t align = 0;       // the largest power of two that divides size: a slab is aligned to it
  std::uint64_t reciprocal = 0;  // index of an object == offset * reciprocal >> kReciprocalShift
  std::uint16_t magazine = 0;    // objects a magazine holds
  std::uint16_t depot = 0;       // full magazines a bin keeps before it fills slabs again

  constexpr bool operator==(const SizeClass&) const = default;
};

inline constexpr unsigned kReciprocalShift = 42;

struct SizeClasses {
  unsigned count = 0;  // classes 1 .. count
  std::array<SizeClass, kMaxClasses> classes{};

  constexpr const SizeClass& operator[](ClassId id) const { return classes[id.rep]; }
};

namespace size_class_detail {

// The fewest granules that lose at most a thirty-second: a heap of a few objects of many classes stays small.
constexpr std::uint32_t least_slab(std::uint32_t size) {
  std::uint32_t n = 1;
  while (n * kGranule % size > n * kGranule / 32) ++n;
  return n;
}

// Enough for any usual burst: 32 KiB of small objects, 64 of others, up to two megabytes. What a cache may come to hold,
// not what it begins with.
constexpr std::uint16_t magazine_capacity(std::uint32_t size) {
  const std::size_t burst = std::clamp<std::size_t>(32 * kKiB.rep / size, 64, 512);
  return static_cast<std::uint16_t>(std::min(burst, 2 * kMiB.rep / size));
}

constexpr std::uint16_t depot_capacity(std::uint32_t size, std::uint16_t magazine) {
  const std::size_t n = 4 * kMiB.rep / (std::size_t{size} * magazine);
  return static_cast<std::uint16_t>(n > 64 ? 64 : n);
}

constexpr std::uint32_t slab_granules(Profile profile, std::uint32_t size) {
  return profile == Profile::kRfc ? static_cast<std::uint32_t>(2 * kMiB.rep / kGranule) : least_slab(size);
}

constexpr SizeClass make_class(std::uint32_t size, std::uint32_t slab_granules) {
  SizeClass c;
  c.size = size;
  c.granules = slab_granules;
  c.objects = static_cast<std::uint32_t>(c.granules * kGranule / size);
  c.align = size & (~size + 1);
  c.reciprocal = ((std::uint64_t{1} << kReciprocalShift) + size - 1) / size;
  c.magazine = magazine_capacity(size);
  c.depot = depot_capacity(size, c.magazine);
  return c;
}

}  // namespace size_class_detail

// Of the fine profile.
inline constexpr std::uint32_t kEighthsFrom = 128;
inline constexpr std::uint32_t kQuartersFrom = 2048;

constexpr SizeClasses make_size_classes(Profile profile) {
  SizeClasses all;
  const auto add = [&all, profile](std::uint32_t size) {
    all.classes[++all.count] = size_class_detail::make_class(size, size_class_detail::slab_granules(profile, size));
  };
  if (profile == Profile::kRfc) {
    for (std::uint32_t size = 8; size <= kMaxSize; size *= 2) add(size);
    return all;
  }
  for (std::uint32_t size = 16; size < kEighthsFrom; size += 16) add(size);
  for (std::uint32_t doubling = kEighthsFrom; doubling < kQuartersFrom; doubling *= 2) {
    for (std::uint32_t eighth = 8; eighth < 16; ++eighth) add(doubling / 8 * eighth);
  }
  for (std::uint32_t doubling = kQuartersFrom; doubling < kMaxSize; doubling *= 2) {
    for (std::uint32_t quarter = 4; quarter < 8; ++quarter) add(doubling / 4 * quarter);
  }
  add(kMaxSize);
  return all;
}

inline constexpr SizeClasses kFineClasses = make_size_classes(Profile::kFine);
inline constexpr SizeClasses kRfcClasses = make_size_classes(Profile::kRfc);
static_assert(kFineClasses.count < kMaxClasses && kRfcClasses.count == 18);

constexpr const SizeClasses& size_classes(Profile profile) {
  return profile == Profile::kFine ? kFineClasses : kRfcClasses;
}

// The same classes where memory lies in pieces that hold no large slab.
constexpr SizeClasses in_least_slabs(SizeClasses all) {
  for (unsigned i = 1; i <= all.count; ++i) {
    const std::uint32_t size = all.classes[i].size;
    all.classes[i] = size_class_detail::make_class(size, size_class_detail::least_slab(size));
  }
  return all;
}

inline constexpr unsigned kFirstEighth = 1 + kEighthsFrom / 16;  // the classes just above
inline constexpr unsigned kFirstQuarter = kFirstEighth + 8 * 4;
static_assert(kEighthsFrom << 4 == kQuartersFrom && kEighthsFrom == 1 << 7 && kQuartersFrom == 1 << 11);

// The smallest class that holds `size`, by arithmetic; kNoClass for 0 and above kMaxSize.
constexpr ClassId class_of(Profile profile, std::size_t size) {
  const std::size_t x = size - 1;
  if (x >= kMaxSize) return kNoClass;
  if (profile == Profile::kRfc) {
    return ClassId{static_cast<std::uint8_t>(x < 8 ? 1 : static_cast<unsigned>(std::bit_width(x)) - 2)};
  }
  const unsigned e = static_cast<unsigned>(std::bit_width(x | 1)) - 1;
  std::size_t id = 0;
  if (x < kEighthsFrom) {
    id = 1 + (x >> 4);
  } else if (x < kQuartersFrom) {
    id = kFirstEighth + (std::size_t{e - 7} << 3) + (x >> (e - 3)) - 8;
  } else {
    id = kFirstQuarter + (std::size_t{e - 11} << 2) + (x >> (e - 2)) - 4;
  }
  return ClassId{static_cast<std::uint8_t>(id)};
}

// The same as two small tables, with a heap's least alignment folded in: what the hot path reads. The profile costs it
// nothing, and the entry for size 0 is kNoClass, whose caches are always empty. Entries are in words of a row of
// caches.
struct SizeTable {
  static constexpr unsigned kWordsPerClass = 32 / sizeof(void*);
  static constexpr std::size_t kSmallMost = kQuartersFrom;
  static constexpr unsigned kSmallShift = 3;
  static constexpr unsigned kLargeShift = 9;  // above kSmallMost every class size is a multiple of 512
  static constexpr std::size_t kLargeEntries = (kMaxSize >> kLargeShift) + 1;

  std::uint16_t small[(kSmallMost >> kSmallShift) + 1];
  std::uint16_t large[kLargeEntries];

  [[gnu::always_inline]] unsigned words(std::size_t size) const {
    if (size <= kSmallMost) [[likely]]
      return small[(size + (1u << kSmallShift) - 1) >> kSmallShift];
    const std::size_t index = (size - 1) >> kLargeShift;
    return index + 1 < kLargeEntries ? large[index + 1] : 0;
  }
  ClassId operator()(std::size_t size) const {
    return ClassId{static_cast<std::uint8_t>(words(size) / kWordsPerClass)};
  }

  constexpr void fill(Profile profile, std::size_t least_align) {
    for (std::size_t i = 0; i < std::size(small); ++i) small[i] = entry(profile, i << kSmallShift, least_align);
    for (std::size_t i = 0; i < kLargeEntries; ++i) large[i] = entry(profile, i << kLargeShift, least_align);
  }

 private:
  static constexpr std::uint16_t entry(Profile profile, std::size_t size, std::size_t least_align) {
    return static_cast<std::uint16_t>(class_of(profile, round_up(size, least_align)).rep * kWordsPerClass);
  }
};

}  // namespace fastmem::core
