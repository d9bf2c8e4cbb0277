// SPDX-License-Identifier: BSD-3-Clause
#include "tools/trace/reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace fastmem::tools {

namespace {

// The whole file, or as much as there is.
std::size_t read_all(int file, std::byte* to, std::size_t bytes) {
  std::size_t done = 0;
  while (done < bytes) {
    const ssize_t got = read(file, to + done, bytes - done);
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

}  // namespace

TraceReader::~TraceReader() {
  if (file_ != nullptr) unmap_pages(const_cast<std::byte*>(file_), file_bytes_);
}

bool TraceReader::open(const char* path) {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return fail(path, "%s", std::strerror(errno));
  struct stat info {};
  fstat(file, &info);
  if (!S_ISREG(info.st_mode)) {
    close(file);
    return fail(path, "not a file");
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size >= sizeof(Header) && pread(file, &header_, sizeof(header_), 0) == static_cast<ssize_t>(sizeof(header_)) &&
      std::memcmp(header_.magic, kMagic, sizeof(kMagic)) == 0) {
    auto* const pages = static_cast<std::byte*>(map_pages(size));
    file_ = pages;
    file_bytes_ = size;
    file_bytes_ = std::max(read_all(file, pages, size), sizeof(Header));
  }
  close(file);
  if (file_ == nullptr) return fail(path, "not an allocation trace of fastmem");
  if (!check_header(path) || !find_stretches(path)) return false;
  number_threads();
  rewind();
  return true;
}

bool TraceReader::check_header(const char* path) {
  std::memcpy(&header_, file_, sizeof(header_));
  header_.command[sizeof(header_.command) - 1] = '\0';
  if (header_.version != kFormatVersion) {
    return fail(path, "a trace of version %u; this program reads version %u", header_.version, kFormatVersion);
  }
  if (header_.header_bytes < sizeof(Header) || header_.header_bytes > kMaxChunkBytes ||
      header_.chunk_bytes < kMinChunkBytes || header_.chunk_bytes > kMaxChunkBytes) {
    return fail(path, "damaged: sizes in its header make no sense");
  }
  const std::size_t there =
      file_bytes_ < header_.header_bytes ? 0 : (file_bytes_ - header_.header_bytes) / header_.chunk_bytes;
  if (header_.chunks > there) {
    return fail(path, "truncated: its header names %llu chunks, the file holds %zu",
                static_cast<unsigned long long>(header_.chunks), there);
  }
  return true;
}

bool TraceReader::find_stretches(const char* path) {
  for (std::uint64_t c = 0; c < header_.chunks; ++c) {
    const std::byte* const chunk = file_ + header_.header_bytes + c * header_.chunk_bytes;
    ChunkHeader info{};
    std::memcpy(&info, chunk, sizeof(info));
    if (info.used > header_.chunk_bytes - sizeof(ChunkHeader)) {
      return fail(path, "damaged: chunk %llu claims %u bytes", static_cast<unsigned long long>(c), info.used);
    }
    bytes_ += info.used;
    const std::byte* const first = chunk + sizeof(ChunkHeader);
    ChunkDecoder decoder(first, first + info.used);
    TraceEvent event;
    bool in_stretch = false;
    for (;;) {
      const ChunkDecoder before = decoder;
      const ChunkDecoder::Step step = decoder.step(event);
      if (step == ChunkDecoder::Step::kEnd) break;
      if (step == ChunkDecoder::Step::kDamaged || (step == ChunkDecoder::Step::kEvent && !in_stretch)) {
        return fail(path, "damaged: chunk %llu, byte %td", static_cast<unsigned long long>(c),
                    before.position() - chunk);
      }
      if (step == ChunkDecoder::Step::kThread) {
        in_stretch = true;
        if (!stretches_.empty() && stretches_.back().first == 0) stretches_.pop_back();  // it holds no event
        stretches_.push_back({event.thread, 0, before});
      } else {
        if (stretches_.back().first == 0) stretches_.back().first = event.sequence;
        ++events_;
      }
    }
  }
  if (!stretches_.empty() && stretches_.back().first == 0) stretches_.pop_back();
  return true;
}

// Threads get numbers in the order of their first events.
void TraceReader::number_threads() {
  std::sort(stretches_.begin(), stretches_.end(), [](const Stretch& a, const Stretch& b) { return a.first < b.first; });
  std::uint32_t highest = 0;
  for (const Stretch& s : stretches_) highest = std::max(highest, s.thread);
  MappedVector<std::pair<std::uint32_t, std::uint32_t>> numbers;  // recorded -> dense, sorted by the former
  for (Stretch& s : stretches_) {
    const auto key = std::make_pair(s.thread, std::uint32_t{0});
    auto at = std::lower_bound(numbers.begin(), numbers.end(), key);
    if (at == numbers.end() || at->first != s.thread) at = numbers.insert(at, {s.thread, threads_++});
    s.thread = at->second;
  }
  std::stable_sort(stretches_.begin(), stretches_.end(),
                   [](const Stretch& a, const Stretch& b) { return a.thread < b.thread; });
}

void TraceReader::rewind() {
  heap_.clear();
  for (std::size_t i = 0; i < stretches_.size(); ++i) {
    if (i > 0 && stretches_[i].thread == stretches_[i - 1].thread) continue;
    Cursor cursor{TraceEvent{}, stretches_[i].decoder, i};
    if (advance(cursor)) heap_.push_back(cursor);
  }
  for (std::size_t i = heap_.size(); i-- > 0;) sift_down(i);
}

bool TraceReader::next(TraceEvent& event) {
  if (heap_.empty()) return false;
  Cursor& top = heap_.front();
  event = top.event;
  if (header_.cut_after != 0 && event.sequence > header_.cut_after) return false;
  if (!advance(top)) {
    top = heap_.back();
    heap_.pop_back();
  }
  if (!heap_.empty()) sift_down(0);
  return true;
}

// Moves to the thread's next event, which may be in its next stretch.
bool TraceReader::advance(Cursor& cursor) {
  const std::uint32_t thread = stretches_[cursor.stretch].thread;
  bool inside = false;  // the first kThread event of a stretch belongs to it, the next to another
  for (;;) {
    const ChunkDecoder before = cursor.decoder;
    const ChunkDecoder::Step step = cursor.decoder.step(cursor.event);
    if (step == ChunkDecoder::Step::kEvent) {
      cursor.event.thread = thread;
      return true;
    }
    const bool starts = before.position() == stretches_[cursor.stretch].decoder.position();
    if (step == ChunkDecoder::Step::kThread && starts && !inside) {
      inside = true;
      continue;
    }
    if (++cursor.stretch == stretches_.size() || stretches_[cursor.stretch].thread != thread) return false;
    cursor.decoder = stretches_[cursor.stretch].decoder;
    inside = false;
  }
}

void TraceReader::sift_down(std::size_t at) {
  for (;;) {
    std::size_t least = at;
    for (const std::size_t child : {2 * at + 1, 2 * at + 2}) {
      if (child < heap_.size() && heap_[child].event.sequence < heap_[least].event.sequence) least = child;
    }
    if (least == at) return;
    std::swap(heap_[at], heap_[least]);
    at = least;
  }
}

bool TraceReader::fail(const char* path, const char* format, ...) {
  char text[256];
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  error_ = std::string(path) + ": " + text;
  return false;
}

ChunkDecoder::Step ChunkDecoder::step(TraceEvent& out) {
  if (next_ == end_) return Step::kEnd;
  const auto head = static_cast<unsigned>(*next_++);
  const auto event = static_cast<Event>(head & ((1u << kOperationBits) - 1));
  out = TraceEvent{};
  out.event = event;
  if (event == Event::kNone) return Step::kDamaged;
  if (event == Event::kThread) {
    std::uint64_t thread = 0;
    if (!get_varint(thread) || thread > UINT32_MAX || !get_varint(sequence_)) return Step::kDamaged;
    if (sequence_ > UINT64_MAX / 4) return Step::kDamaged;
    thread_ = static_cast<std::uint32_t>(thread);
    address_ = 0;
    out.thread = thread_;
    out.sequence = sequence_;
    return Step::kThread;
  }
  std::uint64_t delta = head >> kOperationBits;
  if (delta == kLongDelta) {
    if (!get_varint(delta)) return Step::kDamaged;
    delta += kLongDelta;
  }
  if (delta >= UINT64_MAX / 2 - sequence_) return Step::kDamaged;
  sequence_ += delta + 1;
  if (event == Event::kAligned) {
    if (next_ == end_) return Step::kDamaged;
    out.align_log2 = static_cast<std::uint8_t>(*next_++);
    if (out.align_log2 > 47) return Step::kDamaged;
  }
  const bool sized = event != Event::kFree && event != Event::kReallocBegin;
  if (sized && (!get_varint(out.size) || out.size >> 47 != 0)) return Step::kDamaged;
  if (!get_address(out.address)) return Step::kDamaged;
  out.thread = thread_;
  out.sequence = sequence_;
  return Step::kEvent;
}

bool ChunkDecoder::get_varint(std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (next_ == end_) return false;
    const auto byte = static_cast<std::uint64_t>(*next_++);
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool ChunkDecoder::get_address(std::uint64_t& address) {
  std::uint64_t packed = 0;
  if (!get_varint(packed)) return false;
  const auto delta = static_cast<std::uint64_t>(unzigzag(packed >> 1));
  address_ += (packed & 1) != 0 ? delta : delta * 16;
  address = address_;
  return true;
}

}  // namespace fastmem::tools
