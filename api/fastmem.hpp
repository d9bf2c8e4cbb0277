// SPDX-License-Identifier: BSD-3-Clause
/// @file fastmem.hpp
/// fastmem for C++20. The hot functions are inline: alloc, free, and their handle twins cost a few instructions.
///
/// Thread rules: every function from any thread at any time, but for a Heap's destruction. An object may be freed by
/// another thread than the one that allocated it. No function from a signal handler. No exceptions are thrown.
/// Errors: nullptr or an ErrorCode; last_error() has the calling thread's last one, with a sentence for people.
/// Units: fastmem::Bytes where a type says it, plain std::size_t bytes where C++ programs expect them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "backends/standalone/standalone_backing.h"
#include "core/heap.h"
#include "platform/log.h"

namespace fastmem {

using core::CallerMemory;
using core::ClassStats;
using core::HeapStats;
using core::IovaSegment;
using core::KindStats;
using core::MemoryEvent;
using core::MemoryListener;
using core::MemoryStats;
using core::Misuse;
using core::MisuseCallback;
using core::MisuseKind;
using core::MisuseReport;
using core::NodeStats;
using core::PressureCallback;
using core::PressureConfig;
using core::Profile;
using core::Request;
using core::set_misuse_callback;
using core::SlotStats;
using core::TraceTotals;
using core::WatermarkCallback;
using core::Zone;

inline constexpr unsigned kZero = core::kZero;        ///< every byte asked for reads 0
inline constexpr unsigned kStrict = core::kStrict;    ///< never another node than the one asked
inline constexpr unsigned kAnyKind = core::kAnyKind;  ///< what any node or kind holds comes before more of that asked
inline constexpr unsigned kContiguous = core::kContiguous;  ///< one run in IOVA space, or refused
inline constexpr std::size_t kMaxSize = core::kMaxSize;     ///< largest size that has a class, a cache and a handle
inline constexpr int kBelowLow = core::kBelowLow;           ///< free memory of the node fell below its low watermark
inline constexpr int kAboveHigh = core::kAboveHigh;         ///< it rose above its high watermark
inline constexpr int kSomePressure = core::kSomePressure;   ///< threads wait for memory: what is idle goes
inline constexpr int kFullPressure = core::kFullPressure;   ///< hardly anything else happens: all that is free goes

/// A kind of memory in a heap of several.
struct Kind {
  const char* tag = "";  ///< 1 .. 15 characters, unique in the heap
  PageKind pages = PageKind::kAuto;
  bool locked = false;           ///< as Config's
  NodeId node = kAnyNode;        ///< of the machine, where all of it lies; kAnyNode: every node has some
  bool only_when_named = false;  ///< never stands in for another kind; not the first one
  bool brought = false;          ///< has what Heap::add_memory() brings, and nothing else
  Bytes limit = kUnlimited;      ///< as Heap::set_limit(), for each of its nodes
};

/// What a heap is made of. The defaults suit a service on any machine.
struct Config {
  PageKind pages = PageKind::kAuto;
  IovaMode iova = IovaMode::kAuto;
  Profile profile = Profile::kFine;
  Misuse misuse = Misuse::kReport;
  std::size_t default_align = 16;   ///< when 0 is asked: a power of two, 16 .. 4096; 64 for cache lines
  Bytes region_size = kMiB * 128;   ///< largest growth step; less when memory is short
  Bytes first_region = kMiB * 4;    ///< first growth step; later ones a quarter of what the node holds
  Bytes cache_budget = kMiB * 128;  ///< most bytes that caches and depots together have room for; 0: nothing is cached
  Bytes address_space = {};         ///< most the heap can ever hold; 0: chosen from the machine
  Bytes limit_per_node = kUnlimited;

  /// How the memory is had: see StandaloneOptions in backends/standalone/standalone_backing.h, which say what each costs
  /// and which errors it brings. Texts are only looked at while the heap is made.
  FileKind files = FileKind::kNone;   ///< anonymous, or files that others can map
  const char* directory = nullptr;    ///< a hugetlbfs; nullptr: the mount for the page size
  const char* file_prefix = nullptr;  ///< of names in it; nullptr: "fastmem"
  bool keep_files = false;            ///< what is held when the process ends stays, and the next start reuses it, dirty
  Bytes preallocate = {};             ///< all the memory there will ever be, taken when the heap is made; 0: it grows
  std::uintptr_t base_address = 0;    ///< where the address space begins; 0: anywhere
  bool locked = false;                ///< small pages are locked in memory
  bool prefault = false;              ///< small pages are present when the heap grows, not when they are touched
  unsigned prefault_threads = 0;      ///< most threads that make pages present; 0: one for each CPU
  Progress progress = nullptr;        ///< told while much memory gets present; returning 0 stops it
  void* progress_context = nullptr;

