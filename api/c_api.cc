// SPDX-License-Identifier: BSD-3-Clause
// api/c_api.cc -- floor 3 (api). fastmem.h: heaps and objects. The default heap's alloc and free are the hot ones.
#include "api/c_api.h"

#include <chrono>
#include <cstddef>
#include <new>
#include <utility>

#include "core/heap_list.h"

using namespace fastmem;         // NOLINT: the bodies of fastmem.h
using namespace fastmem::c_api;  // NOLINT

static_assert(FASTMEM_ZERO == core::kZero && FASTMEM_STRICT == core::kStrict);
static_assert(FASTMEM_CONTIGUOUS == core::kContiguous);

namespace {

[[gnu::cold, gnu::noinline]] void* alloc_with(fastmem_heap_t* heap, size_t size, size_t align, unsigned flags,
                                              int node) {
  core::Heap* const h = unwrap(heap);
  NodeId id;
  if (!to_node(node, id)) bad_node(node);
  void* const p = h != nullptr && to_node(node, id) ? h->alloc_with(size, align, flags, id) : nullptr;
  return p != nullptr ? p : no_object();
}

// The first allocation of the process makes the default heap.
[[gnu::cold, gnu::noinline]] void* default_alloc_slow(core::Heap& heap, size_t size) {
  if (heap.is_absent()) return alloc_with(nullptr, size, 0, 0, FASTMEM_NODE_ANY);
  void* const p = heap.alloc_slow(size);
  return p != nullptr ? p : no_object();
}

[[gnu::cold, gnu::noinline]] int free_slow(core::Heap& heap, void* ptr) { return negative(heap.free_slow(ptr)); }

// The default heap or what stands where it will be.
core::Heap* hot_default() { return g_default_heap.load(std::memory_order_relaxed); }

// Without a branch: a jump to fetch the default costs a handle's alloc and free two cycles, half of what they do.
core::Heap* existing(fastmem_heap_t* heap) {
  core::Heap* const by_default = hot_default();
  return __builtin_expect_with_probability(heap != nullptr, 1, 0.5) ? reinterpret_cast<core::Heap*>(heap) : by_default;
}

ErrorCode bad_handle(core::Heap* heap, fastmem_handle_t handle) {
  if (heap->is_absent()) return heap->refuse_without_heap();
  return fail(ErrorCode::kInvalid, "not a handle of this heap: %u", handle);
}

// Of one that is in range.
core::Handle to_handle(fastmem_handle_t handle) { return core::Handle{static_cast<std::uint16_t>(handle)}; }

[[gnu::cold, gnu::noinline]] void* handle_alloc_slow(core::Heap& heap, core::Handle handle) {
  void* const p = heap.handle_alloc_slow(handle);
  return p != nullptr ? p : no_object();
}
[[gnu::cold, gnu::noinline]] void* handle_alloc_with(core::Heap& heap, fastmem_handle_t handle, unsigned flags) {
  if (!heap.in_range(unsigned{handle})) return bad_handle(&heap, handle), no_object();
  void* const p = heap.alloc_with(to_handle(handle), flags);
  return p != nullptr ? p : no_object();
}
[[gnu::cold, gnu::noinline]] int handle_free_slow(core::Heap& heap, core::Handle handle, void* p) {
  return negative(heap.handle_free_slow(handle, p));
}

ErrorCode bad_config() {
  return fail(ErrorCode::kInvalid, "a configuration that fastmem_config_init() did not make, or a value out of range");
}

}  // namespace

// ---- the hot ones --------------------------------------------------------------------------------------------------

// Each begins a cache line: two of them in one make calls that follow each other slower.
[[gnu::aligned(64)]] void* fastmem_alloc(size_t size, size_t align, unsigned int flags) {
  if ((align | flags) != 0) [[unlikely]]
    return alloc_with(nullptr, size, align, flags, FASTMEM_NODE_ANY);
  return hot_default()->alloc_or(size, default_alloc_slow);
}

[[gnu::aligned(64)]] int fastmem_free(void* ptr) { return hot_default()->free_or(ptr, free_slow); }

