// SPDX-License-Identifier: BSD-3-Clause
#include "bench/scale_model/replay.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "bench/scale_model/replay_body.h"
#include "core/magazine.h"

namespace bench::scale {
namespace {

// Random sets are replayed object by object, so that less of them must do.
constexpr Span span_of(Pattern pattern) {
  return pattern == Pattern::kSets ? Span{200'000, 300'000} : Span{500'000, 1'000'000};
}

// Lines that come with a lock from the core that had it last, counted in the code: the bin's word and lists, its queue
// and counters, the header of the magazine that changes hands; the page heap's word, its lists, a descriptor.
constexpr double kBinLines = 3;
constexpr double kNodeLines = 3;
constexpr double kSlabLines = 2;  // a slab's descriptor and its bitmap

const core::SizeClass& class_for(std::size_t size) {
  return core::kFineClasses[core::class_of(core::Profile::kFine, size)];
}
const std::size_t kMagazineBytes = core::Magazine::size(class_for(kObjectSize).magazine).rep;
const double kMagazineLines = static_cast<double>(kMagazineBytes) / fastmem::kCacheLine;

}  // namespace

std::vector<unsigned> Replay::spread(Shape shape) {
  std::vector<unsigned> node_of_core(shape.cores);
  for (unsigned c = 0; c < shape.cores; ++c) node_of_core[c] = c * shape.nodes / shape.cores;
  return node_of_core;
}

Replay::Replay(const Workload& workload, Shape shape, const Costs& costs, std::uint64_t seed)
    : workload_(workload),
      span_(span_of(workload.pattern)),
      shape_(shape),
      costs_(costs),
      engine_(spread(shape), {.near_ns = costs.line, .far_ns = costs.line * costs.far_times}),
      random_(seed),
      cores_(shape.cores),
      pipes_(shape.cores),
      mail_(shape.cores) {
  for (unsigned n = 0; n < shape.nodes; ++n) {
    const LockIndex node_lock = engine_.add_lock(kNodeLines);
    for (unsigned k = 0; k < core::kMaxClasses; ++k) {
      bins_.push_back(
          {.lock = engine_.add_lock(kBinLines), .node_lock = node_lock, .size_class = &core::kFineClasses.classes[k]});
    }
  }
  caches_.resize(cores_.size() * bins_.size());
  // A set has been there for long: its caches are neither full nor empty.
  for (std::size_t i = 0; i < caches_.size() && workload.pattern == Pattern::kSets; ++i) {
    const unsigned magazine = bins_[i % bins_.size()].size_class->magazine;
    caches_[i] = {.loaded = magazine / 2, .previous = magazine};
  }
  // Nobody starts in step with the others.
  for (CoreIndex c = 0; c < shape.cores; ++c) engine_.run(c, random_.below(10'000));
}

Outcome Replay::run() {
  engine_.simulate(*this, span_.warm_up_ns);
  engine_.reset_use();
  freed_ = trips_ = 0;
  moved_ns_ = 0;
  held_ns_ = {};
  engine_.simulate(*this, span_.warm_up_ns + span_.measured_ns);
  return outcome();
}

Outcome Replay::outcome() const {
  Outcome out;
  const double time_of_all = span_.measured_ns * shape_.cores;
  out.ns_per_object = time_of_all / static_cast<double>(std::max<std::uint64_t>(freed_, 1));
  out.misses = static_cast<double>(trips_) / (2 * static_cast<double>(std::max<std::uint64_t>(freed_, 1)));
  const auto count = [&](LockIndex lock) {
    const LockUse& use = engine_.use(lock);
    out.waiting += use.waited_ns / time_of_all;
    out.moving += use.moved_ns / time_of_all;
    return use.busy_ns / span_.measured_ns;
  };
  for (const Bin& bin : bins_) {
    const double busy = count(bin.lock);
    if (busy <= out.bin_busy) continue;
    out.bin_busy = busy;
    out.bin_moving = engine_.use(bin.lock).moved_ns / engine_.use(bin.lock).busy_ns;
  }
  for (std::size_t first = 0; first < bins_.size(); first += core::kMaxClasses) {
    out.node_busy = std::max(out.node_busy, count(bins_[first].node_lock));
  }
  out.moving += moved_ns_ / time_of_all;
  const double held = std::accumulate(held_ns_.begin(), held_ns_.end(), 0.0);
  for (std::size_t i = 0; i < held_ns_.size() && held > 0; ++i) out.held[i] = held_ns_[i] / held;
  return out;
}

// Lines that are asked for together.
double Replay::fetch(double lines, CoreIndex to, CoreIndex from) {
  if (to == from || from == kNobody || costs_.line == 0) return 0;
  const double ns = lines / kMagazineLines * costs_.magazine * engine_.line(to, from) / costs_.line;
  moved_ns_ += ns;
  return ns;
}

void Replay::step(CoreIndex c) {
  Core& core = cores_[c];
  switch (core.at) {
    case At::kIdle:
      if (next_piece(c)) go_on(c);
      return;
    case At::kInPiece:
      return miss(c);
    case At::kHasBin:
      return in_bin(c);
    case At::kHasNode:
      core.at = At::kNodeDone;
      return engine_.run(c, costs_.lock + (core.allocating ? costs_.page_take : costs_.page_give));
    case At::kNodeDone:
      engine_.release(c, bins_[core.bin].node_lock);
      core.at = At::kDone;
      return engine_.run(c, core.hold);
    case At::kDone:
      engine_.release(c, bins_[core.bin].lock);
      return go_on(c);
  }
}

// Hits up to the next miss, or to the end of the piece.
void Replay::go_on(CoreIndex c) {
  Core& core = cores_[c];
  Cache& mine = cache(c);
  const unsigned magazine = bins_[core.bin].size_class->magazine;
  const unsigned hits = std::min(core.left, core.allocating ? mine.loaded : magazine - mine.loaded);
  mine.loaded = core.allocating ? mine.loaded - hits : mine.loaded + hits;
  core.left -= hits;
  core.at = core.left != 0 ? At::kInPiece : At::kIdle;
  engine_.run(c, hits * (costs_.hit + workload_.app_ns / 2) + std::exchange(core.after, 0));
}

void Replay::miss(CoreIndex c) {
  Core& core = cores_[c];
  Cache& mine = cache(c);
  core.after += core.allocating ? costs_.miss_alloc : costs_.miss_free;
  const unsigned wanted = core.allocating ? bins_[core.bin].size_class->magazine : 0;
  if (mine.previous == wanted) {
    std::swap(mine.loaded, mine.previous);
    return go_on(c);
  }
  ++trips_;
  core.at = At::kHasBin;
  engine_.acquire(c, bins_[core.bin].lock);
}

void Replay::in_bin(CoreIndex c) {
  Bin& bin = bins_[cores_[c].bin];
  cores_[c].allocating ? take_magazine(c, bin) : give_magazine(c, bin);
}

// As Slot::fill(): from the depot, where its oldest one has rested or is the core's own; else from slabs.
void Replay::take_magazine(CoreIndex c, Bin& bin) {
  const core::SizeClass& k = *bin.size_class;
  cache(c).loaded = k.magazine;
  if (!bin.depot.empty() && (bin.depot.size() > k.depot / 2u || bin.depot.front() == c)) {
    cores_[c].after += fetch(kMagazineLines, c, bin.depot.front());
    bin.depot.pop_front();
    bin.empties.push_back(c);
    return hold(c, Held::kExchange, costs_.exchange_alloc, false);
  }
  double ns = workload_.scattered ? costs_.refill_crumbs : costs_.refill;
  ns += costs_.exchange_alloc + costs_.lock + slab_lines(c, bin, kSlabLines);  // the depot was asked first
  const bool new_slab = bin.free < k.magazine;
  if (new_slab) {
    bin.free += k.objects;
    ns += costs_.new_slab;
  }
  bin.free -= k.magazine;
  hold(c, Held::kSlabs, ns, new_slab);
}

// As Slot::make_space(): into the depot; what passes its bound goes home.
void Replay::give_magazine(CoreIndex c, Bin& bin) {
  const core::SizeClass& k = *bin.size_class;
  Cache& mine = cache(c);
  mine.previous = k.magazine;
  mine.loaded = 0;
  if (!bin.empties.empty()) {
    cores_[c].after += fetch(kMagazineLines, c, bin.empties.back());
    bin.empties.pop_back();
  }
  bin.depot.push_back(c);
  if (bin.depot.size() <= k.depot) return hold(c, Held::kExchange, costs_.exchange_free, false);
  bin.depot.pop_front();
  bin.empties.push_back(c);
  bin.free += k.magazine;
  const double slabs = workload_.scattered ? k.magazine : 1;
  const double home = workload_.scattered ? costs_.overflow_scattered : costs_.overflow;
  // In order, slabs become empty one after the other, and all but one go back to the node.
  const bool slab_goes = !workload_.scattered && bin.free >= 2 * k.objects;
  if (slab_goes) bin.free -= k.objects;
  hold(c, Held::kOverflow, home + slab_lines(c, bin, slabs * kSlabLines), slab_goes);
}

double Replay::slab_lines(CoreIndex c, Bin& bin, double lines) {
  return fetch(lines, c, std::exchange(bin.last_in_slabs, c));
}

// The bin's lock, once it is there, and the node's inside it where granules come or go.
void Replay::hold(CoreIndex c, Held why, double ns, bool node_too) {
  Core& core = cores_[c];
  held_ns_[static_cast<std::size_t>(why)] += ns;
  core.hold = ns + costs_.lock;
  if (!node_too) {
    core.at = At::kDone;
    return engine_.run(c, core.hold);
  }
  core.at = At::kHasNode;
  engine_.acquire(c, bins_[core.bin].node_lock);
}

Outcome replay(const Workload& workload, Shape shape, const Costs& costs, std::uint64_t seed) {
  return Replay(workload, shape, costs, seed).run();
}

}  // namespace bench::scale
