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
inline constexpr std::size_t kBackMost = 128;  // ... and at most, however much of its cell is left

// Sixteen bytes of any alignment.
using Vector [[gnu::vector_size(16), gnu::may_alias, gnu::aligned(1)]] = unsigned long long;
[[gnu::always_inline]] inline Vector vector_of(unsigned char byte) {
  const unsigned long long word = ~0ull / 255 * byte;
  return Vector{word, word};
}

// Small runs without a call, the last bytes twice where that saves a step.
[[gnu::always_inline]] inline void fill(std::byte* at, std::size_t n, unsigned char byte) {
  if (n < sizeof(Vector) || n > 256) [[unlikely]] {
    std::memset(at, byte, n);
    return;
  }
  const Vector all = vector_of(byte);
  for (std::size_t i = 0; i + sizeof(Vector) < n; i += sizeof(Vector)) *reinterpret_cast<Vector*>(at + i) = all;
  *reinterpret_cast<Vector*>(at + n - sizeof(Vector)) = all;
}

// Whether all n bytes are `byte`: sixteen at a time, then fewer, the last ones twice where that saves a step.
[[gnu::always_inline]] inline bool is_intact(const void* at, std::size_t n, unsigned char byte) {
  const auto* const p = static_cast<const unsigned char*>(at);
  if (n < sizeof(Vector)) {
    unsigned damage = 0;
    for (std::size_t i = 0; i < n; ++i) damage |= p[i] ^ byte;
    return damage == 0;
  }
  const Vector expected = vector_of(byte);
  Vector damage = *reinterpret_cast<const Vector*>(p + n - sizeof(Vector)) ^ expected;
  for (std::size_t i = 0; i + sizeof(Vector) < n; i += sizeof(Vector)) {
    damage |= *reinterpret_cast<const Vector*>(p + i) ^ expected;
  }
  return (damage[0] | damage[1]) == 0;
}

// The next two look at memory that other threads may just be filling: for who looks twice, and no race detector's business.

// The first byte that is something else; n: none.
__attribute__((noinline, no_sanitize("thread"))) inline std::size_t first_damage(const void* at, std::size_t n,
                                                                                 unsigned char byte) {
  const auto* const p = static_cast<const unsigned char*>(at);
  std::size_t i = 0;
  while (i < n && p[i] == byte) ++i;
  return i;
}
// The last one, counted from the end: 1 is the last byte; 0: none.
__attribute__((noinline, no_sanitize("thread"))) inline std::size_t last_damage(const void* at, std::size_t n,
                                                                                unsigned char byte) {
  const auto* const p = static_cast<const unsigned char*>(at);
  for (std::size_t i = n; i != 0; --i) {
    if (p[i - 1] != byte) return n - i + 1;
  }
  return 0;
}

}  // namespace fastmem::core::guard
