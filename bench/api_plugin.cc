// SPDX-License-Identifier: BSD-3-Clause
#include "bench/api_plugin.h"

#include <dlfcn.h>

#include <filesystem>
#include <string>
#include <type_traits>

#include "api/fastmem.h"
#include "bench/plugin_core.h"

namespace bench {
namespace {

constexpr const char* kFastmemLibrary = "api/" BENCH_PLUGIN;  // from BUILD
constexpr const char* kCoreLibrary = "bench/libplugin_core.so";

// A library of the build's output, where this program lies in bench/.
class Library {
 public:
  explicit Library(const char* name) {
    std::error_code error;
    path_ = std::filesystem::read_symlink("/proc/self/exe", error).parent_path().parent_path() / name;
    handle_ = dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
  }

  bool open() const { return handle_ != nullptr; }

  // False: it is not there, or another one's of this name was found.
  template <class Function>
  bool find(const char* name, Function*& function) const {
    void* const symbol = dlsym(handle_, name);
    Dl_info found{};
    if (symbol == nullptr || dladdr(symbol, &found) == 0 || path_ != found.dli_fname) return false;
    function = reinterpret_cast<Function*>(symbol);
    return true;
  }

 private:
  std::string path_;
  void* handle_ = nullptr;
};

// The library would take this program's functions and thread-local words for its own.
bool exports_fastmem() { return dlsym(RTLD_DEFAULT, "fastmem_alloc") != nullptr; }

constexpr const char* kExports = "this program exports fastmem's functions";
constexpr const char* kLacks = "the shared library lacks a function";

}  // namespace

const char* FastmemPluginApi::start(const Setup& setup) {
  static_assert(std::is_same_v<Alloc, decltype(fastmem_alloc)> && std::is_same_v<Free, decltype(fastmem_free)>);
  if (exports_fastmem()) return kExports;
  const Library library(kFastmemLibrary);
  if (!library.open()) return dlerror();
  decltype(fastmem_config_init)* config_init = nullptr;
  decltype(fastmem_init)* init = nullptr;
  if (!library.find("fastmem_alloc", alloc_) || !library.find("fastmem_free", free_) ||
      !library.find("fastmem_config_init", config_init) || !library.find("fastmem_init", init)) {
    return kLacks;
  }
  fastmem_config_t config;
  config_init(&config);
  config.pages = setup.pages;
  return init(&config) == 0 ? nullptr : "the shared library cannot make its heap";
}

const char* CorePluginApi::start(const Setup& setup) {
  static_assert(std::is_same_v<Alloc, decltype(core_alloc)> && std::is_same_v<Free, decltype(core_free)>);
  if (exports_fastmem()) return kExports;
  const Library library(kCoreLibrary);
  if (!library.open()) return dlerror();
  decltype(core_start)* start_heap = nullptr;
  if (!library.find("core_alloc", alloc_) || !library.find("core_free", free_) ||
      !library.find("core_start", start_heap)) {
    return kLacks;
  }
  return start_heap(setup.pages);
}

}  // namespace bench
