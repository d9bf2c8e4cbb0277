// SPDX-License-Identifier: BSD-3-Clause
// api/dpdk/telemetry.cc -- floor 3 (api). The commands /fastmem/... of DPDK's telemetry.
// What:      numbers, but for /fastmem/list; a heap is named last and is the oldest one otherwise. Without any heap an
//            answer is empty; a parameter that makes no sense is answered with null.
// Threads:   telemetry's own. The registry's lock is held while a heap is looked at, so it cannot go meanwhile.
#include <rte_common.h>
#include <rte_lcore.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "api/dpdk/rte_heap.h"
#include "api/dpdk/telemetry_answer.h"
#include "backends/dpdk/lcore_slots.h"

namespace fastmem::dpdk {
namespace {

constexpr unsigned kMostRegions = 96;  // in one answer: these, with all their digits, fit into it

// ---- parameters ----------------------------------------------------------------------------------------------------

// "NUMBER", "NUMBER,HEAP".
struct Numbered {
  bool ok = false;
  unsigned long number = 0;
  const char* heap = "";
};

Numbered parse_numbered(const char* params) {
  Numbered out;
  if (params == nullptr) return out;
  const char* const end = params + std::strlen(params);
  const auto [rest, error] = std::from_chars(params, end, out.number);
  if (error != std::errc{} || (rest != end && *rest != ',')) return out;
  out.ok = true;
  out.heap = rest == end ? "" : rest + 1;
  return out;
}

// An answer about the heap: a dictionary that `fill` completes, or its negative errno.
template <class Fill>
int answer(rte_tel_data* out, const char* heap_name, Fill fill) {
  rte_tel_data_start_dict(out);
  const bool meant = heap_name == nullptr || heap_name[0] == '\0' || std::strcmp(heap_name, kHeapName) == 0;
  int result = 0;
  with_rte_heap([&](core::Heap& heap) { result = meant ? fill(heap) : -ENOENT; });
  return result;
}

template <class Fill>
int answer_numbered(rte_tel_data* out, const char* params, Fill fill) {
  const Numbered asked = parse_numbered(params);
  if (!asked.ok) return -EINVAL;
  return answer(out, asked.heap, [&](core::Heap& heap) { return fill(heap, asked.number); });
}

// ---- heaps and classes ---------------------------------------------------------------------------------------------

int on_list(const char* /*command*/, const char* /*params*/, rte_tel_data* out) {
  rte_tel_data_start_array(out, RTE_TEL_STRING_VAL);
  with_rte_heap([out](core::Heap&) { rte_tel_data_add_array_string(out, kHeapName); });
  return 0;
}

int on_heap(const char* /*command*/, const char* params, rte_tel_data* out) {
  return answer(out, params, [out](const core::Heap& heap) {
    const core::HeapStats s = heap.stats();
    put(out, "backing", s.backing.rep);
    put(out, "slabs", s.slabs.rep);
    put(out, "in_use", s.in_use.rep);
    put(out, "cached", s.cached.rep);
    put(out, "metadata", s.metadata.rep);
    put(out, "allocs", s.allocs);
    put(out, "frees", s.frees);
    put(out, "nomem", s.nomem);
    put(out, "elsewhere", s.elsewhere);
    put(out, "misuses", s.misuses);
    put(out, "regions", s.regions);
    put(out, "slots", s.slots);
    put(out, "classes", s.classes);
    put(out, "nodes", s.nodes);
    return 0;
  });
}

// Class size -> objects in use.
int on_classes(const char* /*command*/, const char* params, rte_tel_data* out) {
  return answer(out, params, [out](const core::Heap& heap) {
    for (unsigned c = 1; c <= heap.classes().count; ++c) {
      const std::size_t size = heap.classes().classes[c].size;
      put(out, std::to_string(size).c_str(), heap.class_stats(size).value().in_use);
    }
    return 0;
  });
}

int on_class(const char* /*command*/, const char* params, rte_tel_data* out) {
  return answer_numbered(out, params, [out](const core::Heap& heap, unsigned long size) {
    const Result<core::ClassStats> of_class = heap.class_stats(size);
    if (!of_class.ok()) return -EINVAL;
    const core::ClassStats& c = of_class.value();
    put(out, "size", c.size);
    put(out, "in_use", c.in_use);
    put(out, "cached", c.cached);
    put(out, "free_in_slabs", c.free_in_slabs);
    put(out, "alloc_hits", c.alloc_hits);
    put(out, "alloc_misses", c.alloc_misses);
    put(out, "nomem", c.nomem);
    put(out, "free_hits", c.free_hits);
    put(out, "free_misses", c.free_misses);
    put(out, "slab_acquires", c.slab_acquires);
    put(out, "slab_releases", c.slab_releases);
    put(out, "objects_per_slab", c.objects_per_slab);
    put(out, "slabs_empty", c.slabs_empty);
    put(out, "slabs_partial", c.slabs_partial);
    put(out, "slabs_full", c.slabs_full);
    return 0;
  });
}

// ---- lcores --------------------------------------------------------------------------------------------------------

void put_brief(rte_tel_data* out, const core::SlotStats& s) {
  put(out, "allocs", s.alloc_hits + s.alloc_misses);
  put(out, "frees", s.free_hits + s.free_misses);
  put(out, "nomem", s.nomem);
  put(out, "cached", s.cached);
}

void put_all(rte_tel_data* out, const core::SlotStats& s) {
  put(out, "cached", s.cached);
  put(out, "alloc_hits", s.alloc_hits);
  put(out, "alloc_misses", s.alloc_misses);
  put(out, "nomem", s.nomem);
  put(out, "free_hits", s.free_hits);
  put(out, "free_misses", s.free_misses);
}

// The lcores that ever used the heap, and all other threads together.
int on_lcores(const char* /*command*/, const char* params, rte_tel_data* out) {
  return answer(out, params, [out](const core::Heap& heap) {
    put_dict(out, "shared", [&](rte_tel_data* inner) { put_brief(inner, stats_of_shared(heap, 0)); });
    for (unsigned lcore = 0; lcore < RTE_MAX_LCORE; ++lcore) {
      const Result<core::SlotStats> stats = heap.slot_stats(slot_of_lcore(lcore).rep);
      if (!stats.ok()) continue;
      put_dict(out, std::to_string(lcore).c_str(), [&](rte_tel_data* inner) { put_brief(inner, stats.value()); });
    }
    return 0;
  });
}

int on_lcore(const char* /*command*/, const char* params, rte_tel_data* out) {
  constexpr char kShared[] = "shared";
  constexpr std::size_t kLength = sizeof(kShared) - 1;
  if (params != nullptr && std::strncmp(params, kShared, kLength) == 0) {
    const char* const rest = params + kLength;
    if (*rest != '\0' && *rest != ',') return -EINVAL;
    return answer(out, *rest == ',' ? rest + 1 : "", [out](const core::Heap& heap) {
      put_all(out, stats_of_shared(heap, 0));
      return 0;
    });
  }
  return answer_numbered(out, params, [out](const core::Heap& heap, unsigned long lcore) {
    if (lcore >= RTE_MAX_LCORE) return -EINVAL;
    put_all(out, stats_of_slot(heap, slot_of_lcore(static_cast<unsigned>(lcore)), 0));
    return 0;
  });
}

// ---- nodes and regions ---------------------------------------------------------------------------------------------

int put_node(rte_tel_data* out, const core::Heap& heap, unsigned long id) {
  if (id >= kAnyNode.rep) return -EINVAL;
  const Result<core::NodeStats> stats = heap.node_stats(NodeId{static_cast<std::uint16_t>(id)});
  if (!stats.ok()) return -EINVAL;
  const core::NodeStats& n = stats.value();
  put(out, "backing", n.backing.rep);
  put(out, "slabs", n.slabs.rep);
  put(out, "free", n.free.rep);
  put(out, "metadata", n.metadata.rep);
  put(out, "limit", n.limit.rep);
  put(out, "regions", n.regions);
  return 0;
}

int on_nodes(const char* /*command*/, const char* params, rte_tel_data* out) {
  return answer(out, params, [out](const core::Heap& heap) {
    for (unsigned n = 0; n < heap.stats().nodes; ++n) {
      const unsigned id = heap.node_at(n).rep;
      put_dict(out, std::to_string(id).c_str(), [&](rte_tel_data* inner) { put_node(inner, heap, id); });
    }
    return 0;
  });
}

int on_node(const char* /*command*/, const char* params, rte_tel_data* out) {
  return answer_numbered(out, params,
                         [out](const core::Heap& heap, unsigned long id) { return put_node(out, heap, id); });
}

std::vector<core::RegionStats> regions_of(const core::Heap& heap) {
  constexpr unsigned kMeanwhile = 16;  // the heap may grow between the two questions
  std::vector<core::RegionStats> regions(heap.stats().regions + kMeanwhile);
  regions.resize(heap.regions(regions));
  return regions;
}

void put_region(rte_tel_data* out, const core::RegionStats& r) {
  put(out, "address", reinterpret_cast<std::uintptr_t>(r.base));
  put(out, "size", r.size.rep);
  put(out, "node", r.node.rep);
  put(out, "page_size", r.page_size.rep);
  if (r.iova == kBadIova) return;  // nobody asked for one yet, or there is none
  put(out, "one_run", r.one_run ? 1 : 0);
  put(out, "iova", r.iova.rep);
}

// The first kMostRegions; /fastmem/region tells of any.
int on_regions(const char* /*command*/, const char* params, rte_tel_data* out) {
  return answer(out, params, [out](const core::Heap& heap) {
    const std::vector<core::RegionStats> regions = regions_of(heap);
    put(out, "count", regions.size());
    for (unsigned i = 0; i < regions.size() && i < kMostRegions; ++i) {
      put_dict(out, std::to_string(i).c_str(), [&](rte_tel_data* inner) { put_region(inner, regions[i]); });
    }
    return 0;
  });
}

int on_region(const char* /*command*/, const char* params, rte_tel_data* out) {
  return answer_numbered(out, params, [out](const core::Heap& heap, unsigned long index) {
    const std::vector<core::RegionStats> regions = regions_of(heap);
    if (index >= regions.size()) return -EINVAL;
    put_region(out, regions[index]);
    return 0;
  });
}

// ---- registration --------------------------------------------------------------------------------------------------

constexpr TelemetryCommand kCommands[] = {
    {"/fastmem/list", on_list, "Names of the heaps. Takes no parameters"},
    {"/fastmem/heap", on_heap, "Totals of a heap, memory in bytes. Parameters: [heap]"},
    {"/fastmem/classes", on_classes, "Objects in use by class size. Parameters: [heap]"},
    {"/fastmem/class", on_class, "One size class. Parameters: size[,heap]"},
    {"/fastmem/lcores", on_lcores, "Allocations by lcore and by threads without one. Parameters: [heap]"},
    {"/fastmem/lcore", on_lcore, "One lcore. Parameters: lcore id or shared[,heap]"},
    {"/fastmem/nodes", on_nodes, "Memory by NUMA node. Parameters: [heap]"},
    {"/fastmem/node", on_node, "One NUMA node. Parameters: socket id[,heap]"},
    {"/fastmem/regions", on_regions, "How many regions there are, and the first of them. Parameters: [heap]"},
    {"/fastmem/region", on_region, "One region. Parameters: index[,heap]"},
};

RTE_INIT(fastmem_register_telemetry) { register_commands(kCommands); }

}  // namespace
}  // namespace fastmem::dpdk
