// SPDX-License-Identifier: BSD-3-Clause
#include "backends/standalone/standalone_backing.h"

#include <algorithm>
#include <new>

#include "backends/standalone/iova.h"
#include "backends/standalone/preallocated_backing.h"
#include "backends/standalone/standalone_impl.h"
#include "platform/log.h"
#include "platform/node_binding.h"
#include "platform/page_advice.h"

namespace fastmem {
namespace {

constexpr Bytes kSmallestWindow = kMiB * 256;
constexpr Bytes kLeastDefaultWindow = kGiB * 64;

Error check_options(const StandaloneOptions& options) {
  if (options.iova > IovaMode::kNone) {
    return make_error(ErrorCode::kInvalid, "%u is no IOVA mode", static_cast<unsigned>(options.iova));
  }
  if (options.files > FileKind::kHugetlbfsList) {
    return make_error(ErrorCode::kInvalid, "%u is no kind of files", static_cast<unsigned>(options.files));
  }
  const bool in_hugetlbfs = options.files == FileKind::kHugetlbfs || options.files == FileKind::kHugetlbfsList;
  if (!in_hugetlbfs && (options.directory != nullptr || options.file_prefix != nullptr || options.keep_files)) {
    return make_error(ErrorCode::kInvalid, "directory, file_prefix and keep_files are for files in a hugetlbfs");
  }
  if (options.address_space.rep != 0 && options.preallocate > options.address_space) {
    return make_error(ErrorCode::kInvalid, "preallocate %s does not fit into an address_space of %s",
                      size_text(options.preallocate).text, size_text(options.address_space).text);
  }
  return options.iova == IovaMode::kPhysical ? check_frames_readable() : Error{};
}

// Only hugetlb pages, and of one size: that of the mount. `choice` becomes that one.
Result<HugetlbfsMount> choose_mount(const StandaloneOptions& options, const PageInventory& inventory,
                                    PageChoice& choice) {
  const auto take = [&](PageKind kind) { return choose_pages(kind, inventory); };
  if (options.directory != nullptr) {
    Result<HugetlbfsMount> mount = look_at_hugetlbfs(options.directory);
    if (!mount) return mount;
    const PageKind kind = mount->page_size == kGiB ? PageKind::kHuge1G : PageKind::kHuge2M;
    if (mount->page_size != page_size_of(kind) || (options.pages != PageKind::kAuto && options.pages != kind)) {
      return make_error(ErrorCode::kInvalid, "directory %s has pages of %s, not those that were asked",
                        mount->directory, size_text(mount->page_size).text);
    }
    Result<PageChoice> chosen = take(kind);
    if (!chosen) return chosen.error();
    choice = *chosen;
    return mount;
  }
  Error first;
  for (const PageKind kind : choice.in_order()) {
    if (!is_hugetlb(kind)) continue;
    Result<HugetlbfsMount> mount = find_hugetlbfs(page_size_of(kind));
    if (!mount && first.ok()) first = mount.error();
    if (!mount) continue;
    Result<PageChoice> chosen = take(kind);
    if (!chosen) return chosen.error();
    choice = *chosen;
    return mount;
  }
  if (!first.ok()) return first;
  if (options.pages != PageKind::kAuto) {
    return make_error(ErrorCode::kUnsupported, "files in a hugetlbfs have hugetlb pages, not %s; memfd has any",
                      describe(options.pages));
  }
  const Error none = check_huge_pages_exist(inventory.huge_2m);
  return none.ok() ? make_error(ErrorCode::kUnsupported, "files in a hugetlbfs: %s", choice.why) : none;
}

// Where the address space is limited, half of what is left stays with the rest of the program. What is preallocated
// never grows.
Bytes choose_window_size(const StandaloneOptions& options, const PageInventory& inventory, Bytes preallocated) {
  if (options.address_space.rep != 0) return std::max(options.address_space, preallocated);
  if (preallocated.rep != 0) return preallocated;
  Bytes size = std::max(kLeastDefaultWindow, inventory.memory * 2);
  if (inventory.address_limit != kUnlimited) {
    size = std::min(size, (inventory.address_limit - std::min(inventory.address_limit, inventory.address_used)) / 2);
  }
  return std::max(size, kSmallestWindow);
}

// What several regions report is told as one.
struct SumProgress {
  Progress to;
  void* context;
  std::size_t before = 0;  // of the regions that are done
  std::size_t total = 0;

