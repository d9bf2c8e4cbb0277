// SPDX-License-Identifier: BSD-3-Clause
// core/guard_bytes.h -- floor 2 (core). The bytes before and behind an object that nobody may write, and those of an
// object that was freed.
#pragma once

#include <cstddef>
#include <cstring>

namespace fastmem::core::guard {

inline constexpr unsigned char kGuardByte = 0xa5;   // before and behind
inline constexpr unsigned char kPoisonByte = 0xde;  // where an object was

inline constexpr std::size_t kFront = 16;      // bytes before an object that are looked at
inline constexpr std::size_t kBack = 16;       // at least so many behind it ...
inline constexpr std::size_t kBackMost = 256;  // ... and at most, however much of its cell is left

inline void fill(void* at, std::size_t n, unsigned char byte) { std::memset(at, byte, n); }

// Whether all n bytes are `byte`: eight at a time, overlapping at the end.
[[gnu::always_inline]] inline bool is_intact(const void* at, std::size_t n, unsigned char byte) {
  const auto* const p = static_cast<const unsigned char*>(at);
  const std::size_t word = sizeof(std::size_t);
  const std::size_t pattern = ~std::size_t{0} / 255 * byte;
  std::size_t damage = 0;
  std::size_t i = 0;
  for (; i + word <= n; i += word) {
    std::size_t have;
    std::memcpy(&have, p + i, word);
    damage |= have ^ pattern;
  }
  for (; i < n; ++i) damage |= p[i] ^ byte;
  return damage == 0;
}

// The first byte that is something else; n: none.
inline std::size_t first_damage(const void* at, std::size_t n, unsigned char byte) {
  const auto* const p = static_cast<const unsigned char*>(at);
  std::size_t i = 0;
  while (i < n && p[i] == byte) ++i;
  return i;
}
// The last one, counted from the end: 1 is the last byte; 0: none.
inline std::size_t last_damage(const void* at, std::size_t n, unsigned char byte) {
  const auto* const p = static_cast<const unsigned char*>(at);
  for (std::size_t i = n; i != 0; --i) {
    if (p[i - 1] != byte) return n - i + 1;
  }
  return 0;
}

}  // namespace fastmem::core::guard
