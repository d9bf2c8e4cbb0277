// SPDX-License-Identifier: BSD-3-Clause
// api/dpdk/pointer_pool.h -- floor 3. Where the mempool ops `fastmem` keep the pointers of one mempool.
// What:      a slot per lcore that uses the pool, with two magazines (arrays of pointers, taken from the top), and a
//            depot of full and empty magazines. What does not fit a slot moves as a whole magazine, in O(1).
// Threads:   a lcore works in its own slot without a lock or an atomic read-modify-write. Threads without a lcore id,
//            lcores beyond the planned number, a second process with the same lcore id, and all where the kernel has no
//            membarrier(2) share slot 0 and its lock.
// Invariant: an operation inside a slot has made its `turn` odd. Who finds its slot and the depot too empty compares all
//            turns and counts (total_slow), and only when others hold enough stops the world: sets stop_, passes the
//            heavy fence, waits until every turn is even, and takes from all. So every free pointer can be got by
//            anybody, and a get that must fail costs no system call.
// Locks:     world_ (who stops it; lcores that met stop_) > shared_ (slot 0) > depot_. Nobody inside a slot waits for
//            anything but depot_, which is held for a few instructions.
// Memory:    plain data in memory that EAL's processes share at one address; all of it is taken by create().
#pragma once

#include <rte_lcore.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "api/dpdk/process_fence.h"
#include "platform/asymmetric_fence.h"
#include "platform/cpu.h"
#include "platform/mutex.h"

// EAL is there before what it loads, so its thread-local variables lie at fixed offsets: no call to find one.
extern "C" {
RTE_DECLARE_PER_LCORE(unsigned int, _lcore_id) __attribute__((tls_model("initial-exec")));
}

namespace fastmem::dpdk {

class PointerPool {
 public:
  // Room for `capacity` pointers in memory of that socket. nullptr: EAL has none.
  static PointerPool* create(unsigned capacity, int socket_id);
  static void destroy(PointerPool* pool);

  PointerPool(const PointerPool&) = delete;
  PointerPool& operator=(const PointerPool&) = delete;

  // All n, or none and false.
  [[gnu::always_inline]] bool get(void** out, unsigned n);
  // false: more pointers than the pool has room for, some were freed twice; as many as fit were put.
  [[gnu::always_inline]] bool put(void* const* in, unsigned n);
  // Exact while nobody gets or puts.
  unsigned count() const;

  struct Shape {
    unsigned slots, magazine_size, full_magazines;  // slots in use; full magazines in the depot
  };
  Shape shape() const {
    return {used_slots_.load(std::memory_order_relaxed), magazine_size_, full_.load(std::memory_order_relaxed)};
  }

 private:
  // Index 0 of the arrays: the magazine in use; index 1: the spare one, full or empty.
  struct alignas(kLinePair) Slot {
    std::atomic<std::uint32_t> turn{0};        // writer: who works in it; odd: somebody does
    std::atomic<std::uint32_t> count[2] = {};  // pointers in each magazine; relaxed: `turn` orders them
    void** magazine[2] = {};
    std::uint64_t owner = 0;  // the process whose lcore works in it; 0: slot 0

    std::uint32_t used(int which) const { return count[which].load(std::memory_order_relaxed); }
    void set_used(int which, std::uint32_t n) { count[which].store(n, std::memory_order_relaxed); }
    void swap() {
      std::swap(magazine[0], magazine[1]);
      const std::uint32_t spare = used(1);
      set_used(1, used(0));
      set_used(0, spare);
    }
  };
  struct Plan {
    unsigned slots, magazine, magazines;
    std::size_t slots_at, stacks_at, magazines_at, bytes;
  };

  explicit PointerPool(const Plan& plan);
  static Plan plan_for(unsigned capacity);

  Slot* own_slot() const;
  Slot* own_slot_slow();
  std::uint32_t enter(Slot& slot);
  void leave(Slot& slot, std::uint32_t turn);
  static std::uint32_t begin_turn(Slot& slot);
  static void end_turn(Slot& slot, std::uint32_t turn);
  static void copy(void** to, void* const* from, unsigned n);

  bool leave_and_get_slow(Slot& slot, std::uint32_t turn, void** out, unsigned n);
  bool leave_and_put_slow(Slot& slot, std::uint32_t turn, void* const* in, unsigned n);
  bool get_slow(void** out, unsigned n);
  bool put_slow(void* const* in, unsigned n);
  template <class Body>
  bool inside(Slot* slot, Body body);
  bool take_from(Slot& slot, void** out, unsigned n);
  unsigned take_what_is_there(Slot& slot, void** out, unsigned n);
  unsigned put_into(Slot& slot, void* const* in, unsigned n);
  bool swap_for_full(Slot& slot);
  bool swap_for_empty(Slot& slot);
  bool total_slow(std::uint64_t& total) const;
  bool take_from_all(void** out, unsigned n);
  bool take_while_stopped(void** out, unsigned n);
  void take_from_others(Slot& mine, void** out, unsigned n);
  static void wait_for_turn(Slot& slot);
  [[gnu::cold]] static void wake_slow(Slot& slot);

