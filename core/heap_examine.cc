// SPDX-License-Identifier: BSD-3-Clause
// core/heap_examine.cc -- floor 2 (core). All objects of a heap that is checked in full: damage that nobody freed yet, and
// what is left at the end.
#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

#include "core/heap.h"
#include "core/heap_list.h"
#include "platform/address_space.h"

namespace fastmem::core {
namespace {

// What a walk under locks found, told once they are free.
struct Finding {
  FoundObject found;
  ObjectWord word;
  std::ptrdiff_t damage;
};

class Findings {
 public:
  bool full() const { return count_ == kMost; }
  void add(const Finding& finding) {
    if (!full()) findings_[count_++] = finding;
  }
  const Finding* begin() const { return findings_; }
  const Finding* end() const { return findings_ + count_; }
  std::size_t count() const { return count_; }

 private:
  static constexpr std::size_t kMost = 32;
  Finding findings_[kMost];
  std::size_t count_ = 0;
};

void at_exit() {
  each_listed_heap([](Heap& heap) { heap.report_what_is_left(); });
}

}  // namespace

// Visits every object that has a record and is in no quarantine, under the lock that keeps its slab or extent there.
template <class Visit>
void Heap::each_record(Visit visit) {
  for (unsigned i = 1; i <= state_->regions.highest(); ++i) {
    const RegionInfo& info = state_->regions[static_cast<RegionNumber>(i)];
    NodeState& n = state_->nodes[info.node];
    const LockGuard staying(n.growth);  // the region
    if (!info.present) continue;
    const auto first = static_cast<ExtentIndex>(map_.granule_of(info.region.base));
    const auto last = static_cast<ExtentIndex>(first + info.region.size / Bytes{kGranule});
    for (ExtentIndex g = first; g < last;) g += visit_extent(n, g, visit);
  }
}

// How many granules it has.
template <class Visit>
std::uint32_t Heap::visit_extent(NodeState& n, ExtentIndex g, Visit visit) {
  const Extent& e = state_->extents[g];
  std::uint32_t granules = 1;
  BinId id = kNoBin;
  {
    const LockGuard guard(n.pages.mutex());
    const ExtentKind kind = e.kind.load(std::memory_order_relaxed);
    granules = std::max(e.granules, 1u);
    if (kind == ExtentKind::kLarge) {
      const FoundObject found = large_from(g, g);
      if (found.record != nullptr) visit(found, found.record->load());
    }
    if (kind == ExtentKind::kSlab) id = map_.find(map_.address_of(g));
    if (kind == ExtentKind::kSlabAside) id = e.bin;
  }
  if (id == kNoBin) return granules;
  const LockGuard guard(bin(id).mutex());
  const ExtentKind kind = e.kind.load(std::memory_order_relaxed);
  if ((kind != ExtentKind::kSlab && kind != ExtentKind::kSlabAside) || e.bin != id) return granules;
  const SizeClass& c = class_in(id);
  ObjectRecord* const records = std::as_const(*checker_).records(e);
  for (std::uint32_t k = 0; records != nullptr && k < c.objects; ++k) {
    visit(FoundObject{records + k, map_.address_of(g) + std::size_t{k} * c.size, c.size, id, g}, records[k].load());
  }
  return granules;
}

std::size_t Heap::examine() {
  if (checker_ == nullptr || lost_) return 0;
  std::size_t all = 0;
  for (bool more = true; more;) {
    Findings findings;
    each_record([&](const FoundObject& found, ObjectWord word) {
      if (word.state() != ObjectState::kLive || findings.full()) return;
      const std::ptrdiff_t damage = guard_damage(found, word);
      if (damage != kIntact && found.record->load().rep == word.rep) findings.add({found, word, damage});
    });
    const auto look_at_rest = [&](const Quarantine* rest) {
      if (rest == nullptr) return;
      rest->each([&](const Quarantine::Entry& entry) {
        const ObjectWord word = entry.record->load();
        if (word.state() != ObjectState::kResting || findings.full()) return;
        const std::ptrdiff_t damage = rest_damage(entry, word);
        if (damage != kIntact) findings.add({find_object(entry.object), word, damage});
      });
    };
    for (unsigned s = 0; s < kMaxSlots; ++s) look_at_rest(checker_->existing_quarantine(s));
    look_at_rest(&checker_->large());
    for (const Finding& f : findings) {
      report_damage(f.found, f.word, f.damage, {});
      mend(f.found, f.word);
    }
    all += findings.count();
    more = findings.full();
  }
  return all;
}

// What was told is not told again: guards are laid anew, and what was written at rest stays out of use.
void Heap::mend(const FoundObject& found, ObjectWord word) {
  if (word.state() == ObjectState::kResting) {
    found.record->change(word, word.in(ObjectState::kLost));
  } else if (found.bin == kNoBin) {
    set_large_guards(found.extent, found.object(word), word.size());
  } else {
    Checker::set_guards(found.object(word), word.size(), found.cell + found.cell_size);
  }
}

void Heap::leaks(TraceTotals& out) {
  if (checker_ == nullptr || lost_) return;
  each_record([&](const FoundObject& found, ObjectWord word) {
    const bool is_lost = word.state() == ObjectState::kLost;
    if (word.state() != ObjectState::kLive && !(is_lost && found.record->pins() == 0)) return;
    out.add(found.record->alloc_trace.load(std::memory_order_acquire), Bytes{word.size()});
  });
}

void Heap::report_what_is_left() {
  if (checker_ == nullptr || lost_ || checker_->was_reported()) return;
  examine();
  if (!checker_->options().leaks) return;
  leaks([this](TraceTotals& totals) {
    if (totals.all().objects != 0) report::leaks(this, totals, *checker_);
  });
}

Error Heap::leaks(TotalsVisitor visit, void* context) {
  if (checker_ == nullptr || lost_) return make_error(ErrorCode::kUnsupported, "this heap is not checked in full");
  const Bytes size = round_up(Bytes{sizeof(TraceTotals)}, kSmallPage);
  void* const memory = reserve_readable(size);
  if (memory == nullptr || !make_writable(memory, size)) {
    if (memory != nullptr) unreserve(memory, size);
    return make_error(ErrorCode::kNoMemory, "no memory to sum leaks in");
  }
  auto* const totals = ::new (memory) TraceTotals();
  leaks(*totals);
  visit(*totals, context);
  unreserve(memory, size);
  return {};
}

void report_heaps_at_exit() {
  static const int registered = std::atexit(at_exit);
  static_cast<void>(registered);
}

}  // namespace fastmem::core
