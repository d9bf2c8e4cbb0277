// SPDX-License-Identifier: BSD-3-Clause
// tools/trace/format.h -- Q: what are the bytes of an allocation trace?
// A file is one Header page, then `chunks` chunks of `chunk_bytes` each. A chunk is {ChunkHeader, events}; a thread
// writes to a chunk of its own, so what it wrote is in the file whatever ends the process. Chunks that threads left
// half full are written on by later threads: each stretch begins with a kThread event, which resets the deltas.
//
// An event is a head byte {operation: low 3 bits, sequence delta - 1: high 5 bits; 31: a varint with the rest follows}
// and then:
//   kAlloc, kCalloc, kReallocEnd   varint size, address
//   kAligned                       byte log2(alignment), varint size, address
//   kFree, kReallocBegin           address
//   kThread                        varint thread, varint sequence number (the high bits of the head are 0)
// A sequence number orders the events of all threads: an allocation draws it after the real call, a free before, so
// an address is never handed out while it is still in use. An address is the difference from the stretch's previous one
// (from 0 at its start): zigzag(delta / 16) << 1 as a varint, or zigzag(delta) << 1 | 1 when 16 does not divide it. A
// realloc is two neighbouring events of its thread: Begin with the old address before the real call, End with the new
// one after. An End of size 0 says that it failed and nothing changed; without an End the object is gone.
// The file is little-endian.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastmem::tools {

enum class Event : std::uint8_t {
  kNone = 0,
  kAlloc = 1,
  kFree = 2,
  kCalloc = 3,
  kAligned = 4,
  kReallocBegin = 5,
  kReallocEnd = 6,
  kThread = 7,
};

inline constexpr char kMagic[8] = {'F', 'M', 'T', 'R', 'A', 'C', 'E', '\n'};
inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::size_t kHeaderBytes = 4096;
inline constexpr std::size_t kChunkBytes = std::size_t{64} << 10;
inline constexpr std::size_t kMinChunkBytes = std::size_t{1} << 10;
inline constexpr std::size_t kMaxChunkBytes = std::size_t{16} << 20;

struct Header {
  char magic[8];
  std::uint32_t version;
  std::uint32_t header_bytes;
  std::uint32_t chunk_bytes;
  std::uint32_t pid;
  std::uint64_t chunks;     // in use; the file may be longer while the program runs, and after it was killed
  std::uint64_t cut_after;  // when the limit was reached: the last sequence number that counts; else 0
  std::uint32_t ended;      // 1: the program left through exit() or returned from main()
  std::uint32_t reserved;
  char command[512];  // its arguments, separated by blanks, cut when long
};
static_assert(sizeof(Header) <= kHeaderBytes);

struct ChunkHeader {
  std::uint32_t used;  // bytes of events, stored after they are written
  std::uint32_t reserved;
};

inline constexpr unsigned kOperationBits = 3;
inline constexpr unsigned kLongDelta = 31;
inline constexpr std::size_t kMaxVarint = 10;
inline constexpr std::size_t kMaxEventBytes = 2 + 3 * kMaxVarint;

constexpr std::uint64_t zigzag(std::int64_t v) {
  return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t v) { return static_cast<std::int64_t>((v >> 1) ^ (0 - (v & 1))); }

}  // namespace fastmem::tools