[[gnu::aligned(64)]] int fastmem_free_sized(void* ptr, size_t size) {
  return negative(hot_default()->free_sized(ptr, size));
}

[[gnu::aligned(64)]] void* fastmem_handle_alloc(fastmem_heap_t* heap, fastmem_handle_t handle, unsigned int flags) {
  core::Heap* const h = existing(heap);
  if (flags != 0 || !h->in_range(unsigned{handle})) [[unlikely]]
    return handle_alloc_with(*h, handle, flags);
  return h->alloc_or(to_handle(handle), handle_alloc_slow);
}

[[gnu::aligned(64)]] int fastmem_handle_free(fastmem_heap_t* heap, fastmem_handle_t handle, void* ptr) {
  core::Heap* const h = existing(heap);
  if (!h->in_range(unsigned{handle})) [[unlikely]]
    return ptr == nullptr ? 0 : negative(bad_handle(h, handle));
  return h->free_or(to_handle(handle), ptr, handle_free_slow);
}

// ---- the rest, by heap ---------------------------------------------------------------------------------------------

void* fastmem_alloc_on(size_t size, size_t align, unsigned int flags, int node) {
  return alloc_with(nullptr, size, align, flags, node);
}

void* fastmem_heap_alloc(fastmem_heap_t* heap, size_t size, size_t align, unsigned int flags) {
  if (heap == nullptr) return fastmem_alloc(size, align, flags);
  if ((align | flags) != 0) return alloc_with(heap, size, align, flags, FASTMEM_NODE_ANY);
  void* const p = unwrap(heap)->alloc(size);
  return p != nullptr ? p : no_object();
}

void* fastmem_heap_alloc_on(fastmem_heap_t* heap, size_t size, size_t align, unsigned int flags, int node) {
  return alloc_with(heap, size, align, flags, node);
}

int fastmem_heap_free(fastmem_heap_t* heap, void* ptr) { return negative(existing(heap)->free(ptr)); }

int fastmem_heap_free_sized(fastmem_heap_t* heap, void* ptr, size_t size) {
  return negative(existing(heap)->free_sized(ptr, size));
}

void* fastmem_alloc_request(fastmem_heap_t* heap, const fastmem_request_t* request) {
  core::Heap* const h = unwrap(heap);
  if (h == nullptr) return no_object();
  if (request == nullptr || request->struct_size < sizeof(*request)) {
    fail(ErrorCode::kInvalid, "no request, or one whose struct_size is not set");
    return no_object();
  }
  NodeId id;
  if (!to_node(request->node, id)) return bad_node(request->node), no_object();
  void* const p = h->alloc({request->size, request->align, request->boundary, request->flags, id});
  return p != nullptr ? p : no_object();
}

int fastmem_free_sensitive(fastmem_heap_t* heap, void* ptr) { return negative(existing(heap)->free_sensitive(ptr)); }

int fastmem_validate(fastmem_heap_t* heap, const void* ptr, size_t* size) {
  const Result<std::size_t> usable = existing(heap)->validate(ptr);
  if (!usable.ok()) return negative(usable.error());
  if (size != nullptr) *size = usable.value();
  return 0;
}

void* fastmem_realloc(void* ptr, size_t size, size_t align) { return fastmem_heap_realloc(nullptr, ptr, size, align); }

void* fastmem_heap_realloc(fastmem_heap_t* heap, void* ptr, size_t size, size_t align) {
  core::Heap* const h = unwrap(heap);
  if (h == nullptr) return no_object();
  const bool frees = size == 0 && h->usable_size(ptr) != 0;
  void* const p = h->realloc(ptr, size, align);
  return p != nullptr || frees ? p : no_object();
}

size_t fastmem_usable_size(const void* ptr) { return fastmem_heap_usable_size(nullptr, ptr); }

size_t fastmem_heap_usable_size(fastmem_heap_t* heap, const void* ptr) { return existing(heap)->usable_size(ptr); }

