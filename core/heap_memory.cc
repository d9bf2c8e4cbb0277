// SPDX-License-Identifier: BSD-3-Clause
// core/heap_memory.cc -- floor 2 (core). Where memory comes from when a bin has none, and how it goes back.
#include <algorithm>

#include "core/heap.h"
#include "platform/address_space.h"
#include "platform/clock.h"
#include "platform/leak_roots.h"

namespace fastmem::core {
namespace {

constexpr unsigned kBackoffAfter = 3;                // refusals in a row, then the backing is left alone ...
constexpr std::uint64_t kBackoffLeast = 10'000'000;  // ... for so many ns, or ...
constexpr std::uint64_t kBackoffShare = 20;          // ... so many times as long as the last one took

static_assert(kPieceUnit.rep == kGranule);

Error limit_reached(NodeId node, Bytes limit, Bytes held) {
  return make_error(ErrorCode::kNoMemory,
                    "the limit of node %u is reached: %zu KiB held, the limit is %zu KiB; free objects, or "
                    "raise the limit",
                    unsigned{node.rep}, held / kKiB, limit / kKiB);
}

// Whether the limit lets a new slab of that size be used at all.
bool has_room_for(const PageHeap& pages, Bytes slab) {
  const Bytes limit = pages.limit();
  return limit == kUnlimited || pages.used() + slab + pages.books() <= limit;
}

}  // namespace

// ---- more room for a bin: what lies about, then more memory, then what others hoard --------------------------------

// True: something changed, and it is worth another look. `held_before`: what the node held when the bin was found empty.
bool Heap::make_room_slow(unsigned node, const Need& need, Bytes held_before, Looks looks) {
  return (looks.tidy_first && release_empty_slabs(node, false)) || (looks.grow && grow_slow(node, need, held_before)) ||
         reclaim_all_slow(node);
}

// What rests in a checked heap goes to the caches first.
bool Heap::reclaim_all_slow(unsigned node) {
  const bool ended = end_rests();
  return reclaim_slow(node) || ended;
}

bool Heap::release_empty_slabs(unsigned node, bool with_depots) {
  bool released = false;
  for (unsigned c = 1; c <= state_->classes.count; ++c) {
    Strays strays;
    released |= state_->bins[row_of(node) + c].release_empty(with_depots, strays);
    settle(strays);
  }
  return released;
}

bool Heap::grow_slow(unsigned node, const Need& need, Bytes held_before) {
  NodeState& n = state_->nodes[node];
  const LockGuard guard(n.growth);
  if (n.pages.held() > held_before && !need.contiguous) return true;  // another thread grew it meanwhile
  if (!need.large && n.no_growth_before != 0 && monotonic_ns() < n.no_growth_before) return false;
  // A quarter more at a time, from small regions to full-sized ones: what a program holds stays near what it needs.
  const Bytes wanted = std::clamp(n.pages.held() / 4, config_.first_region, config_.region_size);
  const std::uint64_t begin = monotonic_ns();
  n.asking.store(true, std::memory_order_relaxed);
  const Error error = has_room_for(n.pages, need.size()) ? grow_by(node, wanted, need)
                                                         : limit_reached(n.id, n.pages.limit(), n.pages.held());
  n.asking.store(false, std::memory_order_relaxed);
  n.say_why_not(error);
  if (error.ok()) {
    n.forget_refusals();
    return true;
  }
  const std::uint64_t end = monotonic_ns();
  if (!need.large && n.pages.room_to_grow().rep != 0 && ++n.failures >= kBackoffAfter) {
    n.no_growth_before = end + std::max(kBackoffLeast, (end - begin) * kBackoffShare);
  }
  return false;
}

// Pages that were given back are the first to come, then a region, then all that is left to come back.
Error Heap::grow_by(unsigned node, Bytes wanted, const Need& need) {
  if (!need.contiguous && bring_back_some(node, wanted, need).ok()) return {};
  const Error error = add_region(node, wanted, need);
  return !error.ok() && bring_back_all(node) ? Error{} : error;
}

Bytes Heap::room_to_grow(unsigned node) const {
  const std::size_t limit = state_->account.limit.load(std::memory_order_relaxed);
  const Bytes of_node = state_->nodes[node].pages.room_to_grow();
  if (limit == kUnlimited.rep) return of_node;
  Bytes held;
  for (unsigned n = 0; n < node_count_; ++n) held += state_->nodes[n].pages.held();
  return std::min(of_node, Bytes{limit - std::min(limit, held.rep)});
}

// One region: `wanted` bytes, less where the limit or the backing has less, never less than needed.
Error Heap::add_region(unsigned node, Bytes wanted, const Need& need) {
  PageHeap& pages = state_->nodes[node].pages;
  const NodeId id = state_->nodes[node].id;
  const Bytes unit = backing_->region_unit_of(id);
  const Bytes room = room_to_grow(node);
  if (room.rep == 0) return limit_reached(id, pages.limit(), pages.held());
  // A limit need not be a multiple of a region: the last one may pass it, and PageHeap::take() holds it to the byte.
  const Bytes most = room.rep > kUnlimited.rep - unit.rep ? room : round_up(room, unit);
  const Bytes least = round_up(need.size(), unit);
  if (most < least) return limit_reached(id, pages.limit(), pages.held());
  Bytes size = std::clamp(round_up(wanted, unit), least, most);
  if (const Error veto = ask_listeners(id, size, pages.held()); !veto.ok()) return veto;
  for (;;) {
    Result<Region> region = ask_backing(node, size, need);
    if (region.ok()) return install_region(*region, node);
    if (region.code() != ErrorCode::kNoMemory) return region.error();
    if (size <= least) return add_piece(node, need, region.error());
    size = std::max(round_up(size / 2, unit), least);
  }
}

Result<Region> Heap::ask_backing(unsigned node, Bytes size, const Need& need) {
  const NodeId id = state_->nodes[node].id;
  const Contiguity contiguity = need.contiguous ? Contiguity::kContiguous : Contiguity::kAny;
  const Bytes unit = backing_->region_unit();
  // Of regions a boundary may lie in the middle: one that begins on it does.
  const Bytes align{std::max(need.alignment().rep, need.boundary)};
  if (align <= unit) return backing_->reserve(size, id, contiguity);
  Result<Region> region = backing_->reserve_aligned(size, align, id, contiguity);
  if (region.ok() || region.code() != ErrorCode::kUnsupported) return region;
  const bool fits = align.rep <= kUnlimited.rep / 2 - size.rep;
  return backing_->reserve(fits ? size + round_up(align, unit) - unit : size, id, contiguity);
}

Error Heap::add_piece(unsigned node, const Need& need, const Error& why_no_region) {
  if (need.contiguous || need.alignment() > kPieceUnit) return why_no_region;
  Result<Region> piece = backing_->reserve_piece(need.size(), state_->nodes[node].id);
  return piece.ok() ? install_region(*piece, node) : why_no_region;
}

Error Heap::install_region(const Region& region, unsigned node, const BroughtIovas* brought) {
  const auto first = static_cast<ExtentIndex>(map_.granule_of(region.base));
  const auto granules = static_cast<std::uint32_t>(region.size.rep / kGranule);
  FM_CHECK(first < map_.granules() && granules <= map_.granules() - first);
  FM_CHECK(reinterpret_cast<std::uintptr_t>(region.base) % kGranule == 0 && region.size.rep % kGranule == 0);
  FM_CHECK(granules != 0);
  FM_CHECK(is_power_of_two(region.page_size.rep) && region.page_size <= region.size);
  const Bytes map_bytes{granules * sizeof(std::uint16_t)};
  const Bytes extent_bytes{granules * sizeof(Extent)};
  const LockGuard telling(listeners_.mutex);
  const bool map_open = state_->arena.open_table(map_.entries(first), map_bytes);
  const bool both_open = map_open && state_->arena.open_table(&state_->extents[first], extent_bytes);
  const Bytes pages_go_by = brought != nullptr ? Bytes{} : backing_->discard_unit(region);
  const auto unit = static_cast<std::uint32_t>(round_up(pages_go_by, Bytes{kGranule}).rep / kGranule);
  const RegionNumber number = both_open ? state_->regions.add(region, node, unit, brought) : kNoRegion;
  if (number == kNoRegion) {
    if (map_open) state_->arena.close_table(map_bytes);
    if (both_open) state_->arena.close_table(extent_bytes);
    if (brought == nullptr) backing_->release(region);
    return make_error(ErrorCode::kNoMemory, "no memory for the books of another region; see ulimit -v and overcommit");
  }
  for (std::uint32_t g = 0; g < granules; ++g) state_->extents[first + g].region = number;
  add_leak_root(region.base, region.size);
  if (const Error veto = tell_came(number); !veto.ok()) {
    uninstall_region(number);
    return veto;
  }
  if (brought == nullptr) state_->nodes[node].note_came(region, {}, region.size);
  if (!region.zeroed) erase(region.base, region.size.rep);
  state_->nodes[node].pages.add_region(first, granules, map_bytes + extent_bytes, region.zeroed);
  state_->nodes[node].note_arrival();
  return {};
}

// Nothing lies in it any more.
void Heap::uninstall_region(RegionNumber number) {
  const Region region = state_->regions[number].region;
  const bool its_own = state_->regions[number].owner.load(std::memory_order_relaxed) == Owner::kBacking;
  const std::size_t first = map_.granule_of(region.base);
  const std::size_t granules = region.size.rep / kGranule;
  for (std::size_t g = 0; g < granules; ++g) state_->extents[static_cast<ExtentIndex>(first + g)].region = kNoRegion;
  state_->arena.close_table(Bytes{granules * (sizeof(std::uint16_t) + sizeof(Extent))});
  state_->regions.remove(number);
  remove_leak_root(region.base, region.size);
  if (its_own) backing_->release(region);
}

// Before memory is called short: every cache and every depot of the node back into slabs, every empty slab to the page
// heap. Other threads go on meanwhile.
bool Heap::reclaim_slow(unsigned node) {
  std::size_t moved = 0;
  for (unsigned id = 0; id < kMaxSlots; ++id) {
    Slot* const s = slot(id);
    if (s == nullptr) continue;
    Strays strays;
    const bool own = id != 0 && id == thread_slot().rep;
    moved += own ? s->flush(state_->bins, row_of(node), row_of(node + 1), strays)
                 : s->steal_slow(state_->bins, row_of(node), row_of(node + 1), strays);
    settle(strays);
  }
  const bool released = release_empty_slabs(node, true);
  return released || moved != 0;
}

// ---- what users ask for -----------------------------------------------------------------------------------------------

Error Heap::reserve(Bytes size, NodeId node) {
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  const Place asked = node == kAnyNode ? Place{-1, false} : place(node);
  const int only = asked.first;
  if (node != kAnyNode && only < 0) return no_place(node);
  if (lost_) return make_error(ErrorCode::kNotReady, "this heap's memory is not inherited by fork");
  if (size > backing_->window().size()) {
    return make_error(ErrorCode::kNoMemory,
                      "%zu MiB asked, the heap has address space for %zu MiB: create it with a larger "
                      "address_space",
                      size / kMiB, backing_->window().size() / kMiB);
  }
  claim_thread_slot();  // prepare_books() opens it, and the table of slots comes before admin_
  const LockGuard guard(admin_);
  const unsigned from = only < 0 ? home() : static_cast<unsigned>(only);
  const NodeState& first = state_->nodes[from];
  const unsigned nodes = only < 0 ? first.reach : asked.whole_kind ? first.kin : 1;
  const auto held = [&] {
    Bytes sum;
    for (unsigned k = 0; k < nodes; ++k) sum += state_->nodes[first.nearest[k]].pages.held();
    return sum;
  };
  Bytes allowed;
  for (unsigned k = 0; k < nodes && allowed < size; ++k) {
    const PageHeap& pages = state_->nodes[first.nearest[k]].pages;
    allowed += std::min(std::max(pages.held(), pages.limit()), size);
  }
  Error error;
  const Bytes held_before = held();
  const bool refused = allowed < size && held_before < size;
  if (refused) error = limit_reached(first.id, first.pages.limit(), first.pages.held());
  for (unsigned k = 0; k < nodes && !refused; ++k) {
    const unsigned n = first.nearest[k];
    const LockGuard growing(state_->nodes[n].growth);
    error = {};
    while (held() < size && error.ok()) {
      const Bytes wanted = std::clamp(size - held(), config_.first_region, config_.reserve_step);
      error = grow_by(n, wanted, {.granules = 1});
      if (error.ok()) state_->nodes[n].forget_refusals();
    }
    if (held() >= size) break;
  }
  if (held() > held_before) prepare_books();
  if (held() >= size) return {};
  Error told =
      make_error(ErrorCode::kNoMemory, "%zu MiB asked, %zu MiB held: %.280s", size / kMiB, held() / kMiB, error.text);
  return told;
}

// Whoever reserves wants no page faults later: descriptors, map, the caller's slot, and what the first objects of every
// class need.
void Heap::prepare_books() {
  for (unsigned i = 1; i <= state_->regions.highest(); ++i) {
    const LockGuard telling(listeners_.mutex);  // it stays
    const RegionInfo& info = state_->regions[static_cast<RegionNumber>(i)];
    if (!info.present) continue;
    const auto first = static_cast<ExtentIndex>(map_.granule_of(info.region.base));
    const std::size_t granules = info.region.size.rep / kGranule;
    populate(map_.entries(first), Bytes{granules * sizeof(std::uint16_t)});
    populate(&state_->extents[first], Bytes{granules * sizeof(Extent)});
  }
  Bytes books{(sizeof(Cache) + sizeof(CacheBook)) * state_->bin_count() + sizeof(Slot)};
  for (unsigned c = 1; c <= state_->classes.count; ++c) {
    const SizeClass& size_class = state_->classes.classes[c];
    books += (Magazine::size(size_class.magazine) * 3 + slab::bitmap_bytes(size_class)) * node_count_;
  }
  state_->arena.prepare(books);
  if (thread_slot() != kNoSlot) own_slot_slow();
}

Error Heap::set_limit(Bytes limit, NodeId node) {
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  const Place asked = node == kAnyNode ? Place{-1, false} : place(node);
  const int only = asked.first;
  if (node != kAnyNode && only < 0) return no_place(node);
  const LockGuard guard(admin_);
  for (unsigned n = 0; n < node_count_; ++n) {
    if (only >= 0 && n != static_cast<unsigned>(only) && !(asked.whole_kind && akin(n, node))) continue;
    state_->nodes[n].pages.set_limit(limit);
    const LockGuard growing(state_->nodes[n].growth);
    state_->nodes[n].forget_refusals();
    state_->nodes[n].note_arrival();
  }
  return {};
}

void Heap::set_total_limit(Bytes limit) {
  if (refuse_in_callback() != ErrorCode::kOk) return;
  const LockGuard guard(admin_);
  state_->account.limit.store(limit.rep, std::memory_order_relaxed);
  for (unsigned n = 0; n < node_count_; ++n) {
    const LockGuard growing(state_->nodes[n].growth);
    state_->nodes[n].forget_refusals();
    state_->nodes[n].note_arrival();
  }
}

Result<Bytes> Heap::limit(NodeId node) const {
  const int exact = node == kAnyNode ? -1 : node_index(node);
  if (exact >= 0) return state_->nodes[exact].pages.limit();
  if (node != kAnyNode && !has_kind(node)) return no_place(node);
  Bytes least = kUnlimited;
  for (unsigned n = 0; n < node_count_; ++n) {
    if (node != kAnyNode && !akin(n, node)) continue;
    least = std::min(least, state_->nodes[n].pages.limit());
  }
  return least;
}

// Who flushes wants others to have the memory, of whatever class: depots do not keep it either.
void Heap::flush() {
  if (refuse_in_callback() != ErrorCode::kOk) return;
  if (thread_slot() != kNoSlot) flush_slot(thread_slot());
  if (lost_) return;
  for (unsigned n = 0; n < node_count_; ++n) {
    release_empty_slabs(n, true);
    state_->nodes[n].note_arrival();
  }
}

}  // namespace fastmem::core
