// SPDX-License-Identifier: BSD-3-Clause
// Hardening is asked for by configuration, in C and C++, or by the environment; a word that is not known is an error.
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>

#include "api/fastmem.hpp"
#include "tests/api/c_heap.h"
#include "tests/support/child_process.h"
#include "tests/support/log_capture.h"

namespace fastmem::test {
namespace {

// "zero" can be seen from outside.
bool erases(fastmem_heap_t* heap) {
  auto* const p = static_cast<unsigned char*>(fastmem_heap_alloc(heap, 100, 0, 0));
  REQUIRE(p != nullptr);
  std::memset(p, 0x77, 100);
  REQUIRE(fastmem_heap_free(heap, p) == 0);
  return p[50] == 0;
}

struct Environment {
  explicit Environment(const char* value) { setenv("FASTMEM_HARDEN", value, 1); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() { unsetenv("FASTMEM_HARDEN"); }
};

fastmem_config_t config_with(const char* harden) {
  fastmem_config_t config = small_config();
  config.harden = harden;
  return config;
}

TEST_CASE("by the configuration, in C") {
  CHECK(small_config().harden == nullptr);
  CHECK_FALSE(erases(CHeap(config_with(nullptr))));
  CHECK_FALSE(erases(CHeap(config_with("random,guards"))));
  CHECK(erases(CHeap(config_with("zero"))));
  CHECK(erases(CHeap(config_with("all"))));
}

TEST_CASE("by the environment, for heaps whose configuration says nothing; an older header's says nothing") {
  const Environment all("all");
  CHECK(erases(CHeap()));
  CHECK_FALSE(erases(CHeap(config_with("none"))));
  fastmem_config_t older = config_with("none");
  older.struct_size = offsetof(fastmem_config_t, harden);
  CHECK(erases(CHeap(older)));
}

TEST_CASE("a word that is not known: EINVAL and a sentence, wherever it stands") {
  const fastmem_config_t wrong = config_with("zero,gards");
  errno = 0;
  CHECK(fastmem_heap_create(&wrong) == nullptr);
  CHECK(errno == EINVAL);
  CHECK(std::string(fastmem_error_text()).find("\"gards\" is no option") != std::string::npos);
  const Environment by_environment("everything");
  const fastmem_config_t nothing = small_config();
  CHECK(fastmem_heap_create(&nothing) == nullptr);
  CHECK(errno == EINVAL);
  CHECK(std::string(fastmem_error_text()).find("\"everything\"") != std::string::npos);
  CHECK(fastmem_default_heap() == nullptr);
}

TEST_CASE("in C++") {
  Config config;
  config.pages = PageKind::kSmall;
  config.address_space = kGiB;
  config.harden = "sized";
  auto heap = Heap::create(config);
  REQUIRE(heap.ok());
  const LogCapture log;
  CHECK(heap.value().free(heap.value().alloc(64), 100) == ErrorCode::kInvalid);
  CHECK(log.count(LogLevel::kError, "freed with a wrong size") == 1);
  config.harden = "size";
  CHECK(Heap::create(config).code() == ErrorCode::kInvalid);
}

TEST_CASE("the default heap follows the environment, and heaps of brought memory do") {
  const ChildResult result = run_in_child([] {
    const Environment zero("zero");
    if (!erases(nullptr)) return std::string("the default heap does not erase");
    alignas(65536) static unsigned char memory[4 << 20];
    auto named = Heap::create_named("of the test");
    if (!named.ok()) return std::string(named.error().text);
    std::memset(memory, 0x55, sizeof(memory));
    CallerMemory brought;
    brought.base = memory;
    brought.size = Bytes{sizeof(memory)};
    const Error error = named.value().add_memory(brought);
    if (!error.ok()) return std::string(error.text);
    const auto* const p = static_cast<const unsigned char*>(named.value().alloc(100));
    return std::string(p != nullptr && p[0] == 0 && p[99] == 0 ? "" : "what was brought is not erased");
  });
  CHECK(result.signal == 0);
  CHECK(result.text == "");
}

TEST_CASE("a heap of the kernel's small pages: behind a slab is a fault; device addresses are had all the same") {
  CHECK(run_in_child([] {
          const CHeap heap(config_with("guards"));
          auto* p = static_cast<volatile char*>(fastmem_heap_alloc(heap, 64, 0, 0));
          for (std::size_t i = 0; i < 2 * 65536; i += 64) p[i] = 1;
          return std::string();
        }).signal == SIGSEGV);
  fastmem_config_t config = config_with("guards");
  config.iova_mode = FASTMEM_IOVA_AUTO;
  const CHeap heap(config);
  void* const p = fastmem_heap_alloc(heap, 64, 0, 0);
  const bool plain_has = [] {
    fastmem_config_t plain = small_config();
    plain.iova_mode = FASTMEM_IOVA_AUTO;
    const CHeap other(plain);
    return fastmem_virt_to_iova(other, fastmem_heap_alloc(other, 64, 0, 0)) != FASTMEM_BAD_IOVA;
  }();
  CHECK((fastmem_virt_to_iova(heap, p) != FASTMEM_BAD_IOVA) == plain_has);
}

}  // namespace
}  // namespace fastmem::test
