// SPDX-License-Identifier: BSD-3-Clause
// tests/support/fake_backing.h: a Backing over ordinary memory that counts, refuses and lies as a test tells it to.
// A heap that does not give every region back stops the program: the destructor looks.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "platform/backing.h"
#include "platform/check.h"

namespace fastmem::test {

struct FakeBackingOptions {
  Bytes window = kMiB * 256;
  Bytes unit = kRegionUnit;
  Bytes page_size = kKiB * 4;
  bool inherited_by_fork = true;
  bool fork_ends_with_iova = false;  // a region whose IOVAs were asked for is not inherited any more
  bool dirty = false;                // fresh memory has rubbish in it
  std::vector<NodeId> nodes;         // that are there; empty: all
  Bytes discard_unit;                // what pages come and go by inside of regions; 0: not at all
  bool aligns = false;               // reserve_aligned() works
  int fd = -1;                       // what regions say; the offset is then that in the window
};

class FakeBacking : public Backing {
  template <class Read>
  auto locked(Read read) const {
    const std::lock_guard guard(mutex_);
    return read();
  }

 public:
  explicit FakeBacking(const FakeBackingOptions& options = {}) : options_(options) {
    const std::size_t align = options_.unit.rep;
    mapped_ = options_.window.rep + align;
    map_ = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    FM_CHECK(map_ != MAP_FAILED);
    madvise(map_, mapped_, MADV_NOHUGEPAGE);
    begin_ = round_up(reinterpret_cast<std::uintptr_t>(map_), align);
    taken_.resize(options_.window / options_.unit);
  }
  ~FakeBacking() override {
    FM_CHECK(regions_.empty());
    munmap(map_, mapped_);
  }

  // ---- what a test tells it ----

  // The n-th reserve from now is refused (1: the next one), then `times` - 1 more.
  void fail_nth(unsigned n, unsigned times = 1) {
    const std::lock_guard guard(mutex_);
    fail_in_ = n;
    fail_times_ = times;
  }
  void fail_always() { fail_nth(1, std::numeric_limits<unsigned>::max()); }
  void fail_never() { fail_nth(0, 0); }
  // No more than so many bytes on the node.
  void cap(NodeId node, Bytes most) {
    const std::lock_guard guard(mutex_);
    caps_[node] = most;
  }
  // What a page's IOVA is: of the page's number in the window. Unset: page * page_size + kFirstIova.
  void set_iova(std::function<Iova(std::size_t)> iova_of_page) { iova_of_page_ = std::move(iova_of_page); }
  // iova() refuses with this code.
  void refuse_iova(ErrorCode code) { iova_error_ = code; }

  // ---- what it saw ----

  unsigned reserves() const {
    return locked([&] { return reserves_; });
  }  // granted
  unsigned refusals() const {
    return locked([&] { return refusals_; });
  }
  unsigned releases() const {
    return locked([&] { return releases_; });
  }
  unsigned iova_calls() const {
    return locked([&] { return iova_calls_; });
  }
  std::size_t regions() const {
    return locked([&] { return regions_.size(); });
  }
  Bytes held() const {
    return locked([&] {
      Bytes sum;
      for (const auto& [base, region] : regions_) sum += region.size;
      return sum;
    });
  }
  Bytes held(NodeId node) const {
    return locked([&] { return held_on(node); });
  }
  std::vector<Region> live() const {
    return locked([&] {
      std::vector<Region> all;
      for (const auto& [base, region] : regions_) all.push_back(region);
      return all;
    });
  }
  // The region that the address is in; base == nullptr: none.
  Region region_of(const void* p) const {
    return locked([&] {
      const auto at = reinterpret_cast<std::uintptr_t>(p);
      auto it = regions_.upper_bound(at);
      if (it == regions_.begin()) return Region{};
      --it;
      return at < it->first + it->second.size.rep ? it->second : Region{};
    });
  }
  // The node of an address in a region.
  NodeId node_of(const void* p) const {
    const Region region = region_of(p);
    FM_CHECK(region.base != nullptr);
    return region.node;
  }
  Iova expected_iova(const void* p) const {
    const auto at = reinterpret_cast<std::uintptr_t>(p) - begin_;
    return Iova{page_iova(at / options_.page_size.rep).rep + at % options_.page_size.rep};
  }
  static constexpr std::uint64_t kFirstIova = std::uint64_t{1} << 40;

