// SPDX-License-Identifier: BSD-3-Clause
// bench/parcel.h -- Q: what is done with objects that one thread allocates and another frees?
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bench/ring.h"
#include "bench/scenario.h"

namespace bench {

// kObjects objects on their way: one, or many by the allocator's bulk calls. Each is filled with its number in the ring,
// so that the receiver knows what it must hold.
template <class Api, std::size_t kObjects>
class Parcel {
 public:
  static_assert(Ring::kSlots % kObjects == 0);

  // Allocates, writes and sends. The ring has room.
  static void send(Ring& ring, std::size_t size) {
    void* objects[kObjects];
    if constexpr (kObjects == 1) {
      objects[0] = Api::alloc(size);
    } else {
      Api::alloc_bulk(objects, kObjects, size);
    }
    for (std::size_t k = 0; k < kObjects; ++k) {
      if (objects[k] == nullptr) [[unlikely]]
        die("out of memory");
      std::memset(objects[k], static_cast<int>(ring.pushed() + k), size);
    }
    ring.push(objects, kObjects);
  }

  // Receives, reads and frees; false: nothing is there yet.
  static bool receive(Ring& ring, std::size_t size) {
    void* objects[kObjects];
    const std::uint64_t number = ring.popped();
    if (!ring.pop(objects, kObjects)) return false;
    unsigned wrong = 0;
    for (std::size_t k = 0; k < kObjects; ++k) {
      wrong |= differs(static_cast<const unsigned char*>(objects[k]), static_cast<unsigned char>(number + k), size);
    }
    if (wrong != 0) die("objects do not hold what was written to them");
    if constexpr (kObjects == 1) {
      Api::free(objects[0]);
    } else {
      Api::free_bulk(objects, kObjects);
    }
    return true;
  }

 private:
  // Reads every cache line.
  static unsigned differs(const unsigned char* p, unsigned char value, std::size_t size) {
    unsigned different = 0;
    for (std::size_t at = 0; at < size; at += 64) different |= p[at] ^ value;
    return different;
  }
};

}  // namespace bench
