// SPDX-License-Identifier: BSD-3-Clause
// A heap that is checked in full: each misuse is noticed where it happens, named with what is known of the object, and
// survived; what is used as it should be is never named.
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "tests/core/test_heap.h"
#include "tests/support/child_process.h"
#include "tests/support/format.h"
#include "tests/support/log_capture.h"

namespace fastmem::core {
namespace {

using test::format;
using test::LogCapture;

TestHeap::Setup full(Profile profile = Profile::kFine) {
  TestHeap::Setup setup;
  setup.config.profile = profile;
  setup.config.checks.level = CheckLevel::kFull;
  setup.config.checks.leaks = false;
  setup.backing.page_size = kKiB * 4;
  return setup;
}

TestHeap::Setup full_with(std::size_t quarantine) {
  TestHeap::Setup setup = full();
  setup.config.checks.quarantine = Bytes{quarantine};
  return setup;
}

// The first line of the one report that there was, and the line for machines.
void check_report(const LogCapture& log, const std::string& sentence, const std::string& machine) {
  INFO(sentence);
  CHECK(log.count(LogLevel::kError, sentence) == 1);
  CHECK(log.count(LogLevel::kError, "  misuse: kind=") == 1);
  CHECK(log.count(LogLevel::kError, "  misuse: kind=" + machine + " ") == 1);
}

constexpr std::size_t kSizes[] = {
    1, 8, 16, 17, 63, 64, 100, 1000, 4096, 5000, 65536, 300000, 1u << 20, (1u << 20) + 1, 5u << 20};

TEST_CASE("objects of every size, aligned as ever, are whole and go back without a word") {
  for (const Profile profile : {Profile::kFine, Profile::kRfc}) {
    const TestHeap heap(full(profile));
    const LogCapture log;
    for (const std::size_t size : kSizes) {
      INFO(size);
      std::vector<std::byte*> objects;
      for (int i = 0; i < 5; ++i) {
        auto* const p = static_cast<std::byte*>(heap->alloc(size));
        REQUIRE(p != nullptr);
        CHECK(heap->usable_size(p) == size);
        CHECK(heap->validate(p).ok());
        CHECK(aligned(p, is_power_of_two(size) && size <= kMaxSize ? std::max<std::size_t>(size, 16) : 16));
        std::memset(p, 0x11 + i, size);
        objects.push_back(p);
      }
      for (int i = 0; i < 5; ++i) {
        CHECK(all_bytes(objects[static_cast<unsigned>(i)], size, static_cast<unsigned char>(0x11 + i)));
        CHECK(heap->free(objects[static_cast<unsigned>(i)]) == ErrorCode::kOk);
        CHECK_FALSE(heap->validate(objects[static_cast<unsigned>(i)]).ok());
      }
    }
    heap->trim();
    heap->check_invariants();
    CHECK(log.count(LogLevel::kError, "") == 0);
    CHECK(heap->stats().misuses == 0);
    CHECK(heap->stats().in_use == Bytes{});
  }
}

TEST_CASE("alignments, zeroing, handles, bulks and realloc are what they are without checks") {
  const TestHeap heap(full());
  const LogCapture log;
  for (std::size_t align = 16; align <= 2 * kMiB.rep; align *= 2) {
    void* const p = heap->alloc_with(100, align, kZero);
    REQUIRE(p != nullptr);
    CHECK(aligned(p, align));
    CHECK(all_bytes(p, 100, 0));
    std::memset(p, 1, 100);
    CHECK(heap->free(p) == ErrorCode::kOk);
  }
  const Handle handle = *heap->handle(100, 0, kAnyNode);
  void* objects[40];
  REQUIRE(heap->alloc_bulk(handle, objects, 40) == ErrorCode::kOk);
  CHECK(heap->usable_size(objects[0]) == 112);
  CHECK(heap->free_bulk(handle, objects, 40) == ErrorCode::kOk);
  REQUIRE(heap->alloc_bulk(objects, 40, 3000) == ErrorCode::kOk);
  CHECK(heap->free_bulk(objects, 40) == ErrorCode::kOk);
  void* const by_handle = heap->alloc(handle);
  CHECK(heap->free(handle, by_handle) == ErrorCode::kOk);
  void* const sized = heap->alloc(77);
  CHECK(heap->free_sized(sized, 77) == ErrorCode::kOk);
  auto* p = static_cast<std::byte*>(heap->alloc(10));
  std::memset(p, 7, 10);
  for (const std::size_t size : {100u, 5000u, 3u << 20, 4u << 20, 20u}) {
    p = static_cast<std::byte*>(heap->realloc(p, size, 0));
    REQUIRE(p != nullptr);
    CHECK(all_bytes(p, 10, 7));
    CHECK(heap->usable_size(p) == size);
  }
  CHECK(heap->realloc(p, 0, 0) == nullptr);
  CHECK(heap->free(nullptr) == ErrorCode::kOk);
  CHECK(log.count(LogLevel::kError, "") == 0);
}

TEST_CASE("a double free is named at once, while the object rests and after that") {
  for (const std::size_t size : kSizes) {
    INFO(size);
    const TestHeap heap(full());
    void* const p = heap->alloc(size);
    CHECK(heap->free(p) == ErrorCode::kOk);
    {
      const LogCapture log;
      CHECK(heap->free(p) == ErrorCode::kDoubleFree);
      check_report(log, format("double free: %p, %zu bytes, was free already", p, size), "double-free");
      CHECK(log.count(LogLevel::kError, "freed by slot") == 1);
    }
    if (size > 20000) continue;
    void* const kept = heap->alloc(size);  // its slab stays
    heap->trim();
    {
      const LogCapture log;
      CHECK(heap->free(p) == ErrorCode::kDoubleFree);
      check_report(log, format("double free: %p, %zu bytes, was free already", p, size), "double-free");
    }
    CHECK(heap->free(kept) == ErrorCode::kOk);
    CHECK(heap->stats().misuses == 2);
    heap->check_invariants();
  }
}

TEST_CASE("of two threads that free one object one is told") {
  const TestHeap heap(full());
  const LogCapture log;
  constexpr int kRounds = 300;
  for (int i = 0; i < kRounds; ++i) {
    void* const p = heap->alloc(64);
    ErrorCode codes[2];
    std::thread other([&] { codes[1] = heap->free(p); });
    codes[0] = heap->free(p);
    other.join();
    CHECK((codes[0] == ErrorCode::kOk) != (codes[1] == ErrorCode::kOk));
    CHECK((codes[0] == ErrorCode::kDoubleFree) != (codes[1] == ErrorCode::kDoubleFree));
  }
  CHECK(log.count(LogLevel::kError, "double free: ") == kRounds);
}

TEST_CASE("one byte behind the object or before it is named at the free, and the object stays out of use") {
  for (const std::size_t size : kSizes) {
    for (const bool behind : {true, false}) {
      INFO(size, behind);
      TestHeap::Setup setup = full();
      setup.backing.page_size = kMiB * 2;  // large objects have bytes around them, too
      const TestHeap heap(setup);
      const LogCapture log;
      auto* const p = static_cast<std::byte*>(heap->alloc(size));
      p[behind ? static_cast<std::ptrdiff_t>(size) : -1] = std::byte{0};
      CHECK(heap->free(p) == ErrorCode::kInvalid);
      check_report(
          log,
          behind ? format("overrun: %p, %zu bytes: byte 1 behind its end was written", static_cast<void*>(p), size)
                 : format("underrun: %p, %zu bytes: byte 1 before its start was written", static_cast<void*>(p), size),
          behind ? "overrun" : "underrun");
      CHECK(log.count(LogLevel::kError, "[00]") == 1);
      heap->trim();
      for (int i = 0; i < 50 && size < 100000; ++i) CHECK(heap->alloc(size) != p);
    }
  }
}

TEST_CASE("a write after free is named when the rest ends, and on demand, once") {
  for (const bool on_demand : {true, false}) {
    for (const std::size_t size : kSizes) {
      INFO(size, on_demand);
      TestHeap::Setup setup = full();
      setup.backing.page_size = kMiB * 2;
      const TestHeap heap(setup);
      const LogCapture log;
      auto* const p = static_cast<std::byte*>(heap->alloc(size));
      CHECK(heap->free(p) == ErrorCode::kOk);
      p[size / 2] = std::byte{0};
      if (on_demand) {
        CHECK(heap->examine() == 1);
        CHECK(heap->examine() == 0);
      }
      heap->trim();
      check_report(log,
                   format("write after free: %p, %zu bytes: its byte %zu was written after it was freed",
                          static_cast<void*>(p), size, size / 2),
                   "write-after-free");
      heap->check_invariants();
    }
  }
}

TEST_CASE("damage beside a live object is named on demand, once, and the object can be freed") {
  const TestHeap heap(full());
  const LogCapture log;
  auto* const p = static_cast<std::byte*>(heap->alloc(100));
  auto* const q = static_cast<std::byte*>(heap->alloc(200));
  CHECK(heap->examine() == 0);
  p[101] = std::byte{1};
  q[-3] = std::byte{1};
  CHECK(heap->examine() == 2);
  CHECK(log.count(LogLevel::kError,
                  format("overrun: %p, 100 bytes: byte 2 behind its end was written", static_cast<void*>(p))) == 1);
  CHECK(log.count(LogLevel::kError,
                  format("underrun: %p, 200 bytes: byte 3 before its start was written", static_cast<void*>(q))) == 1);
  CHECK(heap->examine() == 0);
  CHECK(heap->free(p) == ErrorCode::kOk);
  CHECK(heap->free(q) == ErrorCode::kOk);
  CHECK(heap->stats().misuses == 2);
}

TEST_CASE("a pointer into an object is named with the object") {
  for (const std::size_t size : kSizes) {
    if (size == 1) continue;
    INFO(size);
    const TestHeap heap(full());
    const LogCapture log;
    auto* const p = static_cast<std::byte*>(heap->alloc(size));
    std::byte* const inner = p + size / 2;
    CHECK(heap->free(inner) == ErrorCode::kForeignPointer);
    check_report(log,
                 format("inner pointer freed: %p is %zu bytes from the start of the object %p of %zu bytes",
                        static_cast<void*>(inner), size / 2, static_cast<void*>(p), size),
                 "inner-free");
    CHECK(heap->free(p) == ErrorCode::kOk);
  }
}

TEST_CASE("a foreign pointer is named with what lies there") {
  static int in_program = 1;  // of the file; what begins as 0 need not be
  const TestHeap heap(full());
  const TestHeap other(full());
  int on_stack = 0;
  const std::vector<char> of_libc(100);
  const auto check = [&](const void* p, const std::string& what) {
    const LogCapture log;
    CHECK(heap->free(const_cast<void*>(p)) == ErrorCode::kForeignPointer);
    check_report(log, format("foreign pointer freed: %p is not an object of this heap; %s", p, what.c_str()),
                 "foreign-free");
  };
  void* const theirs = other->alloc(100);
  check(&on_stack, "it is on this thread's stack");
  check(theirs, format("it is memory of heap %p", static_cast<void*>(other.heap)));
  check(reinterpret_cast<void*>(8), "nothing is mapped there");
  check(&in_program, format("it lies in %s", program_invocation_short_name));
  void* const p = heap->alloc(100);
  const Region region = heap.backing.region_of(p);
  check(static_cast<std::byte*>(region.base) + region.size.rep - 64,
        "the heap holds this memory, and no object was handed out there");
  CHECK(heap->stats().misuses == 5);
  CHECK(other->free(theirs) == ErrorCode::kOk);
}

TEST_CASE("a wrong size and a wrong handle are named, and the object is freed") {
  const TestHeap heap(full());
  const LogCapture log;
  void* const p = heap->alloc(100);
  CHECK(heap->free_sized(p, 101) == ErrorCode::kInvalid);
  check_report(log, format("freed with a wrong size: %p as 101 bytes, it has 100", p), "wrong-size");
  CHECK_FALSE(heap->validate(p).ok());
  void* const q = heap->alloc(*heap->handle(100, 0, kAnyNode));
  CHECK(heap->free(*heap->handle(500, 0, kAnyNode), q) == ErrorCode::kInvalid);
  CHECK(log.count(LogLevel::kError, format("freed with a wrong handle: %p as one of class 512, it has 112 bytes", q)) ==
        1);
  void* const r = heap->alloc(100);
  CHECK(heap->free(*heap->handle(100, 0, kAnyNode), r) == ErrorCode::kOk);
  CHECK(heap->stats().misuses == 2);
}

TEST_CASE("the wrong one of a bulk is named by its index, and the others are freed") {
  const TestHeap heap(full());
  const LogCapture log;
  void* objects[5];
  REQUIRE(heap->alloc_bulk(objects, 5, 100) == ErrorCode::kOk);
  CHECK(heap->free(objects[3]) == ErrorCode::kOk);
  CHECK(heap->free_bulk(objects, 5) == ErrorCode::kDoubleFree);
  check_report(log, format("double free: %p, 100 bytes, was free already (pointer 3 of 5 in a bulk)", objects[3]),
               "double-free");
  CHECK(log.count(LogLevel::kError, " index=3 count=5") == 1);
  for (void* const p : objects) CHECK_FALSE(heap->validate(p).ok());
}

TEST_CASE("what a device has is not freed") {
  const TestHeap heap(full());
  const LogCapture log;
  for (const std::size_t size : {std::size_t{100}, std::size_t{3} << 20}) {
    auto* const p = static_cast<std::byte*>(heap->alloc(size));
    CHECK(heap->pin(p).ok());
    CHECK(heap->pin(p + 50).ok());
    CHECK(heap->free(p) == ErrorCode::kBusy);
    CHECK(log.count(LogLevel::kError, format("freed while lent to a device: %p, %zu bytes, pinned 2 times",
                                             static_cast<void*>(p), size)) == 1);
    CHECK(heap->unpin(p).ok());
    CHECK(heap->unpin(p).ok());
    CHECK(heap->unpin(p).code == ErrorCode::kInvalid);
    CHECK(log.count(LogLevel::kError, format("unpinned, but not pinned: %p, %zu bytes", static_cast<void*>(p), size)) ==
          1);
    CHECK(heap->free(p) == ErrorCode::kOk);
    CHECK(heap->pin(p).code == ErrorCode::kInvalid);
  }
  int mine = 0;
  CHECK(heap->pin(&mine).code == ErrorCode::kInvalid);
}

TEST_CASE("no more rests than the quarantine's bound, and the oldest goes first") {
  const TestHeap heap(full_with(192 * 1024));
  std::vector<void*> freed;
  for (int i = 0; i < 3000; ++i) {
    void* const p = heap->alloc(64);
    CHECK(std::find(freed.end() - std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(freed.size()), 1000),
                    freed.end(), p) == freed.end());  // 1024 of them rest, each in a cell of 192 bytes
    CHECK(heap->free(p) == ErrorCode::kOk);
    freed.push_back(p);
  }
  std::sort(freed.begin(), freed.end());
  CHECK(std::unique(freed.begin(), freed.end()) - freed.begin() < 3000);  // it comes again
}

TEST_CASE("without a quarantine nothing rests") {
  const TestHeap heap(full_with(0));
  void* const p = heap->alloc(64);
  CHECK(heap->free(p) == ErrorCode::kOk);
  CHECK(heap->alloc(64) == p);
}

TEST_CASE("what rests is used before memory is called short") {
  TestHeap::Setup setup = full();
  setup.config.limit_per_node = kMiB * 8;
  setup.config.checks.quarantine = kMiB * 64;
  setup.config.checks.large = kMiB * 64;
  const TestHeap heap(setup);
  for (const std::size_t size : {std::size_t{1000}, std::size_t{100000}, std::size_t{3} << 20}) {
    INFO(size);
    for (int i = 0; i < 100; ++i) {
      void* const p = heap->alloc(size);
      REQUIRE(p != nullptr);
      CHECK(heap->free(p) == ErrorCode::kOk);
    }
  }
}

[[gnu::noinline]] void* allocated_here(const TestHeap& heap) {
  void* volatile p = heap->alloc(100);
  return p;
}

TEST_CASE("leaks are counted by where they come from, most bytes first") {
  const TestHeap heap(full());
  const auto totals = std::make_unique<TraceTotals>();
  void* small[3];
  for (void*& p : small) p = allocated_here(heap);
  void* const large = heap->alloc(3u << 20);
  heap->leaks(*totals);
  CHECK(totals->all().objects == 4);
  CHECK(totals->all().bytes == 300 + (3u << 20));
  const auto groups = totals->sort();
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].bytes == 3u << 20);
  CHECK(groups[1].objects == 3);
  CHECK(heap->frames(groups[1].trace).size() > 1);
  for (void* const p : small) CHECK(heap->free(p) == ErrorCode::kOk);
  CHECK(heap->free(large) == ErrorCode::kOk);
  const auto none = std::make_unique<TraceTotals>();
  heap->leaks(*none);
  CHECK(none->all().objects == 0);
}

