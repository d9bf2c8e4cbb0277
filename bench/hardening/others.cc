// SPDX-License-Identifier: BSD-3-Clause
#include "bench/hardening/others.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace bench::hardening {
namespace {

namespace fs = std::filesystem;

struct Known {
  const char* name;
  std::vector<std::string> places;
};

const std::vector<Known>& known() {
  static const std::vector<Known> all = {
      {"scudo",
       {"/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.scudo_standalone-x86_64.so",
        "/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.scudo_standalone-aarch64.so"}},
      {"hardened_malloc", {"/usr/local/lib/libhardened_malloc.so", "/usr/lib/libhardened_malloc.so"}},
      {"mimalloc secure", {"/usr/local/lib/libmimalloc-secure.so", "/usr/lib/x86_64-linux-gnu/libmimalloc-secure.so"}},
  };
  return all;
}

}  // namespace

std::vector<Other> others(std::string& missing) {
  std::vector<Other> found = {{"glibc", ""}};
  for (const Known& one : known()) {
    const std::size_t before = found.size();
    for (const std::string& place : one.places) {
      std::error_code error;
      if (found.size() == before && fs::exists(place, error)) found.push_back({one.name, place});
    }
    if (found.size() == before) missing += (missing.empty() ? "" : ", ") + std::string(one.name);
  }
  return found;
}

bool measure_other(const Other& other, std::size_t objects, Figures& out) {
  std::error_code error;
  const std::string self = fs::read_symlink("/proc/self/exe", error);
  const std::string preload = other.preload.empty() ? "" : "LD_PRELOAD='" + other.preload + "' ";
  const std::string command = preload + "'" + self + "' --as-other " + std::to_string(objects);
  FILE* const pipe = popen(command.c_str(), "r");  // NOLINT(cert-env33-c): this program, with another malloc
  if (pipe == nullptr) return false;
  bool all = true;
  for (double& figure : out) all = std::fscanf(pipe, "%lf", &figure) == 1 && all;  // NOLINT(cert-err34-c): looked at
  return pclose(pipe) == 0 && all;
}

int run_as_other(std::size_t objects) {
  // Through pointers that the compiler knows nothing of: it must not drop a pair.
  void* (*volatile alloc)(std::size_t) = std::malloc;
  void (*volatile give)(void*) = std::free;
  const Figures figures =
      measure([&](std::size_t size) { return alloc(size); }, [&](void* p, std::size_t) { give(p); }, [] {}, objects);
  for (const double figure : figures) std::printf("%.3f\n", figure);
  return EXIT_SUCCESS;
}

}  // namespace bench::hardening