  // Whether a region that is one run in IOVA space can be had: its test says so, for set_iova() decides.
  void give_contiguous(bool yes) { contiguous_ = yes; }
  // Restores are refused from now on, or granted again.
  void refuse_restores(bool refuse) {
    const std::lock_guard guard(mutex_);
    refuse_restores_ = refuse;
  }
  Bytes discarded() const {
    return locked([&] { return discarded_; });
  }  // now
  unsigned restores() const {
    return locked([&] { return restores_; });
  }

  // ---- Backing ----

  const char* name() const override { return "fake"; }
  AddressRange window() const override { return {begin_, begin_ + options_.window.rep}; }
  Bytes region_unit() const override { return options_.unit; }

  Result<Region> reserve(Bytes size, NodeId node, Contiguity contiguity) override {
    return reserve_at(size, options_.unit, node, contiguity);
  }
  Result<Region> reserve_aligned(Bytes size, Bytes align, NodeId node, Contiguity contiguity) override {
    if (!options_.aligns) return Backing::reserve_aligned(size, align, node, contiguity);
    return reserve_at(size, align, node, contiguity);
  }

  Result<Region> reserve_at(Bytes size, Bytes align, NodeId node, Contiguity contiguity) {
    const std::lock_guard guard(mutex_);
    FM_CHECK(size.rep != 0 && size.rep % options_.unit.rep == 0);
    if (!knows(node)) return refuse(ErrorCode::kNoNode, "no such node");
    if (told_to_fail()) return refuse(ErrorCode::kNoMemory, "told to fail");
    const auto cap = caps_.find(node);
    if (cap != caps_.end() && held_on(node) + size > cap->second) return refuse(ErrorCode::kNoMemory, "capped");
    if (contiguity == Contiguity::kContiguous && !contiguous_)
      return refuse(ErrorCode::kNoMemory, "nothing contiguous");
    const std::size_t first = find_free(size / options_.unit, align);
    if (first == taken_.size()) return refuse(ErrorCode::kNoMemory, "window full");
    mark(first, size, true);
    Region region;
    region.base = reinterpret_cast<void*>(begin_ + first * options_.unit.rep);
    region.size = size;
    region.page_size = options_.page_size;
    region.node = node;
    region.zeroed = !options_.dirty;
    region.inherited_by_fork = options_.inherited_by_fork;
    region.cookie = ++cookie_;
    region.fd = options_.fd;
    region.fd_offset = first * options_.unit.rep;
    FM_CHECK(mprotect(region.base, size.rep, PROT_READ | PROT_WRITE) == 0);
    if (options_.dirty) make_dirty(region);
    regions_[reinterpret_cast<std::uintptr_t>(region.base)] = region;
    ++reserves_;
    return region;
  }

  void release(const Region& region) override {
    const std::lock_guard guard(mutex_);
    const auto it = regions_.find(reinterpret_cast<std::uintptr_t>(region.base));
    FM_CHECK(it != regions_.end());
    FM_CHECK(it->second.size == region.size && it->second.cookie == region.cookie && it->second.node == region.node);
    regions_.erase(it);
    discarded_ -= away_[region.base];
    away_.erase(region.base);
    // Whoever touches it from now on gets a signal.
    FM_CHECK(mmap(region.base, region.size.rep, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
                  0) == region.base);
    mark((reinterpret_cast<std::uintptr_t>(region.base) - begin_) / options_.unit.rep, region.size, false);
    ++releases_;
  }

  Bytes discard_unit(const Region& /*region*/) const override { return options_.discard_unit; }
  // What is touched while it is away crashes.
  Error discard(const Region& region, Bytes offset, Bytes size) override {
    const std::lock_guard guard(mutex_);
    check_part(region, offset, size);
    void* const at = static_cast<std::byte*>(region.base) + offset.rep;
    FM_CHECK(madvise(at, size.rep, MADV_DONTNEED) == 0 && mprotect(at, size.rep, PROT_NONE) == 0);
    discarded_ += size;
    away_[region.base] += size;
    return {};
  }
  Error restore(const Region& region, Bytes offset, Bytes size) override {
    const std::lock_guard guard(mutex_);
    check_part(region, offset, size);
    if (refuse_restores_) return refuse(ErrorCode::kNoMemory, "told to refuse restores");
    FM_CHECK(mprotect(static_cast<std::byte*>(region.base) + offset.rep, size.rep, PROT_READ | PROT_WRITE) == 0);
    discarded_ -= size;
    away_[region.base] -= size;
    ++restores_;
    return {};
  }

