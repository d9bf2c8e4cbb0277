// SPDX-License-Identifier: BSD-3-Clause
// What is written is read again, and what is damaged is refused with a sentence.
#include <doctest/doctest.h>

#include <cstring>
#include <random>
#include <vector>

#include "tests/tools/temporary.h"
#include "tools/trace/reader.h"
#include "tools/trace/summary.h"
#include "tools/trace/writer.h"

using namespace fastmem::tools;
using fastmem::test::Temporary;
using fastmem::test::write_bytes;

namespace {

// Threads with objects of all sizes at addresses near and far, in chunks small enough to need many.
TraceWriter random_trace(unsigned events, std::vector<TraceEvent>& expected) {
  TraceWriter writer("program with arguments", kMinChunkBytes);
  std::mt19937_64 random(7);
  for (std::uint64_t sequence = 1; sequence <= events; ++sequence) {
    TraceEvent event;
    event.sequence = sequence;
    event.thread = sequence < 8 ? static_cast<std::uint32_t>(sequence - 1) : static_cast<std::uint32_t>(random() % 8);
    event.size = random() >> (17 + random() % 47);
    event.address = (random() >> (17 + random() % 30)) & ~std::uint64_t{random() % 4 == 0 ? 0u : 15u};
    switch (random() % 4) {
      case 0:
        event.event = Event::kAlloc;
        writer.alloc(event.thread, event.size, event.address);
        break;
      case 1:
        event.event = Event::kCalloc;
        writer.alloc(event.thread, event.size, event.address, Event::kCalloc);
        break;
      case 2:
        event.event = Event::kAligned;
        event.align_log2 = static_cast<std::uint8_t>(random() % 22);
        writer.aligned(event.thread, std::uint64_t{1} << event.align_log2, event.size, event.address);
        break;
      default:
        event.event = Event::kFree;
        event.size = 0;
        writer.free(event.thread, event.address);
    }
    expected.push_back(event);
  }
  return writer;
}

TraceWriter small_trace() {
  TraceWriter writer("small", kMinChunkBytes);
  writer.alloc(0, 100, 0x1000);
  writer.alloc(1, 200, 0x2000);
  writer.realloc(1, 0x2000, 300, 0x3000);
  writer.free(0, 0x3000);
  writer.aligned(0, 64, 5, 0x4000);
  return writer;
}

// Reads all of it when it can be opened. True: it could.
bool read_all(const std::string& path, std::string* error = nullptr) {
  TraceReader reader;
  const bool opened = reader.open(path.c_str());
  if (error != nullptr) *error = reader.error();
  if (opened) {
    summarize(reader);
  } else {
    CHECK(reader.error().find(path) != std::string::npos);
  }
  return opened;
}

}  // namespace

TEST_CASE("every event comes back, in the order of all threads") {
  Temporary folder;
  std::vector<TraceEvent> expected;
  REQUIRE(random_trace(20000, expected).save(folder / "t"));
  TraceReader reader;
  REQUIRE_MESSAGE(reader.open((folder / "t").c_str()), reader.error());
  CHECK(reader.threads() == 8);
  CHECK(reader.events() == expected.size());
  CHECK(std::string(reader.header().command) == "program with arguments");
  for (int pass = 0; pass < 2; ++pass) {
    TraceEvent event;
    for (const TraceEvent& e : expected) {
      REQUIRE(reader.next(event));
      REQUIRE(event.event == e.event);
      REQUIRE(event.sequence == e.sequence);
      REQUIRE(event.thread == e.thread);
      REQUIRE(event.size == e.size);
      REQUIRE(event.address == e.address);
      REQUIRE(event.align_log2 == e.align_log2);
    }
    CHECK_FALSE(reader.next(event));
    reader.rewind();
  }
}

