// SPDX-License-Identifier: BSD-3-Clause
#include "backends/standalone/standalone_backing.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "backends/standalone/address_window.h"
#include "backends/standalone/iova.h"
#include "backends/standalone/page_choice.h"
#include "backends/standalone/page_commit.h"
#include "platform/check.h"
#include "platform/fork_guard.h"
#include "platform/log.h"
#include "platform/mutex.h"
#include "platform/node_binding.h"
#include "platform/page_advice.h"

namespace fastmem {
namespace {

constexpr Bytes kSmallestWindow = kMiB * 256;
constexpr Bytes kHugeFrom = kMiB * 16;  // transparent huge pages by `auto`: in regions of at least this
constexpr Bytes kLeastDefaultWindow = kGiB * 64;

// Guards the books of every standalone backing: held for a look at a bitmap, never across a system call. One for all,
// so that fork() needs to stop only one.
constinit Mutex g_books{LockRank::kBacking};

void stop_for_fork() { g_books.lock_for_fork(); }
void go_on_after_fork() { g_books.unlock_after_fork(); }
void go_on_in_child() { g_books.reset_in_child(); }

void register_fork_handlers() {
  static constexpr ForkHandlers kHandlers{stop_for_fork, go_on_after_fork, go_on_in_child};
  guard_fork(LockRank::kBacking, kHandlers);
}

// Where the address space is limited, half of what is left stays with the rest of the program.
Bytes choose_window_size(const StandaloneOptions& options, const PageInventory& inventory) {
  if (options.address_space.rep != 0) return options.address_space;
  Bytes size = std::max(kLeastDefaultWindow, inventory.memory * 2);
  if (inventory.address_limit != kUnlimited) {
    size = std::min(size, (inventory.address_limit - std::min(inventory.address_limit, inventory.address_used)) / 2);
  }
  return std::max(size, kSmallestWindow);
}

class StandaloneBacking final : public Backing {
 public:
  StandaloneBacking(const PageChoice& choice, const StandaloneOptions& options, const Topology& topology,
                    AddressWindow window)
      : choice_(choice),
        asked_pages_(options.pages),
        asked_iova_(options.iova),
        iommu_(iommu_is_there()),
        topology_(topology),
        unit_(std::max(kRegionUnit, page_size_of(choice.best()))),
        range_(window.range()),
        window_(std::move(window)) {
    register_fork_handlers();
  }

  ~StandaloneBacking() override {
    if (in_child()) window_.abandon();
  }

  const char* name() const override { return "standalone"; }
  AddressRange window() const override { return range_; }
  Bytes region_unit() const override { return unit_; }

  Result<Region> reserve(Bytes size, NodeId node, Contiguity contiguity) override;
  void release(const Region& region) override;
  Error iova(Region& region, std::span<Iova> pages) override;

 private:
  Error check_request(Bytes size, NodeId node) const;
  Result<IovaMode> decide_iova();
  Result<IovaMode> find_iova_mode() const;

  void* take_range(Bytes size) FM_EXCLUDES(g_books);
  void give_range(void* at, Bytes size) FM_EXCLUDES(g_books);

  Error commit(PageKind kind, Region& region, Contiguity contiguity);
  Error commit_pages(PageKind kind, const Region& region);
  Error make_physical(PageKind kind, const Region& region);
  void warn_of_fallback(PageKind kind, const Error& error) FM_EXCLUDES(g_books);

  // Whether this is a child of the process that made the backing: there, ranges that were not inherited are holes.
  bool in_child() const { return getpid() != owner_; }
  bool owns(const Region& region) const;

  const PageChoice choice_;
  const PageKind asked_pages_;
  const IovaMode asked_iova_;
  const bool iommu_;
  const Topology& topology_;
  const Bytes unit_;
  const AddressRange range_;
  const pid_t owner_ = getpid();

