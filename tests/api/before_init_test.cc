// SPDX-License-Identifier: BSD-3-Clause
// Is any function of fastmem.h safe to be the first that a process calls? Each in a process of its own: here there is
// never a default heap.
#include <doctest/doctest.h>
#include <fastmem.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "tests/support/child_process.h"

namespace fastmem {
namespace {

// Nothing, or the name of what was wrong.
std::string expect(bool right, const char* what) {
  return right ? "" : std::string(what) + ": " + fastmem_error_text();
}

#define FIRST_CALL(name, ...)                                                            \
  TEST_CASE("first of all: " name) {                                                     \
    const test::ChildResult child = test::run_in_child([]() -> std::string __VA_ARGS__); \
    CHECK(child.signal == 0);                                                            \
    CHECK(child.text == "");                                                             \
  }

char g_object[64];

// What needs no heap does not make one; what refuses says so.
FIRST_CALL("free", { return expect(fastmem_free(g_object) == -ENODEV, "not ENODEV"); })
FIRST_CALL("free has a text", {
  fastmem_free(g_object);
  return expect(fastmem_error_text()[0] != '\0', "no text");
})
FIRST_CALL("free NULL", { return expect(fastmem_free(nullptr) == 0, "not 0"); })
FIRST_CALL("free_sized", { return expect(fastmem_free_sized(g_object, 64) == -ENODEV, "not ENODEV"); })
FIRST_CALL("free_sized NULL", { return expect(fastmem_free_sized(nullptr, 64) == 0, "not 0"); })
FIRST_CALL("free_bulk", {
  void* const objects[2] = {nullptr, g_object};
  return expect(fastmem_free_bulk(objects, 2) == -ENODEV, "not ENODEV");
})
FIRST_CALL("heap_free of the default heap",
           { return expect(fastmem_heap_free(nullptr, g_object) == -ENODEV, "not ENODEV"); })
FIRST_CALL("handle_alloc", {
  errno = 0;
  void* const p = fastmem_handle_alloc(nullptr, 3, 0);
  return expect(p == nullptr && errno == ENODEV, "not ENODEV");
})
FIRST_CALL("handle_alloc_bulk", {
  void* objects[2];
  return expect(fastmem_handle_alloc_bulk(nullptr, 3, objects, 2, 0) == -ENODEV, "not ENODEV");
})
FIRST_CALL("handle_free", { return expect(fastmem_handle_free(nullptr, 3, g_object) == -ENODEV, "not ENODEV"); })
FIRST_CALL("handle_free NULL", { return expect(fastmem_handle_free(nullptr, 3, nullptr) == 0, "not 0"); })
FIRST_CALL("handle_free_bulk", {
  void* const objects[1] = {g_object};
  return expect(fastmem_handle_free_bulk(nullptr, 3, objects, 1) == -ENODEV, "not ENODEV");
})
FIRST_CALL("usable_size", { return expect(fastmem_usable_size(g_object) == 0, "not 0"); })
FIRST_CALL("usable_size NULL", { return expect(fastmem_usable_size(nullptr) == 0, "not 0"); })
FIRST_CALL("error_text", { return expect(fastmem_error_text()[0] == '\0', "not empty"); })
FIRST_CALL("heap_destroy", { return expect(fastmem_heap_destroy(nullptr) == -EINVAL, "not EINVAL"); })

// The rest makes the default heap when it needs it.
FIRST_CALL("alloc", {
  void* const p = fastmem_alloc(10, 0, 0);
  return expect(p != nullptr && fastmem_free(p) == 0, "alloc");
})
FIRST_CALL("alloc with flags", { return expect(fastmem_alloc(10, 64, FASTMEM_ZERO) != nullptr, "alloc"); })
FIRST_CALL("alloc_on", { return expect(fastmem_alloc_on(10, 0, 0, FASTMEM_NODE_ANY) != nullptr, "alloc_on"); })
FIRST_CALL("alloc of 0 bytes", {
  errno = 0;
  return expect(fastmem_alloc(0, 0, 0) == nullptr && errno == EINVAL, "not EINVAL");
})
FIRST_CALL("alloc of too many bytes", {
  errno = 0;
  return expect(fastmem_alloc(SIZE_MAX, 0, 0) == nullptr && errno == E2BIG, "not E2BIG");
})
FIRST_CALL("realloc", { return expect(fastmem_realloc(nullptr, 10, 0) != nullptr, "realloc"); })
FIRST_CALL("realloc of a foreign pointer", {
  errno = 0;
  return expect(fastmem_realloc(g_object, 10, 0) == nullptr && errno == EINVAL, "not EINVAL");
})
FIRST_CALL("alloc_bulk", {
  void* objects[300];
  return expect(fastmem_alloc_bulk(objects, 300, 10, 0, 0) == 0 && fastmem_free_bulk(objects, 300) == 0, "bulk");
})
FIRST_CALL("handle", {
  fastmem_handle_t handle = 0;
  if (fastmem_handle(nullptr, 10, 0, FASTMEM_NODE_ANY, &handle) != 0) return "handle";
  return expect(fastmem_handle_alloc(nullptr, handle, 0) != nullptr, "handle_alloc");
})
FIRST_CALL("stats", {
  fastmem_stats_t stats = {};
  stats.struct_size = sizeof(stats);
  return expect(fastmem_stats(nullptr, &stats) == 0 && stats.alloc_total == 0, "stats");
})
FIRST_CALL("stats_class", {
  fastmem_class_stats_t stats = {};
  stats.struct_size = sizeof(stats);
  return expect(fastmem_stats_class(nullptr, 64, &stats) == 0 && stats.in_use == 0, "stats_class");
})
FIRST_CALL("stats_slot", {
  fastmem_slot_stats_t stats = {};
  stats.struct_size = sizeof(stats);
  return expect(fastmem_stats_slot(nullptr, 900, &stats) == -EINVAL, "not EINVAL");
})
FIRST_CALL("stats_reset", {
  fastmem_stats_reset(nullptr);
  return "";
})
FIRST_CALL("flush", {
  fastmem_flush(nullptr);
  return "";
})
FIRST_CALL("trim", { return expect(fastmem_trim(nullptr) == 0, "not 0"); })
FIRST_CALL("trim_bytes", { return expect(fastmem_trim_bytes(nullptr, 1) == 0, "not 0"); })
FIRST_CALL("set_floor", { return expect(fastmem_set_floor(nullptr, 0, FASTMEM_NODE_ANY) == 0, "set_floor"); })
FIRST_CALL("set_total_limit", { return expect(fastmem_set_total_limit(nullptr, 0) == 0, "set_total_limit"); })
FIRST_CALL("set_watermarks", {
  return expect(fastmem_set_watermarks(nullptr, 0, FASTMEM_UNLIMITED, FASTMEM_NODE_ANY) == 0, "set_watermarks");
})
FIRST_CALL("on_watermark and on_pressure", {
  fastmem_on_watermark(nullptr, nullptr, nullptr);
  fastmem_on_pressure(nullptr, nullptr, nullptr);
  return "";
})
FIRST_CALL("set_decay", {
  fastmem_set_decay(nullptr, 100);
  return "";
})
FIRST_CALL("maintain", { return expect(fastmem_maintain(nullptr, 0) == 0, "maintain"); })
FIRST_CALL("maintainer_start", { return expect(fastmem_maintainer_start(nullptr) == 0, "maintainer_start"); })
FIRST_CALL("maintainer_stop", { return expect(fastmem_maintainer_stop(nullptr) == 0, "maintainer_stop"); })
FIRST_CALL("pressure", { return expect(fastmem_pressure(nullptr, FASTMEM_PRESSURE_SOME) == 0, "pressure"); })
FIRST_CALL("reserve", { return expect(fastmem_reserve(nullptr, 1, FASTMEM_NODE_ANY) == 0, "reserve"); })
FIRST_CALL("set_limit", {
  if (fastmem_set_limit(nullptr, 0, FASTMEM_NODE_ANY) != 0) return "set_limit";
  return expect(fastmem_alloc(10, 0, 0) == nullptr && errno == ENOMEM, "the limit was not kept");
})
FIRST_CALL("virt_to_iova", { return expect(fastmem_virt_to_iova(nullptr, g_object) == FASTMEM_BAD_IOVA, "iova"); })
FIRST_CALL("iova_contiguous", { return expect(fastmem_iova_contiguous(nullptr, g_object, 8) < 0, "iova"); })
FIRST_CALL("iova_segments", { return expect(fastmem_iova_segments(nullptr, g_object, 8, nullptr, 0) < 0, "iova"); })
FIRST_CALL("classes", { return expect(fastmem_classes(nullptr, nullptr) > 10, "classes"); })
FIRST_CALL("max_size", { return expect(fastmem_max_size(nullptr) >= std::size_t{1} << 28, "max_size"); })
FIRST_CALL("slot", { return expect(fastmem_slot() == 1, "slot"); })
FIRST_CALL("init", {
  fastmem_config_t config;
  fastmem_config_init(&config);
  config.pages = FASTMEM_PAGES_4K;
  config.default_align = 64;
  if (fastmem_init(&config) != 0) return fastmem_error_text();
  if (fastmem_init(&config) != -EBUSY) return "not EBUSY";
  return expect(reinterpret_cast<std::uintptr_t>(fastmem_alloc(10, 0, 0)) % 64 == 0, "not the configuration given");
})
FIRST_CALL("init that fails can be tried again", {
  fastmem_config_t config;
  fastmem_config_init(&config);
  config.default_align = 3;
  if (fastmem_init(&config) != -EINVAL) return "not EINVAL";
  if (fastmem_free(g_object) != -ENODEV) return "there is a heap";
  config.default_align = 16;
  return expect(fastmem_init(&config) == 0, "init");
})
FIRST_CALL("a heap of one's own leaves the default heap unborn", {
  fastmem_config_t config;
  fastmem_config_init(&config);
  config.pages = FASTMEM_PAGES_4K;
  fastmem_heap_t* const heap = fastmem_heap_create(&config);
  if (heap == nullptr) return fastmem_error_text();
  void* const p = fastmem_heap_alloc(heap, 10, 0, 0);
  if (p == nullptr) return "alloc";
  if (fastmem_free(p) != -ENODEV) return "there is a default heap";
  return expect(fastmem_heap_free(heap, p) == 0, "free");
})

}  // namespace
}  // namespace fastmem
