// SPDX-License-Identifier: BSD-3-Clause
// tools/trace/encoder.h -- Q: how does one thread's next event become bytes? Plain data; never allocates or fails.
#pragma once

#include "tools/trace/format.h"

namespace fastmem::tools {

// The caller sees to it that room() >= kMaxEventBytes before each call.
class Encoder {
 public:
  // Continues `chunk` behind what is used of it, as `thread`, whose next event comes after `sequence`.
  void begin(std::byte* chunk, std::size_t chunk_bytes, std::uint32_t thread, std::uint64_t sequence) {
    chunk_ = chunk;
    next_ = chunk + sizeof(ChunkHeader) + header()->used;
    end_ = chunk + chunk_bytes;
    put_byte(static_cast<unsigned>(Event::kThread));
    put_varint(thread);
    put_varint(sequence);
    thread_ = thread;
    sequence_ = sequence;
    address_ = 0;
    publish();
  }

  std::size_t room() const { return static_cast<std::size_t>(end_ - next_); }
  std::byte* chunk() const { return chunk_; }
  std::uint32_t thread() const { return thread_; }

  void alloc(Event event, std::uint64_t sequence, std::uint64_t size, std::uint64_t address) {
    put_head(event, sequence);
    put_varint(size);
    put_address(address);
    publish();
  }

  void aligned(std::uint64_t sequence, std::uint64_t alignment, std::uint64_t size, std::uint64_t address) {
    put_head(Event::kAligned, sequence);
    put_byte(static_cast<unsigned>(__builtin_ctzll(alignment | std::uint64_t{1} << 63)));
    put_varint(size);
    put_address(address);
    publish();
  }

  void release(Event event, std::uint64_t sequence, std::uint64_t address) {
    put_head(event, sequence);
    put_address(address);
    publish();
  }

 private:
  ChunkHeader* header() const { return reinterpret_cast<ChunkHeader*>(chunk_); }

  void put_byte(unsigned value) { *next_++ = static_cast<std::byte>(value); }

  void put_varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) put_byte(static_cast<unsigned>(value & 0x7f) | 0x80);
    put_byte(static_cast<unsigned>(value));
  }

  void put_head(Event event, std::uint64_t sequence) {
    const std::uint64_t delta = sequence - sequence_ - 1;
    sequence_ = sequence;
    const auto low = static_cast<unsigned>(event);
    if (delta < kLongDelta) {
      put_byte(low | static_cast<unsigned>(delta) << kOperationBits);
    } else {
      put_byte(low | kLongDelta << kOperationBits);
      put_varint(delta - kLongDelta);
    }
  }

  void put_address(std::uint64_t address) {
    const auto delta = static_cast<std::int64_t>(address - address_);
    address_ = address;
    put_varint(delta % 16 == 0 ? zigzag(delta / 16) << 1 : zigzag(delta) << 1 | 1);
  }

  // A reader of the file of a dead process finds whole events only; nobody reads while we write.
  void publish() {
    const auto used = static_cast<std::uint32_t>(next_ - chunk_ - static_cast<std::ptrdiff_t>(sizeof(ChunkHeader)));
    __atomic_store_n(&header()->used, used, __ATOMIC_RELEASE);
  }

  std::byte* chunk_ = nullptr;
  std::byte* next_ = nullptr;
  std::byte* end_ = nullptr;
  std::uint64_t sequence_ = 0;
  std::uint64_t address_ = 0;
  std::uint32_t thread_ = 0;
};

}  // namespace fastmem::tools
