// SPDX-License-Identifier: BSD-3-Clause
// Traces are those of the C library's unwinder, on every kind of frame and stack; a broken stack ends them.
#include "platform/stack_trace.h"

#include <alloca.h>
#include <doctest/doctest.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unwind.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "platform/frame_rules.h"
#include "platform/stack_walk.h"
#include "tests/support/sanitizers.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

using Trace = std::vector<void*>;
constexpr unsigned kMost = 64;

// The call after it is no tail call, and the compiler knows nothing of what was done before.
void stay() { asm volatile("" ::: "memory"); }

// By the unwinder, with its word for where a signal came made what capture_stack() says.
_Unwind_Reason_Code note_frame(_Unwind_Context* context, void* trace) {
  int exact = 0;
  const auto pc = static_cast<std::uintptr_t>(_Unwind_GetIPInfo(context, &exact));
  if (pc != 0) static_cast<Trace*>(trace)->push_back(reinterpret_cast<void*>(pc + (exact != 0 ? 1 : 0)));
  return _URC_NO_REASON;
}

struct Both {
  Trace ours;
  Trace unwinders;
};
Both* g_both;

// The first of each is another place of this function.
[[gnu::noinline]] void take_both() {
  void* pcs[kMost];
  const unsigned n = capture_stack(pcs, kMost);
  g_both->ours.assign(pcs, pcs + n);
  _Unwind_Backtrace(note_frame, &g_both->unwinders);
  stay();
}

[[gnu::noinline]] void take_deeper(unsigned depth, void (*leaf)()) {
  volatile char weight[48];
  weight[0] = 1;
  if (depth == 0) {
    leaf();
  } else {
    take_deeper(depth - 1, leaf);
  }
  stay();
  static_cast<void>(weight[0]);
}

[[gnu::noinline]] void take_over_alloca(std::size_t size) {
  auto* const memory = static_cast<volatile char*>(alloca(size));
  memory[0] = 1;
  take_deeper(2, take_both);
  stay();
  static_cast<void>(memory[0]);
}

[[gnu::noinline]] void take_over_aligned() {
  alignas(128) volatile char memory[256];
  memory[0] = 1;
  take_deeper(1, take_both);
  stay();
  static_cast<void>(memory[0]);
}

template <class Taking>
Both both(Taking taking) {
  Both result;
  g_both = &result;
  taking();
  stay();
  return result;
}

void check_equal(const Both& traces) {
  REQUIRE(traces.ours.size() >= 4);
  REQUIRE(traces.ours.size() == traces.unwinders.size());
  for (std::size_t i = 1; i < traces.ours.size(); ++i) {
    CAPTURE(i);
    CHECK(traces.ours[i] == traces.unwinders[i]);
  }
}

TEST_CASE("plain frames, frames of changing size, and aligned ones") {
  check_equal(both([] { take_deeper(5, take_both); }));
  for (const std::size_t size : {16, 100, 5000}) check_equal(both([size] { take_over_alloca(size); }));
  check_equal(both(take_over_aligned));
}

TEST_CASE("the same again, by rules that are known, and after they were forgotten") {
  const auto taking = [] { take_deeper(5, take_both); };
  const Both first = both(taking);
  check_equal(first);
  check_equal(both(taking));
  FrameRules::forget_for_test();
  check_equal(both(taking));
}

TEST_CASE("through functions of the C library") {
  check_equal(both([] {
    int numbers[] = {2, 1};
    std::qsort(numbers, 2, sizeof(int), [](const void* a, const void* b) {
      if (g_both->ours.empty()) take_both();
      return *static_cast<const int*>(a) - *static_cast<const int*>(b);
    });
  }));
}

TEST_CASE("in a thread") {
  Both traces;
  std::thread([&traces] { traces = both([] { take_deeper(3, take_both); }); }).join();
  check_equal(traces);
}

TEST_CASE("in a signal handler, on the thread's stack and on another") {
  if (test::kShadowMemory) FM_SKIP("sanitizers call signal handlers through functions of their own");
  static char stack[1 << 16];
  stack_t alternate{};
  alternate.ss_sp = stack;
  alternate.ss_size = sizeof(stack);
  REQUIRE(sigaltstack(&alternate, nullptr) == 0);
  for (const int flags : {0, SA_ONSTACK}) {
    struct sigaction action {};
    action.sa_handler = [](int) { take_deeper(2, take_both); };
    action.sa_flags = flags;
    REQUIRE(sigaction(SIGUSR1, &action, nullptr) == 0);
    check_equal(both([] { take_deeper(2, [] { raise(SIGUSR1); }); }));
  }
  std::signal(SIGUSR1, SIG_DFL);
  alternate.ss_flags = SS_DISABLE;
  sigaltstack(&alternate, nullptr);
}

