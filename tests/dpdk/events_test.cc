// SPDX-License-Identifier: BSD-3-Clause
// EAL's memory comes and goes before a listener's eyes as any other does, with the IOVAs that EAL says.
#include <doctest/doctest.h>
#include <rte_memory.h>

#include <map>
#include <string>
#include <vector>

#include "backends/dpdk/dpdk_backing.h"
#include "backends/dpdk/dpdk_topology.h"
#include "core/heap.h"
#include "tests/dpdk/eal_main.h"

namespace fastmem::test {
namespace {

struct Seen {
  std::map<std::uintptr_t, Bytes> held;
  unsigned wrong_iovas = 0;
  bool refuses = false;

  static Error came(const core::MemoryEvent& memory, void* context) {
    auto& seen = *static_cast<Seen*>(context);
    if (seen.refuses) return make_error(ErrorCode::kNoSpace, "the card is full");
    seen.held[reinterpret_cast<std::uintptr_t>(memory.base)] = memory.size;
    FM_CHECK(memory.iovas.size() == memory.size / memory.page_size);
    for (std::size_t i = 0; i < memory.iovas.size(); ++i) {
      const auto* const page = static_cast<const std::byte*>(memory.base) + i * memory.page_size.rep;
      seen.wrong_iovas += memory.iovas[i].rep != rte_mem_virt2iova(page) ? 1 : 0;
    }
    return {};
  }
  static void goes(const core::MemoryEvent& memory, void* context) {
    FM_CHECK(static_cast<Seen*>(context)->held.erase(reinterpret_cast<std::uintptr_t>(memory.base)) == 1);
  }
  bool holds(const void* p, std::size_t size) const {
    const auto at = reinterpret_cast<std::uintptr_t>(p);
    auto it = held.upper_bound(at);
    if (it == held.begin()) return false;
    --it;
    return at + size <= it->first + it->second.rep;
  }
};

TEST_CASE("regions of EAL's memory") {
  const auto topology = make_dpdk_topology();
  auto backing = make_dpdk_backing();
  REQUIRE(backing.ok());
  core::HeapConfig config;
  config.backing = backing->get();
  config.topology = topology.get();
  config.region_size = config.first_region = kMiB * 4;
  const Result<core::Heap*> made = core::Heap::create(config);
  REQUIRE(made.ok());
  core::Heap& heap = *made.value();
  Seen seen;
  core::MemoryListener listener;
  listener.name = "card";
  listener.context = &seen;
  listener.wants_iovas = true;
  listener.came = Seen::came;
  listener.goes = Seen::goes;
  REQUIRE(heap.add_listener(listener).ok());
  std::vector<void*> all;
  for (unsigned i = 0; i < 20; ++i) {
    all.push_back(heap.alloc(core::kMaxSize));
    REQUIRE(all.back() != nullptr);
    CHECK(seen.holds(all.back(), core::kMaxSize));
  }
  CHECK(seen.held.size() == heap.stats().regions);
  CHECK(seen.held.size() > 1);
  CHECK(seen.wrong_iovas == 0);
  seen.refuses = true;
  while (void* const p = heap.alloc(core::kMaxSize)) all.push_back(p);
  CHECK(std::string(last_error().text).find("card: the card is full") != std::string::npos);
  CHECK(seen.held.size() == heap.stats().regions);
  for (void* const p : all) CHECK(heap.free(p) == ErrorCode::kOk);
  heap.trim();
  CHECK(seen.held.empty());
  heap.destroy();
}

}  // namespace
}  // namespace fastmem::test
