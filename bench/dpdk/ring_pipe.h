// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/ring_pipe.h -- Q: what does an object cost that one lcore allocates and writes, and another reads and
// frees, when an rte_ring carries it?
#pragma once

#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <rte_ring.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <memory>

#include "bench/clock.h"
#include "bench/dpdk/lcores.h"
#include "bench/scenario.h"

namespace bench {

// The main lcore produces, the first worker consumes; one by one, or kBurst at a time with the allocator's bulk calls.
template <class Source, bool kBulk>
class RingPipeScenario final : public Scenario {
 public:
  RingPipeScenario(Source source, const ScenarioInfo& info, bool quick)
      : source_(source), size_(info.size), n_((quick ? 100'000 : 400'000) / kBurst * kBurst), ring_(make_ring()) {}

  void warm_up() override { run(); }

  Sample run() override {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::atomic<int> waiting{2};
    on_lcores(2, [&](unsigned i) {
      waiting.fetch_sub(1, std::memory_order_acq_rel);
      while (waiting.load(std::memory_order_acquire) > 0) rte_pause();
      if (i == 0) {
        begin = ticks();
        produce();
      } else {
        consume();
        end = ticks();
      }
    });
    return {.cycles = static_cast<double>(end - begin) / static_cast<double>(n_)};
  }

 private:
  struct FreeRing {
    void operator()(rte_ring* ring) const { rte_ring_free(ring); }
  };
  using RingPointer = std::unique_ptr<rte_ring, FreeRing>;

  static RingPointer make_ring() {
    static std::atomic<unsigned> made{0};
    char name[RTE_RING_NAMESIZE];
    std::snprintf(name, sizeof name, "bench_%p_%u", static_cast<void*>(&made), made.fetch_add(1));
    RingPointer ring(rte_ring_create(name, kSlots, static_cast<int>(rte_socket_id()), RING_F_SP_ENQ | RING_F_SC_DEQ));
    if (ring == nullptr) die("no ring", rte_strerror(rte_errno));
    return ring;
  }

  [[gnu::noinline]] void produce() {
    void* objects[kBurst];
    for (std::uint64_t i = 0; i < n_; i += kStep) {
      if constexpr (kBulk) {
        source_.alloc_bulk(objects, kBurst);
      } else {
        objects[0] = source_.alloc();
      }
      for (std::size_t k = 0; k < kStep; ++k) {
        if (objects[k] == nullptr) [[unlikely]]
          die("out of memory");
        std::memset(objects[k], static_cast<int>(i + k), size_);
      }
      while (rte_ring_sp_enqueue_bulk(ring_.get(), objects, kStep, nullptr) == 0) rte_pause();
    }
  }

  [[gnu::noinline]] void consume() {
    void* objects[kBurst];
    unsigned wrong = 0;
    for (std::uint64_t i = 0; i < n_; i += kStep) {
      while (rte_ring_sc_dequeue_bulk(ring_.get(), objects, kStep, nullptr) == 0) rte_pause();
      for (std::size_t k = 0; k < kStep; ++k) wrong |= differs(objects[k], static_cast<unsigned char>(i + k));
      if constexpr (kBulk) {
        source_.free_bulk(objects, kBurst);
      } else {
        source_.free(objects[0]);
      }
    }
    if (wrong != 0) die("objects do not hold what was written to them");
  }

  // Reads every cache line.
  unsigned differs(const void* object, unsigned char value) const {
    const auto* const p = static_cast<const unsigned char*>(object);
    unsigned different = 0;
    for (std::size_t at = 0; at < size_; at += RTE_CACHE_LINE_SIZE) different |= p[at] ^ value;
    return different;
  }

  static constexpr unsigned kSlots = 1024;
  static constexpr unsigned kStep = kBulk ? kBurst : 1;

  Source source_;
  std::size_t size_;
  std::uint64_t n_;
  RingPointer ring_;
};

}  // namespace bench
