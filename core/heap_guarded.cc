// SPDX-License-Identifier: BSD-3-Clause
// core/heap_guarded.cc -- floor 2 (core). Large objects of a heap that is checked in full.
// What:      the object begins a granule behind the start of its extent, or as far as its alignment is. Where pages are
//            small, what lies before it and the pages behind it fault, and while it rests all of it does. Elsewhere bytes
//            beside it are looked at. One that is to lie in one run or across no boundary begins where its extent does.
#include <algorithm>
#include <bit>
#include <cstring>

#include "core/heap.h"
#include "platform/address_space.h"

namespace fastmem::core {
namespace {

constexpr std::size_t kMostBack =
    4 * kGranule;  // how far behind its first granule an address is looked up, for reports

bool is_particular(const Request& r) { return r.boundary != 0 || (r.flags & kContiguous) != 0; }

std::byte* page_at_or_after(std::byte* p) {
  return reinterpret_cast<std::byte*>(round_up(reinterpret_cast<std::uintptr_t>(p), kSmallPage.rep));
}

}  // namespace

void* Heap::guarded_alloc(const Request& request, int node) {
  const std::size_t front = is_particular(request) ? 0 : std::max(request.align, kGranule);
  Request whole = request;
  whole.size = front + request.size + guard::kBackMost;
  if (front != 0) whole.size += kSmallPage.rep;  // at least one page behind it faults
  if (whole.size < request.size || whole.size > largest()) {
    return fail(ErrorCode::kTooBig,
                "%zu bytes asked: with what a checked heap puts around them more than the largest object",
                request.size),
           nullptr;
  }
  if (request.boundary != 0 && whole.size > request.boundary) whole.boundary = std::bit_ceil(whole.size);
  const ExtentIndex extent = plain_large(whole, node);
  if (extent == kNoExtent) return nullptr;
  Extent& e = state_->extents[extent];
  ObjectRecord* const record = checker_->open_record(e);
  if (record == nullptr) {
    large_free_slow(extent, map_.address_of(extent));
    return fail(ErrorCode::kNoMemory, "no memory for the records of checked objects"), nullptr;
  }
  std::byte* const object = map_.address_of(extent) + front;
  state_->extents[static_cast<ExtentIndex>(map_.granule_of(object))].head = extent;  // for find_large()
  if ((request.flags & kZero) != 0) {
    const std::size_t soiled = (e.granules - e.clean) * kGranule;
    if (soiled > front) std::memset(object, 0, std::min(request.size, soiled - front));
  }
  e.word = front != 0 && pages_are_small(extent) ? 1 : 0;
  set_large_guards(extent, object, request.size);
  hand_out(*record, request.size, front != 0 ? static_cast<unsigned>(std::countr_zero(front)) : ObjectWord::kNoFront,
           checker_->trace(__builtin_frame_address(0)));
  return object;
}

bool Heap::pages_are_small(ExtentIndex extent) const {
  const RegionNumber region = state_->extents[extent].region.load(std::memory_order_relaxed);
  const RegionInfo& info = state_->regions[region];
  return info.owner.load(std::memory_order_relaxed) == Owner::kBacking && info.region.page_size == kSmallPage;
}

// What faults around the object; where the kernel will not, bytes.
void Heap::set_large_guards(ExtentIndex extent, std::byte* object, std::size_t size) {
  Extent& e = state_->extents[extent];
  std::byte* const base = map_.address_of(extent);
  std::byte* const end = base + e.granules * kGranule;
  std::byte* const last_page = page_at_or_after(object + size);
  const bool faults = e.word != 0 && deny_access(base, Bytes{static_cast<std::size_t>(object - base)}) &&
                      deny_access(last_page, Bytes{static_cast<std::size_t>(end - last_page)});
  if (e.word != 0 && !faults) {
    allow_access(base, Bytes{e.granules * kGranule});
    e.word = 0;
  }
  if (!faults && object != base) guard::fill(object - guard::kFront, guard::kFront, guard::kGuardByte);
  const std::byte* const until = faults ? last_page : end;
  guard::fill(object + size, Checker::behind(object, size, until), guard::kGuardByte);
}

std::ptrdiff_t Heap::large_guard_damage(const FoundObject& found, ObjectWord word) const {
  std::byte* const object = found.object(word);
  const std::size_t size = word.size();
  const bool faults = state_->extents[found.extent].word != 0;
  const std::byte* const until = faults ? page_at_or_after(object + size) : found.cell + found.cell_size;
  if (!faults && word.front() != 0) {
    const std::size_t before = guard::last_damage(object - guard::kFront, guard::kFront, guard::kGuardByte);
    if (before != 0) return -static_cast<std::ptrdiff_t>(before);
  }
  const std::size_t behind = Checker::behind(object, size, until);
  const std::size_t damage = guard::first_damage(object + size, behind, guard::kGuardByte);
  return damage == behind ? kIntact : static_cast<std::ptrdiff_t>(size + damage);
}

std::span<const std::byte> Heap::readable_large(const FoundObject& found, ObjectWord word) const {
  if (state_->extents[found.extent].word == 0) return {found.cell, found.cell_size};
  std::byte* const object = found.object(word);
  return {object, page_at_or_after(object + word.size())};
}

// Out of reach, or filled where it cannot be.
void Heap::hide_large(const FoundObject& found, ObjectWord word) {
  Extent& e = state_->extents[found.extent];
  if (e.word != 0 && deny_access(found.cell, Bytes{found.cell_size})) {
    e.word = 2;
    return;
  }
  if (found.cell_size <= checker_->options().large.rep)
    guard::fill(found.object(word), word.size(), guard::kPoisonByte);
}

bool Heap::hides_large(const FoundObject& found) const {
  return found.record != nullptr &&
         (state_->extents[found.extent].word == 2 || found.record->load().size() > checker_->options().large.rep);
}

// Its rest is over.
void Heap::release_large(const FoundObject& found) {
  Extent& e = state_->extents[found.extent];
  if (e.word != 0) allow_access(found.cell, Bytes{found.cell_size});
  e.word = 0;
  const std::uint32_t piece = e.records.exchange(0, std::memory_order_acq_rel);
  state_->arena.recycle(state_->arena.piece(piece), Bytes{sizeof(ObjectRecord)});
  large_free_slow(found.extent, map_.address_of(found.extent));
}

// The large object whose first granule the address is in.
FoundObject Heap::find_large(const void* p) const {
  const std::size_t granule = map_.granule_of(p);
  if (granule >= map_.granules()) return {};
  const ExtentIndex head = state_->extents[static_cast<ExtentIndex>(granule)].head;
  return head <= granule ? large_from(head, granule) : FoundObject{};
}

// The checked object whose extent begins there and reaches as far as that granule.
FoundObject Heap::large_from(ExtentIndex head, std::size_t granule) const {
  const Extent& e = state_->extents[head];
  if (e.kind.load(std::memory_order_acquire) != ExtentKind::kLarge || granule - head >= e.granules) return {};
  ObjectRecord* const record = checker_->records(e);
  if (record == nullptr) return {};
  return {record, map_.address_of(head), e.granules * kGranule, kNoBin, head};
}

// The same for any address in it. Slower: for what is wrong, and for faults.
FoundObject Heap::large_around(const void* p) const {
  const std::size_t granule = map_.granule_of(p);
  if (granule >= map_.granules() || region_of(p) == kNoRegion) return {};
  const std::size_t least = granule > kMostBack ? granule - kMostBack : 0;
  for (std::size_t g = granule + 1; g-- > least;) {
    const FoundObject found = large_from(static_cast<ExtentIndex>(g), granule);
    if (found.record != nullptr) return found;
  }
  return {};
}

}  // namespace fastmem::core
