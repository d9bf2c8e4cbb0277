// SPDX-License-Identifier: BSD-3-Clause
#include "core/heap_list.h"

#include "core/heap.h"
#include "platform/asymmetric_fence.h"
#include "platform/fork_guard.h"
#include "platform/mutex.h"
#include "platform/thread_slot.h"

namespace fastmem::core {
namespace {

struct HeapList {
  Mutex mutex{LockRank::kHeapList};
  Heap* first FM_GUARDED_BY(mutex) = nullptr;
  bool hooked FM_GUARDED_BY(mutex) = false;
};
constinit HeapList g_heaps;

void on_slot_exit(SlotId slot) {
  const LockGuard guard(g_heaps.mutex);
  for (Heap* heap = g_heaps.first; heap != nullptr; heap = heap->next_in_list) heap->flush_slot(slot);
}

// fork copies only the calling thread: every lock is held across it, so that none is inherited from a thread that is
// gone.
void before_fork() FM_NO_THREAD_SAFETY_ANALYSIS {
  g_heaps.mutex.lock_for_fork();
  lock_slots_for_fork();
  for (Heap* heap = g_heaps.first; heap != nullptr; heap = heap->next_in_list) heap->lock_for_fork();
}

void after_fork_in_parent() FM_NO_THREAD_SAFETY_ANALYSIS {
  for (Heap* heap = g_heaps.first; heap != nullptr; heap = heap->next_in_list) heap->unlock_after_fork();
  unlock_slots_after_fork();
  g_heaps.mutex.unlock_after_fork();
}

void after_fork_in_child() FM_NO_THREAD_SAFETY_ANALYSIS {
  forget_thread_id();
  reset_heavy_fence_in_child();
  reset_slots_in_child();
  g_heaps.mutex.reset_in_child();
  for (Heap* heap = g_heaps.first; heap != nullptr; heap = heap->next_in_list) heap->reset_in_child();
}

}  // namespace

void enlist(Heap* heap) {
  const LockGuard guard(g_heaps.mutex);
  if (!g_heaps.hooked) {
    Heap::absent.fill_views();
    set_slot_exit_hook(on_slot_exit);
    static constexpr ForkHandlers kHandlers{before_fork, after_fork_in_parent, after_fork_in_child};
    guard_fork(LockRank::kHeapList, kHandlers);
    g_heaps.hooked = true;
  }
  heap->next_in_list = g_heaps.first;
  g_heaps.first = heap;
}

void delist(Heap* heap) {
  const LockGuard guard(g_heaps.mutex);
  for (Heap** link = &g_heaps.first; *link != nullptr; link = &(*link)->next_in_list) {
    if (*link != heap) continue;
    *link = heap->next_in_list;
    return;
  }
}

bool is_listed(const Heap* heap) {
  const LockGuard guard(g_heaps.mutex);
  for (const Heap* h = g_heaps.first; h != nullptr; h = h->next_in_list) {
    if (h == heap) return true;
  }
  return false;
}

void each_listed_heap(void (*visit)(Heap& heap)) {
  const LockGuard guard(g_heaps.mutex);
  for (Heap* heap = g_heaps.first; heap != nullptr; heap = heap->next_in_list) visit(*heap);
}

Heap* listed_heap_of(const void* p) {
  const LockGuard guard(g_heaps.mutex);
  Heap* heap = g_heaps.first;
  while (heap != nullptr && !heap->holds(p)) heap = heap->next_in_list;
  return heap;
}

}  // namespace fastmem::core
