// SPDX-License-Identifier: BSD-3-Clause
#include "core/check_walk.h"

#include "platform/address_space.h"
#include "platform/cpu.h"

namespace fastmem::core {
namespace {

constexpr unsigned kMostTries = 20'000;  // for a lock: about a millisecond
constexpr unsigned kBits = 8;

Bytes bits_for(std::size_t n) { return round_up(Bytes{n / kBits + 1}, kSmallPage); }

// Sets a bit; whether it was set before.
bool set_bit(std::byte* bits, std::size_t n) {
  const std::byte bit{static_cast<unsigned char>(1u << (n % kBits))};
  const bool was = (bits[n / kBits] & bit) != std::byte{0};
  bits[n / kBits] |= bit;
  return was;
}

}  // namespace

// The bits, then one for each of their pages that is writable.
SeenObjects::SeenObjects(const PageMap& map)
    : begin_(map.address_of(0)),
      bytes_(bits_for(map.granules() * (kGranule / kLeast))),
      bits_(static_cast<std::byte*>(reserve_readable(bytes_ + bits_for(bytes_ / kSmallPage)))) {
  usable_ = bits_ != nullptr && make_writable(bits_ + bytes_.rep, bits_for(bytes_ / kSmallPage));
}

SeenObjects::~SeenObjects() {
  if (bits_ != nullptr) unreserve(bits_, bytes_ + bits_for(bytes_ / kSmallPage));
}

SeenObjects::Mark SeenObjects::mark(const void* object) {
  const auto place = static_cast<std::size_t>(static_cast<const std::byte*>(object) - begin_) / kLeast;
  const std::size_t page = place / kBits / kSmallPage.rep;
  if (!usable_) return Mark::kNoMemory;
  if (!set_bit(bits_ + bytes_.rep, page)) {
    usable_ = make_writable(bits_ + page * kSmallPage.rep, kSmallPage);
    if (!usable_) return Mark::kNoMemory;
  }
  return set_bit(bits_, place) ? Mark::kAgain : Mark::kFirst;
}

bool CheckWalk::lock(Mutex& mutex) {
  for (unsigned tries = kMostTries; tries != 0; --tries) {
    if (mutex.try_lock()) return true;
    pause_briefly();
  }
  ++report_.busy;
  expect(!exact(), "a lock is held and nobody is inside", &mutex);
  return false;
}

void CheckWalk::mark(const void* object) {
  ++report_.objects;
  if (seen_ == nullptr) return;
  const SeenObjects::Mark mark = seen_->mark(object);
  if (mark == SeenObjects::Mark::kNoMemory) ++report_.unmarked;
  expect(mark != SeenObjects::Mark::kAgain, "an object is free twice", object);
}

void CheckWalk::found(const char* what, const void* where) {
  ++report_.findings;
  if (report_.told < CheckReport::kMostTold) report_.first[report_.told++] = {what, where};
}

}  // namespace fastmem::core
