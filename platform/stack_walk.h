// SPDX-License-Identifier: BSD-3-Clause
// platform/stack_walk.h -- floor 0. From frame to frame along the calling thread's own stack. Allocates nothing, takes no
// lock, may run in a signal handler. Every word that it reads lies where this thread is known to be able to read, so a
// broken stack ends the walk, or bends it, and no more.
//
// On x86-64 a frame's caller is found by a rule that the unwinder's tables gave once (platform/frame_rules.h); where they
// have none, by the frame pointer, if that can be one. Other machines do not walk: platform/stack_trace.h.
#pragma once

#include <cstdint>
#include <cstring>

#include "platform/frame_rules.h"

namespace fastmem {

// Around the calling thread's stack pointer: every byte of [begin, end) was readable when it was last tried.
struct StackReach {
  std::uintptr_t begin;
  std::uintptr_t end;
};
extern __thread StackReach t_stack_reach [[gnu::tls_model("initial-exec")]];

class StackWalk {
 public:
  // Begins at the call of the function whose __builtin_frame_address(0) this is.
  [[gnu::always_inline]] explicit StackWalk(const void* frame) {
    const auto* const words = static_cast<const std::uintptr_t*>(frame);
    fp_ = words[0];
    pc_ = words[1];
    sp_ = reinterpret_cast<std::uintptr_t>(words + 2);
    if (sp_ - t_stack_reach.begin >= t_stack_reach.end - t_stack_reach.begin) [[unlikely]]
      enter_slow(sp_);
  }

  // A return address: one above a place in the call. Of a frame that a signal interrupted, one above where it was.
  // 0: the walk has ended.
  std::uintptr_t pc() const { return pc_; }
  std::uintptr_t sp() const { return sp_; }
  std::uintptr_t fp() const { return fp_; }

  // On to the caller. false: there is none, or it cannot be told; the walk has ended.
  [[gnu::always_inline]] bool next() {
    const std::uint64_t rule = FrameRules::find(pc_ - 1);
    std::uintptr_t cfa;
    if (FrameRules::kind(rule) == FrameKind::kFromSp) [[likely]] {
      cfa = sp_;
    } else if (FrameRules::kind(rule) == FrameKind::kFromFp) {
      cfa = fp_;
    } else {
      return leave_slow();
    }
    cfa += static_cast<std::uintptr_t>(FrameRules::cfa(rule)) * kWord;
    const auto saved = static_cast<std::uintptr_t>(FrameRules::saved_fp(rule)) * kWord;
    // The first is one comparison for sp < cfa <= end.
    if (cfa - sp_ - 1 >= t_stack_reach.end - sp_ || saved > cfa - sp_) [[unlikely]]
      return leave_slow();
    arrive(cfa, saved);
    return pc_ != 0;
  }

  // The rule that next() will follow.
  std::uint64_t rule() const {
    const std::uint64_t rule = FrameRules::find(pc_ - 1);
    return rule != 0 ? rule : FrameRules::learn(pc_ - 1);
  }
  // Where the frame pointer was read; 0: it is the one that the walk began with.
  std::uintptr_t fp_from() const { return fp_from_; }

  // As the processor reads it: sanitizers take a word between a frame's objects for one that nobody may read.
  [[gnu::always_inline]] static std::uintptr_t word_at(std::uintptr_t at) {
    std::uintptr_t word;
#if defined(__x86_64__)
    asm volatile("movq %1, %0" : "=r"(word) : "m"(*reinterpret_cast<const std::uintptr_t*>(at)));
#else
    std::memcpy(&word, reinterpret_cast<const void*>(at), sizeof(word));
#endif
    return word;
  }

 private:
  static constexpr std::uintptr_t kWord = sizeof(std::uintptr_t);

  StackWalk(std::uintptr_t pc, std::uintptr_t sp, std::uintptr_t fp, std::uintptr_t fp_from)
      : pc_(pc), sp_(sp), fp_(fp), fp_from_(fp_from) {}

  // Where the return address lies below the CFA, and the frame pointer, if it was saved, further below.
  [[gnu::always_inline]] void arrive(std::uintptr_t cfa, std::uintptr_t saved) {
    if (saved != 0) read_fp(cfa - saved);
    pc_ = word_at(cfa - kWord);
    sp_ = cfa;
  }
  [[gnu::always_inline]] void read_fp(std::uintptr_t at) {
    fp_from_ = at;
    fp_ = word_at(at);
  }

  // Values go and a value comes back, so that a walk stays in registers.
  [[gnu::always_inline]] bool leave_slow() {
    *this = next_slow(pc_, sp_, fp_, fp_from_);
    return pc_ != 0;
  }
  static StackWalk next_slow(std::uintptr_t pc, std::uintptr_t sp, std::uintptr_t fp, std::uintptr_t fp_from);
  static void enter_slow(std::uintptr_t sp);

  bool follow(std::uint64_t rule);
  bool leave_plain(std::uint64_t rule);
  bool leave_realigned(std::uint64_t rule);
  bool leave_signal();
  bool leave_unknown();

  std::uintptr_t pc_;
  std::uintptr_t sp_;
  std::uintptr_t fp_;
  std::uintptr_t fp_from_ = 0;
};

}  // namespace fastmem