TEST_CASE("a report has three stacks, and none where no memory is for them") {
  for (const bool with : {true, false}) {
    TestHeap::Setup setup = full();
    if (!with) setup.config.checks.traces = {};
    const TestHeap heap(setup);
    const LogCapture log;
    void* const p = allocated_here(heap);
    CHECK(heap->free(p) == ErrorCode::kOk);
    CHECK(heap->free(p) == ErrorCode::kDoubleFree);
    for (const char* const line : {"  allocated at:", "  freed at:", "  noticed at:"}) {
      CHECK(log.count(LogLevel::kError, line) == (with ? 1 : 0));
    }
    CHECK((log.count(LogLevel::kError, format("%s+0x", program_invocation_short_name)) > 2) == with);
  }
}

TEST_CASE("what was not freed is told when the heap goes") {
  TestHeap::Setup setup = full();
  setup.config.checks.leaks = true;
  const LogCapture log;
  Heap* gone = nullptr;
  {
    const TestHeap heap(setup);
    gone = heap.heap;
    heap->alloc(100);
    heap->alloc(200);
  }
  CHECK(log.count(LogLevel::kError, format("leaks: 2 objects of 300 bytes in all were not freed; heap %p",
                                           static_cast<void*>(gone))) == 1);
}

TEST_CASE("a heap that is gone is named, and refuses everything") {
  Heap* gone = nullptr;
  Handle handle;
  void* p = nullptr;
  {
    const TestHeap heap(full());
    gone = heap.heap;
    p = heap->alloc(100);
    handle = *heap->handle(100, 0, kAnyNode);
  }
  const LogCapture log;
  CHECK(gone->alloc(100) == nullptr);
  CHECK(gone->alloc(handle) == nullptr);
  CHECK(gone->free(p) == ErrorCode::kNotReady);
  CHECK(gone->free_sized(p, 100) == ErrorCode::kNotReady);
  CHECK(gone->alloc_with(5u << 20, 0, 0) == nullptr);
  CHECK(last_error().code == ErrorCode::kNotReady);
  CHECK(gone->alloc_bulk(&p, 1, 100) == ErrorCode::kNotReady);
  CHECK(log.count(LogLevel::kError, format("heap used after it was destroyed: heap %p", static_cast<void*>(gone))) ==
        6);
}