  Backing* backing = nullptr;  ///< memory of your own (then `pages`, `iova`, `address_space`, `files` ... say nothing)
  const Topology* topology = nullptr;  ///< nullptr: this machine
  std::chrono::milliseconds decay{0};  ///< Heap::set_decay()
  PressureConfig pressure = {};        ///< when the kernel is to call: microseconds of stall within a window
  /// "off", "full", and options (core/checks.h); nullptr: what the environment's FASTMEM_CHECK says. Looked at while the
  /// heap is made.
  const char* check = nullptr;
  /// docs/hardening.md: "random,zero,guards,delay,encode,arena,sized", "all" or "none"; nullptr: what the environment's
  /// FASTMEM_HARDEN says, and without that none. Looked at while the heap is made.
  const char* harden = nullptr;
  /// Kinds of memory, the default one first, instead of `pages` and `locked`; looked at while the heap
  /// is made. Empty: there is one.
  std::span<const Kind> kinds = {};
};

/// A size class on a node, resolved once. Valid as long as its heap, shared freely between threads.
class Handle {
 public:
  Handle() = default;

 private:
  friend class Heap;
  explicit Handle(core::Handle h) : handle_(h) {}
  core::Handle handle_;
};

/// A heap. Movable; its destruction gives everything back, live objects too.
class Heap {
 public:
  /// kUnsupported: the named page kind or IOVA mode is not there; the text names what is missing and the remedy.
  FASTMEM_EXPORT static Result<Heap> create(const Config& config = {});

  /// The process's default heap, made with the defaults when it does not exist. nullptr: it cannot be; see
  /// last_error().
  FASTMEM_EXPORT static Heap* default_heap();

  Heap(Heap&& other) noexcept : heap_(std::exchange(other.heap_, nullptr)) {}
  Heap& operator=(Heap&& other) noexcept {
    std::swap(heap_, other.heap_);
    return *this;
  }
  ~Heap() {
    if (heap_ != nullptr) heap_->destroy();
  }

  /// On the calling thread's node by preference, aligned to the heap's default; a power of two of bytes up to kMaxSize to
  /// its size. Any size up to largest(). nullptr: kInvalid (size 0), kTooBig, kNoMemory.
  void* alloc(std::size_t size) { return heap_->alloc(size); }
  /// With an alignment (0: the default) and flags; on a node by preference, or only there with kStrict.
  void* alloc(std::size_t size, std::size_t align, unsigned flags = 0, NodeId node = kAnyNode) {
    return heap_->alloc_with(size, align, flags, node);
  }

  /// With a boundary that the object does not cross, too. kInvalid also for a boundary smaller than the size.
  void* alloc(const Request& request) { return heap_->alloc(request); }

  /// kOk also for nullptr. kForeignPointer; kDoubleFree, kInvalid where misuse is noticed.
  ErrorCode free(void* p) { return heap_->free(p); }
  /// By a caller who knows the size it last asked for: saves the look-up. For objects allocated with align 0 and
  /// without kContiguous or a boundary.
  ErrorCode free(void* p, std::size_t size) { return heap_->free_sized(p, size); }

  /// Erases the object before it frees it.
  ErrorCode free_sensitive(void* p) { return heap_->free_sensitive(p); }

  /// nullptr p: alloc. size 0: free, and nullptr. Above kMaxSize in place where what follows is free. On failure nullptr,
  /// and the old object stays.
  void* realloc(void* p, std::size_t size, std::size_t align = 0) { return heap_->realloc(p, size, align); }
  /// Bytes that may be used at p; 0: nullptr, or not the address of an object of this heap.
  std::size_t usable_size(const void* p) const { return heap_->usable_size(p); }

  /// The same of an object that is handed out; kInvalid: it is none. One that was freed and rests in a cache passes.
  Result<std::size_t> validate(const void* p) const { return heap_->validate(p); }

  /// All of them, or none and the array untouched.
  ErrorCode alloc_bulk(std::span<void*> out, std::size_t size, std::size_t align = 0, unsigned flags = 0,
                       NodeId node = kAnyNode) {
    if (align == 0 && flags == 0 && node == kAnyNode) return heap_->alloc_bulk(out.data(), out.size(), size);
    return heap_->alloc_bulk(out.data(), out.size(), size, align, flags, node);
  }
  /// Any sizes and nodes; nullptrs are skipped; the first error is returned, the others are freed.
  ErrorCode free_bulk(std::span<void* const> objects) { return heap_->free_bulk(objects.data(), objects.size()); }

