// SPDX-License-Identifier: BSD-3-Clause
// tests/tools/recorder_program.cc: allocates a known number of objects of sizes that nothing else asks for, and ends in
// the way that its argument names.
#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kThreads = 4;
constexpr int kRounds = 20000;
void* handed_over[kThreads][1000];

// 1000 objects stay for another thread; the others come and go.
void* work(void* argument) {
  const auto self = reinterpret_cast<std::size_t>(argument);
  for (auto& slot : handed_over[self]) slot = std::malloc(3333);
  void* ring[64] = {};
  for (int i = 0; i < kRounds; ++i) {
    std::free(ring[i % 64]);
    ring[i % 64] = std::malloc(1777);
  }
  for (void* ptr : ring) std::free(ptr);
  return nullptr;
}

void run_threads() {
  pthread_t threads[kThreads];
  for (std::size_t i = 0; i < kThreads; ++i) pthread_create(&threads[i], nullptr, work, reinterpret_cast<void*>(i));
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  for (auto& row : handed_over) {
    for (void* ptr : row) std::free(ptr);
  }
}

void many(int count, std::size_t size) {
  for (int i = 0; i < count; ++i) {
    void* volatile ptr = std::malloc(size);
    std::free(ptr);
  }
}

void every_function() {
  void* ptr = nullptr;
  std::free(std::malloc(1001));
  std::free(std::calloc(7, 143));
  if (posix_memalign(&ptr, 256, 1002) == 0) std::free(ptr);
  std::free(aligned_alloc(512, 1024));
  std::free(memalign(128, 1003));
  std::free(valloc(1004));
  ptr = std::malloc(1005);
  ptr = std::realloc(ptr, 100000);
  ptr = reallocarray(ptr, 300, 1000);
  std::free(ptr);
  std::free(nullptr);
  if (reallocarray(nullptr, SIZE_MAX / 2, 4) != nullptr) std::abort();
  if (std::malloc(SIZE_MAX / 2) != nullptr) std::abort();
}

}  // namespace

int main(int argc, char** argv) {
  const char* const mode = argc > 1 ? argv[1] : "";
  const auto is = [&](const char* name) { return std::strcmp(mode, name) == 0; };
  if (is("threads")) run_threads();
  if (is("functions")) every_function();
  if (is("endless")) {
    for (;;) many(1000, 1777);
  }
  if (is("many-threads")) {
    for (int i = 0; i < 2000; ++i) {
      pthread_t thread;
      const auto body = [](void*) -> void* { return many(3, 1777), nullptr; };
      if (pthread_create(&thread, nullptr, body, nullptr) == 0) pthread_join(thread, nullptr);
    }
  }
  if (is("fork")) {
    many(100, 1777);
    if (fork() == 0) {
      many(50, 2888);
      return 0;
    }
    wait(nullptr);
    many(11, 3999);
  }
  if (is("exec")) {
    many(100, 1777);
    execl("/proc/self/exe", argv[0], "functions", nullptr);
  }
  if (is("start")) {
    many(100, 1777);
    if (fork() == 0) execl("/proc/self/exe", argv[0], "functions", nullptr);
    wait(nullptr);
  }
  if (is("kill")) {
    many(12345, 1777);
    kill(getpid(), SIGKILL);
  }
  if (is("abort")) {
    many(12345, 1777);
    std::abort();
  }
  if (is("_exit")) {
    many(12345, 1777);
    _exit(3);
  }
  if (is("close-all")) {
    for (int file = 3; file < 100; ++file) close(file);
    many(2'000'000, 1777);
  }
  return 0;
}
