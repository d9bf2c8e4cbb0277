// SPDX-License-Identifier: BSD-3-Clause
// backends/standalone/page_choice.h -- floor 1. Which page kinds does a backing use, best first, and why?
#pragma once

#include <array>
#include <span>

#include "backends/standalone/standalone_backing.h"
#include "platform/pages.h"

namespace fastmem {

struct PageChoice {
  std::array<PageKind, 3> kinds{};  // tried in this order for every region; only `auto` has more than one
  unsigned count = 0;
  char why[400] = {};  // for people

  std::span<const PageKind> in_order() const { return {kinds.data(), count}; }
  PageKind best() const { return kinds[0]; }
};

// kUnsupported: the named kind is not there; the text says what is missing and what would fix it.
Result<PageChoice> choose_pages(PageKind asked, const PageInventory& inventory);

constexpr bool is_hugetlb(PageKind kind) { return kind == PageKind::kHuge1G || kind == PageKind::kHuge2M; }

// The unit of a region's pages; transparent huge pages come and go, so theirs is the small page.
constexpr Bytes page_size_of(PageKind kind) {
  switch (kind) {
    case PageKind::kHuge1G:
      return kGiB;
    case PageKind::kHuge2M:
      return kMiB * 2;
    default:
      return kKiB * 4;
  }
}

const char* describe(PageKind kind);

}  // namespace fastmem
