// SPDX-License-Identifier: BSD-3-Clause
// The text of one frame: the address of the call, and where in which file that is.
#include "platform/frame_text.h"

#include <dlfcn.h>
#include <doctest/doctest.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>

#include "platform/frame_rule.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

std::string text_of(unsigned number, const void* return_address) {
  char text[1200];
  const std::size_t length = print_frame(text, sizeof(text), number, return_address);
  CHECK(length == std::strlen(text));
  return text;
}

std::string hex(std::uintptr_t n) {
  char text[32];
  std::snprintf(text, sizeof(text), "0x%" PRIxPTR, n);
  return text;
}

const char* one_above(const void* p) { return static_cast<const char*>(p) + 1; }

// What the loader tells under its lock.
std::uintptr_t bias_of(const void* p) {
  Dl_info info{};
  REQUIRE(dladdr(p, &info) != 0);
  return reinterpret_cast<std::uintptr_t>(info.dli_fbase);
}

TEST_CASE("a place in the program, in a library, and nowhere") {
  if (module_of(reinterpret_cast<std::uintptr_t>(&text_of)).end == 0) FM_SKIP("this C library tells no modules");
  const auto here = reinterpret_cast<std::uintptr_t>(&text_of);
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  CHECK(text_of(0, one_above(reinterpret_cast<void*>(here))) ==
        "#0 " + hex(here) + " in " + self + "+" + hex(here - bias_of(reinterpret_cast<void*>(here))));

  void* const there = dlsym(RTLD_DEFAULT, "qsort");
  Dl_info info{};
  REQUIRE(dladdr(there, &info) != 0);
  const auto address = reinterpret_cast<std::uintptr_t>(there);
  if (std::strstr(info.dli_fname, "libc") != nullptr) {  // not a sanitizer's
    CHECK(text_of(12, one_above(there)) ==
          "#12 " + hex(address) + " in " + info.dli_fname + "+" + hex(address - bias_of(there)));
  }

  CHECK(text_of(3, reinterpret_cast<void*>(std::uintptr_t{0x1001})) == "#3 0x1000 in ?");
}

TEST_CASE("a buffer that is too small has the beginning") {
  char text[8];
  const void* const nowhere = reinterpret_cast<void*>(std::uintptr_t{0x1001});
  CHECK(print_frame(text, sizeof(text), 3, nowhere) == 7);
  CHECK(std::string(text) == "#3 0x10");
  text[0] = 'x';
  CHECK(print_frame(text, 0, 3, nowhere) == 0);
  CHECK(text[0] == 'x');
}

}  // namespace
}  // namespace fastmem
