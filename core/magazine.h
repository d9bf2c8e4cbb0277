// SPDX-License-Identifier: BSD-3-Clause
// core/magazine.h -- floor 2 (core). A magazine: an array of free objects that changes hands whole (Bonwick and Adams,
// "Magazines and Vmem", USENIX 2001). Made in the arena, recycled by its bin, one capacity for each class.
// Locks:     a magazine belongs to one slot (under its slot lock) or to one bin (under the bin's); it has no lock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "platform/cpu.h"
#include "platform/types.h"

namespace fastmem::core {

struct alignas(16) Magazine {
  Magazine* next;
  std::uint32_t count;  // objects[0 .. count); of a loaded magazine: stale, its cache's top tells
  std::uint16_t capacity;
  SlotId filled_by;  // in a depot: the slot that freed its objects

  void** objects() { return reinterpret_cast<void**>(this + 1); }

  // Its lines were last written by another core: fetched all at once, before the first is waited for.
  void prefetch(bool to_write) {
    for (std::size_t at = 0; at < size(capacity).rep; at += kCacheLine) {
      const char* const line = reinterpret_cast<const char*>(this) + at;
      to_write ? __builtin_prefetch(line, 1) : __builtin_prefetch(line, 0);
    }
  }

  // An odd number of lines: the arrays of many caches then begin in different cache sets.
  static constexpr Bytes size(std::uint32_t capacity) {
    const std::size_t lines = (sizeof(Magazine) + capacity * sizeof(void*) + kCacheLine - 1) / kCacheLine;
    return Bytes{(lines | 1) * kCacheLine};
  }
};

static_assert(Shareable<Magazine> && sizeof(Magazine) == 16);

// Magazines in the order they came: a stack would hand back lines still dirty in another core's cache.
class MagazineQueue {
 public:
  Magazine* pop() {
    Magazine* const m = head_;
    if (m == nullptr) return nullptr;
    head_ = m->next;
    if (head_ == nullptr) tail_ = nullptr;
    --count_;
    return m;
  }
  void push(Magazine* m) {
    m->next = nullptr;
    (tail_ != nullptr ? tail_->next : head_) = m;
    tail_ = m;
    ++count_;
  }
  Magazine* front() const { return head_; }
  const Magazine* back() const { return tail_; }
  std::uint32_t count() const { return count_; }

 private:
  Magazine* head_ = nullptr;
  Magazine* tail_ = nullptr;
  std::uint32_t count_ = 0;
};

}  // namespace fastmem::core
