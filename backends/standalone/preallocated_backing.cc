// SPDX-License-Identifier: BSD-3-Clause
#include "backends/standalone/preallocated_backing.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <new>

#include "backends/standalone/backing_books.h"
#include "backends/standalone/unit_map.h"
#include "platform/check.h"
#include "platform/page_advice.h"

namespace fastmem {
namespace {

class PreallocatedBacking final : public Backing {
 public:
  PreallocatedBacking(std::unique_ptr<Backing> from, const Topology& topology)
      : from_(std::move(from)), topology_(topology), unit_(from_->region_unit()) {}
  ~PreallocatedBacking() override {
    for (unsigned i = 0; i < pools_; ++i) from_->release(pool_[i].all);
  }

  Error add_pool(NodeId node, Bytes size);

  const char* name() const override { return "standalone, preallocated"; }
  AddressRange window() const override { return from_->window(); }
  Bytes region_unit() const override { return unit_; }
  bool inherited_by_fork() const override { return inherited_; }

  Result<Region> reserve(Bytes size, NodeId node, Contiguity contiguity) override {
    return reserve_aligned(size, unit_, node, contiguity);
  }
  Result<Region> reserve_aligned(Bytes size, Bytes align, NodeId node, Contiguity contiguity) override;
  void release(const Region& region) override;
  Error iova(Region& region, std::span<Iova> pages) override;

 private:
  struct Pool {  // one node's
    Region all;
    // Guarded by backing_books:
    UnitMap taken;
    UnitMap dirty;          // units that may not read 0
    bool inherited = true;  // false once a page of it is held for a device
  };

  Pool* find(NodeId node);
  Error check_request(const Pool* pool, Bytes size, Bytes align, NodeId node);
  Result<Region> take(Pool& pool, Bytes size, Bytes align, std::size_t from) FM_EXCLUDES(backing_books);
  Result<Region> take_one_run(Pool& pool, Bytes size, Bytes align);
  std::size_t index(const Pool& pool, const Region& region) const {
    return static_cast<std::size_t>(static_cast<char*>(region.base) - static_cast<char*>(pool.all.base)) / unit_.rep;
  }

