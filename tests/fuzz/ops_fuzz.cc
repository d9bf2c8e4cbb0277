// SPDX-License-Identifier: BSD-3-Clause
// Operations on a heap as libFuzzer finds them, against the model that the random test uses. The first byte says which
// heap, and whether it is checked and misused: then each misuse must be named. FASTMEM_FUZZ_TRACE=1 with a failing input prints what was done.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "tests/support/model.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using fastmem::test::ModelConfig;
  static const bool trace = std::getenv("FASTMEM_FUZZ_TRACE") != nullptr;
  if (size == 0) return 0;
  const unsigned choice = data[0];
  ModelConfig config;
  config.profile = choice % 2 == 0 ? fastmem::core::Profile::kFine : fastmem::core::Profile::kRfc;
  config.nodes = choice / 2 % 2 == 0 ? 1 : 4;
  config.default_align = choice / 4 % 2 == 0 ? 16 : 64;
  if (choice / 8 % 2 != 0) {
    config.checks.level = fastmem::core::CheckLevel::kFull;
    config.misuses = choice / 16 % 2 != 0;
  }
  config.check_every = 1;
  config.trace = trace;
  fastmem::test::run_model(config, std::span(data, size).subspan(1));
  return 0;
}
