// SPDX-License-Identifier: BSD-3-Clause
#include "core/bin.h"

#include <algorithm>
#include <utility>

namespace fastmem::core {
namespace {

// Emptied slabs wait here for the next refill before they go back to the page heap: a class whose use swings by an
// eighth does not make and unmake slabs.
constexpr std::uint32_t kEmptySlabsKept = 1;
constexpr std::uint32_t kEmptyShare = 8;

constexpr std::uint32_t kFirstDepot = 2;  // magazines

}  // namespace

Magazine* Bin::exchange(Magazine* empty, SlotId slot, bool any, Strays& strays) {
  Magazine* full = nullptr;
  {
    const LockGuard guard(mutex_);
    ++trades_;
    const Magazine* const oldest = full_.front();
    const bool rested = full_.count() > (at_bound_ ? bound_ : class_->depot) / 2u;
    if (oldest == nullptr || (!any && !rested && oldest->filled_by != slot)) {
      missed_ = true;
      return nullptr;
    }
    full = full_.pop();
    in_depot_ -= full->count;
    keep_empty_locked(empty);
  }
  hardener().unseal(*full, id_, strays);
  return full;
}

Magazine* Bin::exchange_full(Magazine* full, Strays& strays) {
  Magazine* over = nullptr;
  hardener().seal(*full);
  {
    const LockGuard guard(mutex_);
    over = keep_locked(full);
    if (over == nullptr) {
      if (Magazine* const empty = take_magazine_locked()) return empty;
      over = pop_oldest_locked();
    }
  }
  hardener().unseal(*over, id_, strays);
  drain(over->objects(), over->count, strays);
  over->count = 0;
  return over;
}

// A full magazine comes to the depot. One that overflows while it also runs empty, now and then, is too small.
// Returns what it has no room for.
Magazine* Bin::keep_locked(Magazine* full) {
  ++trades_;
  full_.push(full);
  in_depot_ += full->count;
  if (full_.count() > bound_ && missed_) widen_depot_locked();
  return full_.count() > bound_ ? pop_oldest_locked() : nullptr;
}

Magazine* Bin::pop_oldest_locked() {
  Magazine* const oldest = full_.pop();
  if (oldest != nullptr) in_depot_ -= oldest->count;
  return oldest;
}

Magazine* Bin::pop_oldest() {
  const LockGuard guard(mutex_);
  return pop_oldest_locked();
}

// What a magazine holds goes back to slabs, and the magazine itself to the empty ones.
void Bin::send_home(Magazine* m, Strays& strays) {
  hardener().unseal(*m, id_, strays);
  drain(m->objects(), m->count, strays);
  m->count = 0;
  const LockGuard guard(mutex_);
  keep_empty_locked(m);
}

void Bin::keep_empty_locked(Magazine* m) {
  m->next = empties_;
  empties_ = m;
}

void Bin::widen_depot_locked() {
  missed_ = false;
  const std::uint32_t wider = std::min<std::uint32_t>(bound_ != 0 ? bound_ * 2 : kFirstDepot, class_->depot);
  const Bytes magazine{std::size_t{class_->size} * class_->magazine};
  at_bound_ = wider == bound_ || !budget().take(magazine * (wider - bound_));
  if (!at_bound_) bound_ = wider;
}

void Bin::narrow_depot_locked(std::uint32_t bound) {
  budget().give(Bytes{std::size_t{class_->size} * class_->magazine} * (bound_ - bound));
  bound_ = bound;
  at_bound_ = false;
}

std::uint32_t Bin::empties_to_keep() const {
  return kEmptySlabsKept + (sizes_[kEmpty] + sizes_[kPartial] + sizes_[kFull]) / kEmptyShare;
}

// The lock is let go between slabs: nobody waits for more than the scan of one.
std::uint32_t Bin::refill(void** out, std::uint32_t n) {
  std::uint32_t taken = 0;
  while (taken < n) {
    const LockGuard guard(mutex_);
    ++trades_;
    const ExtentIndex i = slab_with_room();
    if (i == kNoExtent) break;
    const std::uint32_t got = take_from(i, n - taken, out + n - 1 - taken);
    taken += got;
    free_ -= got;
    file(i);
  }
  if (taken < n && taken > 0) {  // they lie at the end of out: move them to its start
    for (std::uint32_t k = 0; k < taken; ++k) out[k] = out[n - taken + k];
  }
  return taken;
}

std::uint32_t Bin::take_from(ExtentIndex slab, std::uint32_t n, void** out) {
  Extent& e = (*context_.extents)[slab];
  std::byte* const base = context_.map->address_of(slab);
  if (!hardener().options().random_order) return slab::take(e, *class_, base, n, out);
  Random random = hardener().random();
  return slab::take_any(e, *class_, base, n, out, random);
}

void* Bin::take_one() {
  void* object = nullptr;
  if (refill(&object, 1) == 1) return object;
  const LockGuard guard(mutex_);
  while (Magazine* const oldest = full_.front()) {
    object = hardener().unseal(oldest->objects() + --oldest->count);
    --in_depot_;
    if (oldest->count == 0) keep_empty_locked(full_.pop());
    if (object != nullptr) break;
  }
  return object;
}

void Bin::drain(void* const* objects, std::uint32_t n, Strays& strays) {
  for (std::uint32_t done = 0; done < n; done += kDrainedAtOnce) {
    const LockGuard guard(mutex_);
    ++trades_;
    drain_locked(objects + done, std::min(n - done, kDrainedAtOnce), strays);
  }
}

Magazine* Bin::take_magazine() {
  const LockGuard guard(mutex_);
  return take_magazine_locked();
}

void Bin::give_magazine(Magazine* m, Strays& strays) {
  Magazine* over = nullptr;
  {
    const LockGuard guard(mutex_);
    if (m->count == 0) return keep_empty_locked(m);
    hardener().seal(*m);
    over = keep_locked(m);
  }
  if (over != nullptr) send_home(over, strays);
}

bool Bin::release_empty(bool with_depot, Strays& strays) {
  if (with_depot) {
    while (Magazine* const m = pop_oldest()) send_home(m, strays);
  }
  const LockGuard guard(mutex_);
  if (with_depot) narrow_depot_locked(full_.count());
  bool released = false;
  while (!lists_[kEmpty].empty()) {
    release_slab(lists_[kEmpty].front(), strays);
    released = true;
  }
  return released;
}

void Bin::release_idle(std::uint64_t most, Strays& strays) {
  if (!unused_since_last_look()) return;
  for (std::uint64_t moved = 0; moved < most; moved += class_->magazine) {
    Magazine* const m = pop_oldest();
    if (m == nullptr) break;
    send_home(m, strays);
  }
  const LockGuard guard(mutex_);
  trades_seen_ = trades_;  // what went home just now is no use
  narrow_depot_locked(std::min(bound_, full_.count()));
  for (std::uint64_t moved = 0; !lists_[kEmpty].empty() && moved < most; ++moved) {
    release_slab(lists_[kEmpty].front(), strays);
  }
}

bool Bin::has_free(const void* object) const {
  const LockGuard guard(mutex_);
  const auto granule = static_cast<ExtentIndex>(context_.map->granule_of(object));
  const bool mapped = context_.map->find(object) == id_;
  const ExtentIndex i = mapped ? (*context_.extents)[granule].head : slab_aside(granule);
  if (i == kNoExtent) return false;
  const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(object) - context_.map->address_of(i));
  return slab::is_free((*context_.extents)[i], *class_, offset);
}

