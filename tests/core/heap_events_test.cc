// SPDX-License-Identifier: BSD-3-Clause
// Who listens hears of each region once when it came and once before it goes, may refuse it, and reaches no heap from a
// callback.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/core/test_heap.h"
#include "tests/support/child_process.h"

namespace fastmem::core {
namespace {

// Writes down what it is told, and holds it against the backing.
class Recorder {
 public:
  explicit Recorder(TestHeap& heap, std::string name = "recorder", bool wants_iovas = false)
      : heap_(heap), name_(std::move(name)), wants_iovas_(wants_iovas) {}

  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;
  ~Recorder() {
    log = nullptr;
    on_goes = nullptr;
    heap_->remove_listener(name_.c_str());
  }

  MemoryListener listener() {
    MemoryListener l;
    l.name = name_.c_str();
    l.context = this;
    l.wants_iovas = wants_iovas_;
    l.came = [](const MemoryEvent& memory, void* context) { return static_cast<Recorder*>(context)->came(memory); };
    l.goes = [](const MemoryEvent& memory, void* context) { static_cast<Recorder*>(context)->goes(memory); };
    l.may_grow = [](NodeId at, Bytes size, Bytes held_now, void* context) {
      return static_cast<Recorder*>(context)->may_grow(at, size, held_now);
    };
    l.removed = [](void* context) { ++static_cast<Recorder*>(context)->removed; };
    return l;
  }

  // What a test wants a callback to answer; unset: yes.
  std::function<Error()> on_came;
  std::function<void()> on_goes;
  std::function<Error(NodeId, Bytes, Bytes)> on_may_grow;

  std::map<void*, Bytes> held;
  std::vector<std::string>* log = nullptr;
  std::atomic<unsigned> cames{0};
  std::atomic<unsigned> inside{0};
  unsigned removed = 0;
  unsigned asked = 0;

  bool hears_what_is_held() const {
    std::map<void*, Bytes> there;
    for (const Region& region : heap_.backing.live()) there[region.base] = region.size;
    return there == held;
  }

 private:
  Error came(const MemoryEvent& memory) {
    FM_CHECK(inside++ == 0);
    if (log != nullptr) log->push_back(name_ + " came");
    ++cames;
    const Region region = heap_.backing.region_of(memory.base);
    FM_CHECK(region.base == memory.base && region.size == memory.size && region.node == memory.node);
    FM_CHECK(region.page_size == memory.page_size);
    FM_CHECK(region.fd == memory.fd && region.fd_offset == memory.fd_offset);
    check_iovas(memory);
    const Error answer = on_came ? on_came() : Error{};
    if (answer.ok()) FM_CHECK(held.emplace(memory.base, memory.size).second);
    --inside;
    return answer;
  }
  void goes(const MemoryEvent& memory) {
    FM_CHECK(inside++ == 0);
    if (log != nullptr) log->push_back(name_ + " goes");
    FM_CHECK(held.at(memory.base) == memory.size);
    FM_CHECK(heap_.backing.region_of(memory.base).size == memory.size);  // it is there still
    check_iovas(memory);
    held.erase(memory.base);
    if (on_goes) on_goes();
    --inside;
  }
  Error may_grow(NodeId at, Bytes size, Bytes held_now) {
    FM_CHECK(inside == 0);
    ++asked;
    return on_may_grow ? on_may_grow(at, size, held_now) : Error{};
  }
  void check_iovas(const MemoryEvent& memory) const {
    if (!wants_iovas_) FM_CHECK(memory.iovas.empty());
    if (!wants_iovas_) return;
    FM_CHECK(memory.iovas.size() == memory.size / memory.page_size);
    for (std::size_t i = 0; i < memory.iovas.size(); ++i) {
      FM_CHECK(memory.iovas[i] ==
               heap_.backing.expected_iova(static_cast<std::byte*>(memory.base) + i * memory.page_size.rep));
    }
  }

