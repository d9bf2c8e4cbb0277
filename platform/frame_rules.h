// SPDX-License-Identifier: BSD-3-Clause
// platform/frame_rules.h -- floor 0. The rules (platform/frame_rule.h) of addresses that were asked for before: one table
// for the process, of fixed size, one word for each.
// Locks: none. Where two threads learn at once, one word stays. Safe in a signal handler and in a child of fork.
//
// An address may become another module's. A rule that is not known is looked for in its module, and a module that was
// not met before makes the table forget everything. Where an old rule was followed before that, it led nowhere: after
// some places that no module has, all modules are looked at again. Until then traces through the new module may end early.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "platform/frame_rule.h"

namespace fastmem {

class FrameRules {
 public:
  // 0: not known.
  [[gnu::always_inline]] static std::uint64_t find(std::uint64_t address) {
    const std::uint64_t word = table_[index_of(address)].load(std::memory_order_relaxed);
    return word >> kRuleBits == address >> kIndexBits ? word : 0;
  }
  // Reads the module's tables.
  static std::uint64_t learn(std::uint64_t address);

  // How often everything was forgotten. What was concluded from rules is good for as long as it stays.
  static unsigned generation() { return generation_.load(std::memory_order_relaxed); }

  [[gnu::always_inline]] static FrameKind kind(std::uint64_t word) { return static_cast<FrameKind>(word & 7); }
  [[gnu::always_inline]] static std::uint64_t cfa(std::uint64_t word) { return word >> 3 & 0xffff; }
  [[gnu::always_inline]] static std::uint64_t saved_fp(std::uint64_t word) { return word >> 19 & kMostSavedFp; }

  // As if a module had come that lies over others.
  static void forget_for_test() { forget(); }

 private:
  // What the place in the table and the word's upper part say together is the whole address, if it is below 2^47.
  static constexpr unsigned kIndexBits = 14;
  static constexpr unsigned kRuleBits = 30;

  static std::size_t index_of(std::uint64_t address) {
    return (address ^ address >> kIndexBits) & ((std::size_t{1} << kIndexBits) - 1);
  }
  static void forget();

  static std::atomic<std::uint64_t> table_[std::size_t{1} << kIndexBits];  // relaxed: a word is whole
  static std::atomic<unsigned> generation_;
};

}  // namespace fastmem
