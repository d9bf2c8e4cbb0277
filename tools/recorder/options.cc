// SPDX-License-Identifier: BSD-3-Clause
#include "tools/recorder/options.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "tools/recorder/text.h"

namespace fastmem::recorder {
namespace {

constexpr char kName[] = "FASTMEM_TRACE=";
constexpr char kChildName[] = "FASTMEM_CHILD=";
static_assert(sizeof(kName) == sizeof(kChildName));

char* find_variable(const char* name_with_equals) {
  const std::size_t length = std::strlen(name_with_equals);
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::strncmp(*entry, name_with_equals, length) == 0) return *entry;
  }
  return nullptr;
}

std::uint64_t number(const char* name_with_equals, std::uint64_t otherwise) {
  const char* text = find_variable(name_with_equals);
  if (text == nullptr) return otherwise;
  text += std::strlen(name_with_equals);
  std::uint64_t value = 0;
  const char* digit = text;
  for (; *digit >= '0' && *digit <= '9'; ++digit) value = value * 10 + static_cast<std::uint64_t>(*digit - '0');
  if (digit == text) return otherwise;
  switch (*digit) {
    case 'k':
    case 'K':
      return value << 10;
    case 'm':
    case 'M':
      return value << 20;
    case 'g':
    case 'G':
      return value << 30;
    default:
      return value;
  }
}

// The program may change its directory before the file grows.
void make_absolute(const char* given, char (&path)[PATH_MAX]) {
  Text text(path, sizeof(path));
  if (given[0] != '/') {
    char here[PATH_MAX];
    if (syscall(SYS_getcwd, here, sizeof(here)) > 0) text.add(here).add("/");
  }
  text.add(given);
}

}  // namespace

bool read_options(Options& options) {
  if (environ == nullptr) return false;
  char* given = find_variable(kName);
  if (given != nullptr) {
    std::memcpy(given, kChildName, sizeof(kChildName) - 1);
  } else {
    given = find_variable(kChildName);
    options.is_child = true;
  }
  if (given == nullptr || given[sizeof(kName) - 1] == '\0') return true;
  options.children = number("FASTMEM_TRACE_CHILDREN=", 1) != 0;
  options.max_bytes = number("FASTMEM_TRACE_MAX=", options.max_bytes);
  if (options.max_bytes < std::uint64_t{1} << 20) options.max_bytes = std::uint64_t{1} << 20;
  options.max_events = number("FASTMEM_TRACE_MAX_EVENTS=", options.max_events);
  make_absolute(given + sizeof(kName) - 1, options.path);
  options.wanted = options.children || !options.is_child;
  return true;
}

void trace_path(const Options& options, bool child, int pid, int attempt, char (&path)[PATH_MAX]) {
  Text text(path, sizeof(path));
  bool named = false;
  for (const char* c = options.path; *c != '\0'; ++c) {
    if (c[0] == '%' && c[1] == 'p') {
      text.add(static_cast<std::uint64_t>(pid));
      named = true;
      ++c;
    } else {
      text.add(*c);
    }
  }
  if (child && !named) text.add('.').add(static_cast<std::uint64_t>(pid));
  if (attempt > 1) text.add('.').add(static_cast<std::uint64_t>(attempt));
}

}  // namespace fastmem::recorder
