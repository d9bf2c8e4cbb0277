// SPDX-License-Identifier: BSD-3-Clause
#include "core/zone_table.h"

#include <cstring>

namespace fastmem::core {
namespace {

Error no_zone(const char* name) {
  return make_error(ErrorCode::kNotFound, "no zone is named %.32s", name != nullptr ? name : "(null)");
}

}  // namespace

Error ZoneTable::claim(const char* name, unsigned& number) {
  const std::size_t length = name != nullptr ? strnlen(name, kLongestZoneName + 1) : 0;
  if (length == 0 || length > kLongestZoneName) {
    return make_error(ErrorCode::kInvalid, "a zone's name has 1 to %u characters", kLongestZoneName);
  }
  const LockGuard guard(mutex_);
  if (number_of(name) >= 0) return make_error(ErrorCode::kExists, "a zone is named %s already", name);
  number = 0;
  while (number < end_ && entry(number).use != Use::kFree) ++number;
  if (number == kMostZones) {
    return make_error(ErrorCode::kNoSpace, "no zone %s: there are %u, the most there can be", name, kMostZones);
  }
  Entry*& chunk = chunks_[number / kChunk];
  if (chunk == nullptr) chunk = static_cast<Entry*>(arena_->make(Bytes{kChunk * sizeof(Entry)}));
  if (chunk == nullptr) return make_error(ErrorCode::kNoSpace, "no zone %s: no memory for the books of it", name);
  Entry& e = entry(number);
  e.zone = Zone{};
  std::memcpy(e.zone.name, name, length);
  e.use = Use::kClaimed;
  if (number == end_) ++end_;
  return {};
}

void ZoneTable::publish(unsigned number, const Zone& zone) {
  const LockGuard guard(mutex_);
  entry(number).zone = zone;
  entry(number).use = Use::kZone;
}

void ZoneTable::forget(unsigned number) {
  const LockGuard guard(mutex_);
  entry(number).use = Use::kFree;
}

void ZoneTable::forget_claims() {
  const LockGuard guard(mutex_);
  for (unsigned i = 0; i < end_; ++i) {
    if (entry(i).use == Use::kClaimed) entry(i).use = Use::kFree;
  }
}

Error ZoneTable::find(const char* name, Zone& out) const {
  const LockGuard guard(mutex_);
  const int number = found(name);
  if (number < 0) return no_zone(name);
  out = entry(static_cast<unsigned>(number)).zone;
  return {};
}

Error ZoneTable::take_out(const char* name, Zone& out) {
  const LockGuard guard(mutex_);
  const int number = found(name);
  if (number < 0) return no_zone(name);
  out = entry(static_cast<unsigned>(number)).zone;
  entry(static_cast<unsigned>(number)).use = Use::kFree;
  return {};
}

bool ZoneTable::at(unsigned number, Zone& out) const {
  const LockGuard guard(mutex_);
  if (number >= end_ || entry(number).use != Use::kZone) return false;
  out = entry(number).zone;
  return true;
}

unsigned ZoneTable::end() const {
  const LockGuard guard(mutex_);
  return end_;
}

int ZoneTable::number_of(const char* name) const {
  for (unsigned i = 0; name != nullptr && i < end_; ++i) {
    const Entry& e = entry(i);
    if (e.use != Use::kFree && std::strncmp(e.zone.name, name, sizeof(e.zone.name)) == 0) return static_cast<int>(i);
  }
  return -1;
}

int ZoneTable::found(const char* name) const {
  const int number = number_of(name);
  return number >= 0 && entry(static_cast<unsigned>(number)).use == Use::kZone ? number : -1;
}

}  // namespace fastmem::core
