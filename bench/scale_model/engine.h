// SPDX-License-Identifier: BSD-3-Clause
// bench/scale_model/engine.h -- Q: when does each core get on, if they run, queue for locks and move cache lines?
//
// A discrete-event simulation. A core's body is called when the core gets on, and ends each call by saying what the core
// does next: run(), acquire() or park(). Locks serve first come, first served. Equal times are served in the order in
// which they were asked for: the same input gives the same result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <queue>
#include <vector>

namespace bench::scale {

using CoreIndex = unsigned;
using LockIndex = unsigned;

// What a line costs that another core wrote last.
struct Wires {
  double near_ns = 0;
  double far_ns = 0;  // from another node
};

// What became of a lock.
struct LockUse {
  double busy_ns = 0;   // had an owner, or was on its way to one
  double moved_ns = 0;  // of that: its lines were on their way
  double waited_ns = 0;
  std::uint64_t taken = 0;
};

class Body {
 public:
  Body() = default;
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;
  virtual ~Body() = default;
  virtual void step(CoreIndex core) = 0;
};

class Engine {
 public:
  Engine(std::vector<unsigned> node_of_core, Wires wires);

  // `lines` lines come with the lock when another core had it last.
  LockIndex add_lock(double lines);

  // ---- before simulate(), and for a body whose core gets on ----
  void run(CoreIndex core, double ns) { schedule(core, now_ + ns); }
  void acquire(CoreIndex core, LockIndex lock);
  void release(CoreIndex core, LockIndex lock);
  void park(CoreIndex) {}
  void wake(CoreIndex core) { schedule(core, now_); }

  void simulate(Body& body, double until_ns);

  double now() const { return now_; }
  double line(CoreIndex to, CoreIndex from) const;
  unsigned node_of(CoreIndex core) const { return node_of_core_[core]; }
  const LockUse& use(LockIndex lock) const { return locks_[lock].use; }
  void reset_use();  // the locks' counters begin anew

 private:
  static constexpr CoreIndex kNobody = ~CoreIndex{0};

  struct Event {
    double at;
    std::uint64_t number;
    CoreIndex core;
    bool operator>(const Event& o) const { return at != o.at ? at > o.at : number > o.number; }
  };
  struct Waiter {
    CoreIndex core;
    double since;
  };
  struct Lock {
    double lines;
    CoreIndex owner = kNobody;
    CoreIndex last = kNobody;
    double owned_since = 0;
    std::deque<Waiter> waiters = {};
    LockUse use = {};
  };

  void schedule(CoreIndex core, double at) { events_.push({at, ++events_made_, core}); }
  void grant(Lock& lock, CoreIndex core);

  std::vector<unsigned> node_of_core_;
  Wires wires_;
  std::vector<Lock> locks_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::uint64_t events_made_ = 0;
  double now_ = 0;
};

}  // namespace bench::scale
