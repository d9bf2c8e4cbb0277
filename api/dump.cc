// SPDX-License-Identifier: BSD-3-Clause
#include "api/dump.h"

#include <cerrno>
#include <memory>
#include <new>

namespace fastmem {
namespace {

using core::ClassStats;
using core::HeapStats;
using core::MemoryStats;
using core::NodeStats;
using core::RegionStats;

constexpr std::size_t kMostRegions = 65536;

template <class Visit>
void each_used_class(const core::Heap& heap, Visit visit) {
  for (unsigned c = 1; c <= heap.classes().count; ++c) {
    const Result<ClassStats> k = heap.class_stats(heap.classes().classes[c].size);
    if (k.ok() && k.value().slab_acquires != 0) visit(k.value());
  }
}

template <class Visit>
void each_region(const core::Heap& heap, Visit visit) {
  const std::unique_ptr<RegionStats[]> regions(new (std::nothrow) RegionStats[kMostRegions]);
  if (regions == nullptr) return;
  const std::size_t n = heap.regions({regions.get(), kMostRegions});
  for (std::size_t i = 0; i < n; ++i) visit(regions[i]);
}

std::size_t kib(Bytes bytes) { return bytes / kKiB; }

void put_memory_json(std::FILE* file, const MemoryStats& m) {
  std::fprintf(file,
               "\"total\": %zu, \"slabs\": %zu, \"large\": %zu, \"free\": %zu, \"largest_free\": %zu, "
               "\"away\": %zu, \"floor\": %zu, \"free_pieces\": %llu, \"large_objects\": %llu, "
               "\"regions\": %u, \"fragmentation\": %u",
               m.total.rep, m.slabs.rep, m.large.rep, m.free.rep, m.largest_free.rep, m.away.rep, m.floor.rep,
               static_cast<unsigned long long>(m.free_pieces), static_cast<unsigned long long>(m.large_objects),
               m.regions, m.fragmentation());
}

int result_of(std::FILE* file) {
  errno = 0;
  if (std::fflush(file) == 0 && std::ferror(file) == 0) return 0;
  return errno != 0 ? -errno : -EIO;
}

}  // namespace

int dump_text(const core::Heap& heap, std::FILE* file) {
  const HeapStats s = heap.stats();
  std::fprintf(file,
               "fastmem heap: %zu KiB held, %zu KiB in use, %zu KiB cached, %zu KiB of books\n"
               "  %llu allocated, %llu freed, %llu in vain, %llu from another node, %llu misuses; %u slots\n\n",
               kib(s.backing), kib(s.in_use), kib(s.cached), kib(s.metadata), static_cast<unsigned long long>(s.allocs),
               static_cast<unsigned long long>(s.frees), static_cast<unsigned long long>(s.nomem),
               static_cast<unsigned long long>(s.elsewhere), static_cast<unsigned long long>(s.misuses), s.slots);
  std::fprintf(file, "%6s %10s %10s %10s %10s %12s %10s %7s %7s  KiB\n", "node", "held", "slabs", "large", "free",
               "largest free", "away", "pieces", "fragm.");
  for (unsigned n = 0; n < s.nodes; ++n) {
    const NodeId id = heap.node_at(n);
    const Result<MemoryStats> of_node = heap.memory_stats(id);
    if (!of_node.ok()) continue;
    const MemoryStats& m = of_node.value();
    std::fprintf(file, "%6u %10zu %10zu %10zu %10zu %12zu %10zu %7llu %5u.%u%%\n", unsigned{id.rep}, kib(m.total),
                 kib(m.slabs), kib(m.large), kib(m.free), kib(m.largest_free), kib(m.away),
                 static_cast<unsigned long long>(m.free_pieces), m.fragmentation() / 10, m.fragmentation() % 10);
  }
  std::fprintf(file, "\n%8s %10s %10s %10s %8s %8s %8s  objects, slabs\n", "class", "in use", "cached", "in slabs",
               "empty", "partial", "full");
  each_used_class(heap, [&](const ClassStats& k) {
    std::fprintf(file, "%8zu %10llu %10llu %10llu %8u %8u %8u\n", k.size, static_cast<unsigned long long>(k.in_use),
                 static_cast<unsigned long long>(k.cached), static_cast<unsigned long long>(k.free_in_slabs),
                 k.slabs_empty, k.slabs_partial, k.slabs_full);
  });
  std::fprintf(file, "\n%18s %12s %10s %6s  regions\n", "address", "KiB", "page KiB", "node");
  each_region(heap, [&](const RegionStats& r) {
    std::fprintf(file, "%18p %12zu %10zu %6u\n", r.base, kib(r.size), kib(r.page_size), unsigned{r.node.rep});
  });
  return result_of(file);
}

int dump_json(const core::Heap& heap, std::FILE* file) {
  const HeapStats s = heap.stats();
  std::fprintf(
      file,
      "{\"backing\": %zu, \"in_use\": %zu, \"cached\": %zu, \"metadata\": %zu, \"allocs\": %llu, "
      "\"frees\": %llu, \"nomem\": %llu, \"elsewhere\": %llu, \"misuses\": %llu, \"slots\": %u,\n \"nodes\": [",
      s.backing.rep, s.in_use.rep, s.cached.rep, s.metadata.rep, static_cast<unsigned long long>(s.allocs),
      static_cast<unsigned long long>(s.frees), static_cast<unsigned long long>(s.nomem),
      static_cast<unsigned long long>(s.elsewhere), static_cast<unsigned long long>(s.misuses), s.slots);
  const char* comma = "";
  for (unsigned n = 0; n < s.nodes; ++n) {
    const NodeId id = heap.node_at(n);
    const Result<MemoryStats> m = heap.memory_stats(id);
    const Result<NodeStats> limits = heap.node_stats(id);
    if (!m.ok() || !limits.ok()) continue;
    std::fprintf(file, "%s\n  {\"node\": %u, ", comma, unsigned{id.rep});
    put_memory_json(file, m.value());
    if (limits.value().limit != kUnlimited) std::fprintf(file, ", \"limit\": %zu", limits.value().limit.rep);
    std::fputs("}", file);
    comma = ",";
  }
  std::fputs("],\n \"classes\": [", file);
  comma = "";
  each_used_class(heap, [&](const ClassStats& k) {
    std::fprintf(file,
                 "%s\n  {\"size\": %zu, \"in_use\": %llu, \"cached\": %llu, \"free_in_slabs\": %llu, "
                 "\"slabs\": %u, \"objects_per_slab\": %llu}",
                 comma, k.size, static_cast<unsigned long long>(k.in_use), static_cast<unsigned long long>(k.cached),
                 static_cast<unsigned long long>(k.free_in_slabs), k.slabs_empty + k.slabs_partial + k.slabs_full,
                 static_cast<unsigned long long>(k.objects_per_slab));
    comma = ",";
  });
  std::fputs("],\n \"regions\": [", file);
  comma = "";
  each_region(heap, [&](const RegionStats& r) {
    std::fprintf(file, "%s\n  {\"address\": \"%p\", \"size\": %zu, \"page_size\": %zu, \"node\": %u}", comma, r.base,
                 r.size.rep, r.page_size.rep, unsigned{r.node.rep});
    comma = ",";
  });
  std::fputs("]}\n", file);
  return result_of(file);
}

}  // namespace fastmem
