// SPDX-License-Identifier: BSD-3-Clause
// api/dpdk/checked_pool.h -- floor 3 (api). What the mempool ops `fastmem` keep pointers in where FASTMEM_CHECK=full: each
// is known, and whether it is in the pool. One that comes twice, or is none of the mempool's, is named and not kept.
// What:      a queue, so that what was put last is handed out last, and a hash table of all pointers beside it. The first
//            `capacity` different ones are those that mempool puts when it is made.
// Locks:     one spinlock of EAL's guards all of it: it may be shared by processes.
// Memory:    plain data in memory that EAL's processes share at one address; all of it is taken by create().
#pragma once

#include <rte_mempool.h>
#include <rte_spinlock.h>

#include <cstdint>

namespace fastmem::dpdk {

class CheckedPool {
 public:
  // nullptr: EAL has no memory.
  static CheckedPool* create(unsigned capacity, int socket_id);
  static void destroy(CheckedPool* pool);

  CheckedPool(const CheckedPool&) = delete;
  CheckedPool& operator=(const CheckedPool&) = delete;

  // All n, or none and false.
  bool get(void** out, unsigned n);
  // What is wrong is named with the mempool's name, and left out.
  void put(const rte_mempool& of, void* const* in, unsigned n);
  unsigned count();

 private:
  struct Known {
    void* object;  // nullptr: a free place of the table
    bool inside;
  };
  enum class Came : std::uint8_t { kIn, kTwice, kUnknown };

  CheckedPool(unsigned capacity, std::uint32_t places, void** queue, Known* table)
      : capacity_(capacity), mask_(places - 1), queue_(queue), table_(table) {
    rte_spinlock_init(&lock_);
  }
  Came put_one(void* object);
  Known& place_of(void* object);

  rte_spinlock_t lock_ = {};
  std::uint32_t capacity_;
  std::uint32_t known_ = 0;  // different pointers so far
  std::uint32_t first_ = 0;  // of the queue
  std::uint32_t count_ = 0;
  std::uint32_t mask_;
  void** queue_;  // [capacity_]
  Known* table_;  // [mask_ + 1], at most half of it in use
};

}  // namespace fastmem::dpdk