  /// kAnyNode: the calling thread's node now.
  Result<Handle> handle(std::size_t size, std::size_t align = 0, NodeId node = kAnyNode) {
    const Result<core::Handle> h = heap_->handle(size, align, node);
    if (!h.ok()) return h.error();
    return Handle(h.value());
  }
  void* alloc(Handle h) { return heap_->alloc(h.handle_); }
  void* alloc(Handle h, unsigned flags) { return heap_->alloc_with(h.handle_, flags); }
  /// The object must come from the same handle; another's is noticed later and sent home.
  ErrorCode free(Handle h, void* p) { return heap_->free(h.handle_, p); }
  ErrorCode alloc_bulk(Handle h, std::span<void*> out, unsigned flags = 0) {
    if (flags == 0) return heap_->alloc_bulk(h.handle_, out.data(), out.size());
    return heap_->alloc_bulk(h.handle_, out.data(), out.size(), flags);
  }
  /// Without nullptrs.
  ErrorCode free_bulk(Handle h, std::span<void* const> objects) {
    return heap_->free_bulk(h.handle_, objects.data(), objects.size());
  }

  /// A device has memory of the object that p is in, until as many unpin(): freeing it meanwhile is named and refused.
  /// kInvalid: p is in no live object, or not pinned. Heaps that are not checked in full: nothing happens.
  Error pin(const void* p) { return heap_->pin(p); }
  Error unpin(const void* p) { return heap_->unpin(p); }
  /// Looks at all guards, and at all that rests, while other threads go on; reports each damage once, and says how many.
  std::size_t examine() { return heap_->examine(); }
  /// What is handed out now by where it was allocated: visit(TraceTotals&). kUnsupported: the heap is not checked in full.
  template <class Visit>
  Error leaks(Visit visit) {
    return heap_->leaks(visit);
  }
  /// Return addresses, innermost first.
  std::span<void* const> frames(core::TraceId trace) const { return heap_->frames(trace); }

  /// O(1), also inside an object. kBadIova: not ours, or no IOVAs here; last_error() says why.
  Iova virt_to_iova(const void* p) { return heap_->iova_of(p); }
  /// Whether [p, p + size) is one run in IOVA space.
  Result<bool> iova_contiguous(const void* p, std::size_t size) { return heap_->iova_contiguous(p, Bytes{size}); }
  /// How many runs make up [p, p + size); the first out.size() of them are written.
  Result<std::size_t> iova_segments(const void* p, std::size_t size, std::span<IovaSegment> out) {
    return heap_->iova_segments(p, Bytes{size}, out);
  }

  /// Takes memory ahead of need until the node (kAnyNode: all together, nearest first) holds `size` bytes.
  Error reserve(Bytes size, NodeId node = kAnyNode) { return heap_->reserve(size, node); }
  /// Most bytes of a node (kAnyNode: of each) that the heap may use, its books counted. Below what is held: nothing is
  /// taken away, nothing grows. 0: no growth. kUnlimited: none.
  Error set_limit(Bytes limit, NodeId node = kAnyNode) { return heap_->set_limit(limit, node); }
  Result<Bytes> limit(NodeId node) const { return heap_->limit(node); }
  /// Of all nodes together, its books not counted.
  void set_total_limit(Bytes limit) { heap_->set_total_limit(limit); }
  /// So much of a node (kAnyNode: of each) stays held whatever goes back, and is taken now.
  Error set_floor(Bytes floor, NodeId node = kAnyNode) { return heap_->set_floor(floor, node); }
  /// The calling thread's cached objects go back to the heap.
  void flush() { heap_->flush(); }
  /// Free memory goes back to the system, about `most` of it: every thread's caches and empty slabs become free regions, or
  /// free pages inside of regions. Returns what went.
  Bytes trim(Bytes most = kUnlimited) { return heap_->trim(most); }

  /// Of a node's free memory (kAnyNode: of each node's): below `low` more comes in the background, above `high` the
  /// surplus goes back, not below the floor. 0 and kUnlimited: no such mark. kInvalid: high is not 64 KiB above low.
  /// Without a maintainer the callback is called, and the surplus goes, by threads that miss; nothing grows.
  Error set_watermarks(Bytes low, Bytes high = kUnlimited, NodeId node = kAnyNode) {
    return heap_->set_watermarks(low, high, node);
  }
  /// Called once for each crossing, with no lock held, on the maintainer's thread, or where there is none on one that
  /// misses. It may allocate and free, but not maintain, press or stop (kReentered). nullptr: nobody is told.
  void on_watermark(WatermarkCallback callback, void* context) { heap_->on_watermark(callback, context); }
  /// Free memory beyond floor and low mark that stays free goes back, a share 1 - exp(-t / constant) in a time t.
  /// 0: it stays.
  void set_decay(std::chrono::milliseconds constant) {
    heap_->set_decay(constant.count() > 0 ? static_cast<std::uint64_t>(constant.count()) : 0);
  }
  /// For a thread of the caller's own, in a loop: sleeps for at most `timeout`, until something is due, and does it.
  Error maintain(std::chrono::milliseconds timeout) {
    return heap_->maintain(timeout.count() > 0 ? static_cast<std::uint64_t>(timeout.count()) * 1'000'000 : 0);
  }
  /// A thread of the heap's own that does so, on the CPUs that the calling thread may run on. kBusy: it runs already;
  /// kNoMemory, kNoSpace. In the child of a fork it does not run, and may be started anew. The heap's destruction stops it.
  Error start_maintainer() { return heap_->start_maintainer(); }
  Error stop_maintainer() { return heap_->stop_maintainer(); }
  /// Called after the heap has given back what the level asks for. Who maintains waits for the kernel's word, too (PSI).
  void on_pressure(PressureCallback callback, void* context) { heap_->on_pressure(callback, context); }
  /// Memory is short: gives back by the level, and calls the callback, on this thread. kInvalid: no such level.
  Error pressure(int level) { return heap_->pressure(level); }