  // ---- read by everybody, written when a lcore comes and when the world stops ----
  std::atomic<std::uint32_t> stop_{0};  // writer: who holds world_
  std::uint32_t magazine_size_;
  Slot* slots_;
  std::uint32_t planned_slots_;
  std::atomic<std::uint32_t> used_slots_{1};
  std::atomic<std::uint16_t> slot_of_lcore_[RTE_MAX_LCORE] = {};  // 0: none of its own

  alignas(kLinePair) Mutex world_{LockRank::kSlotTable};
  alignas(kLinePair) Mutex shared_{LockRank::kSlot};
  alignas(kLinePair) Mutex depot_{LockRank::kBin};
  std::atomic<std::uint32_t> full_{0};  // written under depot_
  std::uint32_t empty_ FM_GUARDED_BY(depot_) = 0;
  void*** full_stack_;
  void*** empty_stack_;
};

inline PointerPool::Slot* PointerPool::own_slot() const {
  const unsigned lcore = rte_lcore_id();
  if (lcore >= RTE_MAX_LCORE) return nullptr;
  // acquire: pairs with own_slot_slow(), which made the slot. Slot 0 has no owner.
  Slot& slot = slots_[slot_of_lcore_[lcore].load(std::memory_order_acquire)];
  return slot.owner == g_this_process.token ? &slot : nullptr;
}

inline std::uint32_t PointerPool::begin_turn(Slot& slot) {
  const std::uint32_t turn = slot.turn.load(std::memory_order_relaxed) + 1;
  slot.turn.store(turn, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);  // odd before any count changes: pairs with total_slow()
  return turn;
}
inline void PointerPool::end_turn(Slot& slot, std::uint32_t turn) {
  slot.turn.store(turn + 1, std::memory_order_release);  // pairs with wait_for_turn() and total_slow()
}

// Returns the turn, or 0: the world stands still. Who stopped it sees the turn, or this lcore sees stop_.
[[gnu::always_inline]] inline std::uint32_t PointerPool::enter(Slot& slot) {
  const std::uint32_t turn = begin_turn(slot);
  light_fence();
  if (stop_.load(std::memory_order_acquire) == 0) [[likely]]
    return turn;  // pairs with take_from_all()'s last store
  leave(slot, turn);
  return 0;
}

[[gnu::always_inline]] inline void PointerPool::leave(Slot& slot, std::uint32_t turn) {
  end_turn(slot, turn);
  light_fence();
  if (stop_.load(std::memory_order_relaxed) != 0) [[unlikely]]
    wake_slow(slot);
}

[[gnu::always_inline]] inline void PointerPool::copy(void** to, void* const* from, unsigned n) {
  if (n > 64) {
    std::memcpy(to, from, n * sizeof(void*));
    return;
  }
  for (; n >= 4; n -= 4, to += 4, from += 4) std::memcpy(to, from, 4 * sizeof(void*));
  if ((n & 2) != 0) {
    std::memcpy(to, from, 2 * sizeof(void*));
    to += 2;
    from += 2;
  }
  if ((n & 1) != 0) *to = *from;
}

[[gnu::always_inline]] inline bool PointerPool::get(void** out, unsigned n) {
  Slot* const slot = own_slot();
  if (slot == nullptr || n > slot->used(0)) [[unlikely]]
    return get_slow(out, n);
  const std::uint32_t turn = enter(*slot);
  const std::uint32_t used = slot->used(0);  // again: the world may have stopped in between
  if (turn == 0 || n > used) [[unlikely]]
    return leave_and_get_slow(*slot, turn, out, n);
  copy(out, slot->magazine[0] + used - n, n);
  slot->set_used(0, used - n);
  leave(*slot, turn);
  return true;
}

[[gnu::always_inline]] inline bool PointerPool::put(void* const* in, unsigned n) {
  Slot* const slot = own_slot();
  if (slot == nullptr || n > magazine_size_ - slot->used(0)) [[unlikely]]
    return put_slow(in, n);
  const std::uint32_t turn = enter(*slot);
  const std::uint32_t used = slot->used(0);
  if (turn == 0 || n > magazine_size_ - used) [[unlikely]]
    return leave_and_put_slow(*slot, turn, in, n);
  copy(slot->magazine[0] + used, in, n);
  slot->set_used(0, used + n);
  leave(*slot, turn);
  return true;
}

}  // namespace fastmem::dpdk
