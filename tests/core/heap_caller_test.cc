// SPDX-License-Identifier: BSD-3-Clause
// Memory that the user brings: what is refused and why, objects of every size in it, IOVAs as they were given, and that
// it comes back exactly when nothing of it is in use.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "backends/caller/caller_backing.h"
#include "platform/pages.h"
#include "tests/core/test_heap.h"
#include "tests/support/skip.h"

namespace fastmem::core {
namespace {

// A heap of memory that is brought, over the whole address space.
class CallerHeap {
 public:
  explicit CallerHeap(Profile profile = Profile::kFine) {
    auto made = make_caller_backing();
    REQUIRE(made.ok());
    backing_ = std::move(made.value());
    HeapConfig config;
    config.backing = backing_.get();
    config.topology = &topology_;
    config.profile = profile;
    const Result<Heap*> created = Heap::create(config);
    REQUIRE_MESSAGE(created.ok(), std::string(created.ok() ? "" : created.error().text));
    heap_ = created.value();
  }
  CallerHeap(const CallerHeap&) = delete;
  CallerHeap& operator=(const CallerHeap&) = delete;
  ~CallerHeap() { heap_->destroy(); }
  Heap* operator->() const { return heap_; }

  Error add(void* base, Bytes size, std::span<const Iova> iovas = {}, Bytes page = kKiB * 4) const {
    CallerMemory memory;
    memory.base = base;
    memory.size = size;
    memory.page_size = page;
    memory.iovas = iovas;
    return heap_->add_memory(memory);
  }

