// SPDX-License-Identifier: BSD-3-Clause
#include "bench/scale_model/engine.h"

#include <algorithm>
#include <utility>

namespace bench::scale {

Engine::Engine(std::vector<unsigned> node_of_core, Wires wires)
    : node_of_core_(std::move(node_of_core)), wires_(wires) {}

LockIndex Engine::add_lock(double lines) {
  locks_.push_back({.lines = lines});
  return static_cast<LockIndex>(locks_.size() - 1);
}

double Engine::line(CoreIndex to, CoreIndex from) const {
  if (to == from || from == kNobody) return 0;
  return node_of_core_[to] == node_of_core_[from] ? wires_.near_ns : wires_.far_ns;
}

void Engine::acquire(CoreIndex core, LockIndex index) {
  Lock& lock = locks_[index];
  if (lock.owner == kNobody) return grant(lock, core);
  lock.waiters.push_back({core, now_});
}

void Engine::release(CoreIndex core, LockIndex index) {
  Lock& lock = locks_[index];
  lock.last = core;
  lock.use.busy_ns += now_ - lock.owned_since;
  lock.owner = kNobody;
  if (lock.waiters.empty()) return;
  const Waiter next = lock.waiters.front();
  lock.waiters.pop_front();
  lock.use.waited_ns += now_ - next.since;
  grant(lock, next.core);
}

void Engine::grant(Lock& lock, CoreIndex core) {
  const double moving = lock.lines * line(core, lock.last);
  lock.owner = core;
  lock.owned_since = now_;
  lock.use.moved_ns += moving;
  ++lock.use.taken;
  schedule(core, now_ + moving);
}

void Engine::simulate(Body& body, double until_ns) {
  while (!events_.empty() && events_.top().at <= until_ns) {
    const Event event = events_.top();
    events_.pop();
    now_ = event.at;
    body.step(event.core);
  }
  now_ = std::max(now_, until_ns);
}

void Engine::reset_use() {
  for (Lock& lock : locks_) {
    lock.use = {};
    lock.owned_since = now_;  // what its owner had before does not count
  }
}

}  // namespace bench::scale
