// SPDX-License-Identifier: BSD-3-Clause
// bench/misses/transfer.cc -- Q: what does a cache line cost that another core wrote last?
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>

#include "bench/clock.h"
#include "bench/machine.h"
#include "bench/misses/paths.h"
#include "core/magazine.h"

namespace bench {
namespace {

constexpr std::size_t kLines = fastmem::core::Magazine::size(kPathMagazine).rep / fastmem::kCacheLine;

struct alignas(fastmem::kLinePair) Court {
  std::atomic<bool> ready{false};
  alignas(fastmem::kLinePair) std::atomic<std::uint64_t> turn{0};  // even: the first thread's
  alignas(fastmem::kLinePair) std::uint64_t lines[kLines][fastmem::kCacheLine / sizeof(std::uint64_t)] = {};
};

// As a magazine passes: one thread fills so many lines, the other fetches them all and reads, and says so. Nanoseconds
// for each of the two.
double ping_pong(std::size_t lines, std::uint64_t rounds) {
  Court court;
  const auto play = [&](int cpu, std::uint64_t first, auto use) {
    pin(cpu);
    court.ready = true;
    for (std::uint64_t turn = first; turn < rounds * 2; turn += 2) {
      while (court.turn.load(std::memory_order_acquire) != turn) {
      }
      for (std::size_t i = 0; i < lines; ++i) use(court.lines[i], turn);
      court.turn.store(turn + 1, std::memory_order_release);  // passes the lines on
    }
  };
  const auto fill = [](std::uint64_t* line, std::uint64_t turn) { *line = turn; };
  const auto read = [](const std::uint64_t* line, std::uint64_t) { asm volatile("" : : "r"(*line)); };
  std::thread other([&] { play(all_cpus().front(), 1, read); });
  while (!court.ready) std::this_thread::yield();
  const std::uint64_t begin = ticks();
  play(all_cpus().back(), 0, fill);
  const std::uint64_t took = ticks() - begin;
  other.join();
  static const double frequency = ticks_per_ns();
  return static_cast<double>(took) / static_cast<double>(rounds * 2) / frequency;
}

}  // namespace

// The least of many short games: another task on either CPU only ever adds.
Transfer measure_transfer(const PathPlan& plan) {
  if (all_cpus().size() < 2) return {};
  constexpr std::uint64_t kRounds = 1'000;
  double one = ping_pong(0, kRounds);
  double all = ping_pong(kLines, kRounds);
  for (std::size_t run = 0; run < plan.samples(400); ++run) {
    one = std::min(one, ping_pong(0, kRounds));
    all = std::min(all, ping_pong(kLines, kRounds));
  }
  return {.line_ns = one, .magazine_ns = all - one};
}

}  // namespace bench
