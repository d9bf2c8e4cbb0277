// SPDX-License-Identifier: BSD-3-Clause
#include "platform/page_advice.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace fastmem {
namespace {

// A sentence that grows; what does not fit is cut.
class Sentence {
 public:
  [[gnu::format(printf, 2, 3)]] void add(const char* format, ...) {
    if (length_ + 1 >= sizeof(text_)) return;
    std::va_list args;
    va_start(args, format);
    const int added = std::vsnprintf(text_ + length_, sizeof(text_) - length_, format, args);
    va_end(args);
    if (added > 0) length_ = std::min(length_ + static_cast<std::size_t>(added), sizeof(text_) - 1);
  }
  Error error(ErrorCode code) const { return make_error(code, "%s", text_); }

 private:
  char text_[sizeof(Error::text)] = {};
  std::size_t length_ = 0;
};

void add_pool_command(Sentence& sentence, const HugePages& pages, const NodePool* on_node, std::size_t wanted) {
  sentence.add("%s", pool_command(pages, on_node, wanted).text);
  if (pages.page_size == kGiB) sentence.add(" (or boot with hugepagesz=1G hugepages=%zu)", wanted);
}

void add_limit_command(Sentence& sentence, const HugePages& pages, Bytes asked) {
  const HugeLimit& limit = pages.limit;
  sentence.add("; this process's cgroup limits them to %s, %s in use: %s", size_text(limit.limit).text,
               size_text(limit.used).text, limit_command(limit, asked).text);
}

const HugePool& pool_of(const HugePages& pages, const NodePool* on_node) {
  return on_node != nullptr ? on_node->pool : pages.all;
}

std::size_t count_pages(const HugePages& pages, Bytes asked) {
  return asked / pages.page_size + (asked.rep % pages.page_size.rep == 0 ? 0 : 1);
}

}  // namespace

SizeText size_text(Bytes size) {
  SizeText out;
  if (size == kUnlimited) {
    std::snprintf(out.text, sizeof(out.text), "unlimited");
  } else if (size >= kGiB && size.rep % kGiB.rep == 0) {
    std::snprintf(out.text, sizeof(out.text), "%zu GiB", size / kGiB);
  } else if (size >= kMiB && size.rep % kMiB.rep == 0) {
    std::snprintf(out.text, sizeof(out.text), "%zu MiB", size / kMiB);
  } else if (size.rep % kKiB.rep == 0) {
    std::snprintf(out.text, sizeof(out.text), "%zu KiB", size / kKiB);
  } else {
    std::snprintf(out.text, sizeof(out.text), "%zu bytes", size.rep);
  }
  return out;
}

// The file that sets the pool's size: of one node where that matters.
CommandText pool_command(const HugePages& pages, const NodePool* on_node, std::size_t wanted) {
  CommandText out;
  const std::size_t kib = pages.page_size / kKiB;
  if (on_node != nullptr) {
    std::snprintf(out.text, sizeof(out.text),
                  "echo %zu | sudo tee /sys/devices/system/node/node%u/hugepages/hugepages-%zukB/nr_hugepages", wanted,
                  unsigned{on_node->node.rep}, kib);
  } else if (pages.page_size == kMiB * 2) {
    std::snprintf(out.text, sizeof(out.text), "echo %zu | sudo tee /proc/sys/vm/nr_hugepages", wanted);
  } else {
    std::snprintf(out.text, sizeof(out.text),
                  "echo %zu | sudo tee /sys/kernel/mm/hugepages/hugepages-%zukB/nr_hugepages", wanted, kib);
  }
  return out;
}

CommandText limit_command(const HugeLimit& limit, Bytes asked) {
  CommandText out;
  std::snprintf(out.text, sizeof(out.text), "echo %zu | sudo tee %s", (limit.used + asked).rep, limit.file);
  return out;
}

CommandText transparent_command() { return {"echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled"}; }