int fastmem_alloc_bulk(void** ptrs, size_t n, size_t size, size_t align, unsigned int flags) {
  return fastmem_heap_alloc_bulk(nullptr, ptrs, n, size, align, flags, FASTMEM_NODE_ANY);
}

int fastmem_free_bulk(void* const* ptrs, size_t n) { return fastmem_heap_free_bulk(nullptr, ptrs, n); }

int fastmem_heap_alloc_bulk(fastmem_heap_t* heap, void** ptrs, size_t n, size_t size, size_t align, unsigned int flags,
                            int node) {
  core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  NodeId id;
  if (!to_node(node, id)) return negative(bad_node(node));
  if ((align | flags) == 0 && id == kAnyNode) return negative(h->alloc_bulk(ptrs, n, size));
  return negative(h->alloc_bulk(ptrs, n, size, align, flags, id));
}

int fastmem_heap_free_bulk(fastmem_heap_t* heap, void* const* ptrs, size_t n) {
  return negative(existing(heap)->free_bulk(ptrs, n));
}

int fastmem_handle(fastmem_heap_t* heap, size_t size, size_t align, int node, fastmem_handle_t* handle) {
  if (handle == nullptr) return negative(fail(ErrorCode::kInvalid, "no place for the handle"));
  core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  NodeId id;
  if (!to_node(node, id)) return negative(bad_node(node));
  const Result<core::Handle> found = h->handle(size, align, id);
  if (!found.ok()) return negative(found.error());
  *handle = found.value().rep;
  return 0;
}

int fastmem_handle_alloc_bulk(fastmem_heap_t* heap, fastmem_handle_t handle, void** ptrs, size_t n,
                              unsigned int flags) {
  core::Heap* const h = existing(heap);
  if (!h->in_range(unsigned{handle})) return negative(bad_handle(h, handle));
  return negative(flags == 0 ? h->alloc_bulk(to_handle(handle), ptrs, n)
                             : h->alloc_bulk(to_handle(handle), ptrs, n, flags));
}

int fastmem_handle_free_bulk(fastmem_heap_t* heap, fastmem_handle_t handle, void* const* ptrs, size_t n) {
  core::Heap* const h = existing(heap);
  if (!h->in_range(unsigned{handle})) return negative(bad_handle(h, handle));
  return negative(h->free_bulk(to_handle(handle), ptrs, n));
}

// ---- heaps ---------------------------------------------------------------------------------------------------------

// What the config of an older header lacks keeps its default. false: a value that no header knows.
bool fastmem::c_api::to_config(const fastmem_config_t* given, Config& config) {
  fastmem_config_t c;
  fastmem_config_init(&c);
  if (given != nullptr) {
    if (given->struct_size < offsetof(fastmem_config_t, default_align)) return false;
    if (given->version != FASTMEM_STRUCT_VERSION) return false;
    __builtin_memcpy(&c, given, given->struct_size < sizeof(c) ? given->struct_size : sizeof(c));
  }
  if (c.pages > FASTMEM_PAGES_4K || c.iova_mode > FASTMEM_IOVA_NONE || c.profile > FASTMEM_PROFILE_RFC ||
      c.misuse > FASTMEM_MISUSE_ABORT || c.files > FASTMEM_FILES_LIST || c.keep_files > 1 || c.locked > 1 ||
      c.prefault > 1) {
    return false;
  }
  config.pages = static_cast<PageKind>(c.pages);
  config.iova = static_cast<IovaMode>(c.iova_mode);
  config.profile = static_cast<Profile>(c.profile);
  config.misuse = static_cast<Misuse>(c.misuse);
  config.default_align = c.default_align;
  config.region_size = Bytes{c.region_size};
  config.address_space = Bytes{c.address_space};
  config.limit_per_node = Bytes{c.limit_per_node};
  config.first_region = Bytes{c.first_region};
  config.cache_budget = Bytes{c.cache_budget};
  config.files = static_cast<FileKind>(c.files);
  config.keep_files = c.keep_files != 0;
  config.directory = c.directory;
  config.file_prefix = c.file_prefix;
  config.preallocate = Bytes{c.preallocate};
  config.base_address = c.base_address;
  config.locked = c.locked != 0;
  config.prefault = c.prefault != 0;
  config.prefault_threads = c.prefault_threads;
  config.decay = std::chrono::milliseconds(c.decay_ms);
  config.pressure = {.some_us = c.pressure_some_us, .full_us = c.pressure_full_us, .window_us = c.pressure_window_us};
  config.progress = c.progress;
  config.progress_context = c.progress_context;
  config.check = c.check;
  config.harden = c.harden;
  return true;
}

