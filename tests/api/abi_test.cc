// SPDX-License-Identifier: BSD-3-Clause
// Does a program that was compiled with an older fastmem.h, with smaller structures, still work? Sizes and offsets are
// fixed: fields are added at the end only.
#include <doctest/doctest.h>
#include <fastmem.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "tests/api/c_heap.h"

namespace fastmem {
namespace {

using test::CHeap;

#define AT(type, field, offset) static_assert(offsetof(type, field) == (offset), #type "." #field)

static_assert(sizeof(fastmem_config_t) == 176);
AT(fastmem_config_t, struct_size, 0);
AT(fastmem_config_t, version, 4);
AT(fastmem_config_t, pages, 8);
AT(fastmem_config_t, iova_mode, 12);
AT(fastmem_config_t, profile, 16);
AT(fastmem_config_t, misuse, 20);
AT(fastmem_config_t, default_align, 24);
AT(fastmem_config_t, region_size, 32);
AT(fastmem_config_t, address_space, 40);
AT(fastmem_config_t, limit_per_node, 48);
AT(fastmem_config_t, first_region, 56);
AT(fastmem_config_t, cache_budget, 64);
AT(fastmem_config_t, files, 72);
AT(fastmem_config_t, keep_files, 76);
AT(fastmem_config_t, directory, 80);
AT(fastmem_config_t, file_prefix, 88);
AT(fastmem_config_t, preallocate, 96);
AT(fastmem_config_t, base_address, 104);
AT(fastmem_config_t, locked, 112);
AT(fastmem_config_t, prefault, 116);
AT(fastmem_config_t, prefault_threads, 120);
AT(fastmem_config_t, progress, 128);
AT(fastmem_config_t, progress_context, 136);
AT(fastmem_config_t, decay_ms, 144);
AT(fastmem_config_t, pressure_some_us, 148);
AT(fastmem_config_t, pressure_full_us, 152);
AT(fastmem_config_t, pressure_window_us, 156);
AT(fastmem_config_t, check, 160);
AT(fastmem_config_t, harden, 168);

static_assert(sizeof(fastmem_segment_t) == 16);
AT(fastmem_segment_t, iova, 0);
AT(fastmem_segment_t, len, 8);

static_assert(sizeof(fastmem_stats_t) == 104);
AT(fastmem_stats_t, bytes_backing, 8);
AT(fastmem_stats_t, bytes_slabs, 16);
AT(fastmem_stats_t, bytes_in_use, 24);
AT(fastmem_stats_t, bytes_cached, 32);
AT(fastmem_stats_t, bytes_metadata, 40);
AT(fastmem_stats_t, alloc_total, 48);
AT(fastmem_stats_t, free_total, 56);
AT(fastmem_stats_t, alloc_nomem, 64);
AT(fastmem_stats_t, alloc_elsewhere, 72);
AT(fastmem_stats_t, misuse, 80);
AT(fastmem_stats_t, regions, 88);
AT(fastmem_stats_t, slots, 92);
AT(fastmem_stats_t, classes, 96);
AT(fastmem_stats_t, nodes, 100);

static_assert(sizeof(fastmem_class_stats_t) == 120);
AT(fastmem_class_stats_t, class_size, 8);
AT(fastmem_class_stats_t, in_use, 16);
AT(fastmem_class_stats_t, cached, 24);
AT(fastmem_class_stats_t, alloc_cache_hits, 32);
AT(fastmem_class_stats_t, alloc_cache_misses, 40);
AT(fastmem_class_stats_t, alloc_nomem, 48);
AT(fastmem_class_stats_t, free_cache_hits, 56);
AT(fastmem_class_stats_t, free_cache_misses, 64);
AT(fastmem_class_stats_t, slab_acquires, 72);
AT(fastmem_class_stats_t, slab_releases, 80);
AT(fastmem_class_stats_t, objects_per_slab, 88);
AT(fastmem_class_stats_t, free_in_slabs, 96);
AT(fastmem_class_stats_t, slabs_empty, 104);
AT(fastmem_class_stats_t, slabs_partial, 108);
AT(fastmem_class_stats_t, slabs_full, 112);

static_assert(sizeof(fastmem_slot_stats_t) == 64);
AT(fastmem_slot_stats_t, class_size, 8);
AT(fastmem_slot_stats_t, cached, 16);
AT(fastmem_slot_stats_t, free_cache_misses, 56);

static_assert(sizeof(fastmem_node_stats_t) == 56);
AT(fastmem_node_stats_t, bytes_backing, 8);
AT(fastmem_node_stats_t, limit, 40);
AT(fastmem_node_stats_t, regions, 48);
AT(fastmem_node_stats_t, node, 52);

static_assert(sizeof(fastmem_memory_t) == 64);
AT(fastmem_memory_t, node, 4);
AT(fastmem_memory_t, base, 8);
AT(fastmem_memory_t, size, 16);
AT(fastmem_memory_t, page_size, 24);
AT(fastmem_memory_t, iovas, 32);
AT(fastmem_memory_t, pages, 40);
AT(fastmem_memory_t, fd_offset, 48);
AT(fastmem_memory_t, fd, 56);

static_assert(sizeof(fastmem_listener_t) == 56);
AT(fastmem_listener_t, flags, 4);
AT(fastmem_listener_t, name, 8);
AT(fastmem_listener_t, context, 16);
AT(fastmem_listener_t, came, 24);
AT(fastmem_listener_t, goes, 32);
AT(fastmem_listener_t, may_grow, 40);
AT(fastmem_listener_t, removed, 48);

static_assert(FASTMEM_LISTEN_IOVAS == 1);
static_assert(sizeof(fastmem_kind_t) == 40);
AT(fastmem_kind_t, pages, 4);
AT(fastmem_kind_t, tag, 8);
AT(fastmem_kind_t, locked, 16);
AT(fastmem_kind_t, node, 20);
AT(fastmem_kind_t, flags, 24);
AT(fastmem_kind_t, limit, 32);

static_assert(sizeof(fastmem_kind_stats_t) == 64);
AT(fastmem_kind_stats_t, sent_elsewhere, 8);
AT(fastmem_kind_stats_t, served_for_others, 16);
AT(fastmem_kind_stats_t, bytes_backing, 24);
AT(fastmem_kind_stats_t, bytes_slabs, 32);
AT(fastmem_kind_stats_t, bytes_free, 40);
AT(fastmem_kind_stats_t, limit, 48);
AT(fastmem_kind_stats_t, regions, 56);
AT(fastmem_kind_stats_t, nodes, 60);

static_assert(sizeof(fastmem_zone_t) == 80);
AT(fastmem_zone_t, name, 8);
AT(fastmem_zone_t, addr, 40);
AT(fastmem_zone_t, len, 48);
AT(fastmem_zone_t, iova, 56);
AT(fastmem_zone_t, page_size, 64);
AT(fastmem_zone_t, node, 72);
AT(fastmem_zone_t, flags, 76);

static_assert(FASTMEM_ANY_KIND == 4 && FASTMEM_KIND_ONLY_NAMED == 1 && FASTMEM_KIND_BROUGHT == 2);
static_assert(FASTMEM_MEMORY_ZEROED == 1 && FASTMEM_MEMORY_IOVA_VA == 2 && FASTMEM_MEMORY_FORK == 4);
static_assert(sizeof(fastmem_handle_t) == 4);
static_assert(FASTMEM_PAGES_4K == 4 && FASTMEM_IOVA_NONE == 3 && FASTMEM_PROFILE_RFC == 1 && FASTMEM_MISUSE_ABORT == 1);
static_assert(FASTMEM_FILES_NONE == 0 && FASTMEM_FILES_MEMFD == 1 && FASTMEM_FILES_LIST == 3);
static_assert(FASTMEM_ZERO == 1 && FASTMEM_STRICT == 2 && FASTMEM_NODE_ANY == -1);
static_assert(FASTMEM_BELOW_LOW == 1 && FASTMEM_ABOVE_HIGH == 2);
static_assert(FASTMEM_PRESSURE_SOME == 1 && FASTMEM_PRESSURE_FULL == 2);
static_assert(FASTMEM_LOG_INFO == 0 && FASTMEM_LOG_WARNING == 1 && FASTMEM_LOG_ERROR == 2);

TEST_CASE("fastmem_config_init sets the documented defaults") {
  fastmem_config_t config;
  std::memset(&config, 0xff, sizeof(config));
  fastmem_config_init(&config);
  CHECK(config.struct_size == sizeof(config));
  CHECK(config.pages == FASTMEM_PAGES_AUTO);
  CHECK(config.iova_mode == FASTMEM_IOVA_AUTO);
  CHECK(config.profile == FASTMEM_PROFILE_FINE);
  CHECK(config.misuse == FASTMEM_MISUSE_REPORT);
  CHECK(config.default_align == 16);
  CHECK(config.region_size == 128 * test::kMegabyte);
  CHECK(config.address_space == 0);
  CHECK(config.limit_per_node == FASTMEM_UNLIMITED);
  CHECK(config.first_region == 4 * test::kMegabyte);
  CHECK(config.cache_budget == 128 * test::kMegabyte);
  CHECK(config.files == FASTMEM_FILES_NONE);
  CHECK(config.keep_files == 0);
  CHECK(config.directory == nullptr);
  CHECK(config.file_prefix == nullptr);
  CHECK(config.preallocate == 0);
  CHECK(config.base_address == 0);
  CHECK(config.locked == 0);
  CHECK(config.prefault == 0);
  CHECK(config.prefault_threads == 0);
  CHECK((config.progress == nullptr));
  CHECK(config.decay_ms == 0);
  CHECK(config.pressure_some_us == 200'000);
  CHECK(config.pressure_full_us == 100'000);
  CHECK(config.pressure_window_us == 2'000'000);
  fastmem_config_init(nullptr);  // does nothing
}

// Each structure at the end of a block that is as large as an older header knew it: what lies behind must not change.
template <class Stats, class Call>
void check_older_sizes(Call call) {
  Stats whole = {};
  whole.struct_size = sizeof(whole);
  REQUIRE(call(&whole) == 0);
  CHECK(whole.struct_size == sizeof(whole));
  CHECK(whole.version == FASTMEM_STRUCT_VERSION);
  for (std::size_t size = sizeof(std::size_t); size < sizeof(Stats) + 40; size += 8) {
    CAPTURE(size);
    constexpr unsigned char kUntouched = 0xa5;
    alignas(8) unsigned char block[sizeof(Stats) + 64];
    std::memset(block, kUntouched, sizeof(block));
    std::memcpy(block, &size, sizeof(size));
    REQUIRE(call(reinterpret_cast<Stats*>(block)) == 0);
    const std::size_t known = size < sizeof(Stats) ? size : sizeof(Stats);
    std::uint32_t told = 0;
    std::memcpy(&told, block, sizeof(told));
    CHECK(told == known);
    CHECK(std::equal(block + 8, block + known, reinterpret_cast<unsigned char*>(&whole) + 8));
    bool untouched = true;
    for (std::size_t i = known; i < sizeof(block); ++i) untouched &= block[i] == kUntouched;
    CHECK(untouched);
  }
}

TEST_CASE("statistics into structures of older and newer headers") {
  const CHeap heap;
  const unsigned slot = fastmem_slot();
  for (int i = 0; i < 300; ++i) REQUIRE(heap.alloc(64) != nullptr);
  check_older_sizes<fastmem_stats_t>([&](auto* s) { return fastmem_stats(heap, s); });
  REQUIRE(fastmem_zone_reserve(heap, "zone", 1000, 0, 0, 0, FASTMEM_NODE_ANY, nullptr) == 0);
  check_older_sizes<fastmem_zone_t>([&](auto* z) { return fastmem_zone_lookup(heap, "zone", z); });
  check_older_sizes<fastmem_kind_stats_t>([&](auto* s) { return fastmem_stats_kind(heap, 1023, s); });
  check_older_sizes<fastmem_class_stats_t>([&](auto* s) { return fastmem_stats_class(heap, 64, s); });
  check_older_sizes<fastmem_slot_stats_t>([&](auto* s) { return fastmem_stats_slot(heap, slot, s); });
  check_older_sizes<fastmem_slot_stats_t>([&](auto* s) { return fastmem_stats_slot_class(heap, slot, 64, s); });
  check_older_sizes<fastmem_node_stats_t>([&](auto* s) { return fastmem_stats_node(heap, test::some_node(heap), s); });
}

TEST_CASE("a configuration of an older header: what it lacks keeps its default") {
  fastmem_config_t config = test::small_config();
  config.limit_per_node = 0;
  config.struct_size = offsetof(fastmem_config_t, limit_per_node);  // not known then
  const CHeap heap(config);
  CHECK(fastmem_get_limit(heap, test::some_node(heap)) == FASTMEM_UNLIMITED);
  CHECK(heap.alloc(100) != nullptr);
}

TEST_CASE("a configuration whose fields mean something else is refused") {
  fastmem_config_t config = test::small_config();
  config.version = FASTMEM_STRUCT_VERSION + 1;
  CHECK(fastmem_heap_create(&config) == nullptr);
  CHECK(errno == EINVAL);
}

TEST_CASE("a configuration of a newer header: what is not known here is not looked at") {
  struct Newer {
    fastmem_config_t known;
    std::size_t more[4];
  } config = {test::small_config(), {~std::size_t{0}, 1, 2, 3}};
  config.known.struct_size = sizeof(config);
  const CHeap heap(config.known);
  CHECK(heap.alloc(100) != nullptr);
}

}  // namespace
}  // namespace fastmem
