// SPDX-License-Identifier: BSD-3-Clause
#include "platform/thread_slot.h"

#include <doctest/doctest.h>

#include <latch>
#include <set>
#include <thread>
#include <vector>

namespace fastmem {
namespace {

thread_local SlotId t_wish = kNoSlot;
SlotId wish() { return t_wish; }

struct Wishes {
  explicit Wishes(unsigned reserved) { wish_for_slots(wish, SlotId{static_cast<std::uint16_t>(reserved)}); }
  Wishes(const Wishes&) = delete;
  Wishes& operator=(const Wishes&) = delete;
  ~Wishes() { wish_for_slots(nullptr, kNoSlot); }
};

SlotId claim_with_wish(unsigned wished) {
  SlotId got;
  std::thread([&] {
    t_wish = SlotId{static_cast<std::uint16_t>(wished)};
    got = claim_thread_slot();
    CHECK(thread_slot() == got);
  }).join();
  return got;
}

std::vector<SlotId> claim_at_once(unsigned n) {
  std::latch claimed(n);
  std::vector<SlotId> slots(n);
  std::vector<std::thread> threads;
  for (SlotId& slot : slots) {
    threads.emplace_back([&] {
      slot = claim_thread_slot();
      claimed.arrive_and_wait();
    });
  }
  for (std::thread& thread : threads) thread.join();
  return slots;
}

TEST_CASE("slots of threads that live at once differ") {
  const std::vector<SlotId> slots = claim_at_once(8);
  CHECK(std::set<SlotId>(slots.begin(), slots.end()).size() == 8);
}

TEST_CASE("who wishes for a slot gets it; others get none that is reserved") {
  const Wishes wishes(128);
  CHECK(claim_with_wish(5).rep == 5);
  CHECK(claim_with_wish(128).rep == 128);
  CHECK(claim_with_wish(0).rep > 128);
  CHECK(claim_with_wish(129).rep > 128);  // not a reserved one: any
}

TEST_CASE("a wish for another thread's slot is not granted while it has it") {
  const Wishes wishes(64);
  std::latch mine(1);
  std::latch may_end(1);
  std::thread first([&] {
    t_wish = SlotId{7};
    CHECK(claim_thread_slot().rep == 7);
    mine.count_down();
    may_end.wait();
  });
  mine.wait();
  CHECK(claim_with_wish(7).rep > 64);
  may_end.count_down();
  first.join();
  CHECK(claim_with_wish(7).rep == 7);
}

TEST_CASE("a slot that was given up goes to the next, and its thread gets another") {
  const Wishes wishes(64);
  std::thread([] {
    t_wish = SlotId{9};
    CHECK(claim_thread_slot().rep == 9);
    release_thread_slot();
    CHECK(thread_slot() == kNoSlot);
    t_wish = SlotId{10};
    CHECK(claim_thread_slot().rep == 10);
    release_thread_slot();
    release_thread_slot();  // nothing to give up
    CHECK(claim_thread_slot().rep == 10);
  }).join();
}

TEST_CASE("when the unreserved slots are taken, there is none") {
  const Wishes wishes(kMaxSlots - 3);
  const std::vector<SlotId> slots = claim_at_once(4);
  unsigned without = 0;
  for (const SlotId slot : slots) without += slot == kNoSlot ? 1 : 0;
  CHECK(without == 2);
}

}  // namespace
}  // namespace fastmem