  static int tell(std::size_t done, std::size_t of, void* self) {
    auto* const sum = static_cast<SumProgress*>(self);
    const int go_on = sum->to(sum->before + done, sum->total, sum->context);
    if (done == of) sum->before += of;
    return go_on;
  }
};

Result<std::unique_ptr<Backing>> make_plain(const StandaloneOptions& options, const Topology& topology,
                                            const PageInventory& inventory, const PageChoice& choice,
                                            const HugetlbfsMount& mount, Bytes preallocated) {
  const Bytes unit = std::max(kRegionUnit, page_size_of(choice.best()));
  const Bytes size = choose_window_size(options, inventory, preallocated);
  const Bytes least = std::max(kSmallestWindow, preallocated);
  Result<AddressWindow> window = options.base_address != 0 ? AddressWindow::create_at(options.base_address, size, unit)
                                                           : AddressWindow::create(size, least, unit);
  if (!window) return window.error();
  const AddressRange range = window->range();
  // Looks at the kernel's nodes now: that allocates, reserve() must not.
  node_needs_binding(topology.nodes().front().id);
  std::unique_ptr<StandaloneBacking> backing(new (std::nothrow)
                                                 StandaloneBacking(choice, options, topology, std::move(*window)));
  if (backing == nullptr) return make_error(ErrorCode::kNoMemory, "no memory for a backing");
  if (const Error error = backing->open(options, mount); !error.ok()) return error;
  log(LogLevel::kInfo, "standalone backing: %s (%s), %s of address space at %p", describe(choice.best()), choice.why,
      size_text(range.size()).text, reinterpret_cast<void*>(range.begin));
  return std::unique_ptr<Backing>(std::move(backing));
}

// But for what only open() looks at.
StandaloneOptions without_texts(StandaloneOptions options) {
  options.directory = nullptr;
  options.file_prefix = nullptr;
  return options;
}

}  // namespace

StandaloneBacking::StandaloneBacking(const PageChoice& choice, const StandaloneOptions& options,
                                     const Topology& topology, AddressWindow window)
    : choice_(choice),
      options_(without_texts(options)),
      iommu_(iommu_is_there()),
      topology_(topology),
      unit_(std::max(kRegionUnit, page_size_of(choice.best()))),
      range_(window.range()),
      populate_{.threads = options.threads != 0 ? options.threads : allowed_cpus(),
                .progress = options.progress,
                .context = options.progress_context},
      window_(std::move(window)) {
  guard_backing_books();
}

StandaloneBacking::~StandaloneBacking() {
  if (in_child()) window_.abandon();
}

Error StandaloneBacking::open(const StandaloneOptions& options, const HugetlbfsMount& mount) {
  {
    const LockGuard guard(backing_books);
    if (!held_.create(range_.size() / unit_) || !discarded_.create(range_.size() / kDiscardStep)) {
      return make_error(ErrorCode::kNoMemory, "no memory for the books over %s of address space",
                        size_text(range_.size()).text);
    }
  }
  return files_.open(options, mount, choice_.in_order(), topology_, range_.size());
}

Result<std::unique_ptr<Backing>> make_standalone_backing(const StandaloneOptions& options, const Topology& topology) {
  if (const Error error = check_options(options); !error.ok()) return error;
  const PageInventory inventory = read_pages();
  Result<PageChoice> choice = choose_pages(options.pages, inventory);
  if (!choice) return choice.error();
  HugetlbfsMount mount;
  if (options.files == FileKind::kHugetlbfs || options.files == FileKind::kHugetlbfsList) {
    const Result<HugetlbfsMount> found = choose_mount(options, inventory, *choice);
    if (!found) return found.error();
    mount = found.value();
  }
  if (options.preallocate.rep == 0) return make_plain(options, topology, inventory, *choice, mount, Bytes{});

  const Bytes unit = std::max(kRegionUnit, page_size_of(choice->best()));
  const Bytes all = share_among_nodes(options.preallocate, unit, topology).all;
  // Only until the memory is taken does anybody report.
  SumProgress sum{options.progress, options.progress_context, 0, all.rep};
  StandaloneOptions of_pools = options;
  if (options.progress != nullptr) of_pools.progress = SumProgress::tell;
  of_pools.progress_context = &sum;
  Result<std::unique_ptr<Backing>> pools = make_plain(of_pools, topology, inventory, *choice, mount, all);
  if (!pools) return pools;
  return make_preallocated_backing(std::move(*pools), options.preallocate, topology);
}

}  // namespace fastmem