  TestHeap& heap_;
  std::string name_;
  bool wants_iovas_;
};

void* take_large(TestHeap& heap, std::size_t size = kMaxSize) { return heap->alloc(size); }
std::vector<void*> fill(TestHeap& heap, unsigned objects) {
  std::vector<void*> all;
  while (all.size() < objects) all.push_back(take_large(heap));
  return all;
}
void empty(TestHeap& heap, const std::vector<void*>& all) {
  for (void* const p : all) CHECK(heap->free(p) == ErrorCode::kOk);
  heap->trim();
}
bool says(const Error& error, const char* part) { return std::string(error.text).find(part) != std::string::npos; }

TEST_CASE("what comes and goes is told, in the order of the listeners and back") {
  TestHeap::Setup setup;
  setup.backing.fd = 42;
  TestHeap heap(setup);
  std::vector<std::string> log;
  Recorder a(heap, "a"), b(heap, "b");
  a.log = b.log = &log;
  CHECK_FALSE(heap->has_listeners());
  REQUIRE(heap->add_listener(a.listener()).ok());
  REQUIRE(heap->add_listener(b.listener()).ok());
  CHECK(heap->has_listeners());
  const std::vector<void*> all = fill(heap, 10);
  CHECK(a.held.size() == heap.backing.regions());
  CHECK(a.held.size() > 1);
  CHECK(a.hears_what_is_held());
  CHECK(b.hears_what_is_held());
  CHECK(log[0] == "a came");
  CHECK(log[1] == "b came");
  log.clear();
  empty(heap, all);
  CHECK(heap.backing.regions() == 0);
  CHECK(a.held.empty());
  CHECK(b.held.empty());
  CHECK(log[0] == "b goes");
  CHECK(log[1] == "a goes");
  CHECK(heap->remove_listener("a").ok());
  CHECK(a.removed == 1);
  CHECK(heap->alloc(1) != nullptr);
  CHECK(a.held.empty());
  CHECK(b.held.size() == 1);
  CHECK(heap->remove_listener("b").ok());
  CHECK_FALSE(heap->has_listeners());
}

TEST_CASE("a listener hears of what is held when it comes, and of what is held when it goes") {
  TestHeap heap;
  const std::vector<void*> all = fill(heap, 10);
  Recorder a(heap);
  REQUIRE(heap->add_listener(a.listener()).ok());
  CHECK(a.hears_what_is_held());
  CHECK(a.cames == heap.backing.regions());
  REQUIRE(heap->remove_listener("recorder").ok());
  CHECK(a.held.empty());
  CHECK(a.removed == 1);
  empty(heap, all);
}

TEST_CASE("a heap that is destroyed tells what goes, and that the listener is not called any more") {
  TestHeap heap;
  Recorder a(heap);
  REQUIRE(heap->add_listener(a.listener()).ok());
  fill(heap, 10);
  CHECK_FALSE(a.held.empty());
  heap.heap->destroy();
  CHECK(a.held.empty());
  CHECK(a.removed == 1);
  HeapConfig config;
  config.backing = &heap.backing;
  config.topology = &heap.topology;
  heap.heap = Heap::create(config).value();  // for the destructor
}

TEST_CASE("names, room and callbacks are checked") {
  TestHeap heap;
  Recorder a(heap);
  MemoryListener l = a.listener();
  CHECK(heap->add_listener(l).ok());
  CHECK(heap->add_listener(l).code == ErrorCode::kExists);
  CHECK(heap->remove_listener("nobody").code == ErrorCode::kNotFound);
  CHECK(heap->remove_listener(nullptr).code == ErrorCode::kNotFound);
  l.name = "";
  CHECK(heap->add_listener(l).code == ErrorCode::kInvalid);
  l.name = nullptr;
  CHECK(heap->add_listener(l).code == ErrorCode::kInvalid);
  const std::string longest(31, 'x');
  l.name = longest.c_str();
  CHECK(heap->add_listener(l).ok());
  CHECK(heap->remove_listener(longest.c_str()).ok());
  const std::string too_long(32, 'x');
  l.name = too_long.c_str();
  CHECK(heap->add_listener(l).code == ErrorCode::kInvalid);
  MemoryListener none;
  none.name = "none";
  CHECK(heap->add_listener(none).code == ErrorCode::kInvalid);
  for (char c = 'a'; c < 'h'; ++c) {
    const std::string name(1, c);
    l.name = name.c_str();
    CHECK(heap->add_listener(l).ok());
  }
  l.name = "ninth";
  const Error full = heap->add_listener(l);
  CHECK(full.code == ErrorCode::kNoSpace);
  CHECK(says(full, "at most 8"));
  CHECK(heap->remove_listener("c").ok());
  CHECK(heap->add_listener(l).ok());
  for (const char* const name : {"recorder", "a", "b", "d", "e", "f", "g", "ninth"}) {
    CHECK(heap->remove_listener(name).ok());
  }
  CHECK_FALSE(heap->has_listeners());
}

TEST_CASE("a veto: those told before are told back, the region goes, and its sentence is the allocation's") {
  TestHeap heap;
  std::vector<std::string> log;
  Recorder a(heap, "a"), b(heap, "b"), c(heap, "c");
  a.log = b.log = c.log = &log;
  for (Recorder* const r : {&a, &b, &c}) REQUIRE(heap->add_listener(r->listener()).ok());
  b.on_came = [] { return make_error(ErrorCode::kNoSpace, "the device has no place for it"); };
  CHECK(heap->alloc(100) == nullptr);
  CHECK(last_error().code == ErrorCode::kNoMemory);
  CHECK(says(last_error(), "b: the device has no place for it"));
  CHECK(log == std::vector<std::string>{"a came", "b came", "a goes"});
  CHECK(heap.backing.regions() == 0);
  CHECK(heap->stats().regions == 0);
  heap.check_laws(0);
  const Error reserved = heap->reserve(kMiB * 2, kAnyNode);
  CHECK(reserved.code == ErrorCode::kNoMemory);
  CHECK(says(reserved, "b: the device has no place for it"));
  b.on_came = nullptr;
  REQUIRE(heap->reserve(kMiB * 2, kAnyNode).ok());
  void* const p = heap->alloc(100);
  CHECK(p != nullptr);
  CHECK(c.hears_what_is_held());
  heap->free(p);
  heap.check_laws(0);
}

TEST_CASE("an error without a sentence is put into words") {
  TestHeap heap;
  Recorder a(heap);
  a.on_came = [] {
    Error error;
    error.code = ErrorCode::kPermission;
    return error;
  };
  REQUIRE(heap->add_listener(a.listener()).ok());
  CHECK(heap->alloc(100) == nullptr);
  CHECK(says(last_error(), "recorder: no permission"));
}

TEST_CASE("who refuses what is held when it is added hears of none of it, and is not added") {
  TestHeap heap;
  const std::vector<void*> all = fill(heap, 12);
  REQUIRE(heap.backing.regions() >= 3);
  Recorder a(heap);
  a.on_came = [&] { return a.cames < 3 ? Error{} : make_error(ErrorCode::kNoSpace, "two are enough"); };
  const Error error = heap->add_listener(a.listener());
  CHECK(error.code == ErrorCode::kNoSpace);
  CHECK(says(error, "recorder: two are enough"));
  CHECK(a.held.empty());
  CHECK(a.removed == 0);
  CHECK_FALSE(heap->has_listeners());
  empty(heap, all);
}

TEST_CASE("a validator is asked before the backing is, and a refusal ends with its removal") {
  TestHeap heap;
  Recorder a(heap);
  a.on_may_grow = [&](NodeId at, Bytes size, Bytes held) {
    CHECK(at == node(0));
    CHECK(size == kMiB * 4);
    return held < kMiB * 8 ? Error{} : make_error(ErrorCode::kNoMemory, "8 MiB are the budget of this program");
  };
  REQUIRE(heap->add_listener(a.listener()).ok());
  std::vector<void*> all;
  while (void* const p = take_large(heap)) all.push_back(p);
  CHECK(heap.backing.held() == kMiB * 8);
  CHECK(heap.backing.refusals() == 0);
  CHECK(says(last_error(), "8 MiB are the budget of this program"));
  for (unsigned i = 0; i < 20; ++i) CHECK(take_large(heap) == nullptr);
  REQUIRE(heap->remove_listener("recorder").ok());
  CHECK(take_large(heap) != nullptr);
}

TEST_CASE("device addresses: a table for each region, of one run or of many, the same when it goes") {
  for (const bool scattered : {false, true}) {
    CAPTURE(scattered);
    TestHeap heap;
    if (scattered) heap.backing.set_iova([](std::size_t page) { return Iova{(page ^ 1) << 12 | 1ull << 44}; });
    void* const before = heap->alloc(100);
    if (scattered) CHECK(heap->iova_of(before) != kBadIova);
    Recorder plain(heap, "plain"), with(heap, "with", true);
    REQUIRE(heap->add_listener(plain.listener()).ok());
    REQUIRE(heap->add_listener(with.listener()).ok());
    std::vector<void*> all = fill(heap, 10);
    CHECK(with.hears_what_is_held());
    const unsigned asked = heap.backing.iova_calls();
    CHECK(asked == heap.backing.regions());
    for (void* const p : all) CHECK(heap->iova_of(p) == heap.backing.expected_iova(p));
    CHECK(heap.backing.iova_calls() == asked);
    all.push_back(before);
    empty(heap, all);
    CHECK(with.held.empty());
  }
}

TEST_CASE("where no device address is to be had, growth says why") {
  TestHeap heap;
  Recorder with(heap, "with", true);
  heap.backing.refuse_iova(ErrorCode::kPermission);
  REQUIRE(heap->add_listener(with.listener()).ok());
  CHECK(heap->alloc(100) == nullptr);
  CHECK(says(last_error(), "told to refuse IOVAs"));
  CHECK(with.cames == 0);
  CHECK(heap.backing.regions() == 0);
  REQUIRE(heap->remove_listener("with").ok());
  CHECK(heap->alloc(100) != nullptr);
  const Error late = heap->add_listener(with.listener());
  CHECK(late.code == ErrorCode::kPermission);
  CHECK_FALSE(heap->has_listeners());
}

// Everything that takes or gives memory, or one of the heap's locks. `inside`: objects that are the caller's.
void call_everything(Heap& heap, Handle handle, void* object, void* sized, void* of_handle) {
  void* out[4] = {};
  const auto refused = [&] {
    const bool is = last_error().code == ErrorCode::kReentered && says(last_error(), "callback");
    fail(ErrorCode::kOk, "-");
    return is;
  };
  CHECK(heap.alloc(100) == nullptr);
  CHECK(refused());
  CHECK(heap.alloc_with(100, 64, kZero) == nullptr);
  CHECK(refused());
  CHECK(heap.alloc(handle) == nullptr);
  CHECK(refused());
  CHECK(heap.alloc_with(handle, kZero) == nullptr);
  CHECK(refused());
  CHECK(heap.alloc_bulk(out, 4, 100) == ErrorCode::kReentered);
  CHECK(heap.alloc_bulk(out, 4, 100, 64, 0, kAnyNode) == ErrorCode::kReentered);
  CHECK(heap.alloc_bulk(handle, out, 4) == ErrorCode::kReentered);
  CHECK(out[0] == nullptr);
  CHECK(refused());
  CHECK(heap.free(object) == ErrorCode::kReentered);
  CHECK(refused());
  CHECK(heap.free_sized(sized, 100) == ErrorCode::kReentered);
  CHECK(heap.free(handle, of_handle) == ErrorCode::kReentered);
  CHECK(heap.free_bulk(&object, 1) == ErrorCode::kReentered);
  CHECK(heap.free_bulk(handle, &of_handle, 1) == ErrorCode::kReentered);
  CHECK(refused());
  CHECK(heap.realloc(object, 100, 0) == nullptr);  // even where it would stay
  CHECK(refused());
  CHECK(heap.realloc(object, 5000, 0) == nullptr);
  CHECK(heap.realloc(nullptr, 5000, 0) == nullptr);
  CHECK(heap.realloc(object, 0, 0) == nullptr);
  CHECK(refused());
  CHECK(heap.alloc(Request{.size = kMaxSize * 3}) == nullptr);
  CHECK(refused());
  CHECK(heap.alloc(Request{.size = 100, .flags = kContiguous}) == nullptr);
  CHECK(refused());
  const auto first = *static_cast<unsigned char*>(object);
  CHECK(heap.free_sensitive(object) == ErrorCode::kReentered);
  CHECK(*static_cast<unsigned char*>(object) == first);
  CHECK(heap.set_floor(kMiB, kAnyNode).code == ErrorCode::kReentered);
  CHECK(heap.set_floor(Bytes{}, kAnyNode).code == ErrorCode::kReentered);
  heap.set_total_limit(kMiB);
  CHECK(refused());
  CHECK(heap.memory_stats(kAnyNode).code() == ErrorCode::kReentered);
  CHECK(heap.reserve(kMiB * 2, kAnyNode).code == ErrorCode::kReentered);
  CHECK(heap.set_limit(kMiB, kAnyNode).code == ErrorCode::kReentered);
  CHECK(heap.trim() == Bytes{});
  CHECK(refused());
  heap.flush();
  CHECK(refused());
  CHECK(heap.stats().backing == Bytes{});
  CHECK(refused());
  CHECK(heap.class_stats(16).code() == ErrorCode::kReentered);
  CHECK(heap.slot_stats(1).code() == ErrorCode::kReentered);
  CHECK(heap.slot_class_stats(1, 16).code() == ErrorCode::kReentered);
  heap.reset_stats();
  CHECK(refused());
  MemoryListener l;
  l.name = "inner";
  l.goes = [](const MemoryEvent&, void*) {};
  CHECK(heap.add_listener(l).code == ErrorCode::kReentered);
  CHECK(heap.remove_listener("recorder").code == ErrorCode::kReentered);
  HeapConfig config;
  CHECK(Heap::create(config).code() == ErrorCode::kReentered);
  heap.destroy();
  CHECK(refused());
  // What only looks up answers.
  CHECK(heap.usable_size(object) >= 100);
  CHECK(heap.iova_of(object) != kBadIova);
  CHECK(heap.handle(100, 0, kAnyNode).ok());
}

TEST_CASE("no callback reaches a heap, its own or another, and everything works when it has returned") {
  TestHeap heap, other;
  const Result<Handle> handle = heap->handle(100, 0, kAnyNode);
  const Result<Handle> others_handle = other->handle(100, 0, kAnyNode);
  // In the caches there is more of each: hits would be served.
  std::vector<void*> warm;
  for (unsigned i = 0; i < 64; ++i) warm.push_back(heap->alloc(100));
  void* const object = warm.back();
  for (unsigned i = 0; i < 32; ++i) CHECK(heap->free(warm[i]) == ErrorCode::kOk);
  warm.erase(warm.begin(), warm.begin() + 32);
  void* const others = other->alloc(100);
  CHECK(heap->iova_of(object) != kBadIova);  // from now on they are known
  CHECK(other->iova_of(others) != kBadIova);
  std::memset(object, 0x5a, 100);
  std::memset(others, 0x5a, 100);
  void* const large = heap->alloc(kMaxSize * 2);
  Recorder a(heap);
  unsigned calls = 0;
  const auto reenter = [&] {
    ++calls;
    CHECK(heap->free(large) == ErrorCode::kReentered);
    CHECK(heap->realloc(large, kMaxSize * 3, 0) == nullptr);
    call_everything(*heap.heap, handle.value(), object, object, object);
    call_everything(*other.heap, others_handle.value(), others, others, others);
    CHECK(claim_thread_slot() == kNoSlot);
  };
  a.on_may_grow = [&](NodeId, Bytes, Bytes) { return reenter(), Error{}; };
  a.on_came = [&] { return reenter(), Error{}; };
  a.on_goes = reenter;
  const SlotId slot = claim_thread_slot();
  REQUIRE(heap->add_listener(a.listener()).ok());
  CHECK(calls == 1);  // a region that was held
  std::vector<void*> all = fill(heap, 5);
  CHECK(calls >= 3);
  REQUIRE(heap->reserve(kMiB * 32, kAnyNode).ok());
  CHECK(claim_thread_slot() == slot);
  for (void* const p : warm) CHECK(heap->free(p) == ErrorCode::kOk);
  CHECK(other->free(others) == ErrorCode::kOk);
  CHECK(heap->free(large) == ErrorCode::kOk);
  calls = 0;
  a.on_goes = [&] { ++calls; };
  empty(heap, all);
  CHECK(calls > 5);
  heap.check_laws(0);
  other.check_laws(0);
}

TEST_CASE("goes() does not reach the heap, while it trims, loses the listener or comes to its end") {
  TestHeap heap;
  void* const object = heap->alloc(100);
  std::memset(object, 0x5a, 100);
  CHECK(heap->iova_of(object) != kBadIova);
  const Result<Handle> handle = heap->handle(100, 0, kAnyNode);
  unsigned calls = 0;
  Recorder a(heap);
  a.on_goes = [&] {
    ++calls;
    call_everything(*heap.heap, handle.value(), object, object, object);
  };
  REQUIRE(heap->add_listener(a.listener()).ok());
  const std::vector<void*> all = fill(heap, 5);
  empty(heap, all);
  CHECK(calls >= 1);
  calls = 0;
  REQUIRE(heap->remove_listener("recorder").ok());
  CHECK(calls == 1);
}

TEST_CASE("growth by several threads and nodes while listeners come and go") {
  TestHeap::Setup setup;
  setup.nodes = {0, 1};
  setup.backing.window = kMiB * 512;
  TestHeap heap(setup);
  Recorder always(heap, "always"), now_and_then(heap, "now and then", true), refuses(heap, "refuses");
  std::atomic<unsigned> turn{0};
  refuses.on_came = [&] { return ++turn % 5 == 0 ? make_error(ErrorCode::kNoSpace, "every fifth") : Error{}; };
  REQUIRE(heap->add_listener(always.listener()).ok());
  REQUIRE(heap->add_listener(refuses.listener()).ok());
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      FakeTopology::run_on(node(t % 2));
      std::vector<void*> mine;
      for (unsigned round = 0; round < 40; ++round) {
        for (unsigned i = 0; i < 12; ++i) {
          void* const p = heap->alloc(t == 2 ? 3000 : kMaxSize);
          if (p != nullptr) mine.push_back(p);
        }
        for (void* const p : mine) heap->free(p);
        mine.clear();
        if (round % 4 == t) heap->trim();
        if (round % 16 == t) heap->reserve(kMiB * 16, kAnyNode);
      }
    });
  }
  std::thread comes_and_goes([&] {
    while (!done) {
      if (heap->add_listener(now_and_then.listener()).ok()) CHECK(heap->remove_listener("now and then").ok());
      CHECK(now_and_then.held.empty());
    }
  });
  for (std::thread& t : threads) t.join();
  done = true;
  comes_and_goes.join();
  CHECK(always.hears_what_is_held());
  CHECK(refuses.hears_what_is_held());
  CHECK(always.cames > 10);
  heap.check_laws(0);
  heap->trim();
  CHECK(always.held.empty());
}

