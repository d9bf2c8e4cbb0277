// SPDX-License-Identifier: BSD-3-Clause
// core/waiting_room.h -- floor 2 (core). Where what a slot frees waits before it can be handed out again.
// What:      who comes has a random place; who had it goes on to a queue, and leaves once the queue is full. So nobody
//            leaves before as many others came as the queue holds, and nobody knows who leaves next. (hardened_malloc's
//            quarantine of small objects is of these two halves.) Above a bound of bytes the oldest leave sooner.
// Invariant: bytes() <= kMost after every admit()
// Callers:   Slot, under its lock.
#pragma once

#include <cstdint>

#include "core/page_map.h"
#include "core/random.h"

namespace fastmem::core {

class WaitingRoom {
 public:
  struct Guest {
    void* object;  // nullptr: nobody
    std::uint32_t size;
    BinId bin;
  };
  static constexpr std::uint32_t kPlaces = 256;
  static constexpr std::uint32_t kQueue = 256;
  static constexpr Bytes kMost = kMiB * 2;

  explicit WaitingRoom(const Random& random) : random_(random) {}

  // leave(guest) of those that it is time for.
  template <class Leave>
  void admit(const Guest& guest, Leave leave) {
    bytes_ += guest.size;
    Guest& place = places_[random_.below(kPlaces)];
    const Guest before = place;
    place = guest;
    if (before.object != nullptr) {
      if (queued_ == kQueue) leave(pop());
      queue_[(first_ + queued_++) % kQueue] = before;
    }
    while (bytes_ > kMost.rep && queued_ != 0) leave(pop());
    for (Guest& other : places_) {
      if (bytes_ <= kMost.rep) break;
      if (other.object != nullptr && &other != &place) leave(take(other));
    }
  }

  // leave(guest) of all those that match(guest).
  template <class Match, class Leave>
  void dismiss(Match match, Leave leave) {
    for (Guest& guest : places_) {
      if (guest.object != nullptr && match(guest)) leave(take(guest));
    }
    for (std::uint32_t n = queued_; n != 0; --n) {
      const Guest oldest = pop();
      if (match(oldest)) {
        leave(oldest);
      } else {
        bytes_ += oldest.size;
        queue_[(first_ + queued_++) % kQueue] = oldest;
      }
    }
  }

  std::size_t bytes() const { return bytes_; }

 private:
  Guest take(Guest& place) {
    bytes_ -= place.size;
    return std::exchange(place, Guest{});
  }
  Guest pop() {
    Guest& oldest = queue_[first_];
    first_ = (first_ + 1) % kQueue;
    --queued_;
    return take(oldest);
  }

  Random random_;
  std::size_t bytes_ = 0;
  std::uint32_t first_ = 0;  // of the queue
  std::uint32_t queued_ = 0;
  Guest places_[kPlaces] = {};
  Guest queue_[kQueue] = {};
};

static_assert(Shareable<WaitingRoom>);

}  // namespace fastmem::core
