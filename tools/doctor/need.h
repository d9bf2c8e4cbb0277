// SPDX-License-Identifier: BSD-3-Clause
// tools/doctor/need.h -- Q: could a heap of a size be had now, with which pages, and which commands would make it so?
#pragma once

#include <array>
#include <string>

#include "platform/types.h"
#include "tools/doctor/findings.h"

namespace fastmem::tools {

enum class NeedKind : std::uint8_t { kHuge1G, kHuge2M, kTransparent, kSmall };
inline constexpr unsigned kNeedKinds = 4;

// "1g", "2m", "thp", "4k"
const char* name_of(NeedKind kind);

struct Need {
  Bytes size;
  NodeId node = kAnyNode;
};

// "8G", "512M@1"; false: not that.
bool parse_need(const std::string& text, Need& need);

struct NeedAnswer {
  std::array<bool, kNeedKinds> can = {};
  Section section;

  bool any() const { return can[0] || can[1] || can[2] || can[3]; }
};
NeedAnswer answer_need(const Patient& patient, const Need& need);

}  // namespace fastmem::tools
