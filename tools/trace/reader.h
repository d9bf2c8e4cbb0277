// SPDX-License-Identifier: BSD-3-Clause
// tools/trace/reader.h -- Q: what happened, in which order? Reads a trace file and hands out its events one by one in
// the order of all threads. Every byte is checked: a damaged file gives a sentence, never a crash.
#pragma once

#include <cstddef>
#include <string>

#include "tools/trace/format.h"
#include "tools/trace/mapped_memory.h"

namespace fastmem::tools {

struct TraceEvent {
  Event event = Event::kNone;
  std::uint8_t align_log2 = 0;  // kAligned
  std::uint32_t thread = 0;     // dense, 0 first
  std::uint64_t sequence = 0;
  std::uint64_t size = 0;
  std::uint64_t address = 0;
};

// Decodes the events of one chunk, checking every byte.
class ChunkDecoder {
 public:
  ChunkDecoder() = default;
  ChunkDecoder(const std::byte* first, const std::byte* end) : next_(first), end_(end) {}

  enum class Step { kEvent, kThread, kEnd, kDamaged };
  // kThread: out has the thread and the sequence number that the next event comes after.
  Step step(TraceEvent& out);
  const std::byte* position() const { return next_; }

 private:
  bool get_varint(std::uint64_t& value);
  bool get_address(std::uint64_t& address);

  const std::byte* next_ = nullptr;
  const std::byte* end_ = nullptr;
  std::uint32_t thread_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t address_ = 0;
};

class TraceReader {
 public:
  TraceReader() = default;
  ~TraceReader();
  TraceReader(const TraceReader&) = delete;
  TraceReader& operator=(const TraceReader&) = delete;

  // False: error() says why. Checks the whole file.
  bool open(const char* path);
  const std::string& error() const { return error_; }

  const Header& header() const { return header_; }
  bool cut() const { return header_.cut_after != 0; }
  std::uint32_t threads() const { return threads_; }
  std::uint64_t events() const { return events_; }
  std::size_t bytes() const { return bytes_; }  // of events, without what is unused in chunks

  // The events in order; false at the end. After rewind() again from the start.
  bool next(TraceEvent& event);
  void rewind();

 private:
  // Events of one thread in one chunk, in order.
  struct Stretch {
    std::uint32_t thread;
    std::uint64_t first;  // sequence number
    ChunkDecoder decoder;
  };
  // One per thread: the event that comes next.
  struct Cursor {
    TraceEvent event;
    ChunkDecoder decoder;
    std::size_t stretch;
  };

  bool fail(const char* path, const char* format, ...) __attribute__((format(printf, 3, 4)));
  bool check_header(const char* path);
  bool find_stretches(const char* path);
  void number_threads();
  bool advance(Cursor& cursor);
  void sift_down(std::size_t at);

  const std::byte* file_ = nullptr;
  std::size_t file_bytes_ = 0;
  Header header_{};
  std::uint32_t threads_ = 0;
  std::uint64_t events_ = 0;
  std::size_t bytes_ = 0;
  MappedVector<Stretch> stretches_;  // by thread, then by sequence number
  MappedVector<Cursor> heap_;        // smallest sequence number first
  std::string error_;
};

}  // namespace fastmem::tools
