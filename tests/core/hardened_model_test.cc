// SPDX-License-Identifier: BSD-3-Clause
// Random sequences of all operations on hardened heaps, against the model of tests/support/model.h.
#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/support/model.h"
#include "tests/support/sanitizers.h"

namespace fastmem::test {
namespace {

constexpr std::size_t kBytes = kShadowMemory ? 10'000 : 30'000;  // about a sixth as many operations

void run(const char* words, core::Profile profile, unsigned nodes, unsigned seeds) {
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    INFO(std::string(words), ", seed ", seed);
    std::mt19937 random(seed * 1000 + nodes);
    std::vector<std::uint8_t> bytes(kBytes);
    for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(random());
    ModelConfig config;
    config.profile = profile;
    config.nodes = nodes;
    config.check_every = 8;
    FM_CHECK(core::parse_hardening(words, config.hardening).ok());
    run_model(config, bytes);
  }
}

TEST_CASE("each option alone") {
  for (const char* const words : {"random", "zero", "guards", "delay", "encode", "arena", "sized"}) {
    run(words, core::Profile::kFine, 1, 1);
  }
}
TEST_CASE("all options, fine classes, one node") { run("all", core::Profile::kFine, 1, 3); }
TEST_CASE("all options, fine classes, four nodes") { run("all", core::Profile::kFine, 4, 3); }
TEST_CASE("all options, rfc classes, two nodes") { run("all", core::Profile::kRfc, 2, 2); }

}  // namespace
}  // namespace fastmem::test