void fastmem_config_init(fastmem_config_t* config) {
  if (config == nullptr) return;
  const Config defaults;
  *config = {};
  config->struct_size = sizeof(*config);
  config->version = FASTMEM_STRUCT_VERSION;
  config->default_align = defaults.default_align;
  config->region_size = defaults.region_size.rep;
  config->limit_per_node = defaults.limit_per_node.rep;
  config->first_region = defaults.first_region.rep;
  config->cache_budget = defaults.cache_budget.rep;
  config->decay_ms = static_cast<uint32_t>(defaults.decay.count());
  config->pressure_some_us = defaults.pressure.some_us;
  config->pressure_full_us = defaults.pressure.full_us;
  config->pressure_window_us = defaults.pressure.window_us;
}

fastmem_heap_t* fastmem_heap_create(const fastmem_config_t* config) {
  Config c;
  if (!to_config(config, c)) {
    bad_config();
    return static_cast<fastmem_heap_t*>(no_object());
  }
  const Result<core::Heap*> heap = make_heap(c);
  if (heap.ok()) return wrap(heap.value());
  set_last_error(heap.error());
  return static_cast<fastmem_heap_t*>(no_object());
}

int fastmem_heap_destroy(fastmem_heap_t* heap) {
  if (core::Answering::is_going_on()) return negative(core::Answering::refusal());
  if (core::refuse_in_callback() != ErrorCode::kOk) return negative(last_error().code);
  auto* const h = reinterpret_cast<core::Heap*>(heap);
  if (h == nullptr || !core::is_listed(h))
    return negative(fail(ErrorCode::kInvalid, "%p is no heap", static_cast<void*>(heap)));
  if (h == existing_default_heap())
    return negative(fail(ErrorCode::kInvalid, "the default heap lives as long as the process"));
  h->destroy();
  return 0;
}

int fastmem_init(const fastmem_config_t* config) {
  Config c;
  if (!to_config(config, c)) return negative(bad_config());
  bool existed = false;
  const Error error = init_default_heap(c, existed);
  const int result = negative(error);
  return existed ? -EBUSY : result;
}

fastmem_heap_t* fastmem_default_heap(void) {
  core::Heap* const heap = default_heap_slow();
  return heap != nullptr ? wrap(heap) : static_cast<fastmem_heap_t*>(no_object());
}

const char* fastmem_error_text(void) { return last_error().text; }

#define FASTMEM_STRING_OF(x) #x
#define FASTMEM_STRING(x) FASTMEM_STRING_OF(x)
const char* fastmem_version(void) {
  return FASTMEM_STRING(FASTMEM_VERSION_MAJOR) "." FASTMEM_STRING(FASTMEM_VERSION_MINOR) "." FASTMEM_STRING(
      FASTMEM_VERSION_PATCH);
}

void fastmem_set_log(fastmem_log_t callback, void* context) {
  // The two callback types differ in the level's type alone: a small adaptor keeps the pair.
  struct Adaptor {
    static void call(LogLevel level, const char* line, void* pair) {
      const auto* const p = static_cast<const std::pair<fastmem_log_t, void*>*>(pair);
      p->first(static_cast<int>(level), line, p->second);
    }
  };
  if (callback == nullptr) {
    set_log(nullptr, nullptr);
    return;
  }
  // Not freed: a listener that is replaced may still be running in another thread.
  auto* const pair = new (std::nothrow) std::pair<fastmem_log_t, void*>(callback, context);
  if (pair != nullptr) set_log(Adaptor::call, pair);
}