TEST_CASE("some of a trace: as many as asked, but for the first") {
  Trace whole(kMost);
  Trace part(3);
  unsigned n = 0;
  unsigned n_part = 0;
  for (unsigned skip = 0; skip < 2; ++skip) {
    // One line, so both calls have the same callers.
    n = capture_stack(whole.data(), kMost, 1), n_part = capture_stack(part.data(), 3, 1 + skip);
    REQUIRE(n > 4);
    REQUIRE(n_part == 3);
    for (unsigned i = 0; i < 3; ++i) CHECK(part[i] == whole[i + skip]);
  }
  CHECK(capture_stack(whole.data(), 0) == 0);
  CHECK(capture_stack(whole.data(), kMost, 1000) == 0);
}

// A stack of its own, with a page on either side that nobody may read.
class Coroutine {
 public:
  explicit Coroutine(void (*body)()) {
    memory_ = mmap(nullptr, kSize + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    auto* const stack = static_cast<char*>(memory_) + kPage;
    if (memory_ == MAP_FAILED || mprotect(stack, kSize, PROT_READ | PROT_WRITE) != 0) std::abort();
    getcontext(&inside_);
    inside_.uc_stack.ss_sp = stack;
    inside_.uc_stack.ss_size = kSize;
    inside_.uc_link = &outside_;
    makecontext(&inside_, body, 0);
    swapcontext(&outside_, &inside_);
  }
  Coroutine(const Coroutine&) = delete;
  Coroutine& operator=(const Coroutine&) = delete;
  ~Coroutine() { munmap(memory_, kSize + 2 * kPage); }

 private:
  static constexpr std::size_t kPage = 4096;
  static constexpr std::size_t kSize = 128 * 1024;
  void* memory_;
  ucontext_t inside_{};
  ucontext_t outside_{};
};

TEST_CASE("on a coroutine's stack") {
  if (test::kShadowMemory) FM_SKIP("sanitizers must be told of other stacks");
  check_equal(both([] { const Coroutine coroutine([] { take_deeper(3, take_both); }); }));
}

#if defined(__x86_64__)
struct Damage {
  std::uintptr_t return_address;
  std::uintptr_t fp;
};

// Damages its own frame while the trace is taken. The function has a frame pointer, so that the two words are there.
[[gnu::noinline]] unsigned take_damaged(const Damage& damage, void** pcs) {
  auto* const frame = static_cast<volatile std::uintptr_t*>(__builtin_frame_address(0));
  const Damage whole{frame[1], frame[0]};
  frame[0] = damage.fp;
  frame[1] = damage.return_address;
  stay();
  const unsigned n = capture_stack(pcs, kMost);
  stay();
  frame[0] = whole.fp;
  frame[1] = whole.return_address;
  return n;
}

void damage_at_random() {
  std::mt19937_64 random(7);
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const std::uintptr_t codes[] = {reinterpret_cast<std::uintptr_t>(&take_deeper),
                                  reinterpret_cast<std::uintptr_t>(&std::qsort),
                                  reinterpret_cast<std::uintptr_t>(&take_over_aligned)};
  const auto any = [&]() -> std::uintptr_t {
    switch (random() % 6) {
      case 0:
        return random() % 2;
      case 1:
        return ~std::uintptr_t{0} - random() % 64;
      case 2:
        return here + random() % (1 << 18) - (1 << 10);
      case 3:
        return (here + random() % (1 << 18)) & ~std::uintptr_t{7};
      case 4:
        return random();
      default:
        return codes[random() % std::size(codes)] + random() % 4096;
    }
  };
  for (unsigned i = 0; i < 20'000; ++i) {
    void* pcs[kMost];
    const Damage damage{any(), any()};
    const unsigned n = take_damaged(damage, pcs);
    if (n == 0 || n > kMost || (n > 1 && reinterpret_cast<std::uintptr_t>(pcs[1]) != damage.return_address)) {
      FAIL_CHECK("a trace of ", n, " frames");
      break;
    }
  }
}

TEST_CASE("a broken stack ends or bends the trace, below pages that cannot be read, too") {
  if (test::kShadowMemory) FM_SKIP("sanitizers do not like broken stacks");
  damage_at_random();
  const Coroutine coroutine(damage_at_random);
}
#endif

}  // namespace
}  // namespace fastmem
