// SPDX-License-Identifier: BSD-3-Clause
#include "api/default_heap.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <new>

#include "api/kinds.h"
#include "platform/fork_guard.h"
#include "platform/machine_topology.h"

namespace fastmem {

constinit std::atomic<core::Heap*> g_default_heap{&core::Heap::absent};

namespace {

constinit Mutex g_making{LockRank::kDefaultHeap};  // guards: g_default_heap becomes non-null once

// A fork while another thread makes the heap must not leave the child with the lock taken.
void guard_against_fork() {
  static constexpr ForkHandlers kHandlers{[] { g_making.lock_for_fork(); }, [] { g_making.unlock_after_fork(); },
                                          [] { g_making.reset_in_child(); }};
  guard_fork(LockRank::kDefaultHeap, kHandlers);
}

StandaloneOptions standalone_options(const Config& config) {
  StandaloneOptions options;
  options.pages = config.pages;
  options.iova = config.iova;
  options.address_space = config.address_space;
  options.base_address = config.base_address;
  options.files = config.files;
  options.directory = config.directory;
  options.file_prefix = config.file_prefix;
  options.keep_files = config.keep_files;
  options.preallocate = config.preallocate;
  options.locked = config.locked;
  options.prefault = config.prefault;
  options.threads = config.prefault_threads;
  options.progress = config.progress;
  options.progress_context = config.progress_context;
  return options;
}

Result<core::Heap*> make_heap(const Config& config, bool finds_named) {
  core::HeapConfig made;
  if (const Error error = core::choose_checks(config.check, made.checks); !error.ok()) return error;
  if (const Error error = core::choose_hardening(config.harden, made.hardening); !error.ok()) return error;
  made.topology = config.topology != nullptr ? config.topology : &machine_topology();
  made.backing = config.backing;
  if (made.backing == nullptr && !config.kinds.empty()) {
    auto kinds = make_kinds(config, *made.topology);
    if (!kinds.ok()) return kinds.error();
    made.topology = &kinds.value()->topology();
    made.backing = kinds.value().release();
    made.owns_backing = true;
  } else if (made.backing == nullptr) {
    auto backing = make_backing(config, *made.topology);
    if (!backing.ok()) return backing.error();
    made.backing = backing.value().release();
    made.owns_backing = true;
  }
  made.profile = config.profile;
  made.misuse = config.misuse;
  made.default_align = config.default_align;
  made.region_size = config.region_size;
  made.first_region = config.first_region;
  // In one region, where a backing of ours refuses what is too much without trying: all CPUs make its pages present.
  if (config.backing == nullptr) made.reserve_step = kUnlimited;
  made.cache_budget = config.cache_budget;
  made.limit_per_node = config.limit_per_node;
  made.decay_ms = static_cast<std::uint32_t>(
      std::clamp<std::chrono::milliseconds::rep>(config.decay.count(), 0, std::numeric_limits<std::uint32_t>::max()));
  made.pressure = config.pressure;
  made.finds_named = finds_named;
  Result<core::Heap*> heap = core::Heap::create(made);
  if (heap.ok()) limit_kinds(*heap.value(), config);
  return heap;
}

}  // namespace

Result<core::Heap*> make_heap(const Config& config) { return make_heap(config, false); }

Result<std::unique_ptr<Backing>> make_backing(const Config& config, const Topology& topology) {
  return make_standalone_backing(standalone_options(config), topology);
}

Error init_default_heap(const Config& config, bool& existed) {
  existed = false;
  if (core::refuse_in_callback() != ErrorCode::kOk) return last_error();
  guard_against_fork();
  const LockGuard guard(g_making);
  existed = existing_default_heap() != nullptr;
  if (existed) return make_error(ErrorCode::kInvalid, "the default heap exists already");
  const Result<core::Heap*> heap = make_heap(config, true);
  if (!heap.ok()) return heap.error();
  g_default_heap.store(heap.value(), std::memory_order_release);
  return {};
}

core::Heap* existing_default_heap() {
  core::Heap* const heap = g_default_heap.load(std::memory_order_acquire);
  return heap->is_absent() ? nullptr : heap;
}

core::Heap* default_heap_slow() {
  if (core::Heap* const heap = existing_default_heap()) return heap;
  if (core::refuse_in_callback() != ErrorCode::kOk) return nullptr;
  bool existed = false;
  const Error error = init_default_heap({}, existed);
  if (!error.ok() && !existed) set_last_error(error);
  return existing_default_heap();
}

Result<Heap> Heap::create(const Config& config) {
  const Result<core::Heap*> heap = make_heap(config);
  if (!heap.ok()) return heap.error();
  return Heap(heap.value());
}

Result<Heap> Heap::create_named(const char* name) {
  const Result<core::Heap*> heap = make_named_heap(name);
  if (!heap.ok()) return heap.error();
  return Heap(heap.value());
}

Heap* Heap::default_heap() {
  core::Heap* const heap = default_heap_slow();
  if (heap == nullptr) return nullptr;
  // Never destroyed: other static objects may free theirs after it would be.
  alignas(Heap) static std::byte storage[sizeof(Heap)];
  static Heap* const the_default = ::new (storage) Heap(heap);
  return the_default;
}

}  // namespace fastmem
