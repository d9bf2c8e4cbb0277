// SPDX-License-Identifier: BSD-3-Clause
#include "tools/trace/writer.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace fastmem::tools {

TraceWriter::TraceWriter(const std::string& command, std::size_t chunk_bytes)
    : command_(command), chunk_bytes_(chunk_bytes) {}

void TraceWriter::alloc(std::uint32_t thread, std::uint64_t size, std::uint64_t address, Event event) {
  encoder(thread).alloc(event, ++sequence_, size, address);
}

void TraceWriter::aligned(std::uint32_t thread, std::uint64_t alignment, std::uint64_t size, std::uint64_t address) {
  encoder(thread).aligned(++sequence_, alignment, size, address);
}

void TraceWriter::free(std::uint32_t thread, std::uint64_t address) {
  encoder(thread).release(Event::kFree, ++sequence_, address);
}

void TraceWriter::realloc(std::uint32_t thread, std::uint64_t from, std::uint64_t size, std::uint64_t to) {
  encoder(thread).release(Event::kReallocBegin, ++sequence_, from);
  encoder(thread).alloc(Event::kReallocEnd, ++sequence_, size, to);
}

void TraceWriter::end_thread(std::uint32_t thread) {
  const auto at = std::find_if(encoders_.begin(), encoders_.end(), [&](auto& e) { return e.first == thread; });
  if (at == encoders_.end()) return;
  if (at->second.room() > 2 * kMaxEventBytes) spare_.push_back(at->second.chunk());
  encoders_.erase(at);
}

void TraceWriter::cut() { cut_after_ = sequence_; }

Encoder& TraceWriter::encoder(std::uint32_t thread) {
  auto at = std::find_if(encoders_.begin(), encoders_.end(), [&](auto& e) { return e.first == thread; });
  const bool first = at == encoders_.end();
  if (!first && at->second.room() >= kMaxEventBytes) return at->second;
  if (first) at = encoders_.insert(encoders_.end(), {thread, Encoder()});
  std::byte* chunk = nullptr;
  if (first && !spare_.empty()) {
    chunk = spare_.back();
    spare_.pop_back();
  } else {
    chunk = storage_.emplace_back(chunk_bytes_).data();
    chunks_.push_back(chunk);
  }
  at->second.begin(chunk, chunk_bytes_, thread, sequence_);
  return at->second;
}

std::vector<std::byte> TraceWriter::bytes() const {
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.version = kFormatVersion;
  header.header_bytes = kHeaderBytes;
  header.chunk_bytes = static_cast<std::uint32_t>(chunk_bytes_);
  header.chunks = chunks_.size();
  header.cut_after = cut_after_;
  header.ended = 1;
  std::snprintf(header.command, sizeof(header.command), "%s", command_.c_str());
  std::vector<std::byte> file(kHeaderBytes + chunks_.size() * chunk_bytes_);
  std::memcpy(file.data(), &header, sizeof(header));
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    std::memcpy(file.data() + kHeaderBytes + i * chunk_bytes_, chunks_[i], chunk_bytes_);
  }
  return file;
}

bool TraceWriter::save(const std::string& path) const {
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return false;
  const std::vector<std::byte> all = bytes();
  const bool written = std::fwrite(all.data(), 1, all.size(), file) == all.size();
  return std::fclose(file) == 0 && written;
}

}  // namespace fastmem::tools
