// SPDX-License-Identifier: BSD-3-Clause
#include "platform/frame_rules.h"

#include <link.h>

#include <cstring>

#include "platform/types.h"

namespace fastmem {
namespace {

// The beginning of the build ID among a module's notes, which differs where anything does; 0: none.
std::uint64_t build_id(const char* notes, std::size_t size) {
  std::uint64_t id = 0;
  for (std::size_t at = 0; at + sizeof(ElfW(Nhdr)) + 4 + sizeof(id) <= size;) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes + at, sizeof(note));
    const char* const name = notes + at + sizeof(note);
    if (note.n_type == NT_GNU_BUILD_ID && note.n_descsz >= sizeof(id) && std::memcmp(name, "GNU", 4) == 0) {
      std::memcpy(&id, name + 4, sizeof(id));
      return id;
    }
    at += sizeof(note) + round_up(note.n_namesz, 4) + round_up(note.n_descsz, 4);
  }
  return id;
}

// What tells one module from another at the same addresses: its build ID, else where its tables are and how long.
std::uint64_t identity_of(const LoadedModule& module) {
  const auto* const header = reinterpret_cast<const ElfW(Ehdr)*>(module.begin);
  if (std::memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_phoff < kKiB.rep) {
    const auto* const segments = reinterpret_cast<const ElfW(Phdr)*>(module.begin + header->e_phoff);
    for (unsigned i = 0; i < header->e_phnum; ++i) {
      if (segments[i].p_type != PT_NOTE) continue;
      const auto* const notes = reinterpret_cast<const char*>(module.bias + segments[i].p_vaddr);
      if (const std::uint64_t id = build_id(notes, segments[i].p_memsz); id != 0) return id;
    }
  }
  std::uint64_t tables[2] = {};
  if (module.eh_frame_hdr != nullptr) std::memcpy(tables, module.eh_frame_hdr, 12);
  return tables[0] ^ tables[1];
}

// Which modules rules came from. A word for each: its first page, how many there are, and a few bits of its identity.
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

  // false: some are no more.
  bool are_all_there() {
    bool all = true;
    for (auto& word : words_) {
      const std::uint64_t known = word.load(std::memory_order_relaxed);
      if (known == 0) break;
      if (known == kGone) continue;
      const LoadedModule now = module_of(static_cast<std::uintptr_t>(first(known) << kPageBits));
      if (now.end != 0 && word_of(now) == known) continue;
      word.store(kGone, std::memory_order_relaxed);
      all = false;
    }
    return all;
  }

 private:
  static constexpr unsigned kMost = 1024;  // of more, those that found no place are new each time
  static constexpr std::uint64_t kGone = 1;
  static constexpr unsigned kPageBits = 12;
  static constexpr unsigned kCheckBits = 12;
  static constexpr unsigned kSizeBits = 17;

  static std::uint64_t word_of(const LoadedModule& module) {
    const std::uint64_t check = identity_of(module) * 0x9e3779b97f4a7c15 >> (64 - kCheckBits);
    std::uint64_t pages = (module.end - module.begin) >> kPageBits;
    if (pages >= 1u << kSizeBits) pages = (1u << kSizeBits) - 1;
    return std::uint64_t{module.begin} >> kPageBits << (kSizeBits + kCheckBits) | pages << kCheckBits | check;
  }
  static std::uint64_t first(std::uint64_t word) { return word >> (kSizeBits + kCheckBits); }
  static std::uint64_t pages(std::uint64_t word) { return word >> kCheckBits & ((1u << kSizeBits) - 1); }
  static bool overlap(std::uint64_t a, std::uint64_t b) {
    return first(a) < first(b) + pages(b) && first(b) < first(a) + pages(a);
  }

  std::atomic<std::uint64_t> words_[kMost];  // relaxed: a word is whole
};

constinit KnownModules g_modules{};

// Counts places in no module. relaxed: some or all, it matters little.
std::atomic<unsigned> g_nowhere{0};
constexpr unsigned kNowhereBetweenLooks = 64;  // code that is made at run time lies in no module either

}  // namespace

constinit std::atomic<std::uint64_t> FrameRules::table_[std::size_t{1} << kIndexBits] = {};
constinit std::atomic<unsigned> FrameRules::generation_{0};

std::uint64_t FrameRules::learn(std::uint64_t address) {
  const LoadedModule module = module_of(static_cast<std::uintptr_t>(address));
  const bool nowhere = module.end == 0;
  const bool look = nowhere && g_nowhere.fetch_add(1, std::memory_order_relaxed) % kNowhereBetweenLooks == 0;
  if ((!nowhere && !g_modules.note(module)) || (look && !g_modules.are_all_there())) forget();
  const FrameRule rule = read_frame_rule(static_cast<std::uintptr_t>(address));
  const std::uint64_t word = address >> kIndexBits << kRuleBits | std::uint64_t{rule.saved_fp} << 19 |
                             std::uint64_t{rule.cfa} << 3 | static_cast<std::uint64_t>(rule.kind);
  // Code of no module is made at run time and may be other code soon.
  if (!nowhere && address >> 47 == 0) table_[index_of(address)].store(word, std::memory_order_relaxed);
  return word;
}

void FrameRules::forget() {
  for (auto& word : table_) word.store(0, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace fastmem
