// SPDX-License-Identifier: BSD-3-Clause
#include "api/dpdk/pointer_pool.h"

#include <linux/futex.h>
#include <rte_malloc.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <new>
#include <type_traits>

namespace fastmem::dpdk {
namespace {

constexpr unsigned kLeastMagazine = 8;
constexpr unsigned kMostMagazine = 512;
// Beside EAL's lcores and one per processor (a secondary process has lcores of its own): threads registered later.
constexpr unsigned kSpareSlots = 8;
constexpr int kLooks = 3;         // how often a failing get compares all turns before it stops the world
constexpr int kCountLooks = 100;  // and count() before it answers with a number that was never true at once
constexpr int kSpins = 200;       // longer than a turn takes on a running lcore

static_assert(std::is_standard_layout_v<PointerPool> && std::is_trivially_destructible_v<PointerPool>);

std::size_t rounded_up(std::size_t n, std::size_t unit) { return (n + unit - 1) / unit * unit; }

long futex(std::atomic<std::uint32_t>* word, int op, std::uint32_t value) {
  return syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(word), op, value, nullptr, nullptr, 0);
}

}  // namespace

// ---- a pool's life -------------------------------------------------------------------------------------------------

// Two magazines per slot may be partly filled or empty, all others are full of pointers: with these the depot never
// lacks an empty one. A magazine is so small that what slots add is at most half of what all pointers need, or minimal.
PointerPool::Plan PointerPool::plan_for(unsigned capacity) {
  const long processors = sysconf(_SC_NPROCESSORS_ONLN);
  const unsigned lcores = std::max(rte_lcore_count(), static_cast<unsigned>(std::max(processors, 1L)));
  Plan plan = {};
  plan.slots = 1 + std::min(lcores + kSpareSlots, unsigned{RTE_MAX_LCORE});
  plan.magazine = std::clamp(std::bit_floor(capacity / (2 * plan.slots)), kLeastMagazine, kMostMagazine);
  plan.magazines = capacity / plan.magazine + 2 * plan.slots;
  plan.slots_at = rounded_up(sizeof(PointerPool), kLinePair);
  plan.stacks_at = plan.slots_at + plan.slots * sizeof(Slot);
  plan.magazines_at = rounded_up(plan.stacks_at + 2 * plan.magazines * sizeof(void**), kLinePair);
  plan.bytes = plan.magazines_at + std::size_t{plan.magazines} * plan.magazine * sizeof(void*);
  return plan;
}

PointerPool* PointerPool::create(unsigned capacity, int socket_id) {
  const Plan plan = plan_for(capacity);
  void* const memory = rte_zmalloc_socket("fastmem pointers", plan.bytes, kLinePair, socket_id);
  return memory == nullptr ? nullptr : new (memory) PointerPool(plan);
}

void PointerPool::destroy(PointerPool* pool) { rte_free(pool); }

PointerPool::PointerPool(const Plan& plan) : magazine_size_(plan.magazine), planned_slots_(plan.slots) {
  char* const base = reinterpret_cast<char*>(this);
  slots_ = reinterpret_cast<Slot*>(base + plan.slots_at);
  full_stack_ = reinterpret_cast<void***>(base + plan.stacks_at);
  empty_stack_ = full_stack_ + plan.magazines;
  auto* magazine = reinterpret_cast<void**>(base + plan.magazines_at);
  for (unsigned i = 0; i < plan.slots; ++i) {
    Slot* const slot = new (slots_ + i) Slot;
    for (void**& m : slot->magazine) m = std::exchange(magazine, magazine + plan.magazine);
  }
  const LockGuard guard(depot_);
  for (unsigned i = 2 * plan.slots; i < plan.magazines; ++i) {
    empty_stack_[empty_++] = std::exchange(magazine, magazine + plan.magazine);
  }
}

// ---- what the hot paths do not do ----------------------------------------------------------------------------------

bool PointerPool::leave_and_get_slow(Slot& slot, std::uint32_t turn, void** out, unsigned n) {
  if (turn != 0) leave(slot, turn);
  return get_slow(out, n);
}

bool PointerPool::leave_and_put_slow(Slot& slot, std::uint32_t turn, void* const* in, unsigned n) {
  if (turn != 0) leave(slot, turn);
  return put_slow(in, n);
}

