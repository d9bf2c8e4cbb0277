// SPDX-License-Identifier: BSD-3-Clause
// platform/backing.h -- floor 0. Where a heap's memory comes from: the one interface a new kind of memory implements.
//
// Thread rules: every function may be called from any thread, several at once, and may sleep. The heap calls them with
// none of its locks held that an allocating thread may want. None of them may call back into the heap.
// tests/contract/ has the suite that every Backing passes; docs/porting.md shows a complete one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "platform/result.h"
#include "platform/types.h"

namespace fastmem {

// Regions begin and end on multiples of this ...
inline constexpr Bytes kRegionUnit = kMiB * 2;
// ... but for pieces, of which there may be only smaller ones.
inline constexpr Bytes kPieceUnit = kKiB * 64;

struct AddressRange {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;  // one past the last byte

  Bytes size() const { return Bytes{end - begin}; }
};

enum class Contiguity : std::uint8_t {
  kAny,         // pages may lie anywhere in IOVA space
  kContiguous,  // the whole region must be one run in IOVA space
};

// A run of memory that is present: touching it never raises a signal for want of pages (hugetlb memory is proved
// present; small pages may be touched lazily, as any process memory).
struct Region {
  void* base = nullptr;
  Bytes size;
  Bytes page_size;  // 4 KiB, 64 KiB, 2 MiB or 1 GiB: the unit of iova()
  NodeId node;
  bool zeroed = false;            // every byte reads 0
  bool inherited_by_fork = true;  // false: the child of a fork must not touch it
  std::uint64_t cookie = 0;       // the backing's own
  int fd = -1;                    // a file whose bytes from fd_offset on these are; -1: there is none to map
  std::uint64_t fd_offset = 0;
};

class Backing {
 public:
  Backing() = default;
  Backing(const Backing&) = delete;
  Backing& operator=(const Backing&) = delete;
  virtual ~Backing() = default;

  virtual const char* name() const = 0;

  // Every region that reserve() will ever return lies in this range, aligned to kRegionUnit on both ends. Constant.
  // The heap keeps flat tables over it, as address space; make it no larger than it must be.
  virtual AddressRange window() const = 0;

  // The smallest region and the step between sizes: kRegionUnit, or the page size where that is larger. Constant.
  virtual Bytes region_unit() const = 0;

  // The same for one node, where its memory comes in larger steps than another's. Constant; at least region_unit().
  virtual Bytes region_unit_of(NodeId /*node*/) const { return region_unit(); }

  // Whether memory that the heap's user brings may become a region of this node. An error says why not. Changes nothing:
  // such a region is never released: whoever brought it takes it away again.
  virtual Error adopt(const Region& region) {
    return make_error(ErrorCode::kPermission, "%s backing: the memory of node %u is its own, none can be added", name(),
                      unsigned{region.node.rep});
  }

  // Whether the child of a fork may ask for memory, too. Constant.
  virtual bool inherited_by_fork() const { return true; }

  // Takes `size` bytes (a multiple of region_unit()) of memory of `node`, aligned to region_unit(). All or nothing:
  //   kNoMemory    that much is not to be had now on that node; the heap then asks for less
  //   kNoNode      the node is not there
  //   kUnsupported this backing cannot give what `contiguity` asks for
  // Exhaustion is an error, never a signal, neither now nor when the memory is touched.
  virtual Result<Region> reserve(Bytes size, NodeId node, Contiguity contiguity) = 0;

  // The same on a multiple of `align`, a power of two above region_unit(). kUnsupported: the heap then asks for so much
  // more that an aligned run is in it.
  virtual Result<Region> reserve_aligned(Bytes size, Bytes align, NodeId node, Contiguity /*contiguity*/) {
    return make_error(ErrorCode::kUnsupported, "no %zu MiB aligned to %zu MiB on node %u from this backing",
                      size / kMiB, align / kMiB, unsigned{node.rep});
  }

  // Whether most of the memory lies in pieces smaller than a region: slabs are then kept small. Constant.
  virtual bool in_pieces() const { return false; }

  // Where memory comes in pieces that reserve() cannot make a region_unit() of: the largest piece, of at least `least`
  // bytes. It begins and ends on multiples of kPieceUnit, and so may be larger or smaller than a region_unit(). Asked
  // only after reserve() had not even that.
  virtual Result<Region> reserve_piece(Bytes least, NodeId node) {
    return make_error(ErrorCode::kNoMemory, "no piece of %zu KiB on node %u", least / kKiB, unsigned{node.rep});
  }

  // Gives back what reserve() or reserve_piece() returned, whole. The pages are gone when it returns.
  virtual void release(const Region& region) = 0;

  // Pages inside of a region that go back to the system one by one. What discard() and restore() are asked for begins
  // and ends on multiples of this from the region's start; 0: this region's memory goes only whole, by release().
  virtual Bytes discard_unit(const Region& /*region*/) const { return {}; }
  // The pages are gone; the range stays the region's, and nobody touches it before restore(). An error: nothing changed.
  virtual Error discard(const Region& region, Bytes /*offset*/, Bytes size) {
    return make_error(ErrorCode::kUnsupported, "%zu KiB of a region of %zu KiB cannot go alone", size / kKiB,
                      region.size / kKiB);
  }
  // Pages are there again, on the region's node and reading 0, other ones than before: IOVAs are asked anew. kNoMemory:
  // they are not to be had now, and the range is as discard() left it.
  virtual Error restore(const Region& region, Bytes /*offset*/, Bytes size) {
    return make_error(ErrorCode::kUnsupported, "%zu KiB of a region of %zu KiB cannot come alone", size / kKiB,
                      region.size / kKiB);
  }

  // Fills one IOVA for each page of the region (pages.size() == region.size / region.page_size), and from then on the
  // pages keep them, unless they are discarded. kUnsupported or kPermission when they cannot be told. Called on first
  // need; again after an error, and after a restore(). What is discarded at the time gets kBadIova.
  // May clear region.inherited_by_fork: a page that must keep its frame cannot be copied on write.
  virtual Error iova(Region& region, std::span<Iova> pages) = 0;
};

}  // namespace fastmem
