// SPDX-License-Identifier: BSD-3-Clause
// api/named_heap.cc -- floor 3 (api). A heap of memory that its user brings.
#include "api/default_heap.h"
#include "backends/caller/caller_backing.h"
#include "core/named_heaps.h"
#include "platform/machine_topology.h"

namespace fastmem {

Result<core::Heap*> make_named_heap(const char* name) {
  if (const Error error = core::check_heap_name(name); !error.ok()) return error;
  core::HeapConfig config;
  if (const Error error = core::choose_checks(nullptr, config.checks); !error.ok()) return error;
  if (const Error error = core::choose_hardening(nullptr, config.hardening); !error.ok()) return error;
  static const CallerTopology topology(machine_topology().cpus());
  auto backing = make_caller_backing();
  if (!backing.ok()) return backing.error();
  config.topology = &topology;
  config.backing = backing.value().release();
  config.owns_backing = true;
  Result<core::Heap*> heap = core::Heap::create(config);
  if (!heap.ok()) return heap;
  if (const Error error = core::name_heap(heap.value(), name); !error.ok()) {
    heap.value()->destroy();
    return error;
  }
  return heap;
}

}  // namespace fastmem
