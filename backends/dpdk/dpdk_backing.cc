// SPDX-License-Identifier: BSD-3-Clause
#include "backends/dpdk/dpdk_backing.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_memory.h>
#include <rte_memzone.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace fastmem {
namespace {

constexpr std::size_t kLongestPrefix = 15;

// Where EAL's memory is, or may come to be: it reserves its address space at start.
AddressRange eal_window() {
  AddressRange window{~std::uintptr_t{0}, 0};
  const auto widen = [](const rte_memseg_list* list, void* arg) {
    if (list->heap == 0) return 0;  // registered, but not for allocation
    auto* const w = static_cast<AddressRange*>(arg);
    const auto begin = static_cast<std::uintptr_t>(list->addr_64);
    w->begin = std::min(w->begin, begin);
    w->end = std::max(w->end, begin + list->len);
    return 0;
  };
  rte_memseg_list_walk(widen, &window);
  if (window.begin >= window.end) return {};
  return {round_down(window.begin, kRegionUnit.rep), round_up(window.end, kRegionUnit.rep)};
}

struct Answer {
  int socket;
  bool yes;
};

bool is_socket_of_external_memory(int socket) {
  Answer answer{socket, false};
  const auto look = [](const rte_memseg_list* list, void* arg) {
    auto* const a = static_cast<Answer*>(arg);
    a->yes = a->yes || (list->external != 0 && list->heap != 0 && list->socket_id == a->socket);
    return 0;
  };
  rte_memseg_list_walk(look, &answer);
  return answer.yes;
}

bool is_socket(int socket) {
  for (unsigned i = 0; i < rte_socket_count(); ++i) {
    if (rte_socket_id_by_idx(i) == socket) return true;
  }
  return is_socket_of_external_memory(socket);
}

rte_iova_t iova_of(const void* p) {
  // EAL noted it when it got the page, or was given it; without hugepages it may have to ask the kernel.
  const rte_memseg* const page = rte_mem_virt2memseg(p, nullptr);
  if (page == nullptr || page->iova == RTE_BAD_IOVA) return rte_mem_virt2iova(p);
  return page->iova + (reinterpret_cast<std::uintptr_t>(p) - static_cast<std::uintptr_t>(page->addr_64));
}

// Whether a quarter of what EAL has free is more than the largest run of it. Legacy memory is as scattered as its pages.
bool is_scattered() {
  bool scattered = false;
  for (unsigned i = 0; i < rte_socket_count(); ++i) {
    rte_malloc_socket_stats stats{};
    if (rte_malloc_get_socket_stats(rte_socket_id_by_idx(i), &stats) != 0) continue;
    const Bytes free{stats.heap_freesz_bytes};
    scattered = scattered || (free > kRegionUnit * 16 && Bytes{stats.greatest_free_size} < Bytes{free.rep / 4});
  }
  return scattered;
}

class DpdkBacking final : public Backing {
 public:
  DpdkBacking(const DpdkOptions& options, AddressRange window) : window_(window), in_pieces_(is_scattered()) {
    std::snprintf(prefix_, sizeof(prefix_), "%s", options.zone_prefix);
  }

  const char* name() const override { return "dpdk"; }
  AddressRange window() const override { return window_; }
  Bytes region_unit() const override { return kRegionUnit; }
  bool in_pieces() const override { return in_pieces_; }
  bool inherited_by_fork() const override { return false; }  // the child shares EAL's books with its parent

  Result<Region> reserve(Bytes size, NodeId node, Contiguity contiguity) override {
    const int socket = node.rep;
    if (node == kAnyNode || !is_socket(socket)) {
      return make_error(ErrorCode::kNoNode, "EAL has no socket %u", unsigned{node.rep});
    }
    const rte_memzone* const zone = take_zone(size, socket, contiguity);
    return zone != nullptr ? region_of(zone, size, kRegionUnit, node) : no_zone(size, socket, rte_errno);
  }

  // EAL's header before each zone keeps a lone 2 MiB page from being a zone of 2 MiB.
  Result<Region> reserve_piece(Bytes least, NodeId node) override {
    const int socket = node.rep;
    const rte_memzone* const zone = new_zone(kLargestThereIs, socket, 0, kPieceUnit);
    if (zone == nullptr) return no_zone(least, socket, rte_errno);
    const Bytes size{round_down(zone->len, kPieceUnit.rep)};
    // Without hugepages EAL looks for the largest on every socket.
    if (zone->socket_id != socket || size < least || size.rep == 0) {
      rte_memzone_free(zone);
      return no_zone(least, socket, ENOMEM);
    }
    return region_of(zone, size, kPieceUnit, node);
  }

  void release(const Region& region) override { rte_memzone_free(reinterpret_cast<const rte_memzone*>(region.cookie)); }

  Error iova(Region& region, std::span<Iova> pages) override {
    const auto* at = static_cast<const std::byte*>(region.base);
    for (Iova& page : pages) {
      const rte_iova_t iova = iova_of(at);
      if (iova == RTE_BAD_IOVA) {
        return make_error(ErrorCode::kPermission,
                          "EAL tells no IOVA of %p; physical addresses take the right to read page frame numbers "
                          "(CAP_SYS_ADMIN), --iova-mode=va none",
                          static_cast<const void*>(at));
      }
      page = Iova{iova};
      at += region.page_size.rep;
    }
    return {};
  }

