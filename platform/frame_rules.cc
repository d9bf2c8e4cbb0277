// SPDX-License-Identifier: BSD-3-Clause
#include "platform/frame_rules.h"

#include <cstring>

namespace fastmem {
namespace {

// Which modules rules came from. A word for each: its first page, how many there are, and a few bits of its tables.
class KnownModules {
 public:
  // false: it is new, and those that it lies over are no more.
  bool note(const LoadedModule& module) {
    const std::uint64_t wanted = word_of(module);
    for (const auto& word : words_) {
      const std::uint64_t known = word.load(std::memory_order_relaxed);
      if (known == wanted) return true;
      if (known == 0) break;
    }
    bool placed = false;
    for (auto& word : words_) {
      std::uint64_t known = word.load(std::memory_order_relaxed);
      if (overlap(known, wanted)) word.store(kGone, std::memory_order_relaxed), known = kGone;
      if (!placed && known <= kGone) placed = word.compare_exchange_strong(known, wanted, std::memory_order_relaxed);
      if (known == 0) break;
    }
    return false;
  }

 private:
  static constexpr unsigned kMost = 1024;  // of more, those that found no place are new each time
  static constexpr std::uint64_t kGone = 1;
  static constexpr unsigned kPageBits = 12;
  static constexpr unsigned kCheckBits = 12;
  static constexpr unsigned kSizeBits = 17;

  static std::uint64_t word_of(const LoadedModule& module) {
    std::uint32_t head[3] = {};  // of the header: where the table is, and how many rows it has
    if (module.eh_frame_hdr != nullptr) std::memcpy(head, module.eh_frame_hdr, sizeof(head));
    const std::uint64_t check = (std::uint64_t{head[1]} * 0x9e3779b1 ^ std::uint64_t{head[2]} * 0x85ebca6b) >> 13;
    std::uint64_t pages = (module.end - module.begin) >> kPageBits;
    if (pages >= 1u << kSizeBits) pages = (1u << kSizeBits) - 1;
    return std::uint64_t{module.begin} >> kPageBits << (kSizeBits + kCheckBits) | pages << kCheckBits |
           (check & ((1u << kCheckBits) - 1));
  }
  static std::uint64_t first(std::uint64_t word) { return word >> (kSizeBits + kCheckBits); }
  static std::uint64_t pages(std::uint64_t word) { return word >> kCheckBits & ((1u << kSizeBits) - 1); }
  static bool overlap(std::uint64_t a, std::uint64_t b) {
    return first(a) < first(b) + pages(b) && first(b) < first(a) + pages(a);
  }

  std::atomic<std::uint64_t> words_[kMost];  // relaxed: a word is whole
};

constinit KnownModules g_modules{};

}  // namespace

constinit std::atomic<std::uint64_t> FrameRules::table_[std::size_t{1} << kIndexBits] = {};
constinit std::atomic<unsigned> FrameRules::generation_{0};

std::uint64_t FrameRules::learn(std::uint64_t address) {
  const LoadedModule module = module_of(static_cast<std::uintptr_t>(address));
  if (module.end != 0 && !g_modules.note(module)) forget();
  const FrameRule rule = read_frame_rule(static_cast<std::uintptr_t>(address));
  const std::uint64_t word = address >> kIndexBits << kRuleBits | std::uint64_t{rule.saved_fp} << 19 |
                             std::uint64_t{rule.cfa} << 3 | static_cast<std::uint64_t>(rule.kind);
  // Code of no module is made at run time and may be other code soon.
  if (module.end != 0 && address >> 47 == 0) table_[index_of(address)].store(word, std::memory_order_relaxed);
  return word;
}

void FrameRules::forget() {
  for (auto& word : table_) word.store(0, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace fastmem