  AddressWindow window_ FM_GUARDED_BY(g_books);
  std::optional<IovaMode> iova_mode_ FM_GUARDED_BY(g_books);  // once decided: not kAuto
  bool fallback_told_ FM_GUARDED_BY(g_books) = false;
};

// ---- reserve

Result<Region> StandaloneBacking::reserve(Bytes size, NodeId node, Contiguity contiguity) {
  if (const Error error = check_request(size, node); !error.ok()) return error;
  if (contiguity == Contiguity::kContiguous) {
    if (const Result<IovaMode> mode = decide_iova(); !mode) {
      return make_error(ErrorCode::kUnsupported, "contiguous memory: %s", mode.error().text);
    }
  }
  Region region;
  region.size = size;
  region.node = node;
  region.zeroed = true;
  region.base = take_range(size);
  if (region.base == nullptr) {
    return make_error(ErrorCode::kNoMemory,
                      "no %s left of %s of address space: give the backing a larger address_space",
                      size_text(size).text, size_text(range_.size()).text);
  }
  Error first;
  for (const PageKind kind : choice_.in_order()) {
    const Error error = commit(kind, region, contiguity);
    if (error.ok()) {
      if (!first.ok()) warn_of_fallback(kind, first);
      return region;
    }
    if (first.ok()) first = error;
    if (!decommit(region.base, size)) return first;  // the range is lost
  }
  give_range(region.base, size);
  return first;
}

Error StandaloneBacking::check_request(Bytes size, NodeId node) const {
  if (size.rep == 0 || size.rep % unit_.rep != 0) {
    return make_error(ErrorCode::kInvalid, "a region of %s: not a multiple of %s", size_text(size).text,
                      size_text(unit_).text);
  }
  for (const NodeInfo& info : topology_.nodes()) {
    if (info.id != node) continue;
    if (info.memory.rep != 0) return Error{};
    return make_error(ErrorCode::kNoMemory, "node %u has no memory", unsigned{node.rep});
  }
  return make_error(ErrorCode::kNoNode, "node %u is not there", unsigned{node.rep});
}

Error StandaloneBacking::commit(PageKind kind, Region& region, Contiguity contiguity) {
  region.page_size = page_size_of(kind);
  region.cookie = static_cast<std::uint64_t>(kind);
  region.inherited_by_fork = !is_hugetlb(kind);
  if (const Error error = commit_pages(kind, region); !error.ok()) return error;

  const bool one_run = contiguity == Contiguity::kContiguous && *decide_iova() == IovaMode::kPhysical;
  if (asked_iova_ != IovaMode::kPhysical && !one_run) return Error{};
  region.inherited_by_fork = false;
  Error error = make_physical(kind, region);
  if (error.ok() && one_run) error = check_one_physical_run(region.base, region.size, region.page_size);
  if (error.code == ErrorCode::kPermission) error.code = ErrorCode::kNoMemory;  // a limit reached
  return error;
}

Error StandaloneBacking::commit_pages(PageKind kind, const Region& region) {
  if (!is_hugetlb(kind)) {
    // Chosen by itself, a huge page is for regions that fill some: a small heap would hold, and zero, much for little.
    const bool worth_it = asked_pages_ == PageKind::kTransparent || region.size >= kHugeFrom;
    return commit_small(region.base, region.size, kind == PageKind::kTransparent && worth_it, region.node);
  }
  // A look first: populating most of a region only to give it back would take from others and zero for nothing.
  const NodeId node = node_needs_binding(region.node) ? region.node : kAnyNode;
  const HugePages before = read_huge_pages(region.page_size);
  if (before.supported && before.usable(node) < region.size / region.page_size) {
    return explain_no_huge_pages(before, region.size, node);
  }
  const Error error = commit_huge(region.base, region.size, region.page_size, region.node);
  if (error.ok() || !before.supported) return error;
  decommit(region.base, region.size);  // so that what is read now is what others see
  return explain_no_huge_pages(read_huge_pages(region.page_size), region.size, node);
}

Error StandaloneBacking::make_physical(PageKind kind, const Region& region) {
  if (!is_hugetlb(kind)) {
    if (const Error error = hold_small_pages(region.base, region.size); !error.ok()) return error;
  }
  return keep_from_children(region.base, region.size);
}

void StandaloneBacking::warn_of_fallback(PageKind kind, const Error& error) {
  {
    const LockGuard guard(g_books);
    if (std::exchange(fallback_told_, true)) return;
  }
  log(LogLevel::kWarning, "falling back to %s: %s", describe(kind), error.text);
}

void* StandaloneBacking::take_range(Bytes size) {
  const LockGuard guard(g_books);
  return window_.take(size);
}

void StandaloneBacking::give_range(void* at, Bytes size) {
  const LockGuard guard(g_books);
  window_.give(at, size);
}

// ---- release

void StandaloneBacking::release(const Region& region) {
  FM_CHECK(owns(region));
  if (in_child() && !region.inherited_by_fork) return;  // a hole, perhaps somebody else's by now
  if (decommit(region.base, region.size)) give_range(region.base, region.size);
}

bool StandaloneBacking::owns(const Region& region) const {
  const auto begin = reinterpret_cast<std::uintptr_t>(region.base);
  return begin % unit_.rep == 0 && region.size.rep % unit_.rep == 0 && begin >= range_.begin && begin <= range_.end &&
         region.size.rep != 0 && region.size.rep <= range_.end - begin;
}

// ---- iova

Error StandaloneBacking::iova(Region& region, std::span<Iova> pages) {
  if (!owns(region) || pages.size() != region.size / region.page_size) {
    return make_error(ErrorCode::kInvalid, "iova: %zu pages asked of a region of %s", pages.size(),
                      size_text(region.size).text);
  }
  Result<IovaMode> mode = decide_iova();
  if (!mode) return mode.error();
  if (*mode == IovaMode::kVirtual) {
    std::uint64_t address = reinterpret_cast<std::uintptr_t>(region.base);
    for (Iova& page : pages) page = Iova{std::exchange(address, address + region.page_size.rep)};
    return Error{};
  }
  const auto kind = static_cast<PageKind>(region.cookie);
  if (const Error error = make_physical(kind, region); !error.ok()) return error;
  region.inherited_by_fork = false;
  return read_physical(region.base, region.page_size, pages);
}

// kPhysical or kVirtual; the first answer that is not an error stays.
Result<IovaMode> StandaloneBacking::decide_iova() {
  {
    const LockGuard guard(g_books);
    if (iova_mode_) return *iova_mode_;
  }
  Result<IovaMode> mode = find_iova_mode();
  if (!mode) return mode;
  const LockGuard guard(g_books);
  if (!iova_mode_) iova_mode_ = *mode;
  return *iova_mode_;
}

Result<IovaMode> StandaloneBacking::find_iova_mode() const {
  if (asked_iova_ == IovaMode::kVirtual) return IovaMode::kVirtual;
  if (asked_iova_ == IovaMode::kNone) {
    return make_error(ErrorCode::kUnsupported, "IOVA unavailable: this backing was made with IOVA mode none");
  }
  const Error error = check_frames_readable();
  if (error.ok()) return IovaMode::kPhysical;
  if (asked_iova_ == IovaMode::kAuto && iommu_) return IovaMode::kVirtual;
  return error;
}

}  // namespace

Result<std::unique_ptr<Backing>> make_standalone_backing(const StandaloneOptions& options, const Topology& topology) {
  if (options.iova > IovaMode::kNone) {
    return make_error(ErrorCode::kInvalid, "%u is no IOVA mode", static_cast<unsigned>(options.iova));
  }
  if (options.iova == IovaMode::kPhysical) {
    if (const Error error = check_frames_readable(); !error.ok()) return error;
  }
  const PageInventory inventory = read_pages();
  Result<PageChoice> choice = choose_pages(options.pages, inventory);
  if (!choice) return choice.error();

  const Bytes unit = std::max(kRegionUnit, page_size_of(choice->best()));
  Result<AddressWindow> window = AddressWindow::create(choose_window_size(options, inventory), kSmallestWindow, unit);
  if (!window) return window.error();
  const AddressRange range = window->range();
  // Looks at the kernel's nodes now: that allocates, reserve() must not.
  node_needs_binding(topology.nodes().front().id);
  log(LogLevel::kInfo, "standalone backing: %s (%s), %s of address space at %p", describe(choice->best()), choice->why,
      size_text(range.size()).text, reinterpret_cast<void*>(range.begin));
  return std::unique_ptr<Backing>(new (std::nothrow) StandaloneBacking(*choice, options, topology, std::move(*window)));
}

}  // namespace fastmem
