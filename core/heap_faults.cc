// SPDX-License-Identifier: BSD-3-Clause
// core/heap_faults.cc -- floor 2 (core). An access that the processor refused, explained: which object it was beside, or
// which one that is free already.
#include <atomic>

#include "core/heap.h"
#include "platform/fault_handler.h"

namespace fastmem::core {
namespace {

// The heaps that have memory which faults. A signal handler reads them without a lock: a heap leaves before its memory
// goes. release: publishes the heap; pairs with explain().
constexpr unsigned kMost = 64;
std::atomic<Heap*> g_heaps[kMost];

void explain(const void* address) {
  for (std::atomic<Heap*>& place : g_heaps) {
    Heap* const heap = place.load(std::memory_order_acquire);
    if (heap != nullptr && heap->explain_fault(address)) return;
  }
}

}  // namespace

// Beyond kMost heaps faults are what they are without us.
void Heap::explain_faults() {
  listen_to_faults(explain);
  for (std::atomic<Heap*>& place : g_heaps) {
    Heap* none = nullptr;
    if (place.compare_exchange_strong(none, this, std::memory_order_release)) return;
  }
}

void Heap::forget_faults() {
  for (std::atomic<Heap*>& place : g_heaps) {
    Heap* self = this;
    if (place.compare_exchange_strong(self, nullptr, std::memory_order_relaxed)) return;
  }
}

bool Heap::explain_fault(const void* p) {
  const FoundObject found = large_around(p);
  if (found.record == nullptr) return false;
  const ObjectWord word = found.record->load();
  const bool live = word.state() == ObjectState::kLive;
  MisuseReport r = describe(live ? MisuseKind::kAccessBeyond : MisuseKind::kAccessAfterFree, found, word, p, Claim{});
  r.damage = static_cast<const std::byte*>(p) - found.object(word);
  count_misuse();
  live ? report::access_beyond(config_.misuse, r) : report::access_after_free(config_.misuse, r);
  return true;
}

}  // namespace fastmem::core
