// SPDX-License-Identifier: BSD-3-Clause
#include "platform/stack_walk.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "platform/types.h"

namespace fastmem {

__thread StackReach t_stack_reach [[gnu::tls_model("initial-exec")]];

namespace {

constexpr std::uintptr_t kProbed = 4096;        // no page is smaller
constexpr std::uintptr_t kFarthest = 1u << 20;  // no frame is larger, or it is taken for broken

// The kernel reads the new mask before it finds that there is no such operation: EFAULT tells. Needs no descriptor, and
// is what seccomp filters let through.
bool is_readable(std::uintptr_t at) {
  constexpr long kNoSuchOperation = ~0L;
  constexpr long kMaskSize = 8;
  const int before = errno;
  syscall(SYS_rt_sigprocmask, kNoSuchOperation, at, nullptr, kMaskSize);
  const bool readable = errno != EFAULT;
  errno = before;
  return readable;
}

bool all_readable(std::uintptr_t begin, std::uintptr_t end) {
  for (std::uintptr_t page = round_down(begin, kProbed); page < end; page += kProbed) {
    if (!is_readable(page)) return false;
  }
  return true;
}

// Makes the reach contain `at`, which is on a stack. A thread that went deeper keeps what it knew; one that is on another
// stack (a signal's, a coroutine's) begins anew.
void enter(std::uintptr_t at) {
  StackReach& reach = t_stack_reach;
  const std::uintptr_t page = round_down(at, kProbed);
  if (at < reach.begin && reach.begin - at <= kFarthest && all_readable(page, reach.begin)) {
    reach.begin = page;
  } else {
    reach = {page, is_readable(page) ? page + kProbed : page};
  }
}

// Makes the reach end at `end` or above.
bool extend(std::uintptr_t end) {
  StackReach& reach = t_stack_reach;
  if (end <= reach.end) return true;
  if (end - reach.end > kFarthest) return false;
  while (reach.end < end && is_readable(reach.end)) reach.end += kProbed;
  return end <= reach.end;
}

// Two words at `at` lie on the stack and can be read.
bool is_above(std::uintptr_t sp, std::uintptr_t at) {
  constexpr std::uintptr_t kWord = sizeof(std::uintptr_t);
  return at >= sp && at - sp <= kFarthest && at % kWord == 0 && extend(at + 2 * kWord);
}

}  // namespace

void StackWalk::enter_slow(std::uintptr_t sp) { enter(sp); }

StackWalk StackWalk::next_slow(std::uintptr_t pc, std::uintptr_t sp, std::uintptr_t fp, std::uintptr_t fp_from) {
  StackWalk walk(pc, sp, fp, fp_from);
  if (!walk.follow(walk.rule())) walk.pc_ = 0;
  return walk;
}

bool StackWalk::follow(std::uint64_t rule) {
  switch (FrameRules::kind(rule)) {
    case FrameKind::kFromSp:
    case FrameKind::kFromFp:
      return leave_plain(rule);
    case FrameKind::kRealigned:
      return leave_realigned(rule);
    case FrameKind::kSignal:
      return leave_signal();
    case FrameKind::kOutermost:
      return false;
    case FrameKind::kUnread:
    case FrameKind::kUnknown:
      break;
  }
  return leave_unknown();
}

bool StackWalk::leave_plain(std::uint64_t rule) {
  const std::uintptr_t base = FrameRules::kind(rule) == FrameKind::kFromSp ? sp_ : fp_;
  const std::uintptr_t cfa = base + static_cast<std::uintptr_t>(FrameRules::cfa(rule)) * kWord;
  const auto saved = static_cast<std::uintptr_t>(FrameRules::saved_fp(rule)) * kWord;
  if (cfa <= sp_ || cfa - sp_ > kFarthest || saved > cfa - sp_ || !extend(cfa)) return false;
  arrive(cfa, saved);
  return true;
}

// Such a function's frame pointer points at its caller's.
bool StackWalk::leave_realigned(std::uint64_t rule) {
  const auto distance = static_cast<std::uintptr_t>(FrameRules::cfa(rule)) * kWord;
  if (!is_above(sp_, fp_) || fp_ - sp_ < distance) return false;
  const std::uintptr_t cfa = word_at(fp_ - distance);
  if (cfa <= sp_ || !is_above(sp_, cfa - kWord)) return false;
  read_fp(fp_);
  arrive(cfa, 0);
  return true;
}

// The stack pointer points at the kernel's ucontext_t: two words, the alternate stack of three, then the registers.
bool StackWalk::leave_signal() {
  constexpr std::uintptr_t kRegisters = 5;
  constexpr std::uintptr_t kRbp = kRegisters + 10;
  constexpr std::uintptr_t kRsp = kRegisters + 15;
  constexpr std::uintptr_t kRip = kRegisters + 16;
  if (!extend(sp_ + (kRip + 1) * kWord)) return false;
  const std::uintptr_t context = sp_;
  read_fp(context + kRbp * kWord);
  pc_ = word_at(context + kRip * kWord) + 1;
  sp_ = word_at(context + kRsp * kWord);
  if (sp_ - t_stack_reach.begin >= t_stack_reach.end - t_stack_reach.begin) enter(sp_);
  return true;
}

// What can be a frame pointer points at the caller's, further up, with the return address above it.
bool StackWalk::leave_unknown() {
  if (!is_above(sp_, fp_)) return false;
  const std::uintptr_t callers = word_at(fp_);
  if (callers != 0 && callers <= fp_) return false;
  arrive(fp_ + 2 * kWord, 2 * kWord);
  return true;
}

}  // namespace fastmem
