// SPDX-License-Identifier: BSD-3-Clause
#include "bench/scale_model/real.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "bench/api_fastmem.h"
#include "bench/scenarios_pipe.h"
#include "bench/scenarios_threads.h"

namespace bench::scale {
namespace {

constexpr std::size_t kSize = 256;
constexpr unsigned kSetRuns = 3;

using Objects = std::vector<void*>;

void grow(Objects& batch) {
  for (void*& p : batch) p = FastmemApi::alloc(kSize);
}
void shrink(Objects& batch) {
  for (std::size_t i = batch.size(); i > 0; --i) FastmemApi::free(batch[i - 1]);
}

// What threads run, and where their batches wait for others.
class Program {
 public:
  Program(const Workload& workload, unsigned threads, std::size_t rounds)
      : workload_(workload), threads_(threads), rounds_(rounds), mail_(threads) {}

  double run() {
    waiting_ = static_cast<int>(threads_);
    std::vector<std::thread> threads;
    std::vector<std::uint64_t> begin(threads_);
    std::vector<std::uint64_t> end(threads_);
    for (unsigned i = 0; i < threads_; ++i) {
      threads.emplace_back([this, i, &begin, &end] {
        pin(all_cpus()[i % all_cpus().size()]);
        body(i, rounds_ / 4 + 1);
        meet();
        begin[i] = ticks();
        body(i, rounds_);
        end[i] = ticks();
      });
    }
    for (std::thread& thread : threads) thread.join();
    const auto took = *std::max_element(end.begin(), end.end()) - *std::min_element(begin.begin(), begin.end());
    empty_mail();
    return static_cast<double>(took) * threads_ / static_cast<double>(objects());
  }

 private:
  // Allocated and freed by all threads.
  std::size_t objects() const {
    const std::size_t each = workload_.burst + workload_.calm / 2;
    return rounds_ * each * (workload_.pattern == Pattern::kPairs ? threads_ / 2 : threads_);
  }

  void body(unsigned thread, std::size_t rounds) {
    if (workload_.pattern == Pattern::kChurn) return churn(rounds);
    if (workload_.pattern == Pattern::kRemote) return remote(thread, rounds);
    thread % 2 == 0 ? produce(rounds) : consume(rounds);
  }

  void churn(std::size_t rounds) const {
    Objects batch(workload_.burst);
    Objects few(std::min(workload_.calm / 2, 64u));
    for (std::size_t round = 0; round < rounds; ++round) {
      grow(batch);
      shrink(batch);
      for (std::size_t done = 0; done < workload_.calm / 2; done += few.size()) {
        grow(few);
        shrink(few);
      }
    }
  }

  void produce(std::size_t rounds) {
    for (const std::uint64_t until = produced_ + rounds; produced_ < until; ++produced_) {
      Objects& batch = batches_[produced_ % batches_.size()];
      batch.resize(workload_.burst);
      while (produced_ - consumed_.load(std::memory_order_acquire) >= batches_.size()) {
      }
      grow(batch);
      while (!pipe_.has_room(1)) {
      }
      void* const sent = &batch;
      pipe_.push(&sent, 1);
    }
  }
  void consume(std::size_t rounds) {
    for (std::size_t round = 0; round < rounds; ++round) {
      void* batch = nullptr;
      while (!pipe_.pop(&batch, 1)) {
      }
      shrink(*static_cast<Objects*>(batch));
      consumed_.fetch_add(1, std::memory_order_release);
    }
  }

  void remote(unsigned thread, std::size_t rounds) {
    Random random(thread + 1);
    auto mine = std::make_unique<Objects>(workload_.burst);
    for (std::size_t round = 0; round < rounds; ++round) {
      grow(*mine);
      auto& box = mail_[random.below(threads_)].batch;
      std::unique_ptr<Objects> got(box.exchange(mine.release(), std::memory_order_acq_rel));
      if (got != nullptr) shrink(*got);
      mine = got != nullptr ? std::move(got) : std::make_unique<Objects>(workload_.burst);
    }
  }

  void empty_mail() {
    for (Box& box : mail_) {
      const std::unique_ptr<Objects> left(box.batch.exchange(nullptr));
      if (left != nullptr) shrink(*left);
    }
  }

  void meet() {
    waiting_.fetch_sub(1, std::memory_order_acq_rel);
    while (waiting_.load(std::memory_order_acquire) > 0) std::this_thread::yield();
  }

  struct alignas(fastmem::kLinePair) Box {
    std::atomic<Objects*> batch{nullptr};
  };

  Workload workload_;
  unsigned threads_;
  std::size_t rounds_;
  std::vector<Box> mail_;
  Ring pipe_;
  std::array<Objects, kBatchesBetween> batches_;
  std::uint64_t produced_ = 0;
  alignas(fastmem::kLinePair) std::atomic<std::uint64_t> consumed_{
      0};  // writer: the consumer. release: gives a batch back
  std::atomic<int> waiting_{0};
};

double run_sets(unsigned threads, bool quick) {
  const ScenarioInfo* info = find_scenario("threads/" + std::to_string(threads));
  if (info == nullptr) die("no such scenario");
  ThreadsScenario<FastmemApi> scenario(*info, {.setup = {.threads = threads}, .quick = quick});
  scenario.warm_up();
  double least = scenario.run().cycles;
  for (unsigned run = 1; run < kSetRuns; ++run) least = std::min(least, scenario.run().cycles);
  return least * threads;  // the bench divides by the operations of all threads
}

}  // namespace

double run_real(const Workload& workload, unsigned threads, bool quick) {
  static const double frequency = ticks_per_ns();
  static const char* const refused = FastmemApi::start({.pages = FASTMEM_PAGES_THP});
  if (refused != nullptr) die("no heap", refused);
  if (workload.pattern == Pattern::kSets) return run_sets(threads, quick) / frequency;
  // Short runs, and many: the least is one that no other task came into.
  constexpr std::size_t kObjects = 100'000;
  const unsigned runs = quick ? 15 : 100;
  const std::size_t rounds = kObjects / (workload.burst + workload.calm / 2);
  double least = 0;
  for (unsigned run = 0; run < runs; ++run) {
    auto program = std::make_unique<Program>(workload, threads, rounds);
    const double took = program->run() / frequency;
    least = run == 0 ? took : std::min(least, took);
  }
  return least;
}

}  // namespace bench::scale