PoolGoal find_pool_goal(const HugePages& pages, Bytes asked, NodeId node) {
  PoolGoal goal;
  goal.on_node = node == kAnyNode || pages.nodes <= 1 ? nullptr : pages.find(node);
  const HugePool& pool = pool_of(pages, goal.on_node);
  const std::size_t wanted = count_pages(pages, asked);
  const std::size_t available = pool.free - std::min(pool.free, pages.all.reserved);
  goal.pages = pool.total + (wanted > available ? wanted - available : wanted);
  return goal;
}

Error check_huge_pages_exist(const HugePages& pages) {
  const SizeText size = size_text(pages.page_size);
  if (pages.unreadable) {
    return make_error(
        ErrorCode::kUnsupported,
        "%s hugetlb pages: the files below /sys/kernel/mm/hugepages are there but cannot be read; look at "
        "the number of open files (ulimit -n), and at the rights of this process",
        size.text);
  }
  if (!pages.supported) {
    return make_error(ErrorCode::kUnsupported,
                      "%s hugetlb pages: this processor or kernel has none; choose another page kind", size.text);
  }
  Sentence sentence;
  if (pages.all.total == 0 && pages.overcommit == 0) {
    sentence.add("%s hugetlb pages: the pool is empty; fill it: ", size.text);
    add_pool_command(sentence, pages, nullptr, pages.page_size == kGiB ? 1 : 64);
    return sentence.error(ErrorCode::kUnsupported);
  }
  if (pages.limit.found && pages.limit.limit < pages.page_size) {
    sentence.add("%s hugetlb pages: %zu in the pool", size.text, pages.all.total);
    add_limit_command(sentence, pages, pages.page_size * (pages.page_size == kGiB ? 1 : 64));
    return sentence.error(ErrorCode::kUnsupported);
  }
  return Error{};
}

Error explain_no_huge_pages(const HugePages& pages, Bytes asked, NodeId node) {
  const std::size_t wanted = count_pages(pages, asked);
  const PoolGoal goal = find_pool_goal(pages, asked, node);
  const NodePool* const on_node = goal.on_node;
  const HugePool& pool = pool_of(pages, on_node);
  Sentence sentence;
  sentence.add("%zu hugetlb page%s of %s asked", wanted, wanted == 1 ? "" : "s", size_text(pages.page_size).text);
  if (on_node != nullptr) sentence.add(" on node %u", unsigned{node.rep});
  sentence.add("; %zu of %zu free", pool.free, pool.total);
  if (pages.all.reserved != 0) sentence.add(", %zu reserved by others", pages.all.reserved);
  constexpr unsigned kNodesTold = 4;
  for (unsigned i = 0; on_node != nullptr && i < std::min(pages.nodes, kNodesTold); ++i) {
    if (&pages.of_node[i] == on_node) continue;
    sentence.add(", node %u: %zu of %zu", unsigned{pages.of_node[i].node.rep}, pages.of_node[i].pool.free,
                 pages.of_node[i].pool.total);
  }
  if (pages.limit.headroom() < asked) {
    add_limit_command(sentence, pages, asked);
    return sentence.error(ErrorCode::kNoMemory);
  }
  if (pages.usable(node) >= wanted) {
    sentence.add(
        "; the kernel refused them even so: somebody else had them a moment ago, or the cpuset forbids the node");
    return sentence.error(ErrorCode::kNoMemory);
  }
  sentence.add("; enlarge the pool: ");
  add_pool_command(sentence, pages, on_node, goal.pages);
  return sentence.error(ErrorCode::kNoMemory);
}

Error explain_no_transparent_pages() {
  return make_error(ErrorCode::kUnsupported, "transparent huge pages are off; turn them on: %s",
                    transparent_command().text);
}

Error explain_cannot_lock(Bytes asked, Bytes locked_limit, const char* why) {
  return make_error(ErrorCode::kPermission,
                    "cannot lock %s of small pages, which %s need: RLIMIT_MEMLOCK is %s; raise it (ulimit "
                    "-l unlimited, LimitMEMLOCK=infinity in a systemd unit, --ulimit memlock=-1 for docker) or use "
                    "hugetlb pages, which need no locking",
                    size_text(asked).text, why, size_text(locked_limit).text);
}

}  // namespace fastmem
