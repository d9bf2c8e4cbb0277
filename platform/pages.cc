// SPDX-License-Identifier: BSD-3-Clause
#include "platform/pages.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "platform/text_file.h"

namespace fastmem {
namespace {

std::size_t count_in(const char* directory, const char* file) {
  return read_number(FilePath("%s/%s", directory, file)).value_or(0);
}

HugePool read_pool(const char* directory) {
  HugePool pool;
  pool.total = count_in(directory, "nr_hugepages");
  pool.free = count_in(directory, "free_hugepages");
  pool.reserved = count_in(directory, "resv_hugepages");
  pool.surplus = count_in(directory, "surplus_hugepages");
  return pool;
}

void read_pools_of_nodes(HugePages& pages, const char* root) {
  for (unsigned id = 0; id < kMaxNodes; ++id) {
    const FilePath directory("%s/sys/devices/system/node/node%u/hugepages/hugepages-%zukB", root, id,
                             pages.page_size / kKiB);
    if (!read_number(FilePath("%s/nr_hugepages", directory.c_str()))) continue;
    pages.of_node[pages.nodes++] = {NodeId{static_cast<std::uint16_t>(id)}, read_pool(directory.c_str())};
  }
}

TransparentHuge read_transparent(const char* root) {
  char text[128];
  if (!read_text(FilePath("%s/sys/kernel/mm/transparent_hugepage/enabled", root), text, sizeof(text))) {
    return TransparentHuge::kAbsent;
  }
  if (std::strstr(text, "[always]") != nullptr) return TransparentHuge::kAlways;
  if (std::strstr(text, "[madvise]") != nullptr) return TransparentHuge::kMadvise;
  return TransparentHuge::kNever;
}

Overcommit read_overcommit(const char* root) {
  switch (read_number(FilePath("%s/proc/sys/vm/overcommit_memory", root)).value_or(0)) {
    case 1:
      return Overcommit::kAlways;
    case 2:
      return Overcommit::kStrict;
    default:
      return Overcommit::kHeuristic;
  }
}

Bytes read_memory(const char* root) {
  LineReader lines(FilePath("%s/proc/meminfo", root));
  std::size_t kib = 0;
  while (const char* line = lines.next()) {
    if (std::sscanf(line, "MemTotal: %zu kB", &kib) == 1) return kKiB * kib;
  }
  return Bytes{};
}

// What /proc/self/status tells about rights and sizes.
void read_status(PageInventory& inventory, const char* root) {
  LineReader lines(FilePath("%s/proc/self/status", root));
  std::size_t number = 0;
  while (const char* line = lines.next()) {
    if (std::sscanf(line, "VmSize: %zu kB", &number) == 1) inventory.address_used = kKiB * number;
    if (std::sscanf(line, "THP_enabled: %zu", &number) == 1 && number == 0) {
      inventory.transparent = TransparentHuge::kNever;  // prctl(PR_SET_THP_DISABLE)
    }
    constexpr std::size_t kIpcLock = std::size_t{1} << 14;  // CAP_IPC_LOCK
    if (std::sscanf(line, "CapEff: %zx", &number) == 1 && (number & kIpcLock) != 0) inventory.locked_limit = kUnlimited;
  }
}

void read_limits(PageInventory& inventory, const char* root) {
  LineReader lines(FilePath("%s/proc/self/limits", root));
  std::size_t soft = 0;
  while (const char* line = lines.next()) {  // "unlimited" is no number and leaves the field as it is
    if (std::sscanf(line, "Max locked memory %zu", &soft) == 1) inventory.locked_limit = Bytes{soft};
    if (std::sscanf(line, "Max data size %zu", &soft) == 1) inventory.data_limit = Bytes{soft};
    if (std::sscanf(line, "Max address space %zu", &soft) == 1) inventory.address_limit = Bytes{soft};
  }
}

}  // namespace

const NodePool* HugePages::find(NodeId node) const {
  for (unsigned i = 0; i < nodes; ++i) {
    if (of_node[i].node == node) return &of_node[i];
  }
  return nullptr;
}

std::size_t HugePages::usable(NodeId node) const {
  const std::size_t may_grow = overcommit - std::min(overcommit, all.surplus);
  std::size_t pages = all.free - std::min(all.free, all.reserved) + may_grow;
  const NodePool* const own = nodes > 1 ? find(node) : nullptr;
  if (own != nullptr) pages = std::min(pages, own->pool.free + may_grow);
  return std::min(pages, limit.headroom() / page_size);
}

HugePages read_huge_pages(Bytes page_size, const char* root) {
  HugePages pages;
  pages.page_size = page_size;
  const FilePath directory("%s/sys/kernel/mm/hugepages/hugepages-%zukB", root, page_size / kKiB);
  pages.supported = read_number(FilePath("%s/nr_hugepages", directory.c_str())).has_value();
  if (!pages.supported) {
    pages.unreadable = access(directory.c_str(), F_OK) == 0;
    return pages;
  }
  pages.all = read_pool(directory.c_str());
  pages.overcommit = count_in(directory.c_str(), "nr_overcommit_hugepages");
  read_pools_of_nodes(pages, root);
  pages.limit = tightest_huge_limit(page_size, root);
  return pages;
}

PageInventory read_pages(const char* root) {
  PageInventory inventory;
  inventory.huge_1g = read_huge_pages(kGiB, root);
  inventory.huge_2m = read_huge_pages(kMiB * 2, root);
  inventory.transparent = read_transparent(root);
  inventory.overcommit = read_overcommit(root);
  inventory.memory = read_memory(root);
  read_limits(inventory, root);
  read_status(inventory, root);
  return inventory;
}

}  // namespace fastmem
