// SPDX-License-Identifier: BSD-3-Clause
#include "api/dpdk/checked_pool.h"

#include <rte_malloc.h>

#include <bit>
#include <new>

#include "core/report.h"
#include "platform/cpu.h"

namespace fastmem::dpdk {
namespace {

// Enough of a mix for addresses that differ in a few bits (Knuth's multiplicative hashing).
std::uint32_t hash(const void* object) {
  return static_cast<std::uint32_t>((reinterpret_cast<std::uintptr_t>(object) >> 3) * 0x9e3779b97f4a7c15u >> 32);
}

}  // namespace

CheckedPool* CheckedPool::create(unsigned capacity, int socket_id) {
  const std::uint32_t places = std::bit_ceil(capacity < 4 ? 8u : capacity * 2);
  const std::size_t queue_bytes = (capacity + std::size_t{1}) * sizeof(void*);
  void* const memory = rte_zmalloc_socket(
      "fastmem checked pointers", sizeof(CheckedPool) + queue_bytes + places * sizeof(Known), kLinePair, socket_id);
  if (memory == nullptr) return nullptr;
  auto* const queue = reinterpret_cast<void**>(static_cast<std::byte*>(memory) + sizeof(CheckedPool));
  return ::new (memory) CheckedPool(capacity, places, queue, reinterpret_cast<Known*>(queue + capacity + 1));
}

void CheckedPool::destroy(CheckedPool* pool) { rte_free(pool); }

bool CheckedPool::get(void** out, unsigned n) {
  rte_spinlock_lock(&lock_);
  const bool enough = n <= count_;
  for (unsigned i = 0; enough && i < n; ++i) {
    out[i] = queue_[first_];
    first_ = first_ + 1 == capacity_ ? 0 : first_ + 1;
    place_of(out[i]).inside = false;
  }
  if (enough) count_ -= n;
  rte_spinlock_unlock(&lock_);
  return enough;
}

void CheckedPool::put(const rte_mempool& of, void* const* in, unsigned n) {
  for (unsigned i = 0; i < n; ++i) {
    rte_spinlock_lock(&lock_);
    const Came came = put_one(in[i]);
    rte_spinlock_unlock(&lock_);
    if (came == Came::kTwice) core::report::put_twice(of.name, in[i]);
    if (came == Came::kUnknown) core::report::strange_put(of.name, in[i]);
  }
}

CheckedPool::Came CheckedPool::put_one(void* object) {
  if (object == nullptr) return Came::kUnknown;
  Known& known = place_of(object);
  if (known.object == nullptr) {
    if (known_ == capacity_) return Came::kUnknown;
    ++known_;
    known.object = object;
  }
  if (known.inside) return Came::kTwice;
  known.inside = true;
  const std::uint32_t at = first_ + count_;
  queue_[at < capacity_ ? at : at - capacity_] = object;
  ++count_;
  return Came::kIn;
}

unsigned CheckedPool::count() {
  rte_spinlock_lock(&lock_);
  const unsigned n = count_;
  rte_spinlock_unlock(&lock_);
  return n;
}

// Where the object is in the table, or would be.
CheckedPool::Known& CheckedPool::place_of(void* object) {
  std::uint32_t i = hash(object) & mask_;
  while (table_[i].object != nullptr && table_[i].object != object) i = (i + 1) & mask_;
  return table_[i];
}

}  // namespace fastmem::dpdk
