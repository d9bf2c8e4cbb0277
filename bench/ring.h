// SPDX-License-Identifier: BSD-3-Clause
// bench/ring.h -- Q: how do objects get from one thread to another, at the least cost?
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace bench {

// A queue for one producer and one consumer. Each side keeps a copy of the other's index, so that the shared lines move
// only when the copy says full or empty.
class Ring {
 public:
  static constexpr std::size_t kSlots = 1024;

  // The producer's. push() wants room.
  bool has_room(std::size_t n) {
    if (tail_ + n - head_seen_ <= kSlots) return true;
    head_seen_ = head_.load(std::memory_order_acquire);
    return tail_ + n - head_seen_ <= kSlots;
  }
  void push(void* const* objects, std::size_t n) {
    for (std::size_t k = 0; k < n; ++k) slots_[(tail_ + k) % kSlots] = objects[k];
    tail_ += n;
    shared_tail_.store(tail_, std::memory_order_release);  // publishes the slots; pairs with pop()
  }
  std::uint64_t pushed() const { return tail_; }

  // The consumer's. All n, or none of them.
  bool pop(void** objects, std::size_t n) {
    if (tail_seen_ - next_ < n) {
      tail_seen_ = shared_tail_.load(std::memory_order_acquire);
      if (tail_seen_ - next_ < n) return false;
    }
    for (std::size_t k = 0; k < n; ++k) objects[k] = slots_[(next_ + k) % kSlots];
    next_ += n;
    head_.store(next_, std::memory_order_release);  // gives the slots back; pairs with has_room()
    return true;
  }
  std::uint64_t popped() const { return next_; }

 private:
  static constexpr std::size_t kLine = 128;  // two lines: the neighbour's is prefetched with one's own

  alignas(kLine) std::uint64_t tail_ = 0;  // the producer's own
  std::uint64_t head_seen_ = 0;
  alignas(kLine) std::uint64_t next_ = 0;  // the consumer's own
  std::uint64_t tail_seen_ = 0;
  alignas(kLine) std::atomic<std::uint64_t> shared_tail_{0};  // writer: the producer
  alignas(kLine) std::atomic<std::uint64_t> head_{0};         // writer: the consumer
  alignas(kLine) void* slots_[kSlots] = {};
};

}  // namespace bench