TEST_CASE("a device address that nobody asked for is not asked for in a callback") {
  TestHeap heap;
  void* const object = heap->alloc(100);
  Recorder a(heap);
  a.on_came = [&] {
    CHECK(heap->iova_of(object) == kBadIova);
    CHECK(last_error().code == ErrorCode::kReentered);
    return Error{};
  };
  CHECK(heap->add_listener(a.listener()).ok());
  CHECK(heap->iova_of(object) != kBadIova);
}

TEST_CASE("pages that went back inside of regions come again for a listener, and stay while there is one") {
  TestHeap::Setup setup;
  setup.backing.discard_unit = kKiB * 64;
  setup.config.region_size = kMiB * 32;
  TestHeap heap(setup);
  void* const kept = heap->alloc(100);
  void* const large = heap->alloc(kMaxSize * 8);
  heap->free(large);
  CHECK(heap->trim() > kMiB * 8);
  CHECK(heap.backing.discarded() > kMiB * 8);

  heap.backing.refuse_restores(true);
  Recorder a(heap), b(heap, "b");
  const Error refused = heap->add_listener(a.listener());
  CHECK(refused.code == ErrorCode::kNoMemory);
  CHECK(says(refused, "told to refuse restores"));
  CHECK(a.cames == 0);
  CHECK_FALSE(heap->has_listeners());
  CHECK(heap.backing.discarded() > kMiB * 8);  // the heap is as it was, and so is what goes back

  heap.backing.refuse_restores(false);
  a.on_came = [&] {
    CHECK(heap.backing.discarded() == Bytes{});
    return Error{};
  };
  REQUIRE(heap->add_listener(a.listener()).ok());
  REQUIRE(heap->add_listener(b.listener()).ok());
  CHECK(a.hears_what_is_held());
  CHECK(heap->trim() == Bytes{});
  REQUIRE(heap->remove_listener("b").ok());
  CHECK(heap->trim() == Bytes{});
  REQUIRE(heap->remove_listener("recorder").ok());
  CHECK(heap->trim() > kMiB * 8);
  heap->free(kept);
}

