// SPDX-License-Identifier: BSD-3-Clause
// backends/standalone/standalone_impl.h -- floor 1. The class behind make_standalone_backing(), for the files that make
// it up: standalone_backing.cc (what it is made of), standalone_reserve.cc (whole regions), standalone_discard.cc (pages
// inside of them), standalone_iova.cc (device addresses).
#pragma once

#include <unistd.h>

#include <memory>
#include <optional>

#include "backends/standalone/address_window.h"
#include "backends/standalone/backing_books.h"
#include "backends/standalone/page_choice.h"
#include "backends/standalone/region_files.h"
#include "backends/standalone/standalone_backing.h"

namespace fastmem {

class StandaloneBacking final : public Backing {
 public:
  StandaloneBacking(const PageChoice& choice, const StandaloneOptions& options, const Topology& topology,
                    AddressWindow window);
  ~StandaloneBacking() override;

  // Once, before anything else: the files, if there are to be some, and the books.
  Error open(const StandaloneOptions& options, const HugetlbfsMount& mount);

  const char* name() const override { return "standalone"; }
  AddressRange window() const override { return range_; }
  Bytes region_unit() const override { return unit_; }
  // Files are shared with a child, and both would think the rest of them free.
  bool inherited_by_fork() const override { return !files_.used(); }

  Result<Region> reserve(Bytes size, NodeId node, Contiguity contiguity) override;
  Result<Region> reserve_aligned(Bytes size, Bytes align, NodeId node, Contiguity contiguity) override;
  void release(const Region& region) override;

  Bytes discard_unit(const Region& region) const override;
  Error discard(const Region& region, Bytes offset, Bytes size) override;
  Error restore(const Region& region, Bytes offset, Bytes size) override;

  Error iova(Region& region, std::span<Iova> pages) override;

 private:
  struct Attempt {  // one page kind for one region
    PageKind kind;
    Contiguity contiguity;
    bool stopped = false;  // by the caller: no other kind is tried
  };

  Error check_request(Bytes size, NodeId node) const;
  Result<IovaMode> decide_iova() FM_EXCLUDES(backing_books);
  Result<IovaMode> find_iova_mode() const;

  void* take_range(Bytes size, Bytes align) FM_EXCLUDES(backing_books);
  void give_range(void* at, Bytes size) FM_EXCLUDES(backing_books);

  Error commit(Attempt& attempt, Region& region);
  Error commit_pages(Attempt& attempt, Region& region);
  Error commit_private(Attempt& attempt, const Region& region);
  Error commit_to_file(Attempt& attempt, Region& region);
  Error commit_hugetlb(Attempt& attempt, const Region& region, Bytes present);
  Error check_hugetlb_left(const Region& region, Bytes needed) const;
  Error explain_no_hugetlb(const Region& region, Bytes asked, const Error& otherwise) const;
  Error lock_small(void* at, Bytes size) const;
  Error make_physical(PageKind kind, const Region& region);
  // false: the range, or its bytes of a file, must not be used again.
  bool take_pages_back(const Region& region);
  void warn_of_fallback(PageKind kind, const Error& error) FM_EXCLUDES(backing_books);

  struct Part {  // of a region
    Bytes offset;
    Bytes size;
    bool discarded;
  };
  Error check_part(const Region& region, Bytes offset, Bytes size) const;
  Error restore_pages(const Region& region, Part part);
  Part part_at(const Region& region, Bytes offset) const FM_EXCLUDES(backing_books);
  void set_discarded(const Region& region, Bytes offset, Bytes size, bool discarded) FM_EXCLUDES(backing_books);
  bool is_held(const Region& region) const FM_EXCLUDES(backing_books);
  void set_held(const Region& region, bool held) FM_EXCLUDES(backing_books);

  // Whether this is a child of the process that made the backing: there, ranges that were not inherited are holes.
  bool in_child() const { return getpid() != owner_; }
  bool owns(const Region& region) const;
  std::size_t index(const Region& region, Bytes unit) const {
    return (reinterpret_cast<std::uintptr_t>(region.base) - range_.begin) / unit.rep;
  }

  const PageChoice choice_;
  const StandaloneOptions options_;  // but for its texts, which are the caller's
  const bool iommu_;
  const Topology& topology_;
  const Bytes unit_;
  const AddressRange range_;
  const Populate populate_;
  const pid_t owner_ = getpid();
  RegionFiles files_;

  AddressWindow window_ FM_GUARDED_BY(backing_books);
  UnitMap held_ FM_GUARDED_BY(backing_books);       // units of regions whose small pages are locked for a device
  UnitMap discarded_ FM_GUARDED_BY(backing_books);  // steps of kDiscardStep
  std::optional<IovaMode> iova_mode_ FM_GUARDED_BY(backing_books);  // once decided: not kAuto
  bool fallback_told_ FM_GUARDED_BY(backing_books) = false;
};

inline constexpr Bytes kDiscardStep = kKiB * 64;  // the least that discard() takes

// What a region's cookie says: its pages, and the number of its file.
inline PageKind kind_of(const Region& region) { return static_cast<PageKind>(region.cookie & 0xff); }
inline std::uint32_t file_number_of(const Region& region) { return static_cast<std::uint32_t>(region.cookie >> 32); }
inline std::uint64_t make_cookie(PageKind kind, std::uint32_t file_number) {
  return static_cast<std::uint64_t>(kind) | std::uint64_t{file_number} << 32;
}

}  // namespace fastmem
