// SPDX-License-Identifier: BSD-3-Clause
#include "backends/standalone/populate.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace fastmem {
namespace {

constexpr unsigned kMostThreads = 256;

// The kernel answers EFAULT where a touch would raise SIGBUS.
int populate_slice(char* at, Bytes size) {
  int result = 0;
  do {
    result = madvise(at, size.rep, MADV_POPULATE_WRITE) == 0 ? 0 : errno;
  } while (result == EAGAIN || result == EINTR);
  return result;
}

class Work {
 public:
  Work(void* at, Bytes size, Bytes slice) : at_(static_cast<char*>(at)), size_(size), slice_(slice) {}

  // One slice more; false: none is left, or something went wrong.
  bool step() {
    if (error_.load(std::memory_order_relaxed) != 0) return false;
    const std::size_t begin = next_.fetch_add(slice_.rep, std::memory_order_relaxed);
    if (begin >= size_.rep) return false;
    const Bytes size{std::min(slice_.rep, size_.rep - begin)};
    if (const int error = populate_slice(at_ + begin, size); error != 0) {
      stop(error);
      return false;
    }
    done_.fetch_add(size.rep, std::memory_order_relaxed);
    return true;
  }

  void stop(int error) {
    int none = 0;
    error_.compare_exchange_strong(none, error, std::memory_order_relaxed);
  }
  int error() const { return error_.load(std::memory_order_relaxed); }
  std::size_t done() const { return done_.load(std::memory_order_relaxed); }
  std::size_t total() const { return size_.rep; }

  static void* run(void* work) {
    while (static_cast<Work*>(work)->step()) {
    }
    return nullptr;
  }

 private:
  char* const at_;
  const Bytes size_;
  const Bytes slice_;
  // All three: any thread, relaxed; pthread_join() orders the last word.
  std::atomic<std::size_t> next_{0};
  std::atomic<std::size_t> done_{0};
  std::atomic<int> error_{0};  // the first
};

// Threads that are not to be had are done without.
class Helpers {
 public:
  Helpers(Work& work, unsigned count) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // a new thread inherits it
    while (started_ < count && pthread_create(&threads_[started_], nullptr, Work::run, &work) == 0) ++started_;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;
  ~Helpers() { join(); }

  void join() {
    while (started_ > 0) pthread_join(threads_[--started_], nullptr);
  }

 private:
  pthread_t threads_[kMostThreads];
  unsigned started_ = 0;
};

}  // namespace

int populate_pages(void* at, Bytes size, Bytes page_size, const Populate& how) {
  Work work(at, size, std::max(kPopulateSlice, page_size));
  const std::size_t slices = size / std::max(kPopulateSlice, page_size);  // whole ones
  const auto threads = static_cast<unsigned>(std::min<std::size_t>({how.threads, slices, kMostThreads}));
  Helpers helpers(work, threads > 1 ? threads - 1 : 0);
  std::size_t told = 0;
  while (work.step()) {
    if (how.progress == nullptr) continue;
    told = work.done();
    if (how.progress(told, work.total(), how.context) == 0) work.stop(ECANCELED);
  }
  helpers.join();
  if (work.error() == 0 && how.progress != nullptr && told != work.total()) {
    if (how.progress(work.total(), work.total(), how.context) == 0) work.stop(ECANCELED);
  }
  return work.error();
}

unsigned allowed_cpus() {
  // As many words as the kernel wants; what it has more than this is more threads than help anyway.
  alignas(cpu_set_t) unsigned char words[1024 * 8 / 8];
  auto* const set = reinterpret_cast<cpu_set_t*>(words);
  if (sched_getaffinity(0, sizeof(words), set) != 0) return 1;
  return static_cast<unsigned>(std::max(1, CPU_COUNT_S(sizeof(words), set)));
}

}  // namespace fastmem