TEST_CASE("touching a large object beside its bytes or after its free is a fault that is explained") {
  constexpr std::size_t kSize = 2u << 20;
  struct Touch {
    std::ptrdiff_t at;
    bool freed;
    const char* said;
  };
  for (const Touch& touch : {Touch{-1, false, "access-beyond -1"}, Touch{5, true, "access-after-free 5"},
                             Touch{kSize, false, "access-beyond 2097152"}}) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const test::ChildResult result = test::run_in_child([&]() -> std::string {
      const TestHeap heap(full());
      set_misuse_callback(
          [](const MisuseReport& r, void* fd) {
            char text[64];
            const int n = std::snprintf(text, sizeof(text), "%s %td", name_of(r.kind), r.damage);
            if (write(*static_cast<int*>(fd), text, static_cast<std::size_t>(n)) < 0) _exit(1);
          },
          &ends[1]);
      auto* const p = static_cast<volatile std::byte*>(heap->alloc(kSize));
      p[kSize - 1] = std::byte{1};
      if (touch.freed) heap->free(const_cast<std::byte*>(p));
      p[touch.at] = std::byte{1};
      return "it was no fault";
    });
    close(ends[1]);
    char said[64] = "";
    const ssize_t n = read(ends[0], said, sizeof(said) - 1);
    close(ends[0]);
    CHECK(result.signal == SIGSEGV);
    CHECK(std::string(said, static_cast<std::size_t>(std::max<ssize_t>(n, 0))) == touch.said);
  }
}