  Error iova(Region& region, std::span<Iova> pages) override {
    const std::lock_guard guard(mutex_);
    ++iova_calls_;
    if (iova_error_ != ErrorCode::kOk) return make_error(iova_error_, "told to refuse IOVAs");
    FM_CHECK(pages.size() == region.size / region.page_size);
    const auto first = (reinterpret_cast<std::uintptr_t>(region.base) - begin_) / options_.page_size.rep;
    for (std::size_t i = 0; i < pages.size(); ++i) pages[i] = page_iova(first + i);
    if (options_.fork_ends_with_iova) region.inherited_by_fork = false;
    return {};
  }

 private:
  bool knows(NodeId node) const {
    if (options_.nodes.empty()) return true;
    for (const NodeId n : options_.nodes) {
      if (n == node) return true;
    }
    return false;
  }
  bool told_to_fail() {
    if (fail_in_ == 0) return false;
    if (fail_in_ > 1) return --fail_in_, false;
    if (--fail_times_ == 0) fail_in_ = 0;
    return true;
  }
  Error refuse(ErrorCode code, const char* why) {
    ++refusals_;
    return make_error(code, "fake backing: %s", why);
  }
  Bytes held_on(NodeId node) const {
    Bytes sum;
    for (const auto& [base, region] : regions_) sum += region.node == node ? region.size : Bytes{};
    return sum;
  }
  void check_part(const Region& region, Bytes offset, Bytes size) const {
    const auto it = regions_.find(reinterpret_cast<std::uintptr_t>(region.base));
    FM_CHECK(it != regions_.end() && it->second.cookie == region.cookie);
    FM_CHECK(offset.rep % options_.discard_unit.rep == 0 && size.rep % options_.discard_unit.rep == 0);
    FM_CHECK(size.rep != 0 && offset + size <= region.size);
  }
  std::size_t find_free(std::size_t units, Bytes align) const {
    std::size_t run = 0;
    for (std::size_t i = 0; i < taken_.size(); ++i) {
      const bool may_begin = run != 0 || (begin_ + i * options_.unit.rep) % align.rep == 0;
      run = taken_[i] || !may_begin ? 0 : run + 1;
      if (run == units) return i + 1 - units;
    }
    return taken_.size();
  }
  void mark(std::size_t first, Bytes size, bool taken) {
    for (std::size_t i = first; i < first + size / options_.unit; ++i) taken_[i] = taken;
  }
  void make_dirty(const Region& region) {
    auto* const words = static_cast<std::uint64_t*>(region.base);
    for (std::size_t i = 0; i < region.size.rep / sizeof(*words); ++i) words[i] = 0xdbdbdbdbdbdbdbdb;
  }
  Iova page_iova(std::size_t page) const {
    return iova_of_page_ ? iova_of_page_(page) : Iova{kFirstIova + page * options_.page_size.rep};
  }

  FakeBackingOptions options_;
  void* map_ = nullptr;
  std::size_t mapped_ = 0;
  std::uintptr_t begin_ = 0;
  std::function<Iova(std::size_t)> iova_of_page_;
  ErrorCode iova_error_ = ErrorCode::kOk;

  mutable std::mutex mutex_;
  std::vector<bool> taken_;                   // the window's units
  std::map<std::uintptr_t, Region> regions_;  // by base
  std::map<NodeId, Bytes> caps_;
  unsigned fail_in_ = 0;
  unsigned fail_times_ = 0;
  unsigned reserves_ = 0;
  unsigned refusals_ = 0;
  unsigned releases_ = 0;
  unsigned iova_calls_ = 0;
  bool contiguous_ = true;
  unsigned restores_ = 0;
  bool refuse_restores_ = false;
  Bytes discarded_;
  std::map<const void*, Bytes> away_;  // by region: of discarded_
  std::uint64_t cookie_ = 0;
};

}  // namespace fastmem::test