TEST_CASE("pages go and come while listeners do, by several threads") {
  TestHeap::Setup setup;
  setup.backing.discard_unit = kKiB * 64;
  setup.config.region_size = kMiB * 8;
  TestHeap heap(setup);
  Recorder a(heap);
  a.on_came = [&] {
    CHECK(heap.backing.discarded() == Bytes{});
    return Error{};
  };
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      while (!done) {
        void* const small = heap->alloc(3000);
        void* const large = heap->alloc(kMaxSize * (2 + t));
        if (large != nullptr) std::memset(large, 1, kMaxSize * 2);
        heap->free(large);
        heap->trim();
        heap->free(small);
      }
    });
  }
  for (unsigned round = 0; round < 200; ++round) {
    REQUIRE(heap->add_listener(a.listener()).ok());
    REQUIRE(heap->remove_listener("recorder").ok());
  }
  done = true;
  for (std::thread& t : threads) t.join();
  CHECK(a.held.empty());
  heap->check_invariants();
}

TEST_CASE("a child of fork has no listeners, and its memory goes without a word; the parent's still listen") {
  TestHeap heap;
  Recorder a(heap);
  REQUIRE(heap->add_listener(a.listener()).ok());
  void* const inherited = heap->alloc(1000);
  const std::size_t before = a.held.size();
  const test::ChildResult result = test::run_in_child([&]() -> std::string {
    if (heap->has_listeners()) return "there are listeners";
    const std::vector<void*> all = fill(heap, 10);
    if (a.held.size() != before) return "it was told that memory came";
    for (void* const p : all) heap->free(p);
    heap->free(inherited);
    heap->trim();
    if (a.held.size() != before || a.removed != 0) return "it was told that memory went";
    return heap->add_listener(a.listener()).ok() ? "" : "no listener of its own";
  });
  CHECK(result.signal == 0);
  CHECK(result.text == "");
  const std::vector<void*> all = fill(heap, 10);
  CHECK(a.hears_what_is_held());
  heap->free(inherited);
  empty(heap, all);
}

TEST_CASE("forks while regions come and go with a listener") {
  TestHeap heap;
  Recorder a(heap);
  REQUIRE(heap->add_listener(a.listener()).ok());
  std::atomic<bool> done{false};
  std::thread busy([&] {
    while (!done) {
      std::vector<void*> mine;
      for (unsigned i = 0; i < 8; ++i) mine.push_back(heap->alloc(kMaxSize));
      for (void* const p : mine) heap->free(p);
      heap->trim();
    }
  });
  for (unsigned round = 0; round < 20; ++round) {
    const test::ChildResult result =
        test::run_in_child([&] { return std::string(heap->alloc(kMaxSize) != nullptr ? "" : "no object"); });
    CHECK(result.signal == 0);
    CHECK(result.text == "");
  }
  done = true;
  busy.join();
  CHECK(a.hears_what_is_held());
}

}  // namespace
}  // namespace fastmem::core
