// SPDX-License-Identifier: BSD-3-Clause
#include "core/slot.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace fastmem::core {
namespace {

constexpr std::size_t kFirstReach = 4096;  // bytes

// Of a loaded and a previous magazine.
Bytes room(const SizeClass& c, std::uint64_t reach) { return Bytes{c.size} * reach * 2; }

template <class Visit>
void for_each(const Classes& chosen, Visit visit) {
  for (unsigned c = 0; c < kMaxClasses; ++c) {
    if (chosen[c]) visit(c);
  }
}

}  // namespace

void* Slot::pop_slow(Bin& bin, bool claimed, Strays& strays) {
  const LockGuard guard(mutex_);
  const Pair p = pair(bin.id());
  if (claimed) p.cache.unclaim();
  if (p.cache.count() == 0 && !fill(bin, p, strays)) {
    void* const object = bin.take_one();
    if (object == nullptr) return nullptr;
    ++p.book.brought;  // no room in the budget, or not even memory for a magazine: past the cache
    ++p.book.alloc_misses;
    return object;
  }
  ++p.book.alloc_misses;
  return Cache::object_at(p.cache.claim());
}

void Slot::push_slow(Bin& bin, void* object, Strays& strays) {
  const LockGuard guard(mutex_);
  const Pair p = pair(bin.id());
  ++p.book.free_misses;
  put(bin, p, object, strays);
}

void Slot::put(Bin& bin, Pair p, void* object, Strays& strays) {
  if (p.cache.push(object)) return;
  if (make_space(bin, p, strays) && p.cache.push(object)) return;
  // No room in the budget, or not even memory for one magazine: past the cache, straight home.
  p.cache.count_frees(1);
  ++p.book.taken;
  bin.drain(&object, 1, strays);
}

void Slot::push_later_slow(Bin* bins, BinId bin, void* object, Arena& arena, Strays& strays) {
  const LockGuard guard(mutex_);
  ++books_[bin.rep].free_misses;
  if (waiting_ == nullptr) {
    void* const piece = arena.make(Bytes{sizeof(WaitingRoom)});
    if (piece == nullptr) return put(bins[bin.rep], pair(bin), object, strays);
    waiting_ = ::new (piece) WaitingRoom(bins[bin.rep].hardener().random());
  }
  caches_[bin.rep].count_frees(1);
  ++books_[bin.rep].waiting;
  // The lambda is called with the lock held.
  waiting_->admit({object, bins[bin.rep].size_class().size, bin},
                  [&](const WaitingRoom::Guest& guest) FM_NO_THREAD_SAFETY_ANALYSIS {
                    const Pair p = pair(guest.bin);
                    --p.book.waiting;
                    p.cache.count_frees(~std::uint64_t{0});  // it was counted when it came
                    put(bins[guest.bin.rep], p, guest.object, strays);
                  });
}

// What waits goes home, of the bins [first, last).
std::size_t Slot::end_waiting(Bin* bins, unsigned first, unsigned last, Strays& strays) {
  if (waiting_ == nullptr || waiting_->bytes() == 0) return 0;
  std::size_t moved = 0;
  const auto chosen = [=](const WaitingRoom::Guest& guest) { return guest.bin.rep >= first && guest.bin.rep < last; };
  waiting_->dismiss(chosen, [&](const WaitingRoom::Guest& guest) FM_NO_THREAD_SAFETY_ANALYSIS {
    CacheBook& book = books_[guest.bin.rep];
    --book.waiting;
    ++book.taken;
    ++moved;
    bins[guest.bin.rep].drain(&guest.object, 1, strays);
  });
  return moved;
}

void Slot::unclaim_slow(BinId bin, std::size_t n) {
  const LockGuard guard(mutex_);
  caches_[bin.rep].unclaim(n);
}

void Slot::count_nomem(BinId bin, std::uint64_t n) {
  const LockGuard guard(mutex_);
  books_[bin.rep].nomem += n;
}

// A thread that needs one object of a class does not take a whole magazine of it: a page's worth at first, then twice
// as many with each miss, up to what a magazine holds, as long as the heap's budget has room.
void Slot::reach_further(const Bin& bin, CacheBook& book) {
  const SizeClass& c = bin.size_class();
  const std::uint64_t wanted = book.reach != 0 ? book.reach * 2 : std::max<std::uint64_t>(kFirstReach / c.size, 1);
  const std::uint64_t reach = std::min<std::uint64_t>(wanted, c.magazine);
  if (reach > book.reach && bin.budget().take(room(c, reach - book.reach))) book.reach = reach;
}

void Slot::reach_back(const Bin& bin, CacheBook& book, std::uint64_t to) {
  bin.budget().give(room(bin.size_class(), book.reach - to));
  book.reach = to;
}