TEST_CASE("the callback has what the lines say") {
  const TestHeap heap(full());
  const LogCapture log;
  static MisuseReport seen;
  set_misuse_callback([](const MisuseReport& r, void* context) { seen = r, ++*static_cast<int*>(context); }, nullptr);
  int calls = 0;
  set_misuse_callback([](const MisuseReport& r, void* context) { seen = r, ++*static_cast<int*>(context); }, &calls);
  void* const p = heap->alloc(100);
  CHECK(heap->free(p) == ErrorCode::kOk);
  CHECK(heap->free(p) == ErrorCode::kDoubleFree);
  set_misuse_callback(nullptr, nullptr);
  CHECK(heap->free(p) == ErrorCode::kDoubleFree);
  CHECK(calls == 1);
  CHECK(seen.kind == MisuseKind::kDoubleFree);
  CHECK(seen.address == p);
  CHECK(seen.object == p);
  CHECK(seen.size == 100);
  CHECK(seen.heap == heap.heap);
  CHECK(seen.has_history);
  CHECK(seen.was_freed);
  CHECK(seen.allocated_by == seen.freed_by);
}

TEST_CASE("threads that use a checked heap well are never named, and one that examines it disturbs nobody") {
  const TestHeap heap(full_with(100000));
  const LogCapture log;
  std::vector<std::thread> threads;
  std::vector<void*> handed(64, nullptr);
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([&heap, t] {
      std::vector<std::pair<unsigned char*, std::size_t>> mine;
      for (unsigned i = 0; i < 4000; ++i) {
        const std::size_t size = 1 + (i * 7919 + t * 131) % 3000;
        auto* const p = static_cast<unsigned char*>(heap->alloc(size));
        if (p == nullptr) continue;
        std::memset(p, static_cast<int>(t), size);
        mine.push_back({p, size});
        if (mine.size() < 50) continue;
        const auto [old, n] = mine[i % 50];
        CHECK(all_bytes(old, n, static_cast<unsigned char>(t)));
        CHECK(heap->free(old) == ErrorCode::kOk);
        mine[i % 50] = mine.back();
        mine.pop_back();
      }
      for (const auto& [p, n] : mine) heap->free(p);
    });
  }
  for (int i = 0; i < 20; ++i) heap->examine();
  for (std::thread& thread : threads) thread.join();
  CHECK(heap->examine() == 0);
  CHECK(log.count(LogLevel::kError, "") == 0);
  const auto left = std::make_unique<TraceTotals>();
  heap->leaks(*left);
  CHECK(left->all().objects == 0);
}

}  // namespace
}  // namespace fastmem::core