TEST_CASE("a chunk serves the threads that come after") {
  Temporary folder;
  TraceWriter writer("threads");
  for (std::uint32_t thread = 0; thread < 50; ++thread) {
    writer.alloc(thread, thread + 1, 0x10000 + 16 * thread);
    writer.end_thread(thread);
  }
  CHECK(writer.bytes().size() == kHeaderBytes + kChunkBytes);
  REQUIRE(writer.save(folder / "t"));
  TraceReader reader;
  REQUIRE_MESSAGE(reader.open((folder / "t").c_str()), reader.error());
  CHECK(reader.threads() == 50);
  TraceEvent event;
  for (std::uint32_t thread = 0; thread < 50; ++thread) {
    REQUIRE(reader.next(event));
    CHECK(event.thread == thread);
    CHECK(event.size == thread + 1);
    CHECK(event.address == 0x10000 + 16 * thread);
  }
}

TEST_CASE("what comes after the cut does not count") {
  Temporary folder;
  TraceWriter writer = small_trace();
  writer.cut();
  writer.alloc(0, 1, 0x9000);
  REQUIRE(writer.save(folder / "t"));
  TraceReader reader;
  REQUIRE(reader.open((folder / "t").c_str()));
  CHECK(reader.cut());
  TraceEvent event;
  int events = 0;
  while (reader.next(event)) ++events;
  CHECK(events == 6);
}

TEST_CASE("the summary counts") {
  Temporary folder;
  REQUIRE(small_trace().save(folder / "t"));
  TraceReader reader;
  REQUIRE(reader.open((folder / "t").c_str()));
  const TraceSummary sum = summarize(reader);
  CHECK(sum.ops == 5);
  CHECK(sum.peak_live_bytes == 400);
  CHECK(sum.peak_live_objects == 2);
  CHECK(sum.end_live_bytes == 105);
  CHECK(sum.cross_thread_frees == 1);
  CHECK(sum.by_kind[static_cast<std::size_t>(OpKind::kRealloc)] == 1);
}

TEST_CASE("files that are no traces are refused") {
  Temporary folder;
  std::string error;
  CHECK_FALSE(read_all(folder / "nothing", &error));
  CHECK(error.find("No such file") != std::string::npos);
  write_bytes(folder / "empty", {});
  CHECK_FALSE(read_all(folder / "empty"));
  write_bytes(folder / "zeros", std::vector<std::byte>(100000));
  CHECK_FALSE(read_all(folder / "zeros", &error));
  CHECK(error.find("not an allocation trace") != std::string::npos);
  CHECK_FALSE(read_all(folder / "."));
  CHECK_FALSE(read_all("/dev/null"));
}

TEST_CASE("a newer version is named") {
  Temporary folder;
  std::vector<std::byte> bytes = small_trace().bytes();
  bytes[8] = std::byte{9};
  write_bytes(folder / "t", bytes);
  std::string error;
  CHECK_FALSE(read_all(folder / "t", &error));
  CHECK(error.find("version 9") != std::string::npos);
}

TEST_CASE("a file that was cut off is refused") {
  Temporary folder;
  const std::vector<std::byte> whole = small_trace().bytes();
  for (std::size_t length = 0; length < whole.size(); length += length < 700 ? 1 : 97) {
    write_bytes(folder / "t", {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)});
    CHECK_FALSE(read_all(folder / "t"));
  }
}

TEST_CASE("any byte may be wrong") {
  Temporary folder;
  std::vector<TraceEvent> ignored;
  for (const std::vector<std::byte>& whole : {small_trace().bytes(), random_trace(1000, ignored).bytes()}) {
    std::mt19937_64 random(11);
    for (int round = 0; round < 3000; ++round) {
      std::vector<std::byte> bytes = whole;
      const int errors = 1 + static_cast<int>(random() % 3);
      for (int i = 0; i < errors; ++i) {
        // The header's numbers, or anything behind the header.
        const std::size_t at =
            random() % 4 == 0 ? 8 + random() % 40 : kHeaderBytes + random() % (bytes.size() - kHeaderBytes);
        bytes[at] = static_cast<std::byte>(random());
      }
      write_bytes(folder / "t", bytes);
      read_all(folder / "t");  // either way, and without a fault
    }
  }
}