// A magazine comes from a cache that reached further than this one may: what is too much goes home.
void Slot::fit(Bin& bin, CacheBook& book, Magazine* magazine, Strays& strays) {
  if (magazine->count <= book.reach) return;
  if (bin.budget().take(room(bin.size_class(), magazine->count - book.reach))) {
    book.reach = magazine->count;
    return;
  }
  bin.drain(magazine->objects() + book.reach, magazine->count - static_cast<std::uint32_t>(book.reach), strays);
  magazine->count = static_cast<std::uint32_t>(book.reach);
}

// Makes `magazine` the loaded one.
void Slot::load(Pair p, Magazine* magazine) {
  void** const first = magazine->objects();
  p.book.loaded = magazine;
  p.cache.load(first, first + magazine->count, first + std::max<std::uint64_t>(magazine->count, p.book.reach));
}

// The loaded magazine, its objects moved to its start if a thief left a hole there and its count brought up to date.
Magazine* Slot::unload(Pair p) {
  Magazine* const magazine = p.book.loaded;
  const std::size_t n = p.cache.count();
  std::memmove(magazine->objects(), p.cache.base(), n * sizeof(void*));
  magazine->count = static_cast<std::uint32_t>(n);
  p.cache.unload();
  p.book.loaded = nullptr;
  return magazine;
}

// The cache is empty: objects from the previous magazine, the depot or slabs, in that order.
bool Slot::fill(Bin& bin, Pair p, Strays& strays) {
  Magazine* const empty = p.book.loaded != nullptr ? unload(p) : bin.take_magazine();
  if (empty == nullptr) return false;
  if (p.book.previous != nullptr && p.book.previous->count != 0) {
    bin.hardener().shuffle(p.book.previous->objects(), p.book.previous->count);
    load(p, std::exchange(p.book.previous, empty));
    return true;
  }
  const std::uint64_t reached = p.book.reach;
  reach_further(bin, p.book);
  if (p.book.reach == 0) {
    load(p, empty);
    return false;
  }
  Magazine* filled = bin.exchange_empty(empty, id_, strays);
  if (filled == nullptr) {
    empty->count = bin.refill(empty->objects(), static_cast<std::uint32_t>(p.book.reach));
    if (empty->count == 0) filled = bin.exchange_empty_for_any(empty, strays);
    if (filled == nullptr) filled = empty;
  }
  if (filled != empty) {
    filled->prefetch(false);
    fit(bin, p.book, filled, strays);
    bin.hardener().shuffle(filled->objects(), filled->count);
  }
  p.book.brought += filled->count;
  if (filled->count == 0) reach_back(bin, p.book, reached);  // there was nothing: the next try is not a miss more
  load(p, filled);
  return filled->count != 0;
}

// The cache is full (or not there yet): room in an empty magazine; a full one goes to the depot.
bool Slot::make_space(Bin& bin, Pair p, Strays& strays) {
  Magazine* full = nullptr;
  reach_further(bin, p.book);
  if (p.book.reach == 0) return false;
  if (p.book.loaded != nullptr) {
    full = unload(p);
    if (full->count < p.book.reach) {  // it has room by now, or a thief left a hole at its start
      load(p, full);
      return true;
    }
  }
  Magazine* empty = nullptr;
  if (p.book.previous == nullptr) {
    empty = bin.take_magazine();
  } else if (p.book.previous->count == 0) {
    empty = p.book.previous;
  } else {
    p.book.taken += p.book.previous->count;
    p.book.previous->filled_by = id_;
    empty = bin.exchange_full(p.book.previous, strays);
  }
  if (empty != nullptr) empty->prefetch(true);
  p.book.previous = full;
  if (empty == nullptr) {  // no memory for a magazine: the loaded one is drained instead
    if (full == nullptr) return false;
    p.book.previous = nullptr;
    p.book.taken += full->count;
    bin.drain(full->objects(), full->count, strays);
    full->count = 0;
    empty = full;
  }
  load(p, empty);
  return true;
}

// A magazine leaves the slot: whole to the depot when full, else its objects to their slabs.
std::size_t Slot::surrender(Bin& bin, Magazine* magazine, CacheBook& book, Strays& strays) {
  const std::size_t n = magazine->count;
  book.taken += n;
  if (n != 0 && n != magazine->capacity) {
    bin.drain(magazine->objects(), magazine->count, strays);
    magazine->count = 0;
  }
  magazine->filled_by = id_;
  bin.give_magazine(magazine, strays);
  return n;
}

std::size_t Slot::flush(Bin* bins, unsigned first, unsigned last, Strays& strays) {
  const LockGuard guard(mutex_);
  std::size_t moved = end_waiting(bins, first, last, strays);
  for (unsigned b = first; b < last; ++b) {
    moved += empty_out(bins[b], pair(BinId{static_cast<std::uint16_t>(b)}), strays);
  }
  return moved;
}

// Nothing is left of the cache: objects, magazines, room.
std::size_t Slot::empty_out(Bin& bin, Pair p, Strays& strays) {
  std::size_t moved = 0;
  reach_back(bin, p.book, 0);
  if (p.book.loaded != nullptr) moved += surrender(bin, unload(p), p.book, strays);
  if (p.book.previous != nullptr) moved += surrender(bin, std::exchange(p.book.previous, nullptr), p.book, strays);
  return moved;
}

