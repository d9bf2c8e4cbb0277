// SPDX-License-Identifier: BSD-3-Clause
// bench/scale_model/replay_body.h -- Q: what does a core of the model remember, and what does it do next?
//
//   step ── next_piece   the program: so many objects to allocate or to free               patterns.cc
//        ── go_on, miss  hits to the next miss; the previous magazine, or the bin's lock   replay.cc
//        ── in_bin       depot or slabs, the node's lock inside; then go_on
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "bench/random.h"
#include "bench/scale_model/replay.h"
#include "core/size_class.h"

namespace bench::scale {

namespace core = fastmem::core;

inline constexpr std::size_t kObjectSize = 256;
inline constexpr CoreIndex kNobody = ~CoreIndex{0};

// How long is looked at, and how long before.
struct Span {
  double warm_up_ns;
  double measured_ns;
};

struct Cache {
  unsigned loaded = 0;
  unsigned previous = 0;
};

struct Bin {
  LockIndex lock;
  LockIndex node_lock;
  const core::SizeClass* size_class;
  std::deque<CoreIndex> depot = {};     // who filled each full magazine, the oldest first
  std::vector<CoreIndex> empties = {};  // who emptied each
  std::uint64_t free = 0;               // objects in slabs
  CoreIndex last_in_slabs = kNobody;
};

struct Batch {
  CoreIndex from = kNobody;
  unsigned objects = 0;
};

struct Pipe {
  std::deque<Batch> full = {};
  CoreIndex parked = kNobody;
};

// What a core is doing; each is a step of Replay.
enum class At : std::uint8_t { kIdle, kInPiece, kHasBin, kHasNode, kNodeDone, kDone };

struct Core {
  At at = At::kIdle;
  bool allocating = false;  // the piece: so many objects of this bin
  unsigned left = 0;
  unsigned bin = 0;
  unsigned stage = 0;  // of the pattern
  double hold = 0;     // the bin's lock, once the node's is back
  double after = 0;    // what comes on top once no lock is held
  Batch batch = {};
};

class Replay final : public Body {
 public:
  Replay(const Workload& workload, Shape shape, const Costs& costs, std::uint64_t seed);
  Outcome run();
  Outcome outcome() const;
  void step(CoreIndex c) override;

 private:
  static std::vector<unsigned> spread(Shape shape);
  unsigned bin_of(unsigned node, std::size_t size) const {
    return node * core::kMaxClasses + core::class_of(core::Profile::kFine, size).rep;
  }
  Cache& cache(CoreIndex c) { return caches_[c * bins_.size() + cores_[c].bin]; }
  double fetch(double lines, CoreIndex to, CoreIndex from);
  double fetch_line(CoreIndex to, CoreIndex from) {
    return moved_ns_ += engine_.line(to, from), engine_.line(to, from);
  }

  // A pattern's next piece; false: the core was parked, or runs something else first.
  bool next_piece(CoreIndex c);
  bool next_of_churn(CoreIndex c);
  bool next_of_pair(CoreIndex c);
  bool next_of_remote(CoreIndex c);
  bool next_of_sets(CoreIndex c);
  bool piece(CoreIndex c, bool allocating, unsigned bin, unsigned objects);

  void go_on(CoreIndex c);
  void miss(CoreIndex c);
  void in_bin(CoreIndex c);
  void take_magazine(CoreIndex c, Bin& bin);
  void give_magazine(CoreIndex c, Bin& bin);
  double slab_lines(CoreIndex c, Bin& bin, double lines);
  void hold(CoreIndex c, Held why, double ns, bool node_too);

  Workload workload_;
  Span span_;
  Shape shape_;
  Costs costs_;
  Engine engine_;
  Random random_;
  std::vector<Bin> bins_;
  std::vector<Core> cores_;
  std::vector<Cache> caches_;  // [core][bin]
  std::vector<Pipe> pipes_;    // [core]: kPairs, of the producer
  std::vector<Batch> mail_;    // [core]: kRemote
  std::uint64_t freed_ = 0;
  std::uint64_t trips_ = 0;
  double moved_ns_ = 0;  // outside the engine
  std::array<double, static_cast<std::size_t>(Held::kCount)> held_ns_ = {};
};

}  // namespace bench::scale