bool PointerPool::get_slow(void** out, unsigned n) {
  Slot* const slot = own_slot_slow();
  const Slot& here = slot != nullptr ? *slot : slots_[0];
  // A get that finds nothing leaves the turn alone: so many that fail at once do not disturb each other's total_slow().
  if (here.used(0) + here.used(1) >= n || full_.load(std::memory_order_relaxed) != 0) {
    if (inside(slot, [&](Slot& mine) { return take_from(mine, out, n); })) return true;
  }
  std::uint64_t total = 0;
  if (total_slow(total) && total < n) return false;
  return take_from_all(out, n);
}

bool PointerPool::put_slow(void* const* in, unsigned n) {
  return inside(own_slot_slow(), [&](Slot& mine) { return put_into(mine, in, n) == n; });
}

// nullptr: slot 0 it is.
PointerPool::Slot* PointerPool::own_slot_slow() {
  Slot* const slot = own_slot();
  const unsigned lcore = rte_lcore_id();
  if (slot != nullptr || lcore >= RTE_MAX_LCORE) return slot;
  if (slot_of_lcore_[lcore].load(std::memory_order_relaxed) != 0) return nullptr;  // another process's
  if (used_slots_.load(std::memory_order_relaxed) == planned_slots_ || !g_this_process.takes_fences) return nullptr;
  const LockGuard guard(world_);
  const std::uint32_t next = used_slots_.load(std::memory_order_relaxed);
  if (slot_of_lcore_[lcore].load(std::memory_order_relaxed) == 0 && next < planned_slots_) {
    slots_[next].owner = g_this_process.token;
    used_slots_.store(next + 1, std::memory_order_release);  // pairs with total_slow()
    slot_of_lcore_[lcore].store(static_cast<std::uint16_t>(next), std::memory_order_release);  // pairs with own_slot()
  }
  return own_slot();
}

template <class Body>
bool PointerPool::inside(Slot* slot, Body body) {
  if (slot == nullptr) {
    const LockGuard guard(shared_);
    const std::uint32_t turn = begin_turn(slots_[0]);
    const bool result = body(slots_[0]);
    end_turn(slots_[0], turn);
    return result;
  }
  if (const std::uint32_t turn = enter(*slot)) {
    const bool result = body(*slot);
    leave(*slot, turn);
    return result;
  }
  const LockGuard guard(world_);  // nobody stops the world meanwhile
  const std::uint32_t turn = begin_turn(*slot);
  const bool result = body(*slot);
  end_turn(*slot, turn);
  return result;
}

bool PointerPool::take_from(Slot& slot, void** out, unsigned n) {
  const unsigned taken = take_what_is_there(slot, out, n);
  if (taken == n) return true;
  put_into(slot, out, taken);
  return false;
}

// From the slot and the depot.
unsigned PointerPool::take_what_is_there(Slot& slot, void** out, unsigned n) {
  unsigned done = 0;
  for (;;) {
    const std::uint32_t used = slot.used(0);
    const unsigned now = std::min(n - done, used);
    copy(out + done, slot.magazine[0] + used - now, now);
    slot.set_used(0, used - now);
    done += now;
    if (done == n || (slot.used(1) == 0 && !swap_for_full(slot))) return done;
    slot.swap();
  }
}

// Into the slot and the depot; returns how many.
unsigned PointerPool::put_into(Slot& slot, void* const* in, unsigned n) {
  unsigned done = 0;
  for (;;) {
    const std::uint32_t used = slot.used(0);
    const unsigned now = std::min(n - done, magazine_size_ - used);
    copy(slot.magazine[0] + used, in + done, now);
    slot.set_used(0, used + now);
    done += now;
    if (done == n || (slot.used(1) == magazine_size_ && !swap_for_empty(slot))) return done;
    slot.swap();
  }
}

// The spare magazine, which is empty, for a full one.
bool PointerPool::swap_for_full(Slot& slot) {
  if (full_.load(std::memory_order_relaxed) == 0) return false;
  const LockGuard guard(depot_);
  const std::uint32_t full = full_.load(std::memory_order_relaxed);
  if (full == 0) return false;
  empty_stack_[empty_++] = slot.magazine[1];
  slot.magazine[1] = full_stack_[full - 1];
  full_.store(full - 1, std::memory_order_relaxed);
  slot.set_used(1, magazine_size_);
  return true;
}

