// SPDX-License-Identifier: BSD-3-Clause
// bench/held.cc -- Q: how much memory does this process hold that an allocator may have asked for?
#include "bench/held.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string_view>

namespace bench {
namespace {

// "begin-end rwxp offset device inode   path"
std::string_view path_of(std::string_view header) {
  constexpr int kFieldsBefore = 5;
  std::size_t at = 0;
  for (int field = 0; field < kFieldsBefore && at != std::string_view::npos; ++field) {
    at = header.find(' ', at);
    at = header.find_first_not_of(' ', at);
  }
  return at == std::string_view::npos ? std::string_view{} : header.substr(at);
}

bool is_key(const std::string_view& line) { return !line.empty() && line[0] >= 'A' && line[0] <= 'Z'; }

}  // namespace

void HeldCounter::read(const char* text, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    if (text[i] == '\n') {
      end_line();
      length_ = 0;
    } else if (length_ + 1 < sizeof line_) {
      line_[length_++] = text[i];
    }
  }
}

void HeldCounter::end_line() {
  line_[length_] = '\0';
  const std::string_view line(line_, length_);
  if (!is_key(line)) {
    const std::string_view path = path_of(line);
    counts_ = path.empty() || path == "[heap]" || path.starts_with("[anon");
    return;
  }
  const bool hugetlb = line.starts_with("Private_Hugetlb:") || line.starts_with("Shared_Hugetlb:");
  if (hugetlb || (counts_ && line.starts_with("Anonymous:"))) {
    kib_ += std::strtoull(line_ + line.find(':') + 1, nullptr, 10);
  }
}

std::uint64_t held_bytes() {
  const int file = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  HeldCounter counter;
  char text[4096];
  for (ssize_t n; (n = read(file, text, sizeof text)) > 0;) counter.read(text, static_cast<std::size_t>(n));
  close(file);
  return counter.kib() * 1024;
}

}  // namespace bench
