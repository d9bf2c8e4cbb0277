// SPDX-License-Identifier: BSD-3-Clause
// core/bin_check.cc -- floor 2 (core). What must be true of a bin: its slabs, their bitmaps, its magazines.
#include <algorithm>
#include <bit>

#include "core/bin.h"
#include "core/check_walk.h"

namespace fastmem::core {

void Bin::check(CheckWalk& walk) const {
  if (!walk.lock(mutex_)) return;
  check_slabs(walk);
  check_depot(walk);
  mutex_.unlock();
}

void Bin::check_slabs(CheckWalk& walk) const {
  std::uint64_t free = 0;
  for (unsigned l = 0; l < kLists; ++l) {
    std::uint32_t slabs = 0;
    ExtentIndex before = kNoExtent;
    for (ExtentIndex i = lists_[l].front(); i != kNoExtent && slabs <= sizes_[l]; i = walk.extents[i].next) {
      if (!walk.expect(walk.is_granule(i), "a bin's list leads out of the heap", &lists_[l])) return;
      const Extent& e = walk.extents[i];
      walk.expect(e.prev == before, "a slab's link back is wrong", &e);
      if (!check_slab(walk, i, static_cast<List>(l))) return;
      free += e.free;
      before = i;
      ++slabs;
    }
    walk.expect(slabs == sizes_[l], "a bin's list is not as long as it says", &sizes_[l]);
    walk.sums.slabs += slabs;
  }
  walk.expect(free == free_, "a bin's slabs have not as many free objects as it says", &free_);
  walk.expect(
      acquires_ - releases_ == std::uint64_t{sizes_[kEmpty]} + sizes_[kPartial] + sizes_[kFull] + sizes_[kAside],
      "a bin has not as many slabs as came and went", &acquires_);
}

// false: it is no slab of this bin, and what it says means nothing.
bool Bin::check_slab(CheckWalk& walk, ExtentIndex i, List in) const {
  const Extent& e = walk.extents[i];
  const bool aside = in == kAside;
  const ExtentKind kind = aside ? ExtentKind::kSlabAside : ExtentKind::kSlab;
  const bool is_one =
      e.kind.load(std::memory_order_relaxed) == kind && e.bin == id_ && e.list == in && walk.fits(i, granules());
  if (!walk.expect(is_one, "what a bin lists is not its slab", &e)) return false;
  ++walk.report().slabs;
  walk.expect(e.granules == granules(), "a slab has a wrong length", &e.granules);
  walk.expect(aside || list_for(e) == in, "a slab is not in the list that its free objects say", &e.list);
  for (ExtentIndex g = i; g < i + granules(); ++g) {
    const bool mapped = !aside && g - i < class_->granules;  // its guard is not
    walk.expect(walk.extents[g].head == i, "a granule of a slab does not lead to its first one", &walk.extents[g].head);
    walk.expect(walk.map.says(walk.map.address_of(g), mapped ? id_ : kNoBin), "the map says another bin",
                walk.map.address_of(g));
  }
  walk.report().map_entries += granules();
  check_bitmap(walk, e);
  return true;
}

void Bin::check_bitmap(CheckWalk& walk, const Extent& e) const {
  const std::uint32_t words = slab::bitmap_words(*class_);
  const bool in_place =
      slab::bitmap_is_inline(*class_) ? e.bitmap == &e.word : walk.in_books(e.bitmap, slab::bitmap_bytes(*class_));
  if (!walk.expect(in_place, "a slab's bitmap is not where one may be", &e.bitmap)) return;
  if (!walk.expect(e.fresh <= words && e.hint <= words, "a slab's hints are beyond its bitmap", &e.hint)) return;
  std::uint32_t bits = 0;
  for (std::uint32_t w = 0; w < words; ++w) {
    const std::uint64_t word = slab::word_of(e, *class_, w);
    walk.expect(w >= e.hint || word == 0, "a free object is where none is looked for", &e.bitmap[w]);
    walk.expect((word & ~slab::full_word(*class_, w)) == 0, "a bit is set of no object", &e.bitmap[w]);
    bits += static_cast<std::uint32_t>(std::popcount(word));
  }
  walk.report().objects += bits;
  walk.expect(bits == e.free, "a slab's bitmap has not as many free objects as it says", &e.free);
}

void Bin::check_depot(CheckWalk& walk) const {
  walk.expect(bound_ <= class_->depot, "a depot may be larger than it can be", &bound_);
  walk.sums.room += std::size_t{class_->size} * class_->magazine * std::min<std::uint32_t>(bound_, class_->depot);
  std::uint64_t objects = 0;
  std::uint32_t magazines = 0;
  const Magazine* last = nullptr;
  for (Magazine* m = full_.front(); m != nullptr && magazines < full_.count(); m = m->next) {
    if (!check_magazine(walk, m, &full_)) return;
    walk.expect(m->count != 0, "an empty magazine is among the full ones", m);
    for (std::uint32_t k = 0; k < m->count; ++k) check_object(walk, hardener().unseal(m->objects() + k));
    objects += m->count;
    ++magazines;
    last = m;
  }
  walk.expect(magazines == full_.count() && last == full_.back() && (last == nullptr || last->next == nullptr),
              "a depot has not as many magazines as it says", &full_);
  walk.expect(objects == in_depot_, "a depot has not as many objects as it says", &in_depot_);
  for (Magazine* m = empties_; m != nullptr; m = m->next) {
    if (!check_magazine(walk, m, &empties_)) return;
    // Each can be met once; more than the books can hold is a ring.
    if (!walk.expect(++magazines <= walk.most_pieces(Magazine::size(class_->magazine)), "magazines are in a ring", m)) {
      return;
    }
  }
}

// false: it is none of this class.
bool Bin::check_magazine(CheckWalk& walk, const Magazine* m, const void* who) const {
  const bool is_there = walk.in_books(m, Magazine::size(class_->magazine));
  if (!walk.expect(is_there, "a magazine is not where one may be", who)) return false;
  ++walk.report().magazines;
  return walk.expect(m->capacity == class_->magazine && m->count <= m->capacity, "a magazine has a wrong size", m);
}

void Bin::check_objects(CheckWalk& walk, void* const* objects, std::size_t n) const {
  if (n == 0 || !walk.lock(mutex_)) return;
  for (std::size_t k = 0; k < n; ++k) check_object(walk, objects[k]);
  mutex_.unlock();
}

void Bin::check_object(CheckWalk& walk, const void* object) const {
  const bool taken = is_taken(walk, object);
  if (walk.expect(taken, "what a magazine or cache holds is no object of its class", object)) walk.mark(object);
}

// Whether it is an object of this bin that is not free in its slab.
bool Bin::is_taken(const CheckWalk& walk, const void* object) const {
  const std::size_t granule = walk.map.granule_of(object);
  if (granule >= walk.map.granules()) return false;
  const BinId found_in = walk.map.find(object);
  if (found_in != id_ && found_in != kNoBin) return false;
  const ExtentIndex i = walk.extents[static_cast<ExtentIndex>(granule)].head;
  if (!walk.is_granule(i) || granule - i >= class_->granules) return false;
  const Extent& e = walk.extents[i];
  const ExtentKind kind = e.kind.load(std::memory_order_relaxed);
  const bool ours = (kind == ExtentKind::kSlab || kind == ExtentKind::kSlabAside) && e.bin == id_;
  const bool has_bitmap =
      slab::bitmap_is_inline(*class_) ? e.bitmap == &e.word : walk.in_books(e.bitmap, slab::bitmap_bytes(*class_));
  if (!ours || !has_bitmap) return false;
  const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(object) - walk.map.address_of(i));
  const std::size_t index = offset / class_->size;
  return offset % class_->size == 0 && index < class_->objects && !slab::is_free(e, *class_, offset);
}

}  // namespace fastmem::core
