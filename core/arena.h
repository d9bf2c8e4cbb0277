// SPDX-License-Identifier: BSD-3-Clause
// core/arena.h -- floor 2 (core). The memory of a heap's own books: one reserved range, never inside slabs, where a
// device or an overrun could reach it.
// What:      a bump pointer, and a list per power of two of what was given back. Writable pages come as it moves.
// Invariant: everything in [base, bump) is writable; every piece is aligned to its size up to a cache line.
// Callers:   every part of core that makes something of its own.
// Locks:     mutex_ (rank kArena) guards every mutable field; nothing is taken inside it.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "platform/cpu.h"
#include "platform/mutex.h"
#include "platform/types.h"

namespace fastmem::core {

class CheckWalk;

class Arena {
 public:
  Arena(void* base, Bytes size) : base_(static_cast<std::byte*>(base)), size_(size) {}

  // Zeroed memory that is never given back. nullptr: the reservation is used up, or the kernel commits no more.
  void* make(Bytes size, std::size_t align = kCacheLine) FM_EXCLUDES(mutex_);

  // Memory of a power of two of bytes (at least 64) with unknown contents; recycle() takes it back for later calls.
  void* take(Bytes size) FM_EXCLUDES(mutex_);
  void recycle(void* p, Bytes size) FM_EXCLUDES(mutex_);

  // So much of what comes next is there already: no page fault, no system call. As far as it can be had.
  void prepare(Bytes size) FM_EXCLUDES(mutex_);

  // Makes part of a table that lies outside [base, base + size) writable, and counts it.
  bool open_table(void* at, Bytes size) FM_EXCLUDES(mutex_);
  // It is used no more; it stays writable and is counted again when it is opened again.
  void close_table(Bytes size) { used_.fetch_sub(size.rep, std::memory_order_relaxed); }

  // A piece of take() as a small number, never 0, and back.
  std::uint32_t number_of(const void* piece) const {
    return static_cast<std::uint32_t>((static_cast<const std::byte*>(piece) - base_) >> kLeastShift) + 1;
  }
  void* piece(std::uint32_t number) const { return base_ + (std::size_t{number - 1} << kLeastShift); }

  void check(CheckWalk& walk) FM_EXCLUDES(mutex_);  // core/arena_check.cc

  Bytes bytes() const { return Bytes{used_.load(std::memory_order_relaxed)}; }
  Mutex& mutex() { return mutex_; }

 private:
  struct Piece {
    Piece* next;
  };
  static constexpr unsigned kLeastShift = 6;
  static constexpr unsigned kLists = 32;

  static unsigned list_of(Bytes size) {
    return size.rep <= (1u << kLeastShift) ? 0 : static_cast<unsigned>(std::bit_width(size.rep - 1)) - kLeastShift;
  }
  void check_list(CheckWalk& walk, unsigned list) const FM_REQUIRES(mutex_);
  void* bump(std::size_t size, std::size_t align) FM_REQUIRES(mutex_);
  bool make_writable_to(std::size_t end) FM_REQUIRES(mutex_);

  Mutex mutex_{LockRank::kArena};
  std::byte* base_;
  Bytes size_;
  std::size_t bump_ FM_GUARDED_BY(mutex_) = 0;
  std::size_t writable_ FM_GUARDED_BY(mutex_) = 0;
  Piece* free_[kLists] FM_GUARDED_BY(mutex_) = {};
  std::atomic<std::size_t> used_{0};  // writer: under mutex_. relaxed: readers tolerate stale
};

static_assert(Shareable<Arena>);

}  // namespace fastmem::core
