// SPDX-License-Identifier: BSD-3-Clause
// tools/trace/writer.h -- Q: how does a program make a trace without recording one? By telling what happened, in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tools/trace/encoder.h"

namespace fastmem::tools {

class TraceWriter {
 public:
  explicit TraceWriter(const std::string& command, std::size_t chunk_bytes = kChunkBytes);

  void alloc(std::uint32_t thread, std::uint64_t size, std::uint64_t address, Event event = Event::kAlloc);
  void aligned(std::uint32_t thread, std::uint64_t alignment, std::uint64_t size, std::uint64_t address);
  void free(std::uint32_t thread, std::uint64_t address);
  void realloc(std::uint32_t thread, std::uint64_t from, std::uint64_t size, std::uint64_t to);
  // The thread's chunk serves the next thread that starts.
  void end_thread(std::uint32_t thread);
  // Events from here on do not count.
  void cut();

  // The whole file.
  std::vector<std::byte> bytes() const;
  bool save(const std::string& path) const;

 private:
  Encoder& encoder(std::uint32_t thread);

  std::string command_;
  std::size_t chunk_bytes_;
  std::uint64_t sequence_ = 0;
  std::uint64_t cut_after_ = 0;
  std::vector<std::byte*> chunks_;
  std::vector<std::vector<std::byte>> storage_;
  std::vector<std::byte*> spare_;
  std::vector<std::pair<std::uint32_t, Encoder>> encoders_;
};

}  // namespace fastmem::tools
