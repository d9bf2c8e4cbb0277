// SPDX-License-Identifier: BSD-3-Clause
// core/heap.cc -- floor 2 (core). How a heap comes and goes, and how a thread gets its slot in it.
#include "core/heap.h"

#include <algorithm>
#include <new>

#include "core/dead_heaps.h"
#include "core/heap_list.h"
#include "core/reserved_tables.h"
#include "platform/address_space.h"
#include "platform/leak_roots.h"

namespace fastmem::core {
namespace {

// Books that grow with use: bitmaps (at most a bit for 16 bytes of slab), magazines, slots, IOVA tables.
Bytes arena_size_for(AddressRange window) {
  constexpr Bytes kMost = sizeof(void*) == 8 ? kGiB * 64 : kMiB * 64;
  return round_up(std::clamp(window.size() / 16, kMiB * 64, kMost), kSmallPage);
}

Error check_config(const HeapConfig& config) {
  if (config.backing == nullptr || config.topology == nullptr) {
    return make_error(ErrorCode::kInvalid, "a heap needs a backing and a topology");
  }
  if (!is_power_of_two(config.default_align) || config.default_align < 16 || config.default_align > 4096) {
    return make_error(ErrorCode::kInvalid, "default alignment %zu is not a power of two from 16 to 4096",
                      config.default_align);
  }
  static constexpr Bytes kMost = sizeof(void*) == 8 ? kGiB * 1024 : kGiB;
  const auto sound = [](Bytes size) { return size.rep != 0 && size <= kMost; };
  if (!sound(config.region_size) || !sound(config.first_region)) {
    return make_error(ErrorCode::kInvalid, "region sizes %zu and %zu are not from 1 byte to 1 TiB",
                      config.first_region.rep, config.region_size.rep);
  }
  const Bytes unit = config.backing->region_unit();
  if (!is_power_of_two(unit.rep) || unit < kRegionUnit || config.backing->window().begin % kRegionUnit.rep != 0) {
    return make_error(ErrorCode::kInvalid, "backing %s: its regions come in units of %zu, its window begins at %#zx",
                      config.backing->name(), unit.rep, config.backing->window().begin);
  }
  const std::size_t nodes = config.topology->nodes().size();
  if (nodes == 0 || nodes > kMaxNodes) {
    return make_error(ErrorCode::kInvalid, "a topology of %zu nodes; 1 to %u are served", nodes, kMaxNodes);
  }
  return {};
}

void sort_by_distance(HeapState& state, const Topology& topology) {
  const auto infos = topology.nodes();
  for (unsigned n = 0; n < state.node_count; ++n) {
    NodeState& node = state.nodes[n];
    const auto akin = [&](unsigned k) { return kind_of(infos[k].id) == kind_of(node.id); };
    for (unsigned k = 0; k < state.node_count; ++k) {
      const bool stands_in = !infos[k].only_when_named || (kind_of(node.id) != 0 && akin(k));
      if (k == n || stands_in) node.nearest[node.reach++] = static_cast<std::uint8_t>(k);
    }
    const auto far = [&](unsigned k) { return k == n ? 0u : topology.distance(node.id, state.nodes[k].id) + 1; };
    std::stable_sort(node.nearest, node.nearest + node.reach, [&](unsigned a, unsigned b) { return far(a) < far(b); });
    while (node.kin < node.reach && akin(node.nearest[node.kin])) ++node.kin;
  }
}

bool make_nodes_and_bins(HeapState& state, const Topology& topology, Bytes limit) {
  const auto infos = topology.nodes();
  state.node_count = static_cast<unsigned>(infos.size());
  void* const nodes = state.arena.make(Bytes{sizeof(NodeState) * state.node_count}, alignof(NodeState));
  void* const bins = state.arena.make(Bytes{sizeof(Bin) * state.bin_count()}, alignof(Bin));
  void* const droughts = state.arena.make(Bytes{sizeof(Drought) * state.bin_count()}, alignof(Drought));
  if (nodes == nullptr || bins == nullptr || droughts == nullptr) return false;
  state.nodes = static_cast<NodeState*>(nodes);
  state.bins = static_cast<Bin*>(bins);
  state.droughts = static_cast<Drought*>(droughts);
  state.account.of_one_node = state.node_count == 1;
  for (unsigned n = 0; n < state.node_count; ++n) {
    ::new (&state.nodes[n]) NodeState(infos[n].id, &state.map, &state.extents, &state.account, limit);
    for (unsigned c = 0; c < kMaxClasses; ++c) {
      const unsigned b = n * kMaxClasses + c;
      ::new (&state.droughts[b]) Drought();
      ::new (&state.bins[b])
          Bin(BinId{static_cast<std::uint16_t>(b)}, &state.classes.classes[c],
              {&state.map, &state.extents, &state.arena, &state.budget, &state.hardener}, &state.nodes[n].pages);
    }
  }
  sort_by_distance(state, topology);
  return true;
}

void make_caches_at(void* where, unsigned bins) {
  for (unsigned b = 0; b < bins; ++b) ::new (static_cast<Cache*>(where) + b) Cache();
}

// The caches, their books and the slot itself in one piece: all, or nothing that would be lost.
Slot* make_slot(HeapState& state, SlotId id) {
  const Bytes caches{sizeof(Cache) * state.bin_count()};
  const Bytes books{sizeof(CacheBook) * state.bin_count()};
  void* const piece = state.arena.make(caches + books + Bytes{sizeof(Slot)}, kLinePair);
  if (piece == nullptr) return nullptr;
  auto* const at = static_cast<std::byte*>(piece);
  make_caches_at(at, state.bin_count());
  return ::new (at + caches.rep + books.rep)
      Slot(id, reinterpret_cast<Cache*>(at), reinterpret_cast<CacheBook*>(at + caches.rep));
}

// What threads without a slot look at: behind the heap itself, so that it stays as long.
Bytes own_bytes_for(const HeapConfig& config) {
  const std::size_t bins = config.topology->nodes().size() * kMaxClasses;
  return round_up(Bytes{sizeof(Heap)} + Bytes{sizeof(Cache) * bins}, kSmallPage);
}
Cache* make_no_caches(void* own, const HeapState& state) {
  void* const behind = static_cast<std::byte*>(own) + sizeof(Heap);
  make_caches_at(behind, state.bin_count());
  return static_cast<Cache*>(behind);
}

Checker* make_checker(HeapState& state, const CheckOptions& options) {
  void* const piece = state.arena.make(Bytes{sizeof(Checker)});
  return piece != nullptr ? ::new (piece) Checker(options, &state.arena) : nullptr;
}

Error no_books(Bytes size) {
  return make_error(ErrorCode::kNoMemory,
                    "no address space for %zu MiB of bookkeeping; see ulimit -v, or ask for a smaller address space",
                    size / kMiB);
}

constinit Cache g_no_cache;  // what the absent heap shows every thread

}  // namespace

constinit Heap Heap::absent(&g_no_cache);

// Threads without a slot look at the first one, at any time: it is right from the constructor on.
void Heap::fill_views() { std::fill(views_ + 1, views_ + kMaxSlots, View{no_caches_, no_caches_}); }

Result<Heap*> Heap::create(const HeapConfig& config) {
  Result<Heap*> heap = refuse_in_callback() == ErrorCode::kOk ? build(config) : last_error();
  if (!heap.ok() && config.owns_backing) delete config.backing;
  return heap;
}

Result<Heap*> Heap::build(const HeapConfig& config) {
  if (const Error error = check_config(config); !error.ok()) return error;
  const AddressRange window = config.backing->window();
  const Bytes arena_bytes = arena_size_for(window);
  const Bytes map_bytes = round_up(PageMap::table_size(window), kSmallPage);
  const Bytes extents_bytes = round_up(ExtentTable::table_size(window), kSmallPage);
  const Bytes own_bytes = own_bytes_for(config);
  const Bytes gap = Heap::gap(config.hardening);
  ReservedTables tables({arena_bytes, map_bytes, extents_bytes}, gap);
  ReservedTables own_table({own_bytes}, gap);
  const auto give_up = [&] {
    tables.unreserve();
    own_table.unreserve();
    return no_books(tables.all());
  };
  if (!tables.reserve() || !own_table.reserve()) return give_up();
  std::byte* const base = tables.at(0);
  void* const own = own_table.at(0);
  const Bytes state_bytes = round_up(Bytes{sizeof(HeapState)}, kSmallPage);
  if (!make_writable(own, own_bytes) || !make_writable(base, state_bytes)) return give_up();

  auto* const state = ::new (base) HeapState(base + state_bytes.rep, arena_bytes - state_bytes, config.profile,
                                             config.backing->in_pieces(), config.cache_budget, config.hardening);
  state->map = PageMap(window, tables.at(1));
  state->extents = ExtentTable(tables.at(2));
  Cache* const no_caches =
      make_nodes_and_bins(*state, *config.topology, config.limit_per_node) ? make_no_caches(own, *state) : nullptr;
  Slot* const shared = no_caches != nullptr ? make_slot(*state, kNoSlot) : nullptr;
  if (shared == nullptr) return give_up();
  state->slots[0].store(shared, std::memory_order_release);
  Checker* const checker = config.checks.level == CheckLevel::kFull ? make_checker(*state, config.checks) : nullptr;
  if (checker == nullptr && config.checks.level == CheckLevel::kFull) return give_up();

  Heap* const heap = ::new (own) Heap(config, state, tables.all(), no_caches);
  heap->checker_ = checker;
  heap->watched_ = checker != nullptr || config.hardening.needs_each_call();
  if (checker != nullptr) {
    report_heaps_at_exit();
    heap->explain_faults();
  }
  add_leak_root(heap, heap->own_bytes_);
  enlist(heap);
  return heap;
}

Heap::Heap(const HeapConfig& config, HeapState* state, Bytes reserved, Cache* no_caches)
    : state_(state),
      backing_(config.backing),
      topology_(config.topology),
      no_caches_(no_caches),
      config_(config),
      reserved_(reserved),
      own_bytes_(own_bytes_for(config)),
      node_count_(state->node_count),
      bin_count_(state->bin_count()),
      map_(state->map) {
  views_[0] = {no_caches, no_caches};
  fill_views();
  sizes_.fill(config.profile, config.default_align);
  begin_tending();
  set_decay(config.decay_ms);
  config_.region_size = round_up(config.region_size, backing_->region_unit());
  config_.reserve_step = std::max(config_.reserve_step, config_.region_size);
  config_.first_region = std::min(round_up(config.first_region, backing_->region_unit()), config_.region_size);
}

void Heap::destroy() {
  if (refuse_in_callback() != ErrorCode::kOk || Answering::is_going_on()) return;  // it stays
  report_what_is_left();
  forget_faults();
  stop_maintainer();
  close_maintenance();
  forget_name(this);
  delist(this);
  forget_listeners();
  for (unsigned n = 1; n <= state_->regions.highest(); ++n) {
    const RegionInfo& info = state_->regions[static_cast<RegionNumber>(n)];
    if (!info.present) continue;
    remove_leak_root(info.region.base, info.region.size);
    if (!lost_ && info.owner == Owner::kBacking) backing_->release(info.region);
  }
  remove_leak_root(this, own_bytes_);
  if (config_.owns_backing) delete backing_;
  const Bytes gap = Heap::gap(config_.hardening);
  void* const own = reinterpret_cast<std::byte*>(this) - gap.rep;
  const Bytes own_bytes = own_bytes_ + gap * 2;
  unreserve(reinterpret_cast<std::byte*>(state_) - gap.rep, reserved_);
  if (checker_ == nullptr) return unreserve(own, own_bytes);
  // Whoever still uses it comes to an empty one that says so.
  state_ = nullptr;
  checker_ = nullptr;
  watched_ = false;
  map_ = PageMap();
  bury(own, own_bytes);
}

ErrorCode Heap::refuse_without_heap() {
  const bool is_gone = this != &absent;
  CheckOptions checks;
  MisuseReport r;
  r.kind = MisuseKind::kDeadHeap;
  r.noticed_by = thread_slot();
  if (is_gone) {
    r.heap = this;
    report::dead_heap(config_.misuse, r);
  } else if (choose_checks(nullptr, checks).ok() && checks.level == CheckLevel::kFull) {
    report::no_heap_yet(r);
  }
  return is_gone ? fail(ErrorCode::kNotReady, "heap %p is gone", static_cast<void*>(this))
                 : fail(ErrorCode::kNotReady, "there is no heap yet");
}

// The calling thread's slot: its own, or slot 0, which is shared, when there is none for it.
// nullptr: the heap is not there for this process.
Slot* Heap::own_slot_slow() {
  if (refuse_in_callback() != ErrorCode::kOk) return nullptr;
  if (is_absent()) return refuse_without_heap(), nullptr;
  if (lost_) {
    fail(ErrorCode::kNotReady,
         "this heap's memory is not inherited by fork (hugetlb pages, or pages locked for a device)");
    return nullptr;
  }
  const SlotId id = claim_thread_slot();
  if (id != kNoSlot && !has_view()) return open_slot_slow(id);
  return slot(id.rep);
}

// Called by the slot's thread, or before it has one that may use this heap.
Slot* Heap::slot_or_new(SlotId id) {
  Slot* s = slot(id.rep);
  if (s != nullptr) return s;
  s = make_slot(*state_, id);
  if (s == nullptr) return nullptr;
  const LockGuard publishing(state_->regions.mutex());  // fork holds it: a slot does not come between its locks
  state_->slots[id.rep].store(s, std::memory_order_release);
  return s;
}

Slot* Heap::open_slot_slow(SlotId id) {
  Slot* const s = slot_or_new(id);
  if (s == nullptr) return slot(0);
  if (!watched_) views_[id.rep] = {s->caches() + row_of(current_node_index()), s->caches()};
  return s;
}

unsigned Heap::current_node_index() const {
  const int index = node_count_ == 1 ? 0 : node_index(topology_->current_node());
  return index < 0 ? 0 : static_cast<unsigned>(index);
}

unsigned Heap::home() {
  if (watched_ || !has_view()) return current_node_index();
  return static_cast<unsigned>(view().local - view().all) / kMaxClasses;
}

// A thread that the scheduler moved to another node allocates there from its next miss on.
void Heap::move_home_slow() {
  if (node_count_ == 1 || watched_ || !has_view()) return;
  View& v = view();
  v.local = v.all + row_of(current_node_index());
}

int Heap::node_index(NodeId node) const {
  for (unsigned n = 0; n < node_count_; ++n) {
    if (state_->nodes[n].id == node) return static_cast<int>(n);
  }
  return -1;
}

Heap::Place Heap::place(NodeId node) {
  if (const int exact = node_index(node); exact >= 0 || !means_callers_node(node) || node_count_ == 0) {
    return {exact, false};
  }
  const NodeId here = state_->nodes[home()].id;
  int nearest = -1;
  unsigned least = ~0u;
  for (unsigned n = 0; n < node_count_; ++n) {
    const NodeId id = state_->nodes[n].id;
    if (!akin(n, node)) continue;
    const unsigned far = machine_node_of(id) == machine_node_of(here) ? 0 : topology_->distance(here, id);
    if (far >= least) continue;
    least = far;
    nearest = static_cast<int>(n);
  }
  return {nearest, true};
}

Result<NodeId> Heap::kind(const char* tag) const {
  for (unsigned k = 0; tag != nullptr && k < kMostKinds; ++k) {
    const char* const its = topology_->kind_tag(k);
    if (its == nullptr) break;
    if (std::strcmp(its, tag) == 0) return place_of(k, kCallersNode);
  }
  return make_error(ErrorCode::kNotFound, "no kind of memory is called %.32s here", tag != nullptr ? tag : "(null)");
}

bool Heap::has_kind(NodeId node) const {
  if (!means_callers_node(node)) return false;
  unsigned n = 0;
  while (n < node_count_ && !akin(n, node)) ++n;
  return n < node_count_;
}

Error Heap::no_place(NodeId node) {
  if (kind_of(node) == 0) return make_error(ErrorCode::kNoNode, "node %u is not there", unsigned{node.rep});
  return make_error(ErrorCode::kNoNode, "node %u is not there: no kind of memory %u on machine node %u",
                    unsigned{node.rep}, kind_of(node), unsigned{machine_node_of(node).rep});
}

void Heap::flush_slot(SlotId id) {
  Slot* const s = slot(id.rep);
  if (s == nullptr || lost_) return;
  if (checker_ != nullptr) end_rests_of(checker_->existing_quarantine(id.rep));
  Strays strays;
  s->flush(state_->bins, 0, state_->bin_count(), strays);
  views_[id.rep] = {no_caches_, no_caches_};  // whoever comes to this slot next begins on the node it runs on
  settle(strays);
  for (unsigned n = 0; n < node_count_; ++n) state_->nodes[n].note_arrival();
}

void Heap::lock_for_fork() {
  maintenance_.mutex.lock_for_fork();
  admin_.lock_for_fork();
  stats_.lock_for_fork();
  state_->zones.mutex().lock_for_fork();
  for (unsigned n = 0; n < node_count_; ++n) state_->nodes[n].growth.lock_for_fork();
  listeners_.mutex.lock_for_fork();
  for (unsigned n = 0; n < node_count_; ++n) state_->nodes[n].refusal.lock_for_fork();
  state_->regions.mutex().lock_for_fork();
  for (unsigned s = 0; s < kMaxSlots; ++s) {
    if (slot(s) != nullptr) slot(s)->mutex().lock_for_fork();
  }
  for (unsigned b = 0; b < state_->bin_count(); ++b) state_->bins[b].mutex().lock_for_fork();
  for (unsigned n = 0; n < node_count_; ++n) state_->nodes[n].pages.mutex().lock_for_fork();
  if (checker_ != nullptr) checker_->each_mutex([](Mutex& m) { m.lock_for_fork(); });
  state_->arena.mutex().lock_for_fork();
}

void Heap::unlock_after_fork() {
  state_->arena.mutex().unlock_after_fork();
  if (checker_ != nullptr) checker_->each_mutex([](Mutex& m) { m.unlock_after_fork(); });
  for (unsigned n = 0; n < node_count_; ++n) state_->nodes[n].pages.mutex().unlock_after_fork();
  for (unsigned b = 0; b < state_->bin_count(); ++b) state_->bins[b].mutex().unlock_after_fork();
  for (unsigned s = 0; s < kMaxSlots; ++s) {
    if (slot(s) != nullptr) slot(s)->mutex().unlock_after_fork();
  }
  state_->regions.mutex().unlock_after_fork();
  for (unsigned n = 0; n < node_count_; ++n) state_->nodes[n].refusal.unlock_after_fork();
  listeners_.mutex.unlock_after_fork();
  for (unsigned n = 0; n < node_count_; ++n) state_->nodes[n].growth.unlock_after_fork();
  state_->zones.mutex().unlock_after_fork();
  stats_.unlock_after_fork();
  admin_.unlock_after_fork();
  maintenance_.mutex.unlock_after_fork();
}

void Heap::reset_in_child() {
  maintenance_.mutex.reset_in_child();
  close_maintenance();
  admin_.reset_in_child();
  stats_.reset_in_child();
  listeners_.reset_in_child();
  whole_regions_.store(0, std::memory_order_relaxed);
  state_->zones.mutex().reset_in_child();
  state_->zones.forget_claims();
  for (unsigned n = 0; n < node_count_; ++n) {
    state_->nodes[n].growth.reset_in_child();
    state_->nodes[n].refusal.reset_in_child();
    state_->nodes[n].pages.mutex().reset_in_child();
  }
  state_->regions.mutex().reset_in_child();
  state_->arena.mutex().reset_in_child();
  state_->hardener.reset_in_child();
  if (checker_ != nullptr) checker_->each_mutex([](Mutex& m) { m.reset_in_child(); });
  for (unsigned b = 0; b < state_->bin_count(); ++b) state_->bins[b].mutex().reset_in_child();
  lost_ = lost_ || !backing_->inherited_by_fork() || !state_->regions.all_inherited_by_fork();
  for (unsigned s = 0; s < kMaxSlots; ++s) {
    if (slot(s) == nullptr) continue;
    slot(s)->mutex().reset_in_child();
    if (lost_) views_[s] = {no_caches_, no_caches_};
    // Its thread is not there any more. What it was just taking or putting is lost to this process, nothing else.
    if (s != thread_slot().rep && s != 0) flush_slot(SlotId{static_cast<std::uint16_t>(s)});
  }
}

}  // namespace fastmem::core
