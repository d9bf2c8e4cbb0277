// SPDX-License-Identifier: BSD-3-Clause
#include "backends/standalone/page_choice.h"

#include <cstdio>

#include "platform/page_advice.h"

namespace fastmem {
namespace {

bool transparent_is_there(const PageInventory& inventory) {
  return inventory.transparent == TransparentHuge::kMadvise || inventory.transparent == TransparentHuge::kAlways;
}

// 1 GiB pages make address space come in pieces of 1 GiB: where it is scarce they would not leave enough of it.
bool has_room_for_1g(const PageInventory& inventory) {
  return inventory.address_limit == kUnlimited || inventory.address_limit >= inventory.address_used + kGiB * 8;
}

PageChoice choose_best(const PageInventory& inventory) {
  PageChoice choice;
  const auto add = [&choice](PageKind kind) { choice.kinds[choice.count++] = kind; };
  const std::size_t usable_1g = has_room_for_1g(inventory) ? inventory.huge_1g.usable() : 0;
  const std::size_t usable_2m = inventory.huge_2m.usable();
  if (usable_1g > 0) add(PageKind::kHuge1G);
  if (usable_1g > 0 || usable_2m > 0) add(PageKind::kHuge2M);
  add(transparent_is_there(inventory) ? PageKind::kTransparent : PageKind::kSmall);

  if (usable_1g > 0) {
    std::snprintf(choice.why, sizeof(choice.why), "%zu of 1 GiB are free", usable_1g);
  } else if (usable_2m > 0) {
    std::snprintf(choice.why, sizeof(choice.why), "%zu of 2 MiB are free, none of 1 GiB", usable_2m);
  } else {
    const HugeLimit& limit = inventory.huge_2m.limit;
    const bool stopped = limit.headroom() < inventory.huge_2m.page_size && inventory.huge_2m.all.free > 0;
    std::snprintf(choice.why, sizeof(choice.why), "no hugetlb page may be taken%s%s%s",
                  stopped ? ": " : ", for none is free", stopped ? limit.file : "",
                  transparent_is_there(inventory) ? "" : "; transparent huge pages are off");
  }
  return choice;
}

Error check_is_there(PageKind kind, const PageInventory& inventory) {
  switch (kind) {
    case PageKind::kHuge1G:
      return check_huge_pages_exist(inventory.huge_1g);
    case PageKind::kHuge2M:
      return check_huge_pages_exist(inventory.huge_2m);
    case PageKind::kTransparent:
      return transparent_is_there(inventory) ? Error{} : explain_no_transparent_pages();
    default:
      return Error{};
  }
}

}  // namespace

Result<PageChoice> choose_pages(PageKind asked, const PageInventory& inventory) {
  if (asked == PageKind::kAuto) return choose_best(inventory);
  if (asked > PageKind::kSmall) {
    return make_error(ErrorCode::kInvalid, "%u is no page kind", static_cast<unsigned>(asked));
  }
  if (const Error error = check_is_there(asked, inventory); !error.ok()) return error;
  PageChoice choice;
  choice.kinds[choice.count++] = asked;
  std::snprintf(choice.why, sizeof(choice.why), "as asked");
  return choice;
}

const char* describe(PageKind kind) {
  switch (kind) {
    case PageKind::kHuge1G:
      return "1 GiB hugetlb pages";
    case PageKind::kHuge2M:
      return "2 MiB hugetlb pages";
    case PageKind::kTransparent:
      return "transparent huge pages";
    case PageKind::kSmall:
      return "4 KiB pages";
    default:
      return "the best pages";
  }
}

}  // namespace fastmem
