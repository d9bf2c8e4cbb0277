// SPDX-License-Identifier: BSD-3-Clause
#include "core/quarantine.h"

#include <algorithm>

namespace fastmem::core {
namespace {

constexpr std::size_t kSoon = 4;  // so many pushes ahead of the end of a rest its lines are fetched

}  // namespace

bool Quarantine::push(const Entry& entry, std::span<Entry> out, std::size_t& n) {
  const LockGuard guard(mutex_);
  while (entry.size > allowance_) {
    if (budget_ == nullptr || !budget_->claim()) return false;
    allowance_ += budget_->step();
  }
  if (count_ == capacity_ && !grow()) return false;
  ring_[(first_ + count_++) & (capacity_ - 1)] = entry;
  bytes_ += entry.size;
  n = bytes_ > allowance_ ? pop_excess_locked(out) : 0;
  const Entry& soon = ring_[(first_ + kSoon) & (capacity_ - 1)];  // maybe none: an old one then, or zeroes
  __builtin_prefetch(soon.record, 1);
  __builtin_prefetch(soon.object, 1);
  return true;
}

std::size_t Quarantine::pop_excess_locked(std::span<Entry> out) {
  std::size_t n = 0;
  while (bytes_ > allowance_ && n < out.size()) {
    if (budget_ != nullptr && budget_->claim()) {
      allowance_ += budget_->step();
    } else {
      out[n++] = pop_one();
    }
  }
  return n;
}

std::size_t Quarantine::pop(std::span<Entry> out) {
  const LockGuard guard(mutex_);
  std::size_t n = 0;
  while (count_ != 0 && n < out.size()) out[n++] = pop_one();
  if (count_ == 0 && budget_ != nullptr) {
    budget_->give(allowance_ - least_);
    allowance_ = least_;
  }
  return n;
}

Quarantine::Entry Quarantine::pop_one() {
  const Entry oldest = ring_[first_];
  first_ = (first_ + 1) & (capacity_ - 1);
  --count_;
  bytes_ -= oldest.size;
  return oldest;
}

bool Quarantine::grow() {
  const std::size_t capacity = std::max(capacity_ * 2, kFirstCapacity);
  auto* const ring = static_cast<Entry*>(arena_->take(Bytes{capacity * sizeof(Entry)}));
  if (ring == nullptr) return false;
  for (std::size_t i = 0; i < count_; ++i) ring[i] = ring_[(first_ + i) & (capacity_ - 1)];
  if (ring_ != nullptr) arena_->recycle(ring_, Bytes{capacity_ * sizeof(Entry)});
  ring_ = ring;
  capacity_ = capacity;
  first_ = 0;
  return true;
}

}  // namespace fastmem::core
