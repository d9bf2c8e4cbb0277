// SPDX-License-Identifier: BSD-3-Clause
// core/check_walk.h -- floor 2 (core). One Heap::check() on its way through the parts of a heap: what it was told to
// trust, and what it writes down.
// What:      the books may be damaged. So a pointer or a number out of them is followed only after it was seen to lie in
//            them, and every loop has a bound that does not come out of them. Descriptors and the map are readable for the
//            whole window.
// Callers:   Heap::check(), and the check() of each part of core (*_check.cc), one after the other.
// Locks:     a part takes its own by lock(), which gives up; nothing is held from one part to the next.
#pragma once

#include <cstddef>

#include "core/check_report.h"
#include "core/extent.h"
#include "core/page_map.h"
#include "platform/cpu.h"
#include "platform/mutex.h"

namespace fastmem::core {

// Which objects were seen: a bit for each place in the window where one may begin.
class SeenObjects {
 public:
  explicit SeenObjects(const PageMap& map);
  SeenObjects(const SeenObjects&) = delete;
  SeenObjects& operator=(const SeenObjects&) = delete;
  ~SeenObjects();

  enum class Mark : std::uint8_t { kFirst, kAgain, kNoMemory };
  // Of an address in the window.
  Mark mark(const void* object);

 private:
  static constexpr std::size_t kLeast = 8;  // bytes from one object to the next
  const std::byte* begin_;
  Bytes bytes_;
  std::byte* bits_;
  bool usable_ = false;
};

class CheckWalk {
 public:
  // `books`: all of the heap's arena. `seen` nullptr: other threads may be inside the heap.
  CheckWalk(CheckReport& report, const PageMap& its_map, const ExtentTable& its_extents, AddressRange books,
            SeenObjects* seen)
      : map(its_map), extents(its_extents), report_(report), books_(books), seen_(seen) {}

  const PageMap& map;
  const ExtentTable& extents;

  // No other thread is inside the heap: what is only true between two operations is looked at, too.
  bool exact() const { return seen_ != nullptr; }
  CheckReport& report() { return report_; }

  // Is handed on, and written down where it is false.
  bool expect(bool right, const char* what, const void* where) {
    if (!right) [[unlikely]]
      found(what, where);
    return right;
  }
  bool expect(bool right, const char* what, ExtentIndex where) { return expect(right, what, &extents[where]); }

  // false: it could not be had, which is written down.
  bool lock(Mutex& mutex) FM_TRY_ACQUIRE(true, mutex);

  bool in_books(const void* p, Bytes size, std::size_t align = kCacheLine) const {
    const auto at = reinterpret_cast<std::uintptr_t>(p);
    return at >= books_.begin && at <= books_.end && size.rep <= books_.end - at && at % align == 0;
  }
  bool is_granule(ExtentIndex i) const { return i < map.granules(); }
  bool fits(ExtentIndex first, std::uint32_t granules) const {
    return is_granule(first) && granules != 0 && granules <= map.granules() - first;
  }

  // More of this size are not in the books.
  std::size_t most_pieces(Bytes size) const { return books_.size() / size; }

  // A free object: false when it is one already.
  void mark(const void* object);

  // What the parts add up to, for who compares.
  struct Sums {
    std::size_t room = 0;          // bytes that caches and depots may hold
    std::uint64_t slabs = 0;       // in the bins' lists
    std::size_t free_extents = 0;  // in the page heaps' lists, as are those below
    std::size_t absent_extents = 0;
    std::size_t warm_extents = 0;
    std::size_t used = 0;  // granules
  };
  Sums sums;

 private:
  [[gnu::cold]] void found(const char* what, const void* where);

  CheckReport& report_;
  AddressRange books_;
  SeenObjects* seen_;
};

}  // namespace fastmem::core
