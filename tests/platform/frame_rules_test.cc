// SPDX-License-Identifier: BSD-3-Clause
// Rules of a module that was unloaded are not taken for those of the one that lies there now.
#include "platform/frame_rules.h"

#include <dlfcn.h>
#include <doctest/doctest.h>
#include <unwind.h>

#include <cstdint>
#include <cstdlib>
#include <set>
#include <vector>

#include "platform/stack_trace.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

using Trace = std::vector<std::uintptr_t>;

struct Both {
  Trace ours;
  Trace unwinders;
};
Both g_both;

_Unwind_Reason_Code note_frame(_Unwind_Context* context, void*) {
  g_both.unwinders.push_back(_Unwind_GetIP(context));
  return _URC_NO_REASON;
}

void take_both() {
  void* pcs[32];
  const unsigned n = capture_stack(pcs, 32);
  g_both = {};
  for (unsigned i = 0; i < n; ++i) g_both.ours.push_back(reinterpret_cast<std::uintptr_t>(pcs[i]));
  _Unwind_Backtrace(note_frame, nullptr);
}

// Where the module's function returned to.
std::uintptr_t check_through(const char* module) {
  const char* const path = std::getenv(module);
  REQUIRE(path != nullptr);
  void* const library = dlopen(path, RTLD_NOW);
  REQUIRE(library != nullptr);
  void* const symbol = dlsym(library, "call_through");
  REQUIRE(symbol != nullptr);
  const auto call = reinterpret_cast<void (*)(void (*)())>(symbol);
  // Each place in it may be one that the other library had: then it is noticed by what old rules lead to.
  for (int i = 0; i < 100; ++i) call(take_both);
  REQUIRE(g_both.ours.size() >= 4);
  REQUIRE(g_both.ours.size() <= g_both.unwinders.size());
  for (std::size_t k = 1; k < g_both.ours.size(); ++k) CHECK(g_both.ours[k] == g_both.unwinders[k]);
  dlclose(library);
  return g_both.ours[1];
}

TEST_CASE("two libraries in turns at the same addresses, with frames of different sizes") {
  std::set<std::uintptr_t> places;
  for (int i = 0; i < 6; ++i) places.insert(check_through(i % 2 == 0 ? "SMALL_FRAME" : "LARGE_FRAME"));
  if (places.size() > 1) FM_SKIP("the loader puts each library elsewhere");
}

TEST_CASE("an address has the rule that its module says, asked once or twice; no module, no rule is kept") {
  if (!kHasFrameRules) FM_SKIP("no rules on this machine");
  const auto code = reinterpret_cast<std::uintptr_t>(&take_both);
  const std::uint64_t word = FrameRules::learn(code);
  CHECK(FrameRules::find(code) == word);
  CHECK(FrameRules::kind(word) == FrameKind::kFromSp);  // nothing was pushed but the return address
  CHECK(FrameRules::cfa(word) == 1);
  CHECK(FrameRules::saved_fp(word) == 0);
  const unsigned generation = FrameRules::generation();
  FrameRules::forget_for_test();
  CHECK(FrameRules::generation() == generation + 1);
  CHECK(FrameRules::find(code) == 0);
  CHECK(FrameRules::learn(code) == word);

  CHECK(FrameRules::kind(FrameRules::learn(0x1000)) == FrameKind::kUnknown);
  CHECK(FrameRules::find(0x1000) == 0);
}

}  // namespace
}  // namespace fastmem
