// SPDX-License-Identifier: BSD-3-Clause
#include "platform/text_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace fastmem {
namespace {

int open_for_reading(const char* path) {
  if (path[0] == '\0') return -1;
  return open(path, O_RDONLY | O_CLOEXEC);
}

ssize_t read_some(int fd, char* to, std::size_t capacity) {
  ssize_t got;
  do {
    got = read(fd, to, capacity);
  } while (got < 0 && errno == EINTR);
  return got;
}

}  // namespace

FilePath::FilePath(const char* format, ...) {
  std::va_list args;
  va_start(args, format);
  const int length = std::vsnprintf(text_, sizeof(text_), format, args);
  va_end(args);
  if (length < 0 || static_cast<std::size_t>(length) >= sizeof(text_)) text_[0] = '\0';
}

bool read_text(const FilePath& path, char* text, std::size_t capacity) {
  text[0] = '\0';
  const int fd = open_for_reading(path.c_str());
  if (fd < 0) return false;
  std::size_t length = 0;
  ssize_t got = 0;
  while (length + 1 < capacity && (got = read_some(fd, text + length, capacity - 1 - length)) > 0) {
    length += static_cast<std::size_t>(got);
  }
  close(fd);
  text[length] = '\0';
  return got >= 0;
}

std::optional<std::uint64_t> read_number(const FilePath& path) {
  char text[64];
  if (!read_text(path, text, sizeof(text))) return std::nullopt;
  if (std::strncmp(text, "max", 3) == 0) return std::numeric_limits<std::uint64_t>::max();
  char* end = nullptr;
  const std::uint64_t number = std::strtoull(text, &end, 10);
  if (end == text) return std::nullopt;
  return number;
}

LineReader::LineReader(const FilePath& path) : fd_(open_for_reading(path.c_str())) {}

LineReader::~LineReader() {
  if (fd_ >= 0) close(fd_);
}

const char* LineReader::next() {
  std::size_t length = 0;
  int c = get();
  if (c < 0) return nullptr;
  for (; c >= 0 && c != '\n'; c = get()) {
    if (length < kLongest) line_[length++] = static_cast<char>(c);
  }
  line_[length] = '\0';
  return line_;
}

int LineReader::get() {
  if (at_ == filled_) {
    const ssize_t got = fd_ < 0 ? 0 : read_some(fd_, buffer_, sizeof(buffer_));
    if (got <= 0) return -1;
    at_ = 0;
    filled_ = static_cast<std::size_t>(got);
  }
  return static_cast<unsigned char>(buffer_[at_++]);
}

}  // namespace fastmem
