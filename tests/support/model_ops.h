// SPDX-License-Identifier: BSD-3-Clause
// tests/support/model_ops.h: the operations of model.h, which includes it: each reads its arguments, calls the heap and
// compares.
#pragma once

#include "tests/support/model.h"

namespace fastmem::test {

inline void Model::alloc(OpBytes& in) {
  const Object object{in.any_size(), next_pattern_++, true};
  say("alloc %zu\n", object.size);
  born(heap_->alloc(object.size), object, 0, 0, kAnyNode);
}

inline void Model::alloc_with(OpBytes& in) {
  Object object{in.any_size(), next_pattern_++, false};
  const std::size_t align = in.byte() % 3 == 0 ? 0 : std::size_t{1} << in.below(24);
  const unsigned flags = in.byte() % 4 | (in.byte() % 4 == 0 ? core::kContiguous : 0);
  const NodeId on = node(in);
  object.plain = align == 0 && (flags & core::kContiguous) == 0;
  say("alloc_with %zu, align %zu, flags %u, node %u\n", object.size, align, flags, unsigned{on.rep});
  void* const p = heap_->alloc_with(object.size, align, flags, on);
  if (p != nullptr && (flags & core::kContiguous) != 0) {
    FM_CHECK(*heap_->iova_contiguous(p, Bytes{object.size}));
  }
  born(p, object, align, flags, on);
}

inline void Model::alloc_by_handle(OpBytes& in) {
  if (handles_.size() < 6 || in.byte() % 8 == 0) {
    const std::size_t size = in.size();
    const NodeId on = node(in);
    Result<core::Handle> made = heap_->handle(size, 0, on);
    FM_CHECK(made.ok() && heap_->valid(*made));
    say("handle %u for %zu\n", unsigned{made->rep}, size);
    if (handles_.size() == 6) handles_.erase(handles_.begin());
    handles_.push_back(*made);
  }
  const core::Handle handle = handles_[in.below(static_cast<unsigned>(handles_.size()))];
  const unsigned flags = in.byte() % 4;
  const std::size_t size = heap_->classes().classes[handle.rep % core::kMaxClasses].size;
  say("alloc by handle %u, flags %u\n", unsigned{handle.rep}, flags);
  void* const p = flags == 0 ? heap_->alloc(handle) : heap_->alloc_with(handle, flags);
  const NodeId on = node_at(handle.rep / core::kMaxClasses);
  born(p, Object{size, next_pattern_++, false, handle}, 0, flags, on);
}

inline void Model::alloc_bulk(OpBytes& in) {
  const std::size_t size = in.size();
  const std::size_t most = std::max<std::size_t>((kMiB * 2).rep / size, 1);
  const std::size_t n = std::min<std::size_t>(in.byte() % 4 == 0 ? in.below(1500) : in.below(80), most);
  const unsigned flags = in.byte() % 4;
  const NodeId on = node(in);
  say("alloc_bulk %zu of %zu, flags %u, node %u\n", n, size, flags, unsigned{on.rep});
  std::vector<void*> ptrs(n + 1, this);
  const ErrorCode code = heap_->alloc_bulk(ptrs.data(), n, size, 0, flags, on);
  FM_CHECK(ptrs[n] == this);
  ptrs.pop_back();
  if (code != ErrorCode::kOk) {
    may_fail(code);
    FM_CHECK(std::all_of(ptrs.begin(), ptrs.end(), [this](void* p) { return p == this; }));
    return;
  }
  for (void* const p : ptrs) born(p, Object{size, next_pattern_++, true}, 0, flags, on);
}

inline void Model::free_one(OpBytes& in) {
  const auto it = pick(in);
  if (it == live_.end()) return;
  const auto [p, object] = *it;
  check_contents(p, object, object.size);
  bury(it);
  const unsigned how = in.byte() % 3;
  say("free %p of %zu, way %u\n", static_cast<void*>(p), object.size, how);
  if (how == 1 && object.plain) {
    FM_CHECK(heap_->free_sized(p, object.size) == ErrorCode::kOk);
  } else if (how == 2 && object.handle.rep != 0 && heap_->usable_size(p) == object.size) {
    const bool still_home = backing_.node_of(p) == node_at(object.handle.rep / core::kMaxClasses);
    FM_CHECK((still_home ? heap_->free(object.handle, p) : heap_->free(p)) == ErrorCode::kOk);
  } else {
    FM_CHECK(heap_->free(p) == ErrorCode::kOk);
  }
}

inline void Model::free_bulk(OpBytes& in) {
  std::vector<void*> ptrs;
  for (unsigned n = in.below(200); n != 0 && !live_.empty(); --n) {
    const auto it = pick(in);
    check_contents(it->first, it->second, it->second.size);
    ptrs.push_back(it->first);
    if (n % 7 == 0) ptrs.push_back(nullptr);
    bury(it);
  }
  say("free_bulk %zu\n", ptrs.size());
  FM_CHECK(heap_->free_bulk(ptrs.data(), ptrs.size()) == ErrorCode::kOk);
}

inline void Model::free_handle_bulk(OpBytes& in) {
  if (handles_.empty()) return;
  const core::Handle handle = handles_[in.below(static_cast<unsigned>(handles_.size()))];
  const std::size_t size = heap_->classes().classes[handle.rep % core::kMaxClasses].size;
  const std::size_t n = std::min<std::size_t>(in.below(300), (kMiB * 2).rep / size);
  std::vector<void*> ptrs(n);
  say("alloc_bulk and free_bulk, %zu by handle %u\n", n, unsigned{handle.rep});
  const ErrorCode code = heap_->alloc_bulk(handle, ptrs.data(), n, core::kStrict);
  if (code != ErrorCode::kOk) return may_fail(code);
  for (void* const p : ptrs) {
    FM_CHECK(heap_->usable_size(p) == size);
    FM_CHECK(backing_.node_of(p) == node_at(handle.rep / core::kMaxClasses));
    std::memset(p, 0x99, std::min<std::size_t>(size, 64));
  }
  FM_CHECK(heap_->free_bulk(handle, ptrs.data(), n) == ErrorCode::kOk);
}

inline void Model::realloc(OpBytes& in) {
  const auto it = pick(in);
  if (it == live_.end()) return;
  const auto [old, object] = *it;
  const std::size_t size = in.any_size();
  say("realloc %p from %zu to %zu\n", static_cast<void*>(old), object.size, size);
  void* const p = heap_->realloc(old, size, 0);
  if (p == nullptr) {
    may_fail(last_error().code);
    check_contents(old, object, object.size);
    return;
  }
  check_contents(static_cast<std::byte*>(p), object, std::min(size, object.size));
  bury(it);  // in place or moved: it is another object from here on
  born(p, Object{size, next_pattern_++, true}, 0, 0, kAnyNode);
}

inline void Model::refuse_reserves(OpBytes& in) {
  say("%s\n", "the backing refuses");
  backing_.fail_nth(1 + in.below(4), 1 + in.below(8));
  refusing_ = true;
  for (unsigned n = in.below(6); n != 0; --n) {
    alloc(in);
    make_room();
  }
  backing_.fail_never();
  // A heap that was refused a few times in a row waits a little before it asks again; setting a limit ends that.
  for (unsigned n = 0; n < config_.nodes; ++n) {
    const Bytes now = *heap_->limit(node_at(n));
    FM_CHECK(heap_->set_limit(now, node_at(n)).ok());
  }
  refusing_ = false;
}

inline void Model::limit(OpBytes& in) {
  const NodeId on = node(in);
  const bool lift = in.byte() % 2 == 0;
  const Bytes bytes = lift ? kUnlimited : Bytes{in.below(65'536) * std::size_t{in.byte()}};
  say("limit %zu on node %u\n", bytes.rep, unsigned{on.rep});
  FM_CHECK(heap_->set_limit(bytes, on).ok());
  for (unsigned n = 0; n < config_.nodes; ++n) {
    if (on == kAnyNode || on == node_at(n)) FM_CHECK(*heap_->limit(node_at(n)) == bytes);
  }
  limited_ = false;
  for (unsigned n = 0; n < config_.nodes; ++n) limited_ |= *heap_->limit(node_at(n)) != kUnlimited;
}

inline void Model::reserve(OpBytes& in) {
  const NodeId on = node(in);
  const Bytes bytes{in.below(24) * kMiB.rep};
  say("reserve %zu on node %u\n", bytes.rep, unsigned{on.rep});
  const Error error = heap_->reserve(bytes, on);
  if (!error.ok()) return may_fail(error.code);
  FM_CHECK((*heap_->memory_stats(on)).total >= bytes);
}

inline void Model::trim(Bytes most) {
  const Bytes before = held();
  const Bytes released = heap_->trim(most);
  say("trim: %zu of %zu\n", released.rep, before.rep);
  FM_CHECK(held() + released == before);
  if (most != kUnlimited || lost_) return;
  // Every region that is left has an object in it.
  for (const Region& region : backing_.live()) {
    auto* const begin = static_cast<std::byte*>(region.base);
    const auto first = live_.lower_bound(begin);
    FM_CHECK(first != live_.end() && first->first < begin + region.size.rep);
  }
}

inline void Model::bad_arguments(OpBytes& in) {
  const core::HeapStats before = heap_->stats();
  switch (in.byte() % 6) {
    case 0:
      FM_CHECK(heap_->alloc(0) == nullptr && last_error().code == ErrorCode::kInvalid);
      break;
    case 1:
      FM_CHECK(heap_->alloc(heap_->largest() + 1) == nullptr && last_error().code == ErrorCode::kTooBig);
      break;
    case 2:
      FM_CHECK(heap_->alloc_with(16, 24, 0) == nullptr && last_error().code == ErrorCode::kInvalid);
      break;
    case 3:
      FM_CHECK(heap_->alloc_with(16, 0, 1u << 7) == nullptr && last_error().code == ErrorCode::kInvalid);
      break;
    case 4:
      FM_CHECK(heap_->alloc_with(16, 0, 0, NodeId{999}) == nullptr && last_error().code == ErrorCode::kNoNode);
      break;
    case 5:
      FM_CHECK(heap_->free(nullptr) == ErrorCode::kOk && heap_->usable_size(this) == 0);
      break;
  }
  const core::HeapStats after = heap_->stats();
  FM_CHECK(before.allocs == after.allocs && before.frees == after.frees && before.in_use == after.in_use);
}

inline void Model::check_statistics() {
  const core::HeapStats s = heap_->stats();
  FM_CHECK(s.misuses == named_);
  if (heap_->is_checked()) {
    check_records();
  } else {
    FM_CHECK(s.in_use == live_bytes_);
  }
  FM_CHECK(s.backing == held() && s.regions == backing_.regions());
  std::uint64_t in_use = 0;
  for (unsigned c = 1; c <= heap_->classes().count; ++c) {
    const Result<core::ClassStats> k = heap_->class_stats(heap_->classes().classes[c].size);
    FM_CHECK(k.ok());
    const core::ClassStats& v = k.value();
    const std::uint64_t slabs = v.slabs_empty + v.slabs_partial + v.slabs_full;
    FM_CHECK(slabs * v.objects_per_slab == v.in_use + v.cached + v.free_in_slabs);
    FM_CHECK(v.slab_acquires - v.slab_releases == slabs);
    in_use += v.in_use;
  }
  const core::MemoryStats memory = *heap_->memory_stats(kAnyNode);
  const std::uint64_t objects = in_use + memory.large_objects;
  FM_CHECK(heap_->is_checked() ? objects >= live_.size() : objects == live_.size());  // some rest
  FM_CHECK(memory.total == s.backing && memory.away == backing_.discarded());
  for (unsigned n = 0; n < config_.nodes; ++n) {
    Result<core::NodeStats> v = heap_->node_stats(node_at(n));
    FM_CHECK(v.ok() && v->backing <= backing_.held(node_at(n)) && v->backing == v->slabs + v->free);
  }
}

// Of a heap checked in full: it knows the live objects, and nobody wrote where nobody may.
inline void Model::check_records() {
  FM_CHECK(heap_->examine() == 0);
  std::uint64_t bytes = 0;
  for (const auto& [p, object] : live_) bytes += object.place;
  const Error error = heap_->leaks([&](core::TraceTotals& totals) {
    FM_CHECK(totals.all().objects == live_.size() && totals.all().bytes == bytes);
  });
  FM_CHECK(error.ok());
}

inline void Model::free_again(std::byte* p) { FM_CHECK(heap_->free(p) == ErrorCode::kDoubleFree); }

inline void Model::write_at_rest(std::byte* p) {
  *p = std::byte{0};
  FM_CHECK(heap_->examine() == 1);
  lost_ = true;
}

// Something that is wrong, and must be named at once, or by examine().
inline void Model::misuse(OpBytes& in) {
  const auto it = pick(in);
  if (it == live_.end()) return;
  const auto [p, object] = *it;
  const std::size_t size = object.place;
  const unsigned how = in.byte() % 7;
  const bool has_class =
      size <= core::kMaxSize / 4 && (object.plain || object.handle.rep != 0);  // beside others pages fault
  say("misuse %u of %p, %zu bytes\n", how, static_cast<void*>(p), size);
  ++named_;
  switch (how) {
    case 0:
      FM_CHECK(heap_->free(this) == ErrorCode::kForeignPointer);
      break;
    case 1:
      if (size < 2) return static_cast<void>(--named_);
      FM_CHECK(heap_->free(p + 1 + in.below(static_cast<unsigned>(std::min<std::size_t>(size - 1, 60'000)))) ==
               ErrorCode::kForeignPointer);
      break;
    case 2:
      FM_CHECK(heap_->free_sized(p, size + 1) == ErrorCode::kInvalid);
      bury(it);
      break;
    case 3:
      if (!has_class) return static_cast<void>(--named_);
      p[size] = ~p[size];
      FM_CHECK(heap_->examine() == 1);
      break;
    case 4:
      if (!has_class) return static_cast<void>(--named_);
      p[-1] = ~p[-1];
      FM_CHECK(heap_->examine() == 1);
      break;
    default:
      if (how == 6 && !has_class) return static_cast<void>(--named_);
      bury(it);
      FM_CHECK(heap_->free(p) == ErrorCode::kOk);
      how == 5 ? free_again(p) : write_at_rest(p);
  }
}

inline void Model::check_addresses(OpBytes& in) {
  const auto it = pick(in);
  if (it == live_.end()) return;
  std::byte* const p = it->first;
  FM_CHECK(heap_->iova_of(p) == backing_.expected_iova(p));
  FM_CHECK(heap_->usable_size(p) >= it->second.size);
  if (it->second.size > 1) FM_CHECK(heap_->usable_size(p + 1) == 0);
}

}  // namespace fastmem::test