  /// From now on the listener hears of every region after it came and before it goes, and first of those that are held;
  /// it can refuse growth. See core/memory_events.h: what its callbacks must not do, above all (call a heap, fork).
  /// kInvalid, kExists (the name), kNoSpace (8 are there), or what its came() answered for memory that is held: then it
  /// was told goes() of what it had taken, and is not added.
  Error listen(const MemoryListener& listener) { return heap_->add_listener(listener); }
  /// It hears goes() for what is held, and nothing more. kNotFound.
  Error unlisten(const char* name) { return heap_->remove_listener(name); }
  /// Memory that is found by name (fastmem.h, "named zones"). kExists, kNoSpace, kInvalid, and what alloc() says.
  Result<Zone> zone_reserve(const char* name, const Request& request) {
    Zone zone;
    const Error error = heap_->zone_reserve(name, request, zone);
    if (!error.ok()) return error;
    return zone;
  }
  Result<Zone> zone(const char* name) const { return heap_->zone(name); }
  Error zone_free(const char* name) { return heap_->zone_free(name); }
  /// visit(const Zone&) of each; it may call the heap.
  template <class Visit>
  void each_zone(Visit visit) const {
    heap_->each_zone(visit);
  }
  /// The largest that could be reserved now without growing.
  Result<Bytes> zone_largest(std::size_t align = 0, NodeId node = kAnyNode) { return heap_->zone_largest(align, node); }

  /// A kind by its tag, once: the number is a node's wherever one is asked for, and means this kind, on the caller's node
  /// by preference (with kStrict: no other kind). kNotFound.
  Result<NodeId> kind(const char* tag) const { return heap_->kind(tag); }
  /// What went elsewhere, and what is held; of a node, or of a kind.
  Result<KindStats> kind_stats(NodeId node) const { return heap_->kind_stats(node); }

  /// A heap without memory, to be found by name in this process (fastmem.h, "named heaps"). kInvalid, kExists, kNoSpace.
  FASTMEM_EXPORT static Result<Heap> create_named(const char* name);
  /// Memory that you bring, of a heap that takes such; see core/heap.h for the errors.
  Error add_memory(const CallerMemory& memory) { return heap_->add_memory(memory); }
  Error remove_memory(void* base, Bytes size) { return heap_->remove_memory(base, size); }
  Error detach_memory(void* base, Bytes size) { return heap_->detach_memory(base, size); }
  Error attach_memory(void* base, Bytes size) { return heap_->attach_memory(base, size); }

  std::size_t largest() const { return heap_->largest(); }
  unsigned classes() const { return heap_->classes().count; }
  /// Of class 0 .. classes() - 1.
  std::size_t class_size(unsigned i) const { return heap_->classes().classes[i + 1].size; }

  HeapStats stats() const { return heap_->stats(); }
  Result<ClassStats> class_stats(std::size_t class_size) const { return heap_->class_stats(class_size); }
  Result<SlotStats> slot_stats(unsigned slot) const { return heap_->slot_stats(slot); }
  Result<SlotStats> slot_class_stats(unsigned slot, std::size_t class_size) const {
    return heap_->slot_class_stats(slot, class_size);
  }
  Result<NodeStats> node_stats(NodeId node) const { return heap_->node_stats(node); }
  /// kAnyNode: of all together.
  Result<MemoryStats> memory_stats(NodeId node = kAnyNode) const { return heap_->memory_stats(node); }
  void reset_stats() { heap_->reset_stats(); }
  /// Proves the heap's books; stops the program where they do not add up.
  // What is wrong with the heap's own books, and what was looked at. `exact`: no other thread is inside; nothing is left out.
  core::CheckReport check(bool exact = false) const { return heap_->check(exact); }
  void check_invariants() const { heap_->check_invariants(); }

 private:
  explicit Heap(core::Heap* heap) : heap_(heap) {}
  core::Heap* heap_;
};

}  // namespace fastmem