  const std::unique_ptr<Backing> from_;
  const Topology& topology_;
  const Bytes unit_;
  const pid_t owner_ = getpid();
  bool inherited_ = true;
  unsigned pools_ = 0;
  std::array<Pool, kMaxNodes> pool_;
};

Error PreallocatedBacking::add_pool(NodeId node, Bytes size) {
  const Result<Region> all = from_->reserve(size, node, Contiguity::kAny);
  if (!all) return all.error();
  Pool& pool = pool_[pools_++];
  pool.all = all.value();
  pool.inherited = pool.all.inherited_by_fork;
  inherited_ = inherited_ && pool.inherited;
  if (!pool.taken.create(size / unit_) || !pool.dirty.create(size / unit_)) {
    return make_error(ErrorCode::kNoMemory, "no memory for the books over %s", size_text(size).text);
  }
  pool.dirty.set(0, size / unit_, !pool.all.zeroed);
  return {};
}

// ---- reserve

Result<Region> PreallocatedBacking::reserve_aligned(Bytes size, Bytes align, NodeId node, Contiguity contiguity) {
  Pool* const pool = find(node);
  if (const Error error = check_request(pool, size, align, node); !error.ok()) return error;
  return contiguity == Contiguity::kContiguous ? take_one_run(*pool, size, align) : take(*pool, size, align, 0);
}

PreallocatedBacking::Pool* PreallocatedBacking::find(NodeId node) {
  for (unsigned i = 0; i < pools_; ++i) {
    if (pool_[i].all.node == node) return &pool_[i];
  }
  return nullptr;
}

Error PreallocatedBacking::check_request(const Pool* pool, Bytes size, Bytes align, NodeId node) {
  if (size.rep == 0 || size.rep % unit_.rep != 0 || !is_power_of_two(align.rep)) {
    return make_error(ErrorCode::kInvalid, "a region of %s aligned to %s: not a multiple of %s", size_text(size).text,
                      size_text(align).text, size_text(unit_).text);
  }
  if (pool != nullptr) return {};
  const auto nodes = topology_.nodes();
  if (std::any_of(nodes.begin(), nodes.end(), [node](const NodeInfo& info) { return info.id == node; })) {
    return make_error(ErrorCode::kNoMemory, "node %u has no memory", unsigned{node.rep});
  }
  return make_error(ErrorCode::kNoNode, "node %u is not there", unsigned{node.rep});
}

// The lowest free run from unit `from` on.
Result<Region> PreallocatedBacking::take(Pool& pool, Bytes size, Bytes align, std::size_t from) {
  const LockGuard guard(backing_books);
  if (!pool.inherited && getpid() != owner_) {
    return make_error(ErrorCode::kNotReady, "preallocated memory that is not inherited by fork: make another backing");
  }
  const std::size_t units = size / unit_;
  UnitMap::Grid grid;
  if (align > unit_)
    grid = {align / unit_, reinterpret_cast<std::uintptr_t>(pool.all.base) / unit_.rep % (align / unit_)};
  const std::size_t first = pool.taken.find_clear(units, from, grid);
  if (first == UnitMap::kNone) {
    return make_error(ErrorCode::kNoMemory,
                      "no run of %s is left of the %s that were preallocated on node %u; give the backing a larger "
                      "preallocate",
                      size_text(size).text, size_text(pool.all.size).text, unsigned{pool.all.node.rep});
  }
  pool.taken.set(first, units, true);
  Region region = pool.all;
  region.base = static_cast<char*>(pool.all.base) + first * unit_.rep;
  region.size = size;
  region.zeroed = !pool.dirty.any(first, units);
  region.inherited_by_fork = pool.inherited;
  region.fd_offset += region.fd >= 0 ? first * unit_.rep : 0;
  return region;
}

// One run in IOVA space: where a step is found between two pages, the search goes on behind it.
Result<Region> PreallocatedBacking::take_one_run(Pool& pool, Bytes size, Bytes align) {
  const std::size_t count = size / pool.all.page_size;
  const std::unique_ptr<Iova[]> pages(new (std::nothrow) Iova[count]);
  if (pages == nullptr) return make_error(ErrorCode::kNoMemory, "no memory for the addresses of %zu pages", count);
  for (std::size_t from = 0;;) {
    Result<Region> region = take(pool, size, align, from);
    if (!region) return region;
    const Error error = iova(*region, {pages.get(), count});
    std::size_t run = 1;
    while (error.ok() && run < count && pages[run].rep == pages[run - 1].rep + pool.all.page_size.rep) ++run;
    if (error.ok() && run == count) return region;
    from = index(pool, *region) + std::max<std::size_t>(1, pool.all.page_size * run / unit_);
    release(*region);
    if (!error.ok()) return make_error(ErrorCode::kUnsupported, "contiguous memory: %s", error.text);
  }
}

// ---- release, iova

void PreallocatedBacking::release(const Region& region) {
  if (getpid() != owner_ && !region.inherited_by_fork) return;
  Pool* const pool = find(region.node);
  FM_CHECK(pool != nullptr);
  const LockGuard guard(backing_books);
  const std::size_t first = index(*pool, region);
  FM_CHECK(first + region.size / unit_ <= pool->taken.units());
  FM_CHECK(pool->taken.get(first));  // else: released twice
  pool->dirty.set(first, region.size / unit_, true);
  pool->taken.set(first, region.size / unit_, false);
}

Error PreallocatedBacking::iova(Region& region, std::span<Iova> pages) {
  const bool inherited = region.inherited_by_fork;
  const Error error = from_->iova(region, pages);
  Pool* const pool = find(region.node);
  if (region.inherited_by_fork == inherited || pool == nullptr) return error;
  const LockGuard guard(backing_books);
  pool->inherited = false;  // whoever gets these pages next: they are no child's
  return error;
}

}  // namespace

NodeShares share_among_nodes(Bytes size, Bytes unit, const Topology& topology) {
  std::size_t nodes = 0;
  for (const NodeInfo& node : topology.nodes()) nodes += node.memory.rep != 0 ? 1 : 0;
  if (nodes == 0) return {};
  const Bytes each = round_up(Bytes{(size.rep + nodes - 1) / nodes}, unit);
  return {each, each * nodes};
}

Result<std::unique_ptr<Backing>> make_preallocated_backing(std::unique_ptr<Backing> from, Bytes size,
                                                           const Topology& topology) {
  const Bytes share = share_among_nodes(size, from->region_unit(), topology).each;
  std::unique_ptr<PreallocatedBacking> backing(new (std::nothrow) PreallocatedBacking(std::move(from), topology));
  if (backing == nullptr) return make_error(ErrorCode::kNoMemory, "no memory for a backing");
  for (const NodeInfo& node : topology.nodes()) {
    if (node.memory.rep == 0) continue;
    if (const Error error = backing->add_pool(node.id, share); !error.ok()) {
      return make_error(error.code, "preallocate %s: %.300s", size_text(size).text, error.text);
    }
  }
  return std::unique_ptr<Backing>(std::move(backing));
}

}  // namespace fastmem
