// SPDX-License-Identifier: BSD-3-Clause
#include "backends/caller/caller_backing.h"

#include <new>

namespace fastmem {
namespace {

class CallerBacking final : public Backing {
 public:
  explicit CallerBacking(AddressRange window) : window_(window) {}

  const char* name() const override { return "caller"; }
  AddressRange window() const override { return window_; }
  Bytes region_unit() const override { return kRegionUnit; }

  // A buffer is small as regions go, and its ends are anywhere.
  bool in_pieces() const override { return true; }

  Result<Region> reserve(Bytes /*size*/, NodeId node, Contiguity /*contiguity*/) override {
    return make_error(ErrorCode::kNoMemory,
                      "node %u has only what was added to it and is not detached: add memory (fastmem_heap_memory_add)",
                      unsigned{node.rep});
  }
  void release(const Region& /*region*/) override {}  // the user's
  Error adopt(const Region& /*region*/) override { return {}; }

  Error iova(Region& region, std::span<Iova> /*pages*/) override {
    return make_error(ErrorCode::kUnsupported, "no IOVAs came with the memory at %p: add it with a table of them",
                      region.base);
  }

 private:
  const AddressRange window_;
};

}  // namespace

AddressRange whole_address_space() {
  constexpr unsigned kBits = sizeof(void*) == 8 ? 47 : 32;
  constexpr std::uint64_t kEnd = (std::uint64_t{1} << kBits) - (kBits == 32 ? kRegionUnit.rep : 0);
  return {0, static_cast<std::uintptr_t>(kEnd)};
}

Result<std::unique_ptr<Backing>> make_caller_backing(AddressRange window) {
  if (window.end <= window.begin || window.begin % kRegionUnit.rep != 0 || window.end % kRegionUnit.rep != 0) {
    return make_error(ErrorCode::kInvalid, "%#zx .. %#zx is no window for memory in multiples of %zu MiB", window.begin,
                      window.end, kRegionUnit / kMiB);
  }
  return std::unique_ptr<Backing>(new (std::nothrow) CallerBacking(window));
}

}  // namespace fastmem