std::size_t Slot::steal_slow(Bin* bins, unsigned first, unsigned last, Strays& strays) {
  const LockGuard guard(mutex_);
  std::size_t moved = end_waiting(bins, first, last, strays);
  for (unsigned row = first; row < last; row += kMaxClasses) moved += steal_row(bins, row, Classes().set(), strays);
  return moved;
}

// From the chosen caches of a row.
std::size_t Slot::steal_row(Bin* bins, unsigned row, const Classes& chosen, Strays& strays) {
  std::size_t moved = 0;
  // Each says "mine up to here" ...
  void** from[kMaxClasses] = {};
  bool any = false;
  for_each(chosen, [&](unsigned c) {
    Cache& cache = caches_[row + c];
    cache.close();  // the owner's next push takes its slow twin, which tells those who are short of memory
    if (cache.count() == 0) return;
    from[c] = cache.base();
    cache.set_base(std::max(from[c], cache.top_acquire()));  // below it: the owner's claim of what is not there
    any = true;
  });
  // ... one barrier makes the owner see it, or makes its last pops seen here ...
  const bool ordered = any && heavy_fence();
  for_each(chosen, [&](unsigned c) {
    if (from[c] == nullptr) return;
    Cache& cache = caches_[row + c];
    // ... and what the owner was taking stays with it.
    void** const until = ordered ? std::clamp(cache.top_acquire(), from[c], cache.base()) : from[c];
    cache.set_base(until);
    const auto n = static_cast<std::uint32_t>(until - from[c]);
    bins[row + c].drain(from[c], n, strays);
    books_[row + c].taken += n;
    moved += n;
  });
  for_each(chosen, [&](unsigned c) {
    Magazine* const previous = books_[row + c].previous;
    if (previous == nullptr || previous->count == 0) return;
    bins[row + c].drain(previous->objects(), previous->count, strays);
    books_[row + c].taken += previous->count;
    moved += previous->count;
    previous->count = 0;
  });
  return moved;
}

void Slot::shed_idle(Bin* bins, unsigned first, unsigned last, bool own, std::size_t most, Strays& strays) {
  const LockGuard guard(mutex_);
  std::size_t moved = 0;
  for (unsigned row = first; row < last; row += kMaxClasses) {
    Classes idle;
    std::size_t in_them = 0;
    for (unsigned c = 0; c < kMaxClasses; ++c) {
      const Cache& cache = caches_[row + c];
      CacheBook& book = books_[row + c];
      const std::uint64_t moves = cache.frees() + book.brought;
      const bool used = moves != book.moves_seen || cache.top() != book.top_seen;
      book.moves_seen = moves;
      book.top_seen = cache.top();
      if (used || book.reach == 0 || moved + in_them >= most) continue;
      idle.set(c);
      in_them += cache.count() + (book.previous != nullptr ? book.previous->count : 0);
    }
    if (idle.none()) continue;
    if (!own) steal_row(bins, row, idle, strays);
    for (unsigned c = 0; c < kMaxClasses; ++c) {
      const Pair p = pair(BinId{static_cast<std::uint16_t>(row + c)});
      if (idle[c] && own) empty_out(bins[row + c], p, strays);
      // Where the kernel has no barrier, what is loaded stays, and so does its room.
      if (idle[c] && p.cache.count() == 0) reach_back(bins[row + c], p.book, 0);
    }
    moved += in_them;
  }
}

CacheCounts Slot::since_birth(BinId bin) const {
  const Cache& cache = caches_[bin.rep];
  const CacheBook& book = books_[bin.rep];
  CacheCounts c{};
  c.cached = cache.count() + (book.previous != nullptr ? book.previous->count : 0) + book.waiting;
  c.frees = cache.frees();
  // The owner may be between the two, with an object in the cache that is not counted yet.
  const std::uint64_t in = book.brought + c.frees;
  const std::uint64_t out = book.taken + c.cached;
  c.allocs = in > out ? in - out : 0;
  c.alloc_misses = book.alloc_misses;
  c.free_misses = book.free_misses;
  c.nomem = book.nomem;
  return c;
}

CacheCounts Slot::counts(BinId bin) const {
  const LockGuard guard(mutex_);
  CacheCounts c = since_birth(bin);
  const CacheCounts& then = books_[bin.rep].at_reset;
  c.allocs -= std::min(c.allocs, then.allocs);
  c.frees -= std::min(c.frees, then.frees);
  c.alloc_misses -= then.alloc_misses;
  c.free_misses -= then.free_misses;
  c.nomem -= then.nomem;
  return c;
}

void Slot::reset_counts(unsigned bins) {
  const LockGuard guard(mutex_);
  for (unsigned b = 0; b < bins; ++b) {
    const BinId bin{static_cast<std::uint16_t>(b)};
    books_[b].at_reset = since_birth(bin);
  }
}

}  // namespace fastmem::core
