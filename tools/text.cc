// SPDX-License-Identifier: BSD-3-Clause
#include "tools/text.h"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace fastmem::tools {

std::string format(const char* pattern, ...) {
  char text[1024];
  va_list args;
  va_start(args, pattern);
  std::vsnprintf(text, sizeof(text), pattern, args);
  va_end(args);
  return text;
}

std::string with_commas(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

std::string human_bytes(double bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  for (; bytes >= 1024 && unit < 4; ++unit) bytes /= 1024;
  return unit == 0 ? format("%.0f B", bytes) : format("%.1f %s", bytes, units[unit]);
}

std::string human_count(std::uint64_t value) {
  if (value >= 10'000'000'000) return format("%.1f G", static_cast<double>(value) / 1e9);
  if (value >= 1'000'000) return format("%.1f M", static_cast<double>(value) / 1e6);
  return with_commas(value);
}

std::string quoted_json(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += format("\\u%04x", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

bool parse_number(const char* text, std::uint64_t low, std::uint64_t high, std::uint64_t& value) {
  if (*text < '0' || *text > '9') return false;
  char* end = nullptr;
  errno = 0;
  value = std::strtoull(text, &end, 10);
  return errno == 0 && *end == '\0' && value >= low && value <= high;
}

}  // namespace fastmem::tools
