// SPDX-License-Identifier: BSD-3-Clause
// core/heap_caller.cc -- floor 2 (core). Memory that the heap's user brings, sets aside, and takes away again.
#include <algorithm>
#include <thread>

#include "core/heap.h"

namespace fastmem::core {
namespace {

constexpr Bytes kLeastPage = kKiB * 4;
constexpr unsigned kMostRounds = 1000;  // each follows an extent that another thread was just taking or giving
constexpr unsigned kAtOnce = 64;        // slabs looked up under one lock

// The whole granules of [base, base + size).
AddressRange whole_granules(const void* base, Bytes size) {
  const auto begin = reinterpret_cast<std::uintptr_t>(base);
  const std::uintptr_t first = round_up(begin, kGranule);
  const std::uintptr_t last = round_down(begin + size.rep, kGranule);
  return begin + size.rep < begin || last <= first ? AddressRange{} : AddressRange{first, last};
}

bool multiples(const CallerMemory& memory) {
  return ((reinterpret_cast<std::uintptr_t>(memory.base) | memory.size.rep) & (memory.page_size.rep - 1)) == 0;
}

Error check_memory(const CallerMemory& memory) {
  const std::size_t page = memory.page_size.rep;
  if (memory.base == nullptr || memory.size.rep == 0) {
    return make_error(ErrorCode::kInvalid, "no memory to add: %zu bytes at %p", memory.size.rep, memory.base);
  }
  if (!is_power_of_two(page) || memory.page_size < kLeastPage) {
    return make_error(ErrorCode::kInvalid, "a page size of %zu bytes; a power of two from 4096 on is wanted", page);
  }
  if (whole_granules(memory.base, memory.size).size().rep == 0) {
    return make_error(ErrorCode::kInvalid, "%zu bytes at %p hold no whole 64 KiB on a multiple of 64 KiB",
                      memory.size.rep, memory.base);
  }
  if (memory.iovas.empty()) return {};
  if (!multiples(memory) || memory.iovas.size() != memory.size.rep / page) {
    return make_error(ErrorCode::kInvalid, "%zu IOVAs of pages of %zu bytes do not fit %zu bytes at %p",
                      memory.iovas.size(), page, memory.size.rep, memory.base);
  }
  if (std::find(memory.iovas.begin(), memory.iovas.end(), kBadIova) != memory.iovas.end()) {
    return make_error(ErrorCode::kInvalid, "an IOVA of %#llx; give none at all where they are not known",
                      static_cast<unsigned long long>(kBadIova.rep));
  }
  return {};
}

Region to_region(const CallerMemory& memory) {
  const AddressRange used = whole_granules(memory.base, memory.size);
  Region region;
  region.base = reinterpret_cast<void*>(used.begin);
  region.size = used.size();
  // A page size without IOVAs says little: it need not fit.
  const bool fits = used.begin % memory.page_size.rep == 0 && used.size().rep % memory.page_size.rep == 0;
  region.page_size = fits ? memory.page_size : kLeastPage;
  region.zeroed = memory.zeroed;
  region.inherited_by_fork = memory.inherited_by_fork;
  return region;
}

BroughtIovas iovas_of(const CallerMemory& memory, const Region& region) {
  BroughtIovas iovas;
  iovas.same_as_addresses = memory.iovas.empty() && memory.iova_is_address;
  if (memory.iovas.empty()) return iovas;
  const auto before =
      static_cast<std::size_t>(static_cast<std::byte*>(region.base) - static_cast<std::byte*>(memory.base));
  iovas.pages = memory.iovas.subspan(before / memory.page_size.rep, region.size / memory.page_size);
  return iovas;
}

}  // namespace

// The index of the place it is for, which takes it. The region then names that place.
Result<unsigned> Heap::place_for(Region& region, NodeId node) {
  const int asked = node == kAnyNode ? -1 : place(node).first;
  if (node != kAnyNode && asked < 0) return no_place(node);
  Error why;
  for (unsigned n = 0; n < node_count_; ++n) {
    if (asked >= 0 && n != static_cast<unsigned>(asked)) continue;
    region.node = state_->nodes[n].id;
    why = backing_->adopt(region);
    if (why.ok()) return n;
  }
  return why;
}

Error Heap::add_memory(const CallerMemory& memory) {
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  if (const Error error = check_memory(memory); !error.ok()) return error;
  if (lost_) return make_error(ErrorCode::kNotReady, "this heap's memory is not inherited by fork");
  Region region = to_region(memory);
  const LockGuard guard(admin_);
  const Result<unsigned> place = place_for(region, memory.node);
  if (!place.ok()) return place.error();
  const AddressRange window = backing_->window();
  const AddressRange range = whole_granules(memory.base, memory.size);
  if (range.begin < window.begin || range.end > window.end) {
    return make_error(ErrorCode::kInvalid, "%zu KiB at %p: the heap's memory may lie in %#zx .. %#zx only",
                      region.size / kKiB, region.base, window.begin, window.end);
  }
  if (const RegionNumber there = region_that_meets(range); there != kNoRegion) {
    return make_error(ErrorCode::kExists, "%zu KiB at %p: memory at %p is the heap's already", region.size / kKiB,
                      region.base, state_->regions[there].region.base);
  }
  const BroughtIovas iovas = iovas_of(memory, region);
  NodeState& n = state_->nodes[place.value()];
  const LockGuard growing(n.growth);
  Error error = install_region(region, place.value(), &iovas);
  if (error.code == ErrorCode::kNoMemory) error.code = ErrorCode::kNoSpace;  // it is the books that have no room
  if (error.ok()) n.forget_refusals();
  return error;
}

RegionNumber Heap::region_that_meets(AddressRange range) const {
  for (unsigned i = 1; i <= state_->regions.highest(); ++i) {
    const RegionInfo& info = state_->regions[static_cast<RegionNumber>(i)];
    if (!info.present) continue;
    const auto begin = reinterpret_cast<std::uintptr_t>(info.region.base);
    if (begin < range.end && range.begin < begin + info.region.size.rep) return static_cast<RegionNumber>(i);
  }
  return kNoRegion;
}

// What was added as [base, base + size), and nothing else.
Result<RegionNumber> Heap::added_region(const void* base, Bytes size) const {
  if (base == nullptr || size.rep == 0) {
    return make_error(ErrorCode::kInvalid, "no memory: %zu bytes at %p", size.rep, base);
  }
  if (lost_) return make_error(ErrorCode::kNotReady, "this heap's memory is not inherited by fork");
  const AddressRange range = whole_granules(base, size);
  const RegionNumber number = region_that_meets(range);
  if (number != kNoRegion) {
    const RegionInfo& info = state_->regions[number];
    if (info.owner.load(std::memory_order_relaxed) == Owner::kBacking) {
      return make_error(ErrorCode::kPermission, "memory at %p is the heap's own, nobody added it", base);
    }
    if (reinterpret_cast<std::uintptr_t>(info.region.base) == range.begin && info.region.size == range.size()) {
      return number;
    }
  }
  return make_error(ErrorCode::kNotFound, "no memory was added as %zu bytes at %p", size.rep, base);
}

Error Heap::remove_memory(void* base, Bytes size) {
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  const LockGuard guard(admin_);
  const Result<RegionNumber> found = added_region(base, size);
  if (!found.ok()) return found.error();
  const RegionNumber number = found.value();
  RegionInfo& info = state_->regions[number];
  const unsigned node = info.node;
  const bool was_aside = info.owner.load(std::memory_order_relaxed) == Owner::kAside;
  reclaim_slow(node);
  if (was_aside)
    release_aside(info);
  else
    release_empty_slabs(node, false);
  {
    const LockGuard growing(state_->nodes[node].growth);
    const LockGuard telling(listeners_.mutex);
    if (take_out(number, {})) return {};
  }
  return make_error(ErrorCode::kBusy, "%zu KiB at %p: objects of it are in use, or in another thread's cache",
                    size / kKiB, base);
}

Error Heap::detach_memory(void* base, Bytes size) {
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  const LockGuard guard(admin_);
  const Result<RegionNumber> found = added_region(base, size);
  if (!found.ok()) return found.error();
  RegionInfo& info = state_->regions[found.value()];
  if (info.owner.load(std::memory_order_relaxed) == Owner::kAside) {
    return make_error(ErrorCode::kBusy, "memory at %p is detached already", base);
  }
  if (!set_aside(info)) {
    resume(info);
    return make_error(ErrorCode::kBusy, "memory at %p is busy in other threads", base);
  }
  reclaim_slow(info.node);  // what caches have of it goes home, to slabs that nobody takes from
  return {};
}

Error Heap::attach_memory(void* base, Bytes size) {
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  const LockGuard guard(admin_);
  const Result<RegionNumber> found = added_region(base, size);
  if (!found.ok()) return found.error();
  RegionInfo& info = state_->regions[found.value()];
  if (info.owner.load(std::memory_order_relaxed) != Owner::kAside) {
    return make_error(ErrorCode::kBusy, "memory at %p is attached", base);
  }
  resume(info);
  return {};
}

// ---- extents that nothing is taken from ----------------------------------------------------------------------------

// Free extents leave the page heap, slabs their bins' lists. Other threads go on meanwhile, so again until a round finds
// nothing to do. false: they kept it in motion.
bool Heap::set_aside(RegionInfo& info) {
  info.owner.store(Owner::kAside, std::memory_order_relaxed);
  const auto first = static_cast<ExtentIndex>(map_.granule_of(info.region.base));
  const auto granules = static_cast<std::uint32_t>(info.region.size.rep / kGranule);
  PageHeap& pages = state_->nodes[info.node].pages;
  for (unsigned round = 0; round < kMostRounds; ++round) {
    ExtentIndex slabs[kAtOnce];
    const PageHeap::Found found = pages.set_aside(first, granules, slabs);
    for (unsigned i = 0; i < found.slabs; ++i) {
      const BinId id = map_.find(map_.address_of(slabs[i]));
      if (id != kNoBin) bin(id).set_aside(slabs[i]);
    }
    if (found.slabs == 0 && found.in_motion == 0) return true;
    std::this_thread::yield();
  }
  return false;
}

void Heap::release_aside(const RegionInfo& info) {
  const auto first = static_cast<ExtentIndex>(map_.granule_of(info.region.base));
  const auto granules = static_cast<std::uint32_t>(info.region.size.rep / kGranule);
  for (unsigned c = 1; c <= state_->classes.count; ++c) {
    Strays strays;
    state_->bins[row_of(info.node) + c].release_aside(first, granules, strays);
    settle(strays);
  }
}

void Heap::resume(RegionInfo& info) {
  const auto first = static_cast<ExtentIndex>(map_.granule_of(info.region.base));
  const auto granules = static_cast<std::uint32_t>(info.region.size.rep / kGranule);
  PageHeap& pages = state_->nodes[info.node].pages;
  pages.resume(first, granules);
  for (unsigned c = 1; c <= state_->classes.count; ++c) {
    state_->bins[row_of(info.node) + c].resume(first, granules);
  }
  info.owner.store(Owner::kCaller, std::memory_order_relaxed);
  state_->nodes[info.node].note_arrival();
}

// A large object comes home to memory that is set aside, or was until a moment ago. false: somebody else gave it.
bool Heap::give_aside(ExtentIndex extent, RegionNumber region) {
  const LockGuard guard(admin_);
  return state_->nodes[node_of(region)].pages.give_large(extent, region, is_aside(region));
}

// The bin of an object in memory that is set aside: the map does not say. Callers ask when it does not.
BinId Heap::bin_aside(const void* p) const {
  const RegionNumber number = region_of(p);
  if (!is_aside(number)) return kNoBin;
  const auto granule = static_cast<ExtentIndex>(map_.granule_of(p));
  for (unsigned c = 1; c <= state_->classes.count; ++c) {
    const BinId id = bin_id(state_->regions[number].node, ClassId{static_cast<std::uint8_t>(c)});
    if (bin(id).has_aside(granule)) return id;
  }
  return kNoBin;
}

// Through the caller's cache, which keeps the count, and at once on to its slab.
ErrorCode Heap::free_aside(BinId id, void* p) {
  Slot* const s = own_slot_slow();
  if (s == nullptr) return ErrorCode::kNotReady;
  if (begins_object(id, p)) erase(p, class_in(id).size);
  Strays strays;
  s->push_slow(bin(id), p, strays);
  if (s == slot(kNoSlot.rep)) {
    s->steal_slow(state_->bins, id.rep, id.rep + 1u, strays);
  } else {
    s->flush(state_->bins, id.rep, id.rep + 1u, strays);
  }
  return settle(strays, p);
}

}  // namespace fastmem::core
