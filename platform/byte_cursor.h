// SPDX-License-Identifier: BSD-3-Clause
// platform/byte_cursor.h -- floor 0. Reads the numbers of DWARF's tables one after another, never past their end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fastmem {

class ByteCursor {
 public:
  ByteCursor(const unsigned char* at, const unsigned char* end) : at_(at), end_(end) {}

  const unsigned char* at() const { return at_; }
  const unsigned char* end() const { return end_; }
  bool done() const { return at_ >= end_; }
  bool good() const { return good_; }  // no number was cut off by the end
  void fail() { good_ = false, at_ = end_; }

  template <class Number>
  Number take() {
    Number n{};
    if (static_cast<std::size_t>(end_ - at_) < sizeof(n)) return fail(), n;
    std::memcpy(&n, at_, sizeof(n));
    at_ += sizeof(n);
    return n;
  }

  std::uint64_t take_unsigned() {  // ULEB128
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = take<std::uint8_t>();
      if (shift < 64) value |= std::uint64_t{byte & 0x7fu} << shift;
      if ((byte & 0x80) == 0) return value;
    }
  }

  std::int64_t take_signed() {  // SLEB128
    std::uint64_t value = 0;
    for (unsigned shift = 0;;) {
      const auto byte = take<std::uint8_t>();
      if (shift < 64) value |= std::uint64_t{byte & 0x7fu} << shift;
      shift += 7;
      if ((byte & 0x80) != 0) continue;
      if ((byte & 0x40) != 0 && shift < 64) value |= ~std::uint64_t{0} << shift;
      return static_cast<std::int64_t>(value);
    }
  }

  void skip(std::uint64_t n) {
    if (static_cast<std::uint64_t>(end_ - at_) < n) return fail();
    at_ += n;
  }

  // A length and so many bytes; where they begin, the length included.
  const unsigned char* take_block() {
    const unsigned char* const begin = at_;
    skip(take_unsigned());
    return begin;
  }

 private:
  const unsigned char* at_;
  const unsigned char* end_;
  bool good_ = true;
};

}  // namespace fastmem