 private:
  CallerTopology topology_{2};
  std::unique_ptr<Backing> backing_;
  Heap* heap_ = nullptr;
};

// Mapped memory that goes with the object; what was behind and before it stays unmapped.
class Mapped {
 public:
  explicit Mapped(Bytes size, int flags = MAP_PRIVATE | MAP_ANONYMOUS, int fd = -1) : size_(size) {
    all_ = mmap(nullptr, size.rep + kMiB.rep * 4, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(all_ != MAP_FAILED);
    base_ = reinterpret_cast<void*>(round_up(reinterpret_cast<std::uintptr_t>(all_), kMiB.rep * 2));
    there_ = mmap(base_, size.rep, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0) == base_;
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  ~Mapped() { munmap(all_, size_.rep + kMiB.rep * 4); }

  bool there() const { return there_; }
  void* base() const { return base_; }
  std::byte* at(std::size_t offset) const { return static_cast<std::byte*>(base_) + offset; }
  Bytes size() const { return size_; }
  bool holds(const void* p, std::size_t n) const {
    return static_cast<const std::byte*>(p) >= at(0) && static_cast<const std::byte*>(p) + n <= at(size_.rep);
  }

 private:
  Bytes size_;
  void* all_;
  void* base_;
  bool there_;
};

// Objects of every class are in the memory, do not overlap, and all go back.
void use_up(const CallerHeap& heap, const Mapped& memory) {
  std::vector<void*> objects;
  const auto& classes = heap->classes();
  for (unsigned c = 1; c <= classes.count; ++c) {
    const std::size_t size = classes.classes[c].size;
    void* const p = heap->alloc(size);
    if (p == nullptr) continue;
    REQUIRE(memory.holds(p, size));
    std::memset(p, static_cast<int>(c), size);
    objects.push_back(p);
  }
  CHECK(objects.size() > 20);
  if (void* const p = heap->alloc(memory.size().rep / 4)) {
    REQUIRE(memory.holds(p, memory.size().rep / 4));
    objects.push_back(p);
  }
  while (void* const p = heap->alloc(5000)) {
    REQUIRE(memory.holds(p, 5000));
    objects.push_back(p);
  }
  CHECK(last_error().code == ErrorCode::kNoMemory);
  CHECK(std::string(last_error().text).find("add memory") != std::string::npos);
  heap->check_invariants();
  for (void* const p : objects) REQUIRE(heap->free(p) == ErrorCode::kOk);
  CHECK(heap->stats().in_use == Bytes{0});
  heap->check_invariants();
}

TEST_CASE("a heap without memory says what to do, and what is added is used") {
  const CallerHeap heap;
  CHECK(heap->alloc(100) == nullptr);
  CHECK(last_error().code == ErrorCode::kNoMemory);
  const Mapped memory(kMiB * 4);
  REQUIRE(heap.add(memory.base(), memory.size()).ok());
  CHECK(heap->stats().backing == memory.size());
  use_up(heap, memory);
  CHECK(heap->trim() == Bytes{0});
  CHECK(heap->stats().backing == memory.size());
  REQUIRE(heap->remove_memory(memory.base(), memory.size()).ok());
  CHECK(heap->stats().backing == Bytes{0});
  CHECK(heap->alloc(100) == nullptr);
}

TEST_CASE("in the RFC's profile too, and of the largest size") {
  const CallerHeap heap(Profile::kRfc);
  const Mapped memory(kMiB * 16);
  REQUIRE(heap.add(memory.base(), memory.size()).ok());
  void* const p = heap->alloc(kMiB.rep);
  REQUIRE(p != nullptr);
  CHECK(memory.holds(p, kMiB.rep));
  CHECK(heap->remove_memory(memory.base(), memory.size()).code == ErrorCode::kBusy);
  heap->free(p);
  CHECK(heap->remove_memory(memory.base(), memory.size()).ok());
}

TEST_CASE("a buffer from malloc: only whole granules are used, and the ends stay as they were") {
  const CallerHeap heap;
  constexpr std::size_t kSize = 700'001;
  const std::unique_ptr<void, decltype(&std::free)> buffer(std::malloc(kSize), std::free);
  auto* const bytes = static_cast<unsigned char*>(buffer.get());
  std::memset(bytes, 0xa5, kSize);
  REQUIRE(heap.add(bytes, Bytes{kSize}).ok());
  const Bytes held = heap->stats().backing;
  CHECK(held > Bytes{kSize - 2 * kGranule});
  CHECK(held.rep % kGranule == 0);
  std::vector<void*> objects;
  while (void* const p = heap->alloc(1000)) {
    REQUIRE(p >= bytes);
    REQUIRE(static_cast<unsigned char*>(p) + 1000 <= bytes + kSize);
    std::memset(p, 0, 1000);
    objects.push_back(p);
  }
  CHECK(objects.size() > held.rep / 1200);
  const std::size_t before =
      round_up(reinterpret_cast<std::uintptr_t>(bytes), kGranule) - reinterpret_cast<std::uintptr_t>(bytes);
  CHECK(all_bytes(bytes, before, 0xa5));
  CHECK(all_bytes(bytes + before + held.rep, kSize - before - held.rep, 0xa5));
  heap->free_bulk(objects.data(), objects.size());
  CHECK(heap->remove_memory(bytes, Bytes{kSize - 1}).code == ErrorCode::kOk);  // the same granules
}

TEST_CASE("what cannot be added") {
  const CallerHeap heap;
  const Mapped memory(kMiB * 2);
  std::vector<Iova> iovas(512, Iova{0});
  for (std::size_t i = 0; i < iovas.size(); ++i) iovas[i] = Iova{i * 4096};
  const auto code = [&](void* base, Bytes size, std::span<const Iova> pages = {}, Bytes page = kKiB * 4) {
    const Error error = heap.add(base, size, pages, page);
    CHECK(error.ok() == (error.text[0] == '\0'));
    return error.code;
  };
  CHECK(code(nullptr, kMiB) == ErrorCode::kInvalid);
  CHECK(code(memory.base(), Bytes{0}) == ErrorCode::kInvalid);
  CHECK(code(memory.base(), Bytes{kGranule - 1}) == ErrorCode::kInvalid);
  CHECK(code(memory.at(1), Bytes{2 * kGranule - 2}) == ErrorCode::kInvalid);
  CHECK(code(memory.at(4096), Bytes{~std::size_t{0}}) == ErrorCode::kInvalid);  // past the end of everything
  CHECK(code(memory.base(), memory.size(), {}, Bytes{5000}) == ErrorCode::kInvalid);
  CHECK(code(memory.base(), memory.size(), {}, Bytes{0}) == ErrorCode::kInvalid);
  CHECK(code(memory.base(), memory.size(), {}, Bytes{2048}) == ErrorCode::kInvalid);
  const std::span<const Iova> one_less(iovas.data(), 511);
  CHECK(code(memory.base(), memory.size(), one_less) == ErrorCode::kInvalid);
  CHECK(code(memory.at(100), memory.size() - kKiB * 4, one_less) == ErrorCode::kInvalid);
  CHECK(code(memory.base(), memory.size() - Bytes{1}, iovas) == ErrorCode::kInvalid);
  iovas[7] = kBadIova;
  CHECK(code(memory.base(), memory.size(), iovas) == ErrorCode::kInvalid);
  CHECK(code(reinterpret_cast<void*>((std::uintptr_t{1} << 47) - kGranule), kMiB) == ErrorCode::kInvalid);
  CHECK(heap->stats().backing == Bytes{0});

  CHECK(code(memory.base(), memory.size()) == ErrorCode::kOk);
  CHECK(code(memory.base(), memory.size()) == ErrorCode::kExists);
  CHECK(code(memory.at(kMiB.rep), memory.size()) == ErrorCode::kExists);
  CHECK(code(memory.at(kMiB.rep), Bytes{kGranule}) == ErrorCode::kExists);
  CHECK(heap->remove_memory(memory.base(), kMiB).code == ErrorCode::kNotFound);
  CHECK(heap->remove_memory(memory.at(kGranule), memory.size() - Bytes{kGranule}).code == ErrorCode::kNotFound);
  CHECK(heap->remove_memory(nullptr, kMiB).code == ErrorCode::kInvalid);
  CHECK(heap->remove_memory(memory.base(), memory.size()).ok());
  CHECK(heap->remove_memory(memory.base(), memory.size()).code == ErrorCode::kNotFound);
}

TEST_CASE("a heap with memory of its own takes none, and does not give its own away") {
  TestHeap heap;
  const Mapped memory(kMiB * 2);
  CallerMemory brought;
  brought.base = memory.base();
  brought.size = memory.size();
  CHECK(heap->add_memory(brought).code == ErrorCode::kPermission);
  void* const p = heap->alloc(100);
  const Region own = heap.backing.region_of(p);
  CHECK(heap->remove_memory(own.base, own.size).code == ErrorCode::kPermission);
  CHECK(heap->detach_memory(own.base, own.size).code == ErrorCode::kPermission);
  brought.node = node(7);
  CHECK(heap->add_memory(brought).code == ErrorCode::kNoNode);
  heap->free(p);
}

TEST_CASE("IOVAs are used as they are: a table, one run, the addresses, or none") {
  const CallerHeap heap;
  const Mapped memory(kMiB * 8);
  SUBCASE("a table of 4 KiB pages; the pages before the first granule are skipped") {
    std::vector<Iova> iovas;
    for (std::size_t i = 0; i < 512; ++i) iovas.push_back(Iova{(i * 7919 % 512 + 1) << 12});
    std::byte* const base = memory.at(4096 * 3);
    REQUIRE(heap.add(base, kMiB * 2, iovas).ok());
    for (const std::size_t size : {64, 5000, 70'000}) {
      auto* const p = static_cast<std::byte*>(heap->alloc(size));
      REQUIRE(p != nullptr);
      const auto offset = static_cast<std::size_t>(p - base);
      CHECK(heap->iova_of(p) == Iova{iovas[offset / 4096].rep + offset % 4096});
      std::vector<IovaSegment> runs(64);
      const auto n = heap->iova_segments(p, Bytes{size}, runs);
      REQUIRE(n.ok());
      CHECK((size <= 4096 || n.value() > 1));
      heap->free(p);
    }
  }
  SUBCASE("2 MiB pages that follow each other are one run") {
    const std::vector<Iova> iovas = {Iova{64 << 20}, Iova{66 << 20}, Iova{68 << 20}, Iova{70 << 20}};
    CHECK(heap.add(memory.at(4096), kMiB * 6, std::span(iovas).first(3), kMiB * 2).code == ErrorCode::kInvalid);
    REQUIRE(heap.add(memory.base(), memory.size(), iovas, kMiB * 2).ok());
    void* const p = heap->alloc(kMiB.rep);
    const auto offset = static_cast<std::size_t>(static_cast<std::byte*>(p) - memory.at(0));
    CHECK(heap->iova_of(p) == Iova{(64 << 20) + offset});
    CHECK(heap->iova_contiguous(p, kMiB).value());
    heap->free(p);
  }
  SUBCASE("the addresses") {
    CallerMemory brought;
    brought.base = memory.base();
    brought.size = memory.size();
    brought.iova_is_address = true;
    REQUIRE(heap->add_memory(brought).ok());
    void* const p = heap->alloc(3000);
    CHECK(heap->iova_of(p) == Iova{reinterpret_cast<std::uintptr_t>(p)});
    heap->free(p);
  }
  SUBCASE("none: an error that says so") {
    REQUIRE(heap.add(memory.base(), memory.size()).ok());
    void* const p = heap->alloc(3000);
    CHECK(heap->iova_of(p) == kBadIova);
    CHECK(last_error().code == ErrorCode::kUnsupported);
    heap->free(p);
  }
}

TEST_CASE("listeners hear of it with its IOVAs, may refuse it, and hear when it goes") {
  const CallerHeap heap;
  const Mapped memory(kMiB * 4);
  struct Heard {
    std::vector<std::string> what;
    bool refuses = false;
  } heard;
  MemoryListener listener;
  listener.name = "device";
  listener.context = &heard;
  listener.wants_iovas = true;
  listener.came = [](const MemoryEvent& event, void* context) {
    auto& h = *static_cast<Heard*>(context);
    if (h.refuses) return make_error(ErrorCode::kNoSpace, "no place for it");
    h.what.push_back("came " + std::to_string(event.iovas.size()) + " " + std::to_string(event.iovas[1].rep));
    return Error{};
  };
  listener.goes = [](const MemoryEvent& event, void* context) {
    static_cast<Heard*>(context)->what.push_back("goes " + std::to_string(event.iovas.size()));
  };
  REQUIRE(heap->add_listener(listener).ok());
  CHECK(heap.add(memory.base(), memory.size()).code == ErrorCode::kUnsupported);  // no IOVAs to be told
  const std::vector<Iova> iovas = {Iova{8 << 20}, Iova{32 << 20}};
  heard.refuses = true;
  CHECK(heap.add(memory.base(), memory.size(), iovas, kMiB * 2).code == ErrorCode::kNoSpace);
  CHECK(heap->stats().backing == Bytes{0});
  heard.refuses = false;
  REQUIRE(heap.add(memory.base(), memory.size(), iovas, kMiB * 2).ok());
  void* const p = heap->alloc(100);
  CHECK(heap->remove_memory(memory.base(), memory.size()).code == ErrorCode::kBusy);
  heap->free(p);
  CHECK(heap->remove_memory(memory.base(), memory.size()).ok());
  CHECK(heard.what == std::vector<std::string>{"came 2 " + std::to_string(32 << 20), "goes 2"});
  CHECK(heap->remove_listener("device").ok());
}

TEST_CASE("a file mapping: objects are the file's bytes") {
  char path[] = "/tmp/fastmem_caller_XXXXXX";
  const int fd = mkstemp(path);
  REQUIRE(fd >= 0);
  unlink(path);
  REQUIRE(ftruncate(fd, 2 << 20) == 0);
  {
    const CallerHeap heap;
    const Mapped memory(kMiB * 2, MAP_SHARED, fd);
    REQUIRE(memory.there());
    REQUIRE(heap.add(memory.base(), memory.size()).ok());
    auto* const p = static_cast<char*>(heap->alloc(100));
    std::strcpy(p, "written through the heap");
    char read_back[100] = {};
    CHECK(pread(fd, read_back, sizeof(read_back), static_cast<std::byte*>(static_cast<void*>(p)) - memory.at(0)) ==
          100);
    CHECK(std::string(read_back) == "written through the heap");
    heap->free(p);
    use_up(heap, memory);
  }
  close(fd);
}

TEST_CASE("hugetlb memory with its page size") {
  const HugePages pages = read_huge_pages(kMiB * 2);
  if (!pages.supported || pages.usable(kAnyNode) < 2) FM_SKIP("2 free hugepages of 2 MiB are needed");
  const Mapped memory(kMiB * 4, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB);
  if (!memory.there()) FM_SKIP("hugepages went meanwhile");
  const CallerHeap heap;
  const std::vector<Iova> iovas = {Iova{10 << 21}, Iova{99 << 21}};
  REQUIRE(heap.add(memory.base(), memory.size(), iovas, kMiB * 2).ok());
  use_up(heap, memory);
  RegionStats regions[2];
  REQUIRE(heap->regions(regions) == 1);
  CHECK(regions[0].page_size == kMiB * 2);
}

TEST_CASE("many pieces, taken away in any order; those in use stay") {
  const CallerHeap heap;
  const Mapped memory(kMiB * 8);
  constexpr std::size_t kPiece = 1 << 18;
  for (std::size_t i = 0; i < memory.size().rep / kPiece; i += 2) {
    REQUIRE(heap.add(memory.at(i * kPiece), Bytes{kPiece}).ok());
  }
  CHECK(heap->stats().regions == 16);
  std::vector<void*> objects;
  while (void* const p = heap->alloc(60'000)) objects.push_back(p);
  std::vector<bool> in_use(32);
  for (std::size_t i = 0; i < objects.size(); ++i) {
    const auto piece = static_cast<std::size_t>(static_cast<std::byte*>(objects[i]) - memory.at(0)) / kPiece;
    if (piece % 4 == 0) {
      in_use[piece] = true;
    } else {
      heap->free(objects[i]);
      objects[i] = nullptr;
    }
  }
  for (std::size_t piece = 0; piece < 32; piece += 2) {
    const ErrorCode code = heap->remove_memory(memory.at(piece * kPiece), Bytes{kPiece}).code;
    CHECK(code == (in_use[piece] ? ErrorCode::kBusy : ErrorCode::kOk));
  }
  heap->check_invariants();
  for (void* const p : objects) heap->free(p);
  for (std::size_t piece = 0; piece < 32; piece += 2) {
    if (in_use[piece]) CHECK(heap->remove_memory(memory.at(piece * kPiece), Bytes{kPiece}).ok());
  }
  CHECK(heap->stats().backing == Bytes{0});
}

TEST_CASE("what other threads' caches hold comes back first") {
  const CallerHeap heap;
  const Mapped memory(kMiB * 2);
  REQUIRE(heap.add(memory.base(), memory.size()).ok());
  std::atomic<int> step{0};
  std::thread other([&] {
    heap->free(heap->alloc(64));
    step = 1;
    while (step != 2) std::this_thread::yield();
  });
  while (step != 1) std::this_thread::yield();
  heap->free(heap->alloc(64));
  CHECK(heap->remove_memory(memory.base(), memory.size()).ok());
  step = 2;
  other.join();
  REQUIRE(heap.add(memory.base(), memory.size()).ok());
  use_up(heap, memory);
}

TEST_CASE("detached memory gives nothing; its objects live, are known and are freed; attached it serves again") {
  const CallerHeap heap;
  const Mapped first(kMiB * 2);
  const Mapped second(kMiB * 2);
  REQUIRE(heap.add(first.base(), first.size()).ok());
  std::vector<void*> objects;
  for (unsigned i = 0; i < 50; ++i) {
    objects.push_back(heap->alloc(100));
    objects.push_back(heap->alloc(3000));
  }
  void* const large = heap->alloc(200'000);
  REQUIRE(large != nullptr);
  std::memset(large, 1, 200'000);
  CHECK(heap->attach_memory(first.base(), first.size()).code == ErrorCode::kBusy);
  REQUIRE(heap->detach_memory(first.base(), first.size()).ok());
  CHECK(heap->detach_memory(first.base(), first.size()).code == ErrorCode::kBusy);
  heap->check_invariants();
  CHECK(heap->alloc(100) == nullptr);
  CHECK(heap->alloc(16) == nullptr);
  REQUIRE(heap.add(second.base(), second.size()).ok());
  for (unsigned i = 0; i < 200; ++i) {
    void* const p = heap->alloc(100);
    REQUIRE(p != nullptr);
    REQUIRE(second.holds(p, 100));
    objects.push_back(p);
  }
  CHECK(heap->usable_size(objects[1]) >= 3000);
  CHECK(heap->usable_size(static_cast<char*>(objects[1]) + 1) == 0);
  void* const moved = heap->realloc(large, 300'000, 0);
  REQUIRE(moved != nullptr);
  CHECK(second.holds(moved, 300'000));
  CHECK(all_bytes(moved, 200'000, 1));
  CHECK(heap->free(moved) == ErrorCode::kOk);
  const HeapStats before = heap->stats();
  CHECK(before.allocs - before.frees == objects.size());
  // Freed one by one: none of it is handed out again.
  for (unsigned i = 0; i < 100; ++i) {
    CHECK(heap->free(objects[i]) == ErrorCode::kOk);
    void* const p = heap->alloc(i % 2 == 0 ? 100 : 3000);
    REQUIRE(p != nullptr);
    CHECK(second.holds(p, 100));
    objects[i] = p;
  }
  const HeapStats s = heap->stats();
  CHECK(s.allocs - s.frees == objects.size());
  CHECK(s.misuses == 0);
  heap->check_invariants();

  SUBCASE("it can be taken away while detached") {
    CHECK(heap->remove_memory(first.base(), first.size()).ok());
    CHECK(heap->stats().backing == second.size());
  }
  SUBCASE("attached again it serves") {
    REQUIRE(heap->attach_memory(first.base(), first.size()).ok());
    heap->check_invariants();
    bool seen = false;
    while (void* const p = heap->alloc(3000)) {
      seen |= first.holds(p, 3000);
      objects.push_back(p);
    }
    CHECK(seen);
  }
  SUBCASE("busy while an object of it is in use, and still detached then") {
    REQUIRE(heap->attach_memory(first.base(), first.size()).ok());
    void* p = heap->alloc(3000);
    while (p != nullptr && !first.holds(p, 3000)) objects.push_back(std::exchange(p, heap->alloc(3000)));
    REQUIRE(p != nullptr);
    REQUIRE(heap->detach_memory(first.base(), first.size()).ok());
    CHECK(heap->remove_memory(first.base(), first.size()).code == ErrorCode::kBusy);
    CHECK(heap->attach_memory(first.base(), first.size()).ok());
    objects.push_back(p);
  }
  for (void* const p : objects) REQUIRE(heap->free(p) == ErrorCode::kOk);
  CHECK(heap->stats().in_use == Bytes{0});
  heap->check_invariants();
}

TEST_CASE("a large object in detached memory lives, grows elsewhere, and its place is nobody's when it is freed") {
  const CallerHeap heap;
  const Mapped first(kMiB * 16);
  const Mapped second(kMiB * 16);
  REQUIRE(heap.add(first.base(), first.size()).ok());
  void* const stays = heap->alloc(3 << 20);
  void* const moves = heap->alloc(2 << 20);
  std::memset(moves, 5, 2 << 20);
  REQUIRE(heap->detach_memory(first.base(), first.size()).ok());
  CHECK(heap->alloc(2 << 20) == nullptr);
  REQUIRE(heap.add(second.base(), second.size()).ok());
  void* const moved = heap->realloc(moves, 4 << 20, 0);
  REQUIRE(second.holds(moved, 4 << 20));
  CHECK(all_bytes(moved, 2 << 20, 5));
  CHECK(heap->usable_size(stays) == 3 << 20);
  CHECK(heap->remove_memory(first.base(), first.size()).code == ErrorCode::kBusy);
  CHECK(heap->free(stays) == ErrorCode::kOk);
  CHECK(heap->free(stays) == ErrorCode::kForeignPointer);
  heap->check_invariants();
  while (void* const p = heap->alloc(2 << 20)) CHECK(second.holds(p, 2 << 20));
  SUBCASE("and all of it is free memory again when it is attached") {
    REQUIRE(heap->attach_memory(first.base(), first.size()).ok());
    heap->check_invariants();
    void* const all = heap->alloc(first.size().rep);
    CHECK(all == first.base());
    heap->free(all);
  }
  CHECK(heap->remove_memory(first.base(), first.size()).ok());
}

TEST_CASE("memory that reads 0 is not zeroed again, other memory is") {
  const CallerHeap heap;
  const Mapped dirty(kMiB * 4);
  std::memset(dirty.base(), 7, dirty.size().rep);
  REQUIRE(heap.add(dirty.base(), dirty.size()).ok());
  void* const p = heap->alloc_with(3 << 20, 0, kZero);
  REQUIRE(p != nullptr);
  CHECK(all_bytes(p, 3 << 20, 0));
  heap->free(p);
  REQUIRE(heap->detach_memory(dirty.base(), dirty.size()).ok());
  const Mapped clean(kMiB * 4);
  CallerMemory brought;
  brought.base = clean.base();
  brought.size = clean.size();
  brought.zeroed = true;
  REQUIRE(heap->add_memory(brought).ok());
  void* const q = heap->alloc_with(3 << 20, 0, kZero);
  REQUIRE(clean.holds(q, 3 << 20));
  CHECK(all_bytes(q, 3 << 20, 0));
  unsigned char resident[1024];
  REQUIRE(mincore(clean.base(), clean.size().rep, resident) == 0);
}

TEST_CASE("a double free in detached memory is noticed") {
  const CallerHeap heap;
  const Mapped memory(kMiB * 2);
  REQUIRE(heap.add(memory.base(), memory.size()).ok());
  void* const p = heap->alloc(3000);
  REQUIRE(heap->detach_memory(memory.base(), memory.size()).ok());
  CHECK(heap->free(p) == ErrorCode::kOk);
  CHECK(heap->free(p) == ErrorCode::kDoubleFree);
  CHECK(heap->stats().misuses == 1);
}

TEST_CASE("memory comes, is set aside and goes while threads allocate") {
  const CallerHeap heap;
  const Mapped stays(kMiB * 4);
  const Mapped comes(kMiB * 4);
  REQUIRE(heap.add(stays.base(), stays.size()).ok());
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  std::atomic<unsigned> wrong{0};
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      std::vector<void*> mine;
      for (unsigned i = t; !stop; ++i) {
        const std::size_t size = std::size_t{16} << (i * 7 % 11);
        if (void* const p = heap->alloc(size)) {
          std::memset(p, static_cast<int>(t), size);
          mine.push_back(p);
        }
        if (mine.size() < 40) continue;
        for (void* const p : mine) {
          if (*static_cast<unsigned char*>(p) != t || heap->free(p) != ErrorCode::kOk) ++wrong;
        }
        mine.clear();
      }
      for (void* const p : mine) heap->free(p);
    });
  }
  unsigned removed = 0;
  for (unsigned round = 0; round < 60; ++round) {
    if (!heap.add(comes.base(), comes.size()).ok()) break;
    std::this_thread::yield();
    heap->detach_memory(comes.base(), comes.size());
    if (round % 2 == 0) heap->attach_memory(comes.base(), comes.size());
    if (round % 2 == 0) heap->detach_memory(comes.base(), comes.size());
    // Nothing new comes from it: in the end it is free.
    while (!heap->remove_memory(comes.base(), comes.size()).ok()) std::this_thread::yield();
    ++removed;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(removed == 60);
  CHECK(wrong == 0);
  heap->check_invariants();
  CHECK(heap->stats().in_use == Bytes{0});
}

TEST_CASE("memory without IOVAs does not stand in the way of memory that has them") {
  const CallerHeap heap;
  const Mapped with(kMiB * 4);
  const Mapped without(kMiB * 2);
  std::vector<Iova> iovas;
  for (std::size_t page = 0; page < with.size() / (kKiB * 4); ++page) iovas.push_back(Iova{(1 << 20) + page * 4096});
  REQUIRE(heap.add(without.base(), without.size()).ok());
  CHECK(heap->alloc(Request{.size = 3 << 19, .flags = kContiguous}) == nullptr);
  CHECK(last_error().code != ErrorCode::kNoMemory);  // it is IOVAs that are missing
  REQUIRE(heap.add(with.base(), with.size(), iovas).ok());
  void* const p = heap->alloc(Request{.size = 3 << 19, .flags = kContiguous});
  REQUIRE(p != nullptr);
  CHECK(with.holds(p, 3 << 19));
  CHECK(heap->iova_contiguous(p, Bytes{3 << 19}).value());
  CHECK(heap->free(p) == ErrorCode::kOk);
  for (unsigned i = 0; i < 80; ++i) {  // each has a granule of its own
    void* const small = heap->alloc(Request{.size = 10'000, .flags = kContiguous});
    REQUIRE(small != nullptr);
    REQUIRE(with.holds(small, 10'000));
    if (i % 2 != 0) REQUIRE(heap->free(small) == ErrorCode::kOk);
  }
  heap->check_invariants();
}

TEST_CASE("detached memory lends nothing while it is asked to go, and goes once it is empty") {
  const CallerHeap heap;
  const Mapped first(kMiB * 4);
  const Mapped second(kMiB * 4);
  REQUIRE(heap.add(first.base(), first.size()).ok());
  void* const kept = heap->alloc(2 << 20);
  void* const small = heap->alloc(4000);
  REQUIRE((first.holds(kept, 1) && first.holds(small, 1)));
  REQUIRE(heap.add(second.base(), second.size()).ok());
  void* const rest = heap->alloc(3 << 20);  // an object of 1.5 MiB has room in the first one only
  REQUIRE(second.holds(rest, 1));
  std::atomic<bool> detached{false};
  std::atomic<bool> done{false};
  std::atomic<unsigned> lent{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      while (!done) {
        const bool was = detached;
        const std::size_t size = t == 0 ? 3 << 19 : 5000;
        void* const p = heap->alloc(size);
        if (p == nullptr) continue;
        // An object that a cache had from before may still be had.
        if (was && size > kMaxSize && detached && first.holds(p, 1)) ++lent;
        heap->free(p);
      }
    });
  }
  for (unsigned round = 0; round < 50; ++round) {
    while (!heap->detach_memory(first.base(), first.size()).ok()) {
    }
    detached = true;
    for (unsigned i = 0; i < 20; ++i) CHECK(heap->remove_memory(first.base(), first.size()).code == ErrorCode::kBusy);
    detached = false;
    REQUIRE(heap->attach_memory(first.base(), first.size()).ok());
  }
  while (!heap->detach_memory(first.base(), first.size()).ok()) {
  }
  detached = true;
  heap->free(kept);
  heap->free(small);
  heap->free(rest);
  while (!heap->remove_memory(first.base(), first.size()).ok()) std::this_thread::yield();
  done = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(lent == 0);
  heap->check_invariants();
  CHECK(heap->memory_stats(kAnyNode)->total == second.size());
  heap->flush();
  CHECK(heap->stats().in_use == Bytes{0});
  CHECK(heap->remove_memory(second.base(), second.size()).ok());
  CHECK(heap->memory_stats(kAnyNode)->total == Bytes{0});
  CHECK(heap->stats().slabs == Bytes{0});
}

}  // namespace
}  // namespace fastmem::core
