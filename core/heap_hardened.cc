// SPDX-License-Identifier: BSD-3-Clause
// core/heap_hardened.cc -- floor 2 (core). What a heap whose hot path is shown no caches does instead: the slow twins
// come here, and so do objects of a heap that is checked in full on their way from and to the caches.
#include <cstring>

#include "core/guard_bytes.h"
#include "core/heap.h"

namespace fastmem::core {

// ---- alloc -----------------------------------------------------------------------------------------------------------

void* Heap::watched_alloc(std::size_t size, std::size_t align, unsigned flags, int node, ClassId size_class) {
  if (checker_ != nullptr) return checked_alloc(size, align, flags, node);
  void* const p = plain_alloc(node, size_class, flags);
  if (p != nullptr && (flags & kZero) != 0 && !config_.hardening.zero_on_free) std::memset(p, 0, size);
  return p;
}

void* Heap::watched_alloc(Handle handle, unsigned flags) {
  if (checker_ != nullptr) return checked_alloc(handle, flags);
  const ClassId size_class{static_cast<std::uint8_t>(handle.rep % kMaxClasses)};
  return watched_alloc(class_in(handle).size, 0, flags, static_cast<int>(handle.rep / kMaxClasses), size_class);
}

void* Heap::plain_alloc(int node, ClassId size_class, unsigned flags) {
  void* p = take_object(node, size_class, flags);
  if (!config_.hardening.zero_on_free) return p;
  while (p != nullptr && !is_still_zero(p, state_->classes[size_class].size, home_of(map_.find(p)))) {
    p = take_object(node, size_class, flags);
  }
  return p;
}

void* Heap::take_object(int node, ClassId size_class, unsigned flags) {
  const unsigned first = node < 0 ? home() : static_cast<unsigned>(node);  // asked once: the thread may move
  Cache* const caches = rows();
  Cache& cache = caches[bin_id(first, size_class).rep];
  void** const cell = cache.claim();
  if (cache.holds(cell)) return Cache::object_at(cell);
  return serve_slow(static_cast<int>(first), size_class, flags, caches != no_caches_);
}

// All free memory of such a heap reads 0. Where it does not somebody wrote after a free: that is named, and the memory
// stays out of use.
bool Heap::is_still_zero(const void* p, std::size_t size, Home home) {
  if (guard::is_intact(p, size, 0)) [[likely]]
    return true;
  const std::size_t offset = guard::first_damage(p, size, 0);
  count_misuse();
  report::write_after_free(config_.misuse, static_cast<const std::byte*>(p) + offset,
                           static_cast<std::ptrdiff_t>(offset), home);
  return false;
}

bool Heap::is_still_zero_large(ExtentIndex extent) {
  if (!config_.hardening.zero_on_free) return true;
  const Extent& e = state_->extents[extent];
  const NodeId node = state_->nodes[node_of(e.region.load(std::memory_order_relaxed))].id;
  return is_still_zero(map_.address_of(extent), (e.granules - e.clean) * kGranule, {e.granules * kGranule, node});
}

// ---- free ------------------------------------------------------------------------------------------------------------

ErrorCode Heap::hardened_free(void* p, const Claim& claim) {
  if (p == nullptr) return ErrorCode::kOk;
  if (rows() == no_caches_ && own_slot_slow() == nullptr) return last_error().code;
  const BinId id = map_.find(p);
  if (id == kNoBin) {
    const ExtentIndex extent = large_at(p);
    return extent != kNoExtent ? hardened_free_large(extent, p, claim) : foreign_free(p);
  }
  if (!begins_object(id, p)) {
    count_misuse();
    report::inner_free(config_.misuse, p, home_of(id));
    return fail(ErrorCode::kForeignPointer, "%p is not where an object begins", p);
  }
  if (contradicts(claim, class_in(id).size)) [[unlikely]] {
    wrong_claim(p, claim, home_of(id));
    plain_free(id, p);
    return fail(ErrorCode::kInvalid, "%p has %u bytes, not what it was freed as", p, class_in(id).size);
  }
  return plain_free(id, p);
}

ErrorCode Heap::hardened_free_large(ExtentIndex extent, void* p, const Claim& claim) {
  const Extent& e = state_->extents[extent];
  const std::size_t size = e.granules * kGranule;
  if (!contradicts(claim, size)) [[likely]]
    return large_free_slow(extent, p);
  wrong_claim(p, claim, {size, state_->nodes[node_of(e.region.load(std::memory_order_relaxed))].id});
  large_free_slow(extent, p);
  return fail(ErrorCode::kInvalid, "%p has %zu bytes, not what it was freed as", p, size);
}

// `size`: of the object's class, or of the large object.
bool Heap::contradicts(const Claim& claim, std::size_t size) const {
  if (claim.of == Claim::Of::kNothing || !config_.hardening.sized_free_check) return false;
  if (claim.of == Claim::Of::kHandle) return claim.size != size;
  if (claim.size > kMaxSize) return round_up(claim.size, kGranule) != size;
  return state_->classes[sizes_(claim.size)].size != size;
}

// It is freed all the same, as what it is.
void Heap::wrong_claim(const void* p, const Claim& claim, Home home) {
  count_misuse();
  claim.of == Claim::Of::kSize ? report::wrong_size(config_.misuse, p, claim.size, home)
                               : report::wrong_handle(config_.misuse, p, claim.size, home);
}

ErrorCode Heap::plain_free(BinId id, void* p) {
  erase(p, class_in(id).size);
  if (!config_.hardening.delayed_reuse) return rows()[id.rep].push(p) ? ErrorCode::kOk : push_slow(id, p);
  Slot* const s = own_slot_slow();
  if (s == nullptr) return last_error().code;
  Strays strays;
  s->push_later_slow(state_->bins, id, p, state_->arena, strays);
  const ErrorCode code = settle(strays, p);
  state_->nodes[id.rep / kMaxClasses].note_arrival();
  return code;
}

}  // namespace fastmem::core
