// SPDX-License-Identifier: BSD-3-Clause
// Code that runs when a thread or the program ends: may it still allocate and free, in whatever order it runs?
#include <doctest/doctest.h>
#include <fastmem.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "tests/api/c_heap.h"

namespace fastmem {
namespace {

using test::CHeap;

const CHeap* g_heap;  // for destructors, which have no argument of ours

struct Holder {
  ~Holder() {
    if (object == nullptr) return;
    void* const late = g_heap->alloc(200);
    failed = failed || late == nullptr || g_heap->free(late) != 0 || g_heap->free(object) != 0;
  }
  void* object = nullptr;
  static inline bool failed = false;
};

TEST_CASE("thread-local objects free when their thread ends") {
  const CHeap heap;
  g_heap = &heap;
  for (int i = 0; i < 50; ++i) {
    std::thread([&heap, i] {
      thread_local Holder before;  // made before the heap was used by this thread, or after
      if (i % 2 == 0) REQUIRE(heap.free(heap.alloc(64)) == 0);
      before.object = heap.alloc(64);
    }).join();
  }
  CHECK_FALSE(Holder::failed);
  CHECK(heap.stats().bytes_in_use == 0);
  CHECK(heap.stats().misuse == 0);
}

// Destructors of keys run in rounds, in an order that nobody promises: each of these works for several rounds.
struct Key {
  pthread_key_t key;
  unsigned rounds;
};
Key g_keys[8];
bool g_key_failed;

struct Value {
  Key* key;
  void* object;
};

void on_key(void* argument) {
  auto* const value = static_cast<Value*>(argument);
  g_key_failed = g_key_failed || g_heap->free(value->object) != 0;
  value->object = g_heap->alloc(300);
  g_key_failed = g_key_failed || value->object == nullptr;
  if (++value->key->rounds < 3 && pthread_setspecific(value->key->key, value) == 0) return;
  g_key_failed = g_key_failed || g_heap->free(value->object) != 0 || g_heap->free(value) != 0;
}

TEST_CASE("destructors of keys made before and after the heap's own free, and allocate again") {
  const CHeap heap;
  g_heap = &heap;
  for (int i = 0; i < 4; ++i) REQUIRE(pthread_key_create(&g_keys[i].key, on_key) == 0);
  REQUIRE(heap.free(heap.alloc(64)) == 0);  // the first use of the process, when this case runs alone
  for (int i = 4; i < 8; ++i) REQUIRE(pthread_key_create(&g_keys[i].key, on_key) == 0);
  for (int t = 0; t < 20; ++t) {
    std::thread([&heap] {
      for (Key& key : g_keys) {
        key.rounds = 0;
        auto* const value = static_cast<Value*>(heap.alloc(sizeof(Value)));
        REQUIRE(value != nullptr);
        *value = {&key, heap.alloc(300)};
        REQUIRE(pthread_setspecific(key.key, value) == 0);
      }
    }).join();
  }
  for (const Key& key : g_keys) pthread_key_delete(key.key);
  CHECK_FALSE(g_key_failed);
  CHECK(heap.stats().bytes_in_use == 0);
  CHECK(heap.stats().misuse == 0);
}

TEST_CASE("a thread that ends after its heap is gone") {
  for (int i = 0; i < 20; ++i) {
    std::thread([] {
      const CHeap heap;
      REQUIRE(heap.alloc(64) != nullptr);  // cached objects and a live one go with the heap
    }).join();
  }
}

// ---- the end of the program: children that exit() ------------------------------------------------------------------

void* g_object;

void free_at_exit() {
  if (fastmem_free(g_object) != 0 || fastmem_free(fastmem_alloc(99, 0, 0)) != 0) _exit(3);
}

struct Static {
  ~Static() {
    if (object != nullptr && fastmem_free(object) != 0) _exit(4);
  }
  void* object = nullptr;
} g_static;  // its destructor runs after atexit() functions registered later

// Ends by exit(): handlers run, those of the test program too, but for its output.
int exit_status_of(void (*body)()) {
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const fastmem_config_t config = test::small_config();
    if (fastmem_init(&config) != 0) _exit(2);
    body();
    std::exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST_CASE("atexit functions free and allocate") {
  CHECK(exit_status_of([] {
          std::atexit(free_at_exit);
          g_object = fastmem_alloc(50, 0, 0);
        }) == 0);
}

TEST_CASE("static objects free") {
  CHECK(exit_status_of([] { g_static.object = fastmem_alloc(50, 0, 0); }) == 0);
}

TEST_CASE("exit while other threads allocate") {
  CHECK(exit_status_of([] {
          for (int t = 0; t < 3; ++t) {
            std::thread([] {
              for (;;) {
                if (fastmem_free(fastmem_alloc(100, 0, 0)) != 0) _exit(5);
              }
            }).detach();
          }
          g_static.object = fastmem_alloc(50, 0, 0);
        }) == 0);
}

}  // namespace
}  // namespace fastmem
