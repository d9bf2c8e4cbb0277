// SPDX-License-Identifier: BSD-3-Clause
// tests/bench/scale_engine_test.cc: the simulation against what queueing theory says in closed form.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "bench/random_set.h"
#include "bench/scale_model/engine.h"

namespace bench::scale {
namespace {

// Every core: thinks, takes the one lock, holds it; over and over, or `rounds` times.
class Customers final : public Body {
 public:
  Customers(const std::vector<unsigned>& node_of_core, Wires wires, double lines, double think, double hold,
            unsigned rounds)
      : engine(node_of_core, wires),
        lock(engine.add_lock(lines)),
        think_(think),
        hold_(hold),
        rounds_(rounds),
        at_(node_of_core.size(), kThinks) {}

  void step(CoreIndex core) override {
    switch (at_[core]) {
      case kThinks:
        at_[core] = kTakes;
        return engine.acquire(core, lock);
      case kTakes:
        at_[core] = kHolds;
        return engine.run(core, hold_);
      default:
        engine.release(core, lock);
        ++served;
        at_[core] = kThinks;
        if (served < rounds_) engine.run(core, think_);
    }
  }

  Engine engine;
  LockIndex lock;
  std::uint64_t served = 0;

 private:
  enum At { kThinks, kTakes, kHolds };
  double think_;
  double hold_;
  std::uint64_t rounds_;
  std::vector<At> at_;
};

std::uint64_t served_in(const std::vector<unsigned>& nodes, Wires wires, double lines, double think, double hold,
                        double ns) {
  Customers customers(nodes, wires, lines, think, hold, ~0u);
  for (CoreIndex c = 0; c < nodes.size(); ++c) customers.engine.run(c, 0);
  customers.engine.simulate(customers, ns);
  return customers.served;
}

TEST_CASE("a core alone: one round takes its think time and the hold time") {
  CHECK(served_in({0}, {.near_ns = 50, .far_ns = 100}, 3, 30, 20, 100'000) == 2000);
}

TEST_CASE("a saturated lock serves one core for each hold time, however many wait") {
  for (unsigned cores : {2u, 8u, 64u}) {
    CHECK(served_in(std::vector<unsigned>(cores, 0), {}, 1, 0, 25, 100'000) == doctest::Approx(4000).epsilon(0.001));
  }
}

TEST_CASE("deterministic cores share a lock without loss until it saturates: min(N / (think + hold), 1 / hold)") {
  for (unsigned cores : {1u, 2u, 4u, 8u, 16u}) {
    const double expected = std::min(cores / 100.0, 1 / 20.0) * 200'000;
    CHECK(served_in(std::vector<unsigned>(cores, 0), {}, 1, 80, 20, 200'000) ==
          doctest::Approx(expected).epsilon(0.01));
  }
}

TEST_CASE("moving the lock's lines adds to the hold time, more from another node") {
  const Wires wires{.near_ns = 50, .far_ns = 125};
  CHECK(served_in({0, 0}, wires, 2, 0, 25, 125'000) == doctest::Approx(1000).epsilon(0.01));  // 25 + 2 * 50
  CHECK(served_in({0, 1}, wires, 2, 0, 25, 275'000) == doctest::Approx(1000).epsilon(0.01));  // 25 + 2 * 125
}

TEST_CASE("random arrivals wait as long as in M/D/1: load * hold / (2 * (1 - load))") {
  constexpr unsigned kArrivals = 200'000;
  constexpr double kHold = 10;
  for (double load : {0.3, 0.6, 0.8}) {
    Customers customers(std::vector<unsigned>(kArrivals, 0), {}, 1, 0, kHold, 0);
    Random random(42);
    double at = 0;
    for (CoreIndex c = 0; c < kArrivals; ++c) {
      const double uniform = (static_cast<double>(random.next() >> 11) + 1) * 0x1p-53;
      at -= std::log(uniform) * kHold / load;
      customers.engine.run(c, at);
    }
    customers.engine.simulate(customers, at * 2);
    const LockUse& use = customers.engine.use(customers.lock);
    REQUIRE(use.taken == kArrivals);
    CHECK(use.waited_ns / kArrivals == doctest::Approx(load * kHold / (2 * (1 - load))).epsilon(0.05));
    CHECK(use.busy_ns / at == doctest::Approx(load).epsilon(0.02));
  }
}

}  // namespace
}  // namespace bench::scale
