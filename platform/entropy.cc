// SPDX-License-Identifier: BSD-3-Clause
#include "platform/entropy.h"

#include <sys/auxv.h>
#include <sys/random.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "platform/clock.h"

namespace fastmem {
namespace {

constexpr std::size_t kAtStart = 16;  // bytes behind AT_RANDOM

void fill_otherwise(unsigned char* out, std::size_t n) {
  const auto* const at_start = reinterpret_cast<const unsigned char*>(getauxval(AT_RANDOM));  // NOLINT: an address
  std::uint64_t mixed = monotonic_ns() ^ reinterpret_cast<std::uintptr_t>(out);
  for (std::size_t i = 0; i < n; ++i) {
    if (at_start != nullptr) mixed ^= at_start[i % kAtStart];
    mixed = (mixed ^ mixed >> 29) * 0x9e3779b97f4a7c15;
    out[i] = static_cast<unsigned char>(mixed >> 56);
  }
}

}  // namespace

void fill_random(void* out, std::size_t n) {
  auto* at = static_cast<unsigned char*>(out);
  while (n != 0) {
    const ssize_t got = getrandom(at, n, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fill_otherwise(at, n);
    at += got;
    n -= static_cast<std::size_t>(got);
  }
}

}  // namespace fastmem