bool Bin::unused_since_last_look() {
  const LockGuard guard(mutex_);
  return std::exchange(trades_seen_, trades_) == trades_;
}

BinCounts Bin::counts() const {
  const LockGuard guard(mutex_);
  BinCounts c;
  c.free = free_;
  c.depot = in_depot_;
  c.slabs = sizes_[kEmpty] + sizes_[kPartial] + sizes_[kFull] + sizes_[kAside];
  c.acquires = acquires_;
  c.releases = releases_;
  c.empty = sizes_[kEmpty];
  c.partial = sizes_[kPartial];
  c.full = sizes_[kFull];
  for (ExtentIndex i = lists_[kAside].front(); i != kNoExtent; i = (*context_.extents)[i].next) {
    const List list = list_for((*context_.extents)[i]);
    ++(list == kEmpty ? c.empty : list == kFull ? c.full : c.partial);
  }
  return c;
}

void Bin::drain_locked(void* const* objects, std::uint32_t n, Strays& strays) {
  for (std::uint32_t k = 0; k < n; ++k) {
    void* const object = objects[k];
    const auto granule = static_cast<ExtentIndex>(context_.map->granule_of(object));
    const BinId found_in = context_.map->find(object);
    const ExtentIndex aside = found_in == kNoBin ? slab_aside(granule) : kNoExtent;
    if (found_in != id_ && aside == kNoExtent) {
      strays.add(object, found_in == kNoBin ? Stray::kNoSlab : Stray::kOtherBin, id_, found_in);
      continue;
    }
    const ExtentIndex i = aside != kNoExtent ? aside : (*context_.extents)[granule].head;
    Extent& e = (*context_.extents)[i];
    const auto offset = static_cast<std::size_t>(static_cast<std::byte*>(object) - context_.map->address_of(i));
    switch (slab::put(e, *class_, offset)) {
      case slab::Put::kDone:
        break;
      case slab::Put::kWasFree:
        strays.add(object, Stray::kWasFree, id_, id_);
        continue;
      case slab::Put::kInsideObject:
        strays.add(object, Stray::kInsideObject, id_, id_);
        continue;
    }
    ++free_;
    file(i);
  }
  while (sizes_[kEmpty] > empties_to_keep()) release_slab(lists_[kEmpty].front(), strays);
}

