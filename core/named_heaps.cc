// SPDX-License-Identifier: BSD-3-Clause
#include "core/named_heaps.h"

#include <atomic>
#include <cstring>

#include "core/heap.h"
#include "platform/fork_guard.h"
#include "platform/mutex.h"

namespace fastmem::core {
namespace {

struct Entry {
  // Writer: under g_names. release: publishes the name and the heap; pairs with at().
  std::atomic<Heap*> heap{nullptr};
  char name[kLongestHeapName + 1] = {};
};

constinit Mutex g_names{LockRank::kHeapNames};  // guards who has which name, against another that wants it
constinit Entry g_entries[kMostNamedHeaps];
constinit std::atomic<unsigned> g_ever{0};  // entries ever used. release: publishes them; pairs with the look-ups

Heap* at(unsigned i) { return g_entries[i].heap.load(std::memory_order_acquire); }
unsigned ever() { return g_ever.load(std::memory_order_acquire); }

bool names(unsigned i, const char* name) { return at(i) != nullptr && std::strcmp(g_entries[i].name, name) == 0; }

void guard_against_fork() {
  static constexpr ForkHandlers kHandlers{[] { g_names.lock_for_fork(); }, [] { g_names.unlock_after_fork(); },
                                          [] { g_names.reset_in_child(); }};
  guard_fork(LockRank::kHeapNames, kHandlers);
}

}  // namespace

Error check_heap_name(const char* name) {
  const std::size_t length = name != nullptr ? strnlen(name, kLongestHeapName + 1) : 0;
  if (length == 0 || length > kLongestHeapName) {
    return make_error(ErrorCode::kInvalid, "a heap's name has 1 to %u characters", kLongestHeapName);
  }
  if (named_heap(name) != nullptr) return make_error(ErrorCode::kExists, "a heap is named %s already", name);
  return {};
}

Error name_heap(Heap* heap, const char* name) {
  guard_against_fork();
  const LockGuard guard(g_names);
  if (const Error error = check_heap_name(name); !error.ok()) return error;
  unsigned i = 0;
  while (i < ever() && at(i) != nullptr) ++i;
  if (i == kMostNamedHeaps) {
    return make_error(ErrorCode::kNoSpace, "no heap named %s: there are %u with a name, the most there can be", name,
                      kMostNamedHeaps);
  }
  std::memcpy(g_entries[i].name, name, std::strlen(name) + 1);  // it fits: check_heap_name()
  g_entries[i].heap.store(heap, std::memory_order_release);
  if (i == ever()) g_ever.store(i + 1, std::memory_order_release);
  return {};
}

void forget_name(const Heap* heap) {
  const LockGuard guard(g_names);
  for (unsigned i = 0; i < ever(); ++i) {
    if (at(i) == heap) g_entries[i].heap.store(nullptr, std::memory_order_release);
  }
}

Heap* named_heap(const char* name) {
  if (name == nullptr) return nullptr;
  for (unsigned i = 0; i < ever(); ++i) {
    if (names(i, name)) return at(i);
  }
  return nullptr;
}

bool has_name(const Heap* heap) {
  for (unsigned i = 0; i < ever(); ++i) {
    if (at(i) == heap) return true;
  }
  return false;
}

Heap* named_heap_of(const void* p) {
  for (unsigned i = 0; i < ever(); ++i) {
    if (Heap* const heap = at(i); heap != nullptr && heap->holds(p)) return heap;
  }
  return nullptr;
}

}  // namespace fastmem::core
