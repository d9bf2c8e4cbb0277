// SPDX-License-Identifier: BSD-3-Clause
// tests/system/exhaustion.h: fills a heap until it refuses, looks at what it says then, and that everything is there
// again after. Used in child processes (tests/support/child_process.h): a body returns what went wrong, or nothing.
#pragma once

#include <fastmem.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <string>
#include <vector>

#include "platform/pages.h"
#include "tests/api/c_heap.h"

namespace fastmem::test {

inline constexpr std::size_t kHugePage = 2 * kMegabyte;

inline bool limit_to(__rlimit_resource_t resource, std::size_t soft) {
  rlimit limits = {};
  if (getrlimit(resource, &limits) != 0) return false;
  limits.rlim_cur = soft;
  return setrlimit(resource, &limits) == 0;
}

// A line of /proc/self/status, in KiB.
inline std::size_t status_kib(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(name + ":", 0) == 0) return std::stoul(line.substr(name.size() + 1));
  }
  return 0;
}

// Other programs have the pool, too: a difference may be theirs and passing, a leak stays.
template <class Holds>
bool comes_true(Holds holds) {
  for (int tries = 0; tries < 1000; ++tries) {
    if (holds()) return true;
    const timespec pause = {0, 10'000'000};
    nanosleep(&pause, nullptr);
  }
  return false;
}

inline std::size_t free_huge_pages() { return read_huge_pages(kMiB * 2).all.free; }

inline std::string must_mention(std::initializer_list<const char*> words) {
  const std::string text = fastmem_error_text();
  for (const char* const word : words) {
    if (text.find(word) == std::string::npos) return std::string("no \"") + word + "\" in: " + text;
  }
  return "";
}

// As many objects as there are, every byte of them written.
inline std::vector<void*> fill(fastmem_heap_t* heap, std::size_t size) {
  std::vector<void*> objects;
  objects.reserve(1 << 16);
  errno = 0;
  while (void* const p = fastmem_heap_alloc(heap, size, 0, 0)) {
    std::memset(p, static_cast<int>(objects.size() % 251), size);
    objects.push_back(p);
    errno = 0;
  }
  return objects;
}

inline bool is_whole(const std::vector<void*>& objects, std::size_t size) {
  for (std::size_t i = 0; i < objects.size(); ++i) {
    const auto* const bytes = static_cast<const unsigned char*>(objects[i]);
    for (std::size_t at = 0; at < size; at += 511) {
      if (bytes[at] != i % 251) return false;
    }
  }
  return true;
}

inline fastmem_stats_t stats_of(fastmem_heap_t* heap) {
  fastmem_stats_t stats = {};
  stats.struct_size = sizeof(stats);
  fastmem_stats(heap, &stats);
  return stats;
}

// Nothing is left behind once all objects are free.
inline std::string give_back(fastmem_heap_t* heap, const std::vector<void*>& objects) {
  if (fastmem_heap_free_bulk(heap, objects.data(), objects.size()) != 0)
    return std::string("free: ") + fastmem_error_text();
  fastmem_trim(heap);
  const fastmem_stats_t stats = stats_of(heap);
  if (stats.bytes_in_use != 0) return std::to_string(stats.bytes_in_use) + " bytes in use";
  if (stats.bytes_backing != 0) return std::to_string(stats.bytes_backing) + " bytes held after trim";
  if (stats.misuse != 0) return "misuse";
  if (status_kib("HugetlbPages") != 0) return std::to_string(status_kib("HugetlbPages")) + " KiB of hugetlb pages held";
  return "";
}

// The heap has been refused memory often; it asks again at the latest after a while.
inline std::string must_serve_again(fastmem_heap_t* heap, std::size_t size) {
  void* p = nullptr;
  if (!comes_true([&] { return (p = fastmem_heap_alloc(heap, size, 0, 0)) != nullptr; })) {
    return std::string("no memory again: ") + fastmem_error_text();
  }
  std::memset(p, 1, size);
  return give_back(heap, {p});
}

// The whole of it: full, an error with these words, every object whole; then all of it back.
inline std::string fill_and_give_back(fastmem_heap_t* heap, std::size_t size, std::size_t at_least,
                                      std::initializer_list<const char*> words) {
  const std::vector<void*> objects = fill(heap, size);
  if (errno != ENOMEM) return "errno " + std::to_string(errno) + ": " + fastmem_error_text();
  if (std::string wrong = must_mention(words); !wrong.empty()) return wrong;
  if (objects.size() * size < at_least) return "only " + std::to_string(objects.size()) + " objects";
  if (!is_whole(objects, size)) return "an object is not whole";
  if (stats_of(heap).alloc_nomem == 0) return "the refusal is not counted";
  return give_back(heap, objects);
}

inline fastmem_config_t config_2m() {
  fastmem_config_t config = small_config();
  config.pages = FASTMEM_PAGES_2M;
  config.address_space = 8192 * kMegabyte;
  return config;
}

// No log lines in the test's output; they are not what is looked at.
inline void be_quiet() {
  fastmem_set_log([](int, const char*, void*) {}, nullptr);
}

}  // namespace fastmem::test
