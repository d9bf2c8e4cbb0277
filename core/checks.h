// SPDX-License-Identifier: BSD-3-Clause
// core/checks.h -- floor 2 (core). How closely a heap looks at what its users do with it, and what it may spend on that.
//   off      what reaches a slab is verified there; nothing else costs anything
//   full     every object has guards, a record, and a rest after it was freed
#pragma once

#include <cstdint>

#include "platform/result.h"
#include "platform/types.h"

namespace fastmem::core {

enum class CheckLevel : std::uint8_t { kOff, kFull };

struct CheckOptions {
  CheckLevel level = CheckLevel::kOff;
  Bytes quarantine = kMiB;  // full: freed objects up to 1 MiB rest until so many bytes of them do
  Bytes large = kMiB * 16;  // full: the same of larger ones, which are out of reach meanwhile where pages allow it
  Bytes traces = kMiB * 8;  // full: most memory for stack traces; 0: none are taken
  bool leaks = true;        // full: what was not freed is told when the heap or the program ends
};

// "full" or "off", then options: "full,quarantine=64M,leaks=off". Sizes take K, M and G. kInvalid: the text
// says which word is not known.
Error parse_checks(const char* text, CheckOptions& out);

// What `text` says; nullptr: what the environment's FASTMEM_CHECK says, and without that: off.
Error choose_checks(const char* text, CheckOptions& out);

}  // namespace fastmem::core
