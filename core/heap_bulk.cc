// SPDX-License-Identifier: BSD-3-Clause
// core/heap_bulk.cc -- floor 2 (core). Many objects in one call: all or nothing on the way in, whole runs on the way
// out.
#include <algorithm>
#include <cstring>

#include "core/heap.h"
#include "platform/address_space.h"

namespace fastmem::core {
namespace {

constexpr std::size_t kOnStack = 512;  // pointers gathered without memory of their own

}  // namespace

// The caller's array stays untouched until `gather` has filled another one.
template <class Gather>
ErrorCode Heap::gather_apart(void** ptrs, std::size_t n, Gather gather) {
  if (n == 0) return ErrorCode::kOk;
  if (n <= kOnStack) {
    void* gathered[kOnStack];
    const ErrorCode code = gather(gathered);
    if (code == ErrorCode::kOk) std::memcpy(ptrs, gathered, n * sizeof(void*));
    return code;
  }
  if (n > kUnlimited.rep / sizeof(void*) / 2) return fail(ErrorCode::kNoMemory, "%zu objects asked at once", n);
  const Bytes bytes{n * sizeof(void*)};
  auto** const gathered = static_cast<void**>(reserve_readable(bytes));
  if (gathered == nullptr || !make_writable(gathered, bytes)) {
    if (gathered != nullptr) unreserve(gathered, bytes);
    return fail(ErrorCode::kNoMemory, "no memory to gather %zu pointers", n);
  }
  const ErrorCode code = gather(gathered);
  if (code == ErrorCode::kOk) std::memcpy(ptrs, gathered, bytes.rep);
  unreserve(gathered, bytes);
  return code;
}

// One by one: what no class serves.
template <class AllocOne>
ErrorCode Heap::alloc_each(void** ptrs, std::size_t n, AllocOne alloc_one) {
  return gather_apart(ptrs, n, [&, n](void** apart) {
    for (std::size_t got = 0; got < n; ++got) {
      apart[got] = alloc_one();
      if (apart[got] != nullptr) continue;
      const ErrorCode code = last_error().code;
      free_bulk(apart, got);
      return code;
    }
    return ErrorCode::kOk;
  });
}

ErrorCode Heap::alloc_bulk(void** ptrs, std::size_t n, std::size_t size, std::size_t align, unsigned flags,
                           NodeId node) {
  if (is_absent()) return own_slot_slow(), last_error().code;  // it says so
  ClassId size_class;
  if (const ErrorCode code = resolve(size, align, flags, size_class); code != ErrorCode::kOk) return code;
  if (ptrs == nullptr && n != 0) return fail(ErrorCode::kInvalid, "no array for %zu pointers", n);
  if (size_class == kNoClass || (flags & kContiguous) != 0) {
    return alloc_each(ptrs, n, [=, this] { return alloc(Request{size, align, 0, flags, node}); });
  }
  const Place asked = node == kAnyNode ? Place{static_cast<int>(home()), false} : place(node);
  const int index = asked.first;
  if (index < 0) return set_last_error(no_place(node)), ErrorCode::kNoNode;
  if (asked.whole_kind) flags |= kWholeKind;
  if (watched_) {
    return alloc_each(ptrs, n, [=, this] {
      return watched_alloc(size, align != 0 ? align : config_.default_align, flags, index, size_class);
    });
  }
  const ErrorCode code = pop_bulk(bin_id(static_cast<unsigned>(index), size_class), ptrs, n, flags);
  if (code == ErrorCode::kOk && (flags & kZero) != 0) {
    for (std::size_t i = 0; i < n; ++i) std::memset(ptrs[i], 0, size);
  }
  return code;
}

ErrorCode Heap::alloc_bulk(Handle handle, void** ptrs, std::size_t n, unsigned flags) {
  if (is_absent()) return refuse_without_heap();
  if (!valid(handle) || (flags & ~kKnownFlags) != 0 || (ptrs == nullptr && n != 0)) {
    return fail(ErrorCode::kInvalid, "not a handle of this heap (%u), unknown flags (%#x), or no array",
                unsigned{handle.rep}, flags);
  }
  if (watched_) return alloc_each(ptrs, n, [=, this] { return watched_alloc(handle, flags); });
  const ErrorCode code = pop_bulk(handle, ptrs, n, flags);
  if (code == ErrorCode::kOk && (flags & kZero) != 0) {
    for (std::size_t i = 0; i < n; ++i) std::memset(ptrs[i], 0, class_in(handle).size);
  }
  return code;
}

ErrorCode Heap::pop_bulk(BinId id, void** ptrs, std::size_t n, unsigned flags) {
  if (n == 0) return ErrorCode::kOk;
  if (pop_bulk(view().all[id.rep], ptrs, n)) [[likely]]
    return ErrorCode::kOk;
  return pop_bulk_slow(id, ptrs, n, flags);
}

// Another thread was just taking what the claim was for. false, for the caller to return.
bool Heap::unclaim_slow(const Cache& cache, std::size_t n) {
  const BinId id{static_cast<std::uint16_t>(&cache - rows())};
  slot(thread_slot().rep)->unclaim_slow(id, n);
  return false;
}

ErrorCode Heap::pop_bulk_slow(BinId id, void** ptrs, std::size_t n, unsigned flags) {
  return gather_apart(ptrs, n, [=, this](void** apart) { return gather(id, apart, n, flags); });
}

ErrorCode Heap::gather(BinId id, void** ptrs, std::size_t n, unsigned flags) {
  std::size_t got = 0;
  while (got < n) {
    const std::size_t ready = std::min(n - got, rows()[id.rep].count());
    if (pop_bulk(rows()[id.rep], ptrs + got, ready)) got += ready;
    if (got == n) break;
    void* const p = serve_slow(static_cast<int>(id.rep / kMaxClasses),
                               ClassId{static_cast<std::uint8_t>(id.rep % kMaxClasses)}, flags, false);
    if (p == nullptr) {
      const ErrorCode code = last_error().code;
      if (Slot* const s = own_slot_slow(); s != nullptr && code == ErrorCode::kNoMemory) s->count_nomem(id, n - 1);
      free_bulk(ptrs, got);
      return code;
    }
    ptrs[got++] = p;
  }
  return ErrorCode::kOk;
}

// Each is looked at; the first error is returned.
ErrorCode Heap::watched_free_bulk(void* const* ptrs, std::size_t n, Claim claim) {
  ErrorCode first = ErrorCode::kOk;
  claim.count = n;
  for (std::size_t i = 0; i < n; ++i) {
    claim.index = i;
    const ErrorCode code = watched_free(ptrs[i], claim);
    if (first == ErrorCode::kOk) first = code;
  }
  return first;
}

ErrorCode Heap::free_bulk_slow(void* const* ptrs, std::size_t n) {
  if (ptrs == nullptr && n != 0) return fail(ErrorCode::kInvalid, "no array of %zu pointers", n);
  if (watched_) return watched_free_bulk(ptrs, n, {});
  ErrorCode first = ErrorCode::kOk;
  const auto note = [&first](ErrorCode code) {
    if (code != ErrorCode::kOk && first == ErrorCode::kOk) first = code;
  };
  for (std::size_t i = 0; i < n;) {
    const unsigned words = map_.words(ptrs[i]);
    std::size_t run = i + 1;
    while (run < n && map_.words(ptrs[run]) == words) ++run;
    if (words == 0) {  // NULLs and strangers
      for (; i < run; ++i) note(free_slow(ptrs[i]));
    }
    while (i < run) {
      i += cache_at(view().all, words).push_bulk(ptrs + i, run - i);
      if (i < run) note(free_slow(ptrs[i++]));  // makes room for the next ones
    }
  }
  return first;
}

ErrorCode Heap::free_bulk_slow(Handle handle, void* const* ptrs, std::size_t n) {
  if (is_absent()) return refuse_without_heap();
  if (!valid(handle) || (ptrs == nullptr && n != 0)) {
    return fail(ErrorCode::kInvalid, "not a handle of this heap (%u), or no array", unsigned{handle.rep});
  }
  if (watched_) return watched_free_bulk(ptrs, n, {.of = Claim::Of::kHandle, .size = class_in(handle).size});
  if (std::find(ptrs, ptrs + n, nullptr) != ptrs + n) return free_bulk_slow(ptrs, n);
  ErrorCode first = ErrorCode::kOk;
  for (std::size_t done = 0; done < n;) {
    done += view().all[handle.rep].push_bulk(ptrs + done, n - done);
    if (done == n) break;
    const ErrorCode code = handle_free_slow(handle, ptrs[done++]);  // makes room for the next run
    if (code != ErrorCode::kOk && first == ErrorCode::kOk) first = code;
  }
  return first;
}

}  // namespace fastmem::core
