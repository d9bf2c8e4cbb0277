// SPDX-License-Identifier: BSD-3-Clause
// bench/misses/ahead.cc -- Q: how long does a thread stall that fills 1 GiB at a steady rate, with and without somebody
// who brings memory ahead of need?
#include <chrono>
#include <string>
#include <thread>

#include "bench/misses/ground.h"
#include "bench/misses/paths.h"

namespace bench {
namespace {

using fastmem::kGiB;
using fastmem::kKiB;
using fastmem::kMiB;

constexpr Bytes kObject = kKiB * 16;
constexpr Bytes kLow = kMiB * 64;
constexpr std::chrono::milliseconds kUntilPopulated{200};
constexpr double kBytesPerNs = 0.5;  // 500 MB/s: a link of 4 Gbit/s that nobody reads from

// The time of each object: its allocation, and the first touch of its pages.
Path fill(const PathPlan& plan, bool ahead) {
  const Bytes all = plan.quick ? kGiB / 4 : kGiB;
  const std::size_t count = all / kObject;
  const Ground ground({.pages = plan.pages});
  core::Heap& heap = ground.heap();
  if (ahead) {
    if (!heap.set_watermarks(kLow, fastmem::kUnlimited, fastmem::kAnyNode).ok()) die("no watermark");
    pin(all_cpus().front());  // the maintainer runs where its starter may
    if (!heap.start_maintainer().ok()) die("no maintainer");
    pin(all_cpus().back());
  }
  const auto free_now = [&] { return heap.node_stats(heap.node_at(0)).value().free; };
  if (ahead) {  // it is there when the filling begins, and soon its pages are, too
    while (free_now() < kLow) std::this_thread::yield();
    std::this_thread::sleep_for(kUntilPopulated);
  }
  Books<void*> objects(count);
  Samples samples(count);
  const std::uint64_t begin = ticks();
  const double ticks_per_object = static_cast<double>(kObject.rep) / kBytesPerNs * ticks_per_ns();
  for (std::size_t i = 0; i < count; ++i) {
    while (static_cast<double>(ticks() - begin) < static_cast<double>(i) * ticks_per_object) {
    }
    samples.watch();
    samples.time([&] {
      auto* const p = static_cast<volatile unsigned char*>(heap.alloc(kObject.rep));
      if (p == nullptr) die("no object for the bench", fastmem::last_error().text);
      for (std::size_t at = 0; at < kObject.rep; at += 4096) p[at] = 1;
      objects[i] = const_cast<unsigned char*>(p);
    });
  }
  if (ahead) heap.stop_maintainer();
  for (std::size_t i = 0; i < count; ++i) heap.free(objects[i]);
  const Distribution took = samples.distribution();
  std::string forced = ahead ? "the same; low mark 64 MiB, and the heap's own thread answers it on another CPU"
                             : "1 GiB in objects of 16 KiB at 500 MB/s, every page touched: allocation and touch";
  forced +=
      "; slowest that no other task disturbed: " + std::to_string(static_cast<long>(took.undisturbed_max)) + " ns";
  return {.name = ahead ? "filled steadily, grown ahead of need" : "filled steadily, grown on demand",
          .forced = forced,
          .took = took};
}

}  // namespace

std::vector<Path> ahead_paths(const PathPlan& plan) {
  if (all_cpus().size() < 2) return {};  // who brings memory would take turns with who uses it
  return {fill(plan, false), fill(plan, true)};
}

}  // namespace bench
