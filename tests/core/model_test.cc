// SPDX-License-Identifier: BSD-3-Clause
// Random sequences of all operations against the model of tests/support/model.h.
#include "tests/support/model.h"

#include <doctest/doctest.h>

#include <random>
#include <vector>

#include "tests/support/sanitizers.h"

namespace fastmem::test {
namespace {

constexpr unsigned kSeeds = kShadowMemory ? 2 : 6;
constexpr std::size_t kBytes = kShadowMemory ? 30'000 : 60'000;  // about a sixth as many operations

void run(core::Profile profile, unsigned nodes, std::size_t default_align, bool checked = false) {
  for (unsigned seed = 1; seed <= kSeeds; ++seed) {
    INFO("seed ", seed);
    std::mt19937 random(seed * 1000 + nodes);
    std::vector<std::uint8_t> bytes(kBytes);
    for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(random());
    ModelConfig config;
    config.profile = profile;
    config.nodes = nodes;
    config.default_align = default_align;
    config.check_every = 8;
    if (checked) config.checks.level = core::CheckLevel::kFull;
    config.misuses = checked;
    run_model(config, bytes);
  }
}

TEST_CASE("fine classes, one node") { run(core::Profile::kFine, 1, 16); }
TEST_CASE("fine classes, four nodes") { run(core::Profile::kFine, 4, 16); }
TEST_CASE("fine classes, aligned to cache lines") { run(core::Profile::kFine, 1, 64); }
TEST_CASE("rfc classes, one node") { run(core::Profile::kRfc, 1, 64); }
TEST_CASE("rfc classes, four nodes") { run(core::Profile::kRfc, 4, 16); }

TEST_CASE("checked in full, with misuse, one node") { run(core::Profile::kFine, 1, 16, true); }
TEST_CASE("checked in full, with misuse, two nodes") { run(core::Profile::kRfc, 2, 64, true); }

TEST_CASE("sequences of every short length") {
  for (unsigned length = 0; length < 200; ++length) {
    std::mt19937 random(length);
    std::vector<std::uint8_t> bytes(length);
    for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(random());
    run_model(ModelConfig{}, bytes);
  }
}

}  // namespace
}  // namespace fastmem::test