Magazine* Bin::take_magazine_locked() {
  if (Magazine* const m = empties_) {
    empties_ = m->next;
    m->count = 0;
    return m;
  }
  auto* const m = static_cast<Magazine*>(context_.arena->make(Magazine::size(class_->magazine)));
  if (m != nullptr) m->capacity = class_->magazine;
  return m;
}

ExtentIndex Bin::slab_with_room() {
  if (!lists_[kPartial].empty()) return lists_[kPartial].front();
  if (!lists_[kEmpty].empty()) return lists_[kEmpty].front();
  return new_slab();
}

ExtentIndex Bin::new_slab() {
  const std::uint32_t align = class_->align > kGranule ? static_cast<std::uint32_t>(class_->align / kGranule) : 1;
  const ExtentIndex i = pages_->take(granules(), align);
  if (i == kNoExtent) return kNoExtent;
  Extent& e = (*context_.extents)[i];
  for (ExtentIndex g = i + 1; g + 1 < i + granules(); ++g) (*context_.extents)[g].head = i;
  if (!slab::make(e, *class_, id_, *context_.arena)) {
    pages_->give(i);
    return kNoExtent;
  }
  if (!slab::bitmap_is_inline(*class_))
    pages_->count_books(static_cast<std::ptrdiff_t>(slab::bitmap_bytes(*class_).rep));
  if (hardener().options().guard_granules) hardener().set_guard(e, guard_of(i));
  context_.map->set(i, class_->granules, id_);
  free_ += class_->objects;
  ++acquires_;
  e.list = kEmpty;
  lists_[kEmpty].push_front(*context_.extents, i);
  ++sizes_[kEmpty];
  return i;
}

void Bin::release_slab(ExtentIndex i, Strays& strays) {
  Extent& e = (*context_.extents)[i];
  const bool aside = e.list == kAside;
  lists_[e.list].remove(*context_.extents, i);
  --sizes_[e.list];
  free_ -= class_->objects;
  ++releases_;
  context_.map->set(i, class_->granules, kNoBin);
  slab::unmake(e, *class_, *context_.arena);
  if (!slab::bitmap_is_inline(*class_))
    pages_->count_books(-static_cast<std::ptrdiff_t>(slab::bitmap_bytes(*class_).rep));
  if (hardener().options().guard_granules && !hardener().drop_guard(e, guard_of(i), id_, strays)) return;
  aside ? pages_->give_aside(i) : pages_->give(i);
}

// Puts a slab in the list that its free count says.
void Bin::file(ExtentIndex i) {
  Extent& e = (*context_.extents)[i];
  const List wanted = list_for(e);
  if (e.list != wanted && e.list != kAside) move_to(wanted, i);
}

void Bin::move_to(List wanted, ExtentIndex i) {
  Extent& e = (*context_.extents)[i];
  lists_[e.list].remove(*context_.extents, i);
  --sizes_[e.list];
  lists_[wanted].push_front(*context_.extents, i);
  ++sizes_[wanted];
  e.list = wanted;
}

void Bin::set_aside(ExtentIndex slab) {
  const LockGuard guard(mutex_);
  Extent& e = (*context_.extents)[slab];
  // It may have gone since the caller saw it.
  if (e.kind.load(std::memory_order_relaxed) != ExtentKind::kSlab ||
      context_.map->find(context_.map->address_of(slab)) != id_)
    return;
  move_to(kAside, slab);
  e.kind.store(ExtentKind::kSlabAside, std::memory_order_relaxed);
  context_.map->set(slab, class_->granules, kNoBin);
}

void Bin::resume(ExtentIndex first, std::uint32_t granules) {
  const LockGuard guard(mutex_);
  for (ExtentIndex i = lists_[kAside].front(); i != kNoExtent;) {
    Extent& e = (*context_.extents)[i];
    const ExtentIndex next = e.next;
    if (i - first < granules) {
      move_to(list_for(e), i);
      e.kind.store(ExtentKind::kSlab, std::memory_order_relaxed);
      context_.map->set(i, class_->granules, id_);
    }
    i = next;
  }
}

void Bin::release_aside(ExtentIndex first, std::uint32_t granules, Strays& strays) {
  const LockGuard guard(mutex_);
  for (ExtentIndex i = lists_[kAside].front(); i != kNoExtent;) {
    const Extent& e = (*context_.extents)[i];
    const ExtentIndex next = e.next;
    if (i - first < granules && list_for(e) == kEmpty) release_slab(i, strays);
    i = next;
  }
}

void Bin::open_guards() {
  const LockGuard guard(mutex_);
  for (const ExtentList& list : lists_) {
    for (ExtentIndex i = list.front(); i != kNoExtent; i = (*context_.extents)[i].next) {
      hardener().open_guard((*context_.extents)[i], guard_of(i));
    }
  }
}

ExtentIndex Bin::slab_aside(ExtentIndex granule) const {
  for (ExtentIndex i = lists_[kAside].front(); i != kNoExtent; i = (*context_.extents)[i].next) {
    if (granule - i < class_->granules) return i;
  }
  return kNoExtent;
}

}  // namespace fastmem::core
