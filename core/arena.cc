// SPDX-License-Identifier: BSD-3-Clause
#include "core/arena.h"

#include <algorithm>

#include "platform/address_space.h"

namespace fastmem::core {
namespace {

constexpr std::size_t kStep = 256 * kKiB.rep;  // made writable at a time; untouched pages cost nothing

}  // namespace

void* Arena::make(Bytes size, std::size_t align) {
  const LockGuard guard(mutex_);
  return bump(size.rep, align);
}

void* Arena::take(Bytes size) {
  const unsigned list = list_of(size);
  if (list >= std::min<unsigned>(kLists, sizeof(std::size_t) * 8 - kLeastShift)) return nullptr;
  const LockGuard guard(mutex_);
  if (Piece* const piece = free_[list]) {
    free_[list] = piece->next;
    return piece;
  }
  const std::size_t rounded = std::size_t{1} << (list + kLeastShift);
  return bump(rounded, kCacheLine);
}

void Arena::recycle(void* p, Bytes size) {
  auto* const piece = static_cast<Piece*>(p);
  const LockGuard guard(mutex_);
  Piece*& head = free_[list_of(size)];
  piece->next = head;
  head = piece;
}

void Arena::prepare(Bytes size) {
  const LockGuard guard(mutex_);
  const std::size_t end = bump_ + size.rep;
  if (end <= size_.rep && make_writable_to(end)) populate(base_ + bump_, size);
}

bool Arena::make_writable_to(std::size_t end) {
  if (end <= writable_) return true;
  const std::size_t wanted = round_up(end, kStep) < size_.rep ? round_up(end, kStep) : size_.rep;
  if (!make_writable(base_ + writable_, Bytes{wanted - writable_})) return false;
  writable_ = wanted;
  return true;
}

bool Arena::open_table(void* at, Bytes size) {
  const LockGuard guard(mutex_);
  if (!make_writable(at, size)) return false;
  used_.fetch_add(size.rep, std::memory_order_relaxed);
  return true;
}

void* Arena::bump(std::size_t size, std::size_t align) {
  const std::size_t begin = round_up(bump_, align);
  const std::size_t end = begin + size;
  if (end > size_.rep || end < begin) return nullptr;
  if (!make_writable_to(end)) return nullptr;
  used_.fetch_add(end - bump_, std::memory_order_relaxed);
  bump_ = end;
  return base_ + begin;
}

}  // namespace fastmem::core