 private:
  static constexpr Bytes kLargestThereIs{0};  // as rte_memzone_reserve() understands it

  // IOVAs go by `unit`, which divides both the region and the pages under it, or by EAL's smaller pages.
  Result<Region> region_of(const rte_memzone* zone, Bytes size, Bytes unit, NodeId node) const {
    const auto begin = reinterpret_cast<std::uintptr_t>(zone->addr);
    if (begin < window_.begin || begin + size.rep > window_.end) {
      rte_memzone_free(zone);
      return make_error(ErrorCode::kNoMemory, "socket %u has memory that was attached after this heap was made",
                        unsigned{node.rep});
    }
    Region region;
    region.base = zone->addr;
    region.size = size;
    region.page_size = std::min(Bytes{static_cast<std::size_t>(zone->hugepage_sz)}, unit);
    region.node = node;
    region.inherited_by_fork = false;  // EAL's memory is shared with the child, which must not use it as its own
    region.cookie = reinterpret_cast<std::uintptr_t>(zone);
    return region;
  }

  const rte_memzone* take_zone(Bytes size, int socket, Contiguity contiguity) {
    const bool must = contiguity == Contiguity::kContiguous;
    if (must || worth_asking_for_one_run(size)) {
      const rte_memzone* const zone = new_zone(size, socket, RTE_MEMZONE_IOVA_CONTIG, kRegionUnit);
      if (zone != nullptr || must) return zone;
    }
    const rte_memzone* const zone = new_zone(size, socket, 0, kRegionUnit);
    if (zone != nullptr && rte_eal_iova_mode() == RTE_IOVA_PA) remember_scattered(size);
    return zone;
  }

  // Zones have one name space for all processes of an application, and for all copies of this code in one.
  const rte_memzone* new_zone(Bytes size, int socket, unsigned flags, Bytes align) {
    for (;;) {
      char name[RTE_MEMZONE_NAMESIZE];
      std::snprintf(name, sizeof(name), "%s_%x_%x", prefix_, static_cast<unsigned>(getpid()),
                    number_.fetch_add(1, std::memory_order_relaxed));
      const rte_memzone* const zone = rte_memzone_reserve_aligned(name, size.rep, socket, flags, align.rep);
      if (zone != nullptr || rte_errno != EEXIST) return zone;
    }
  }

  // Where IOVAs are virtual addresses, everything is one run. Where they are physical and pages are small, a long run is
  // rarely to be had, and asking costs milliseconds: once refused, it is not asked for again.
  bool worth_asking_for_one_run(Bytes size) const {
    return rte_eal_iova_mode() == RTE_IOVA_PA && size.rep < scattered_from_.load(std::memory_order_relaxed);
  }
  void remember_scattered(Bytes size) {
    if (size.rep < scattered_from_.load(std::memory_order_relaxed)) {
      scattered_from_.store(size.rep, std::memory_order_relaxed);
    }
  }

  static Error no_zone(Bytes size, int socket, int why) {
    if (why == ENOSPC) {
      return make_error(ErrorCode::kNoMemory, "EAL has no memzone left (%u in all): fewer, larger regions need fewer",
                        unsigned{RTE_MAX_MEMZONE});
    }
    rte_malloc_socket_stats stats{};
    rte_malloc_get_socket_stats(socket, &stats);
    return make_error(ErrorCode::kNoMemory,
                      "no memzone of %zu MiB on socket %d: EAL's heap there has %zu MiB, %zu MiB free, at most %zu MiB "
                      "in one piece; it grows with free hugepages only (dpdk-hugepages.py --show), and not at all with "
                      "--no-huge (-m) or --legacy-mem (--socket-mem)",
                      size / kMiB, socket, Bytes{stats.heap_totalsz_bytes} / kMiB,
                      Bytes{stats.heap_freesz_bytes} / kMiB, Bytes{stats.greatest_free_size} / kMiB);
  }

  AddressRange window_;
  bool in_pieces_;
  char prefix_[kLongestPrefix + 1];
  std::atomic<unsigned> number_{0};
  std::atomic<std::size_t> scattered_from_{~std::size_t{0}};  // relaxed: a hint
};

}  // namespace

Result<std::unique_ptr<Backing>> make_dpdk_backing(const DpdkOptions& options) {
  if (options.zone_prefix == nullptr || std::strlen(options.zone_prefix) > kLongestPrefix) {
    return make_error(ErrorCode::kInvalid, "a memzone prefix of more than %zu characters", kLongestPrefix);
  }
  const AddressRange window = eal_window();
  if (window.end == 0) return make_error(ErrorCode::kNotReady, "EAL has no memory: is rte_eal_init() done?");
  std::unique_ptr<Backing> backing(new (std::nothrow) DpdkBacking(options, window));
  if (backing == nullptr) return make_error(ErrorCode::kNoMemory, "no memory for the backing itself");
  return backing;
}

}  // namespace fastmem
