// SPDX-License-Identifier: BSD-3-Clause
// core/random.h -- floor 2 (core). Numbers that who does not know the key cannot guess, nor the ones before from later
// ones: SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012) of a counter.
#pragma once

#include <bit>
#include <cstdint>
#include <utility>

namespace fastmem::core {

struct RandomKey {
  std::uint64_t k0;
  std::uint64_t k1;
};

namespace siphash {

struct State {
  std::uint64_t v0, v1, v2, v3;

  explicit State(const RandomKey& key)
      : v0(key.k0 ^ 0x736f6d6570736575),
        v1(key.k1 ^ 0x646f72616e646f6d),
        v2(key.k0 ^ 0x6c7967656e657261),
        v3(key.k1 ^ 0x7465646279746573) {}

  void rounds(unsigned n) {
    while (n-- != 0) {
      v0 += v1, v1 = std::rotl(v1, 13) ^ v0, v0 = std::rotl(v0, 32);
      v2 += v3, v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3, v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1, v1 = std::rotl(v1, 17) ^ v2, v2 = std::rotl(v2, 32);
    }
  }
  void take(std::uint64_t word) {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  }
};

// Of a message of two words.
inline std::uint64_t of(const RandomKey& key, std::uint64_t first, std::uint64_t second) {
  State s(key);
  s.take(first);
  s.take(second);
  s.take(std::uint64_t{16} << 56);  // the message's length in bytes
  s.v2 ^= 0xff;
  s.rounds(4);
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

}  // namespace siphash

// One of many streams of a key, each with a number of its own. Not for two threads at once.
class Random {
 public:
  Random(const RandomKey& key, std::uint64_t stream) : key_(key), stream_(stream) {}

  // From 0 to n - 1; n is 1 at least. The first ones are likelier by n / 2^32, which is nothing here.
  std::uint32_t below(std::uint32_t n) {
    if (left_ == 0) {
      word_ = siphash::of(key_, stream_, counter_++);
      left_ = 2;
    }
    --left_;
    const auto part = static_cast<std::uint32_t>(word_);
    word_ >>= 32;
    return static_cast<std::uint32_t>(std::uint64_t{part} * n >> 32);
  }

  // Every order is as likely (Fisher and Yates).
  void shuffle(void** first, std::uint32_t n) {
    for (std::uint32_t i = n; i > 1; --i) std::swap(first[i - 1], first[below(i)]);
  }

 private:
  RandomKey key_;
  std::uint64_t stream_;
  std::uint64_t counter_ = 0;
  std::uint64_t word_ = 0;
  unsigned left_ = 0;  // numbers in word_
};

}  // namespace fastmem::core
