// SPDX-License-Identifier: BSD-3-Clause
// platform/page_advice.h -- floor 0. Sentences about pages that are missing: what was asked, what is there per size and
// node, which limit stopped it, and the command that fixes it.
#pragma once

#include "platform/pages.h"
#include "platform/result.h"

namespace fastmem {

// kUnsupported when `pages` can never serve anything as things stand (no such size, an empty pool, a limit below one
// page), ok otherwise.
Error check_huge_pages_exist(const HugePages& pages);

// kNoMemory: `asked` bytes were not to be had on `node` (kAnyNode: anywhere).
Error explain_no_huge_pages(const HugePages& pages, Bytes asked, NodeId node);

// kUnsupported: transparent huge pages are off.
Error explain_no_transparent_pages();

// kPermission: `asked` bytes could not be locked, which `why` wants, e.g. "physical addresses".
Error explain_cannot_lock(Bytes asked, Bytes locked_limit, const char* why);

// The commands themselves, as a shell takes them.
struct CommandText {
  char text[320];
};
// The pool has `wanted` pages in all, on that node when one is given.
CommandText pool_command(const HugePages& pages, const NodePool* on_node, std::size_t wanted);
// The cgroup has room for `asked` bytes more of the same pages.
CommandText limit_command(const HugeLimit& limit, Bytes asked);
CommandText transparent_command();

// The size of the pool that serves `asked` bytes on `node` (see explain_no_huge_pages()), and whose size that is:
// nullptr, the machine's.
struct PoolGoal {
  const NodePool* on_node = nullptr;
  std::size_t pages = 0;
};
PoolGoal find_pool_goal(const HugePages& pages, Bytes asked, NodeId node);

// A size for people, e.g. "64 GiB" or "1536 KiB".
struct SizeText {
  char text[32];
};
SizeText size_text(Bytes size);

}  // namespace fastmem
