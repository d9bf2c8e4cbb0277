// SPDX-License-Identifier: BSD-3-Clause
// How closely a heap is to look, told by text.
#include "core/checks.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

namespace fastmem::core {
namespace {

TEST_CASE("levels and options") {
  CheckOptions o;
  CHECK(parse_checks("full", o).ok());
  CHECK(o.level == CheckLevel::kFull);
  CHECK(o.quarantine == kMiB);
  CHECK(o.leaks);
  CHECK(parse_checks("full,quarantine=64M,large=2G,traces=0,leaks=off", o).ok());
  CHECK(o.quarantine == kMiB * 64);
  CHECK(o.large == kGiB * 2);
  CHECK(o.traces == Bytes{});
  CHECK_FALSE(o.leaks);
  CHECK(parse_checks("full,quarantine=100k,leaks", o).ok());
  CHECK(o.quarantine == kKiB * 100);
  CHECK(o.leaks);
  CHECK(parse_checks("off", o).ok());
  CHECK(o.level == CheckLevel::kOff);
}

TEST_CASE("what nobody knows is an error that names it, and changes nothing") {
  for (const char* const text :
       {"", "fill", "full,", "full,quarantine", "full,quarantine=", "full,quarantine=1T", "full,speed=1",
        "full,quarantine=99999999999999999999G", "full,leaks=maybe", "quarantine=1M", "full;leaks"}) {
    INFO(std::string(text));
    CheckOptions o;
    o.quarantine = Bytes{7};
    const Error error = parse_checks(text, o);
    CHECK((error.code == ErrorCode::kInvalid || std::string(text) == "full,"));
    if (!error.ok()) CHECK(o.quarantine == Bytes{7});
  }
  CheckOptions o;
  CHECK(std::string(parse_checks("full,speed=1", o).text).find("\"speed=1\"") != std::string::npos);
}

TEST_CASE("without a text the environment says it, and without that nothing is checked") {
  CheckOptions o;
  setenv("FASTMEM_CHECK", "full,leaks=off", 1);
  CHECK(choose_checks(nullptr, o).ok());
  CHECK(o.level == CheckLevel::kFull);
  CHECK_FALSE(o.leaks);
  CHECK(choose_checks("off", o).ok());
  CHECK(o.level == CheckLevel::kOff);
  setenv("FASTMEM_CHECK", "sometimes", 1);
  CHECK(choose_checks(nullptr, o).code == ErrorCode::kInvalid);
  unsetenv("FASTMEM_CHECK");
  CHECK(choose_checks(nullptr, o).ok());
  CHECK(o.level == CheckLevel::kOff);
}

}  // namespace
}  // namespace fastmem::core
