// SPDX-License-Identifier: BSD-3-Clause
// How a heap is told what it is hardened with.
#include "core/hardening.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

namespace fastmem::core {
namespace {

int count(const Hardening& h) {
  return h.random_order + h.zero_on_free + h.guard_granules + h.delayed_reuse + h.encoded_magazines + h.guarded_arena +
         h.sized_free_check;
}

TEST_CASE("each word is one option") {
  struct {
    const char* word;
    bool Hardening::*option;
  } const kAll[] = {{"random", &Hardening::random_order},      {"zero", &Hardening::zero_on_free},
                    {"guards", &Hardening::guard_granules},    {"delay", &Hardening::delayed_reuse},
                    {"encode", &Hardening::encoded_magazines}, {"arena", &Hardening::guarded_arena},
                    {"sized", &Hardening::sized_free_check}};
  for (const auto& [word, option] : kAll) {
    Hardening h;
    REQUIRE(parse_hardening(word, h).ok());
    CHECK(h.*option);
    CHECK(count(h) == 1);
  }
}

TEST_CASE("several, all and none") {
  Hardening h;
  REQUIRE(parse_hardening("zero,arena,zero", h).ok());
  CHECK((h.zero_on_free && h.guarded_arena && count(h) == 2));
  REQUIRE(parse_hardening("all", h).ok());
  CHECK(count(h) == 7);
  REQUIRE(parse_hardening("none", h).ok());
  CHECK(count(h) == 0);
  REQUIRE(parse_hardening("all,none,sized", h).ok());
  CHECK((h.sized_free_check && count(h) == 1));
}

TEST_CASE("a word that is not known is named, and nothing changes") {
  for (const char* text : {"zero,gaurds", "zero, guards", "", "zero,", ",zero", "ALL", "zero=1"}) {
    INFO(std::string(text));
    Hardening h;
    h.random_order = true;
    const Error error = parse_hardening(text, h);
    CHECK(error.code == ErrorCode::kInvalid);
    CHECK((h.random_order && count(h) == 1));
  }
  Hardening h;
  CHECK(
      std::string(parse_hardening("zero,gaurds", h).text) ==
      "hardening: \"gaurds\" is no option; there are random, zero, guards, delay, encode, arena, sized, all and none");
  const std::string longest(200, 'x');
  CHECK(std::string(parse_hardening(longest.c_str(), h).text).find('"' + longest.substr(0, 40) + '"') !=
        std::string::npos);
}

TEST_CASE("the environment is asked where the configuration says nothing") {
  Hardening h;
  unsetenv("FASTMEM_HARDEN");
  REQUIRE(choose_hardening(nullptr, h).ok());
  CHECK(count(h) == 0);
  setenv("FASTMEM_HARDEN", "zero,random", 1);
  REQUIRE(choose_hardening(nullptr, h).ok());
  CHECK((h.zero_on_free && h.random_order && count(h) == 2));
  REQUIRE(choose_hardening("none", h).ok());
  CHECK(count(h) == 0);
  REQUIRE(choose_hardening("", h).ok());
  CHECK(count(h) == 0);
  setenv("FASTMEM_HARDEN", "zeroes", 1);
  CHECK(choose_hardening(nullptr, h).code == ErrorCode::kInvalid);
  setenv("FASTMEM_HARDEN", "", 1);
  REQUIRE(choose_hardening(nullptr, h).ok());
  CHECK(count(h) == 0);
  unsetenv("FASTMEM_HARDEN");
}

}  // namespace
}  // namespace fastmem::core
