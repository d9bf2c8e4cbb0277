// SPDX-License-Identifier: BSD-3-Clause
#include "core/region_table.h"

#include <algorithm>
#include <bit>

namespace fastmem::core {
namespace {

bool in_one_run(std::span<const Iova> pages, Bytes page_size) {
  for (std::size_t i = 1; i < pages.size(); ++i) {
    if (pages[i].rep != pages[i - 1].rep + page_size.rep) return false;
  }
  return !pages.empty();
}

}  // namespace

RegionNumber RegionTable::add(const Region& region, unsigned node, std::uint32_t unit, const BroughtIovas* brought) {
  const LockGuard guard(mutex_);
  const RegionNumber highest = highest_.load(std::memory_order_relaxed);
  unsigned number = 1;
  while (number <= highest && (*this)[static_cast<RegionNumber>(number)].present) ++number;
  if (number > 65535) return kNoRegion;
  RegionInfo*& chunk = chunks_[number / kChunk];
  if (chunk == nullptr) {
    chunk = static_cast<RegionInfo*>(arena_->make(Bytes{kChunk * sizeof(RegionInfo)}));
    if (chunk == nullptr) return kNoRegion;
  }
  RegionInfo& info = chunk[number % kChunk];
  info.region = region;
  info.node = node;
  info.unit = unit;
  info.pinned.store(false, std::memory_order_relaxed);
  info.page_shift = static_cast<unsigned>(std::countr_zero(region.page_size.rep));
  info.table = nullptr;
  info.iova.store(IovaState::kUnknown, std::memory_order_relaxed);
  info.owner.store(brought != nullptr ? Owner::kCaller : Owner::kBacking, std::memory_order_relaxed);
  if (brought != nullptr && !know(info, *brought)) return kNoRegion;
  info.present.store(true, std::memory_order_release);
  if (number > highest) highest_.store(static_cast<RegionNumber>(number), std::memory_order_release);
  return static_cast<RegionNumber>(number);
}

// IOVAs that came with the memory. false: no memory for their table.
bool RegionTable::know(RegionInfo& info, const BroughtIovas& brought) {
  if (brought.same_as_addresses) {
    info.run = Iova{reinterpret_cast<std::uintptr_t>(info.region.base)};
    info.iova.store(IovaState::kOneRun, std::memory_order_release);
  } else if (in_one_run(brought.pages, info.region.page_size)) {
    info.run = brought.pages[0];
    info.iova.store(IovaState::kOneRun, std::memory_order_release);
  } else if (!brought.pages.empty()) {
    info.table = static_cast<Iova*>(arena_->take(Bytes{brought.pages.size_bytes()}));
    if (info.table == nullptr) return false;
    std::copy(brought.pages.begin(), brought.pages.end(), info.table);
    info.iova.store(IovaState::kTable, std::memory_order_release);
  }
  return true;
}

void RegionTable::remove(RegionNumber number) {
  const LockGuard guard(mutex_);
  RegionInfo& info = (*this)[number];
  if (info.table != nullptr) {
    arena_->recycle(info.table, Bytes{info.region.size / info.region.page_size * sizeof(Iova)});
    info.table = nullptr;
  }
  info.iova.store(IovaState::kUnknown, std::memory_order_relaxed);
  info.present.store(false, std::memory_order_relaxed);
}

Iova RegionTable::iova_of(RegionNumber number, const void* p, Backing& backing, Error& error) {
  RegionInfo& info = (*this)[number];
  const auto offset =
      static_cast<std::size_t>(static_cast<const std::byte*>(p) - static_cast<const std::byte*>(info.region.base));
  for (;;) {
    switch (info.iova.load(std::memory_order_acquire)) {
      case IovaState::kOneRun:
        return Iova{info.run.rep + offset};
      case IovaState::kTable: {
        const std::size_t in_page = offset & (info.region.page_size.rep - 1);
        return Iova{info.table[offset >> info.page_shift].rep + in_page};
      }
      case IovaState::kUnknown:
      case IovaState::kUnavailable:
        break;
    }
    error = ask(info, backing);
    if (!error.ok()) return kBadIova;
  }
}

Result<std::span<const Iova>> RegionTable::pages_of(RegionNumber number, Backing& backing) {
  RegionInfo& info = (*this)[number];
  Error error;
  if (iova_of(number, info.region.base, backing, error) == kBadIova) return error;
  const std::size_t pages = info.region.size / info.region.page_size;
  if (info.table == nullptr) {  // one run: it gets a table all the same, so that there is one when the region goes
    auto* const table = static_cast<Iova*>(arena_->take(Bytes{pages * sizeof(Iova)}));
    if (table == nullptr) return make_error(ErrorCode::kNoMemory, "no memory for a table of %zu IOVAs", pages);
    for (std::size_t i = 0; i < pages; ++i) table[i] = Iova{info.run.rep + i * info.region.page_size.rep};
    info.table = table;
  }
  return std::span<const Iova>(info.table, pages);
}

// What was unavailable may be there by now (a right granted, a limit raised): it is asked again each time.
Error RegionTable::ask(RegionInfo& info, Backing& backing) {
  const std::size_t pages = info.region.size / info.region.page_size;
  const Bytes bytes{pages * sizeof(Iova)};
  auto* const table = static_cast<Iova*>(arena_->take(bytes));
  if (table == nullptr) return make_error(ErrorCode::kNoMemory, "no memory for a table of %zu IOVAs", pages);
  Region region = info.region;  // the backing may change it: only what comes of the first answer stays
  const Error error = backing.iova(region, {table, pages});
  const bool one_run = error.ok() && in_one_run({table, pages}, info.region.page_size);
  const LockGuard guard(mutex_);
  const IovaState before = info.iova.load(std::memory_order_relaxed);
  const bool answered_meanwhile = before == IovaState::kOneRun || before == IovaState::kTable;
  if (!region.inherited_by_fork) info.region.inherited_by_fork = false;
  if (error.ok() && info.region.page_size < kRegionUnit) info.pinned.store(true, std::memory_order_relaxed);
  if (error.ok() && !answered_meanwhile) {
    info.run = table[0];
    info.table = one_run ? nullptr : table;
    info.iova.store(one_run ? IovaState::kOneRun : IovaState::kTable, std::memory_order_release);
    if (!one_run) return error;
  } else if (!answered_meanwhile) {
    info.iova.store(IovaState::kUnavailable, std::memory_order_relaxed);
  }
  arena_->recycle(table, bytes);
  return answered_meanwhile ? Error{} : error;
}

Error RegionTable::renew(RegionNumber number, Bytes offset, Bytes size, Backing& backing) {
  if (!is_known(number)) return {};
  RegionInfo& info = (*this)[number];
  const Bytes page = info.region.page_size;
  const std::size_t pages = info.region.size / page;
  const Bytes table_bytes{pages * sizeof(Iova)};
  Region part = info.region;
  part.base = static_cast<std::byte*>(part.base) + offset.rep;
  part.size = size;
  const bool one_run = is_one_run(number);
  const bool fresh = info.table == nullptr;  // pages_of() may have made one of a run, too
  Iova* const table = fresh ? static_cast<Iova*>(arena_->take(table_bytes)) : info.table;
  if (table == nullptr) return make_error(ErrorCode::kNoMemory, "no memory for a table of %zu IOVAs", pages);
  Iova* const first = table + offset / page;
  const Error error = backing.iova(part, {first, size / page});
  if (!one_run) return error;  // nobody has what these entries are about
  bool stays = error.ok();
  for (std::size_t i = 0; i < size / page && stays; ++i) {
    stays = first[i].rep == info.run.rep + offset.rep + i * page.rep;
  }
  if (stays || !error.ok()) {
    if (fresh) arena_->recycle(table, table_bytes);
    return error;
  }
  for (std::size_t i = 0; i < pages; ++i) {
    if (table + i < first || table + i >= first + size / page) table[i] = Iova{info.run.rep + i * page.rep};
  }
  const LockGuard guard(mutex_);
  // pages_of() was asked meanwhile
  if (info.table != nullptr && info.table != table) arena_->recycle(info.table, table_bytes);
  info.table = table;
  info.iova.store(IovaState::kTable, std::memory_order_release);
  return {};
}

bool RegionTable::all_inherited_by_fork() {
  for (unsigned n = 1; n <= highest(); ++n) {
    const RegionInfo& info = (*this)[static_cast<RegionNumber>(n)];
    if (info.present && !info.region.inherited_by_fork) return false;
  }
  return true;
}

}  // namespace fastmem::core
