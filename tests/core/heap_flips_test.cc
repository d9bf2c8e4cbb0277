// SPDX-License-Identifier: BSD-3-Clause
// Ten thousand bits of a heap's books turned over, one at a time: check() finds it, or it does no harm.
#include <doctest/doctest.h>

#include "tests/core/flip_trial.h"
#include "tests/support/skip.h"

namespace fastmem::core {
namespace {

void tell(const char* what, const FlipTrial::Tally& t) {
  const auto line = [&](const char* where, const auto& n) {
    MESSAGE(std::string(what), ", ", std::string(where), ": harmless ", n[FlipTrial::kHarmless], ", found ",
            n[FlipTrial::kFound], ", stopped ", n[FlipTrial::kStopped], ", fault ", n[FlipTrial::kFault], ", stuck ",
            n[FlipTrial::kStuck], ", twins ", n[FlipTrial::kTwin], ", silent ", n[FlipTrial::kSilent]);
  };
  line("cold", t.cold);
  line("hot", t.hot);
}

}  // namespace

TEST_CASE("what check() does not find does no harm") {
  FlipTrial trial(TestHeap::Setup{});
  const FlipTrial::Tally t = trial.run(10'000, FlipTrial::First::kCheck, 1);
  tell("checked first", t);
  CHECK(t.cold[FlipTrial::kSilent] + t.hot[FlipTrial::kSilent] == 0);
}

}  // namespace fastmem::core
