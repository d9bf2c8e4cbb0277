// SPDX-License-Identifier: BSD-3-Clause
// api/devices/range_table.h -- floor 3 (api). Address ranges with a number each, found by address.
// What:      a sorted array. Ranges do not overlap, and there is room for all that will ever be there at once.
// Threads:   one writer at a time (the caller's lock); readers take no lock, and look again where a writer was at work
//            meanwhile: a sequence lock. What a reader looks for stays in the table, so it is found.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace fastmem::devices {

class RangeTable {
 public:
  static constexpr int kNone = -1;

  explicit RangeTable(std::size_t room) : entries_(new (std::nothrow) Entry[room]) {}
  bool is_there() const { return entries_ != nullptr; }

  // The number of the range that holds all of [begin, begin + size).
  int find(std::uintptr_t begin, std::size_t size) const {
    for (;;) {
      const std::uint64_t before = changes_.load(std::memory_order_acquire);
      const int number = search(begin, size);
      // The entries were read with acquire: a writer's change that was seen makes its odd number visible here.
      if (before % 2 == 0 && changes_.load(std::memory_order_relaxed) == before) return number;
    }
  }

  void insert(std::uintptr_t begin, std::uintptr_t end, int number) {
    const Change change(changes_);
    std::size_t at = count_.load(std::memory_order_relaxed);
    for (; at != 0 && entries_[at - 1].begin.load(std::memory_order_relaxed) > begin; --at) {
      entries_[at].copy(entries_[at - 1]);
    }
    entries_[at].set(begin, end, number);
    count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

  // The number it had; kNone: no range begins there.
  int erase(std::uintptr_t begin) {
    const std::size_t count = count_.load(std::memory_order_relaxed);
    std::size_t at = 0;
    while (at < count && entries_[at].begin.load(std::memory_order_relaxed) != begin) ++at;
    if (at == count) return kNone;
    const int number = entries_[at].number.load(std::memory_order_relaxed);
    const Change change(changes_);
    for (; at + 1 < count; ++at) entries_[at].copy(entries_[at + 1]);
    count_.store(count - 1, std::memory_order_release);
    return number;
  }

 private:
  struct Entry {
    std::atomic<std::uintptr_t> begin{0};  // writer: one at a time. release: behind the odd number in changes_
    std::atomic<std::uintptr_t> end{0};
    std::atomic<int> number{kNone};

    void set(std::uintptr_t b, std::uintptr_t e, int n) {
      begin.store(b, std::memory_order_release);
      end.store(e, std::memory_order_release);
      number.store(n, std::memory_order_release);
    }
    void copy(const Entry& other) {
      set(other.begin.load(std::memory_order_relaxed), other.end.load(std::memory_order_relaxed),
          other.number.load(std::memory_order_relaxed));
    }
  };

  // The number is odd while one lives.
  class Change {
   public:
    explicit Change(std::atomic<std::uint64_t>& changes) : changes_(changes) { step(std::memory_order_relaxed); }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
    ~Change() { step(std::memory_order_release); }

   private:
    void step(std::memory_order order) { changes_.store(changes_.load(std::memory_order_relaxed) + 1, order); }
    std::atomic<std::uint64_t>& changes_;
  };

  int search(std::uintptr_t begin, std::size_t size) const {
    std::size_t low = 0;
    std::size_t high = count_.load(std::memory_order_acquire);
    while (low < high) {  // the last range that begins at or before it
      const std::size_t middle = (low + high) / 2;
      if (entries_[middle].begin.load(std::memory_order_acquire) <= begin) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (low == 0) return kNone;
    const Entry& entry = entries_[low - 1];
    const std::uintptr_t end = entry.end.load(std::memory_order_acquire);
    const bool holds = begin < end && size <= end - begin;
    return holds ? entry.number.load(std::memory_order_acquire) : kNone;
  }

  std::unique_ptr<Entry[]> entries_;
  std::atomic<std::size_t> count_{0};
  std::atomic<std::uint64_t> changes_{0};
};

}  // namespace fastmem::devices
