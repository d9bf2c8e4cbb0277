// SPDX-License-Identifier: BSD-3-Clause
// platform/text_file.h -- floor 0. The small files of /proc and /sys, read without allocating. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace fastmem {

// A path put together as printf does; one that does not fit names nothing.
class FilePath {
 public:
  [[gnu::format(printf, 2, 3)]] explicit FilePath(const char* format, ...);
  const char* c_str() const { return text_; }

 private:
  char text_[512];
};

// The beginning of the file, always terminated; false when it cannot be read.
bool read_text(const FilePath& path, char* text, std::size_t capacity);

// A file that holds one decimal number, or "max" (the largest number).
std::optional<std::uint64_t> read_number(const FilePath& path);

// One line after another. What a line has beyond kLongest characters is dropped.
class LineReader {
 public:
  explicit LineReader(const FilePath& path);
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  ~LineReader();

  // The next line without its newline, valid until the next call; nullptr at the end.
  const char* next();

 private:
  static constexpr std::size_t kLongest = 2047;

  int get();

  int fd_;
  std::size_t at_ = 0;
  std::size_t filled_ = 0;
  char buffer_[4096];
  char line_[kLongest + 1];
};

}  // namespace fastmem
