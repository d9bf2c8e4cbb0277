// SPDX-License-Identifier: BSD-3-Clause
// tools/recorder/text.h -- Q: how is a sentence or a path put together inside malloc? In a fixed buffer; what does not
// fit is cut.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastmem::recorder {

class Text {
 public:
  Text(char* buffer, std::size_t bytes) : next_(buffer), last_(buffer + bytes - 1) { *next_ = '\0'; }

  Text& add(char c) {
    if (next_ < last_) *next_++ = c;
    *next_ = '\0';
    return *this;
  }
  Text& add(const char* text) {
    while (*text != '\0') add(*text++);
    return *this;
  }
  Text& add(std::uint64_t value) {
    if (value >= 10) add(value / 10);
    return add(static_cast<char>('0' + value % 10));
  }

 private:
  char* next_;
  char* last_;
};

}  // namespace fastmem::recorder