// And the other way round.
bool PointerPool::swap_for_empty(Slot& slot) {
  const LockGuard guard(depot_);
  if (empty_ == 0) return false;
  const std::uint32_t full = full_.load(std::memory_order_relaxed);
  full_stack_[full] = slot.magazine[1];
  full_.store(full + 1, std::memory_order_relaxed);
  slot.magazine[1] = empty_stack_[--empty_];
  slot.set_used(1, 0);
  return true;
}

// ---- all slots together --------------------------------------------------------------------------------------------

unsigned PointerPool::count() const {
  std::uint64_t total = 0;
  for (int i = 0; i < kCountLooks && !total_slow(total); ++i) pause_briefly();
  return static_cast<unsigned>(total);
}

// How many pointers there are. true: at one instant; turns that were even and did not change held still meanwhile.
bool PointerPool::total_slow(std::uint64_t& total) const {
  for (int look = 0; look < kLooks; ++look) {
    const std::uint32_t slots = used_slots_.load(std::memory_order_acquire);
    std::uint64_t before = 0, after = 0;
    bool quiet = true;
    for (std::uint32_t i = 0; i < slots; ++i) {
      const std::uint32_t turn = slots_[i].turn.load(std::memory_order_acquire);
      quiet = quiet && turn % 2 == 0;
      before += turn;
    }
    total = std::uint64_t{full_.load(std::memory_order_relaxed)} * magazine_size_;
    for (std::uint32_t i = 0; i < slots; ++i) total += slots_[i].used(0) + slots_[i].used(1);
    std::atomic_thread_fence(std::memory_order_acquire);  // the counts before the turns: pairs with begin_turn()
    for (std::uint32_t i = 0; i < slots; ++i) after += slots_[i].turn.load(std::memory_order_relaxed);
    if (quiet && before == after && slots == used_slots_.load(std::memory_order_relaxed)) return true;
  }
  return false;
}

bool PointerPool::take_from_all(void** out, unsigned n) {
  const LockGuard world(world_);
  stop_.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const std::uint32_t slots = used_slots_.load(std::memory_order_relaxed);
  bool done = false;
  if (slots == 1 || heavy_fence_for_all()) {
    for (std::uint32_t i = 1; i < slots; ++i) wait_for_turn(slots_[i]);
    const LockGuard shared(shared_);
    const std::uint32_t turn = begin_turn(slots_[0]);  // total_slow() shall see that things move
    done = take_while_stopped(out, n);
    end_turn(slots_[0], turn);
  }
  stop_.store(0, std::memory_order_release);  // pairs with enter()
  return done;
}

bool PointerPool::take_while_stopped(void** out, unsigned n) {
  Slot* const own = own_slot();
  Slot& mine = own != nullptr ? *own : slots_[0];
  const unsigned taken = take_what_is_there(mine, out, n);
  std::uint64_t held = 0;
  const std::uint32_t slots = used_slots_.load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < slots; ++i) held += slots_[i].used(0) + slots_[i].used(1);
  const bool enough = held >= n - taken;
  if (enough) {
    take_from_others(mine, out + taken, n - taken);
  } else {
    put_into(mine, out, taken);
  }
  return enough;
}

// `mine` and the depot are empty. What is left of a magazine stays with `mine`: the next get shall not stop the world.
void PointerPool::take_from_others(Slot& mine, void** out, unsigned n) {
  const std::uint32_t slots = used_slots_.load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < slots && n > 0; ++i) {
    Slot& from = slots_[i];
    for (int which = 1; which >= 0 && n > 0; --which) {
      const std::uint32_t used = from.used(which);
      const unsigned now = std::min<unsigned>(n, used);
      copy(out, from.magazine[which] + used - now, now);
      out += now;
      n -= now;
      from.set_used(which, 0);
      if (used == now) continue;
      std::swap(from.magazine[which], mine.magazine[0]);
      mine.set_used(0, used - now);
    }
  }
}

void PointerPool::wait_for_turn(Slot& slot) {
  for (int i = 0;; ++i) {
    const std::uint32_t turn = slot.turn.load(std::memory_order_acquire);  // pairs with end_turn()
    if (turn % 2 == 0) return;
    if (i < kSpins) {
      pause_briefly();
    } else {
      futex(&slot.turn, FUTEX_WAIT, turn);  // not _PRIVATE: other processes wait, too
    }
  }
}

void PointerPool::wake_slow(Slot& slot) { futex(&slot.turn, FUTEX_WAKE, 1); }

}  // namespace fastmem::dpdk
