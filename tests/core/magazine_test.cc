// SPDX-License-Identifier: BSD-3-Clause
// Magazines: their size in lines, and the queue they wait in.
#include "core/magazine.h"

#include <doctest/doctest.h>

#include <vector>

namespace fastmem::core {
namespace {

TEST_CASE("a magazine is an odd number of lines and holds what it says") {
  for (std::uint32_t capacity = 1; capacity <= 600; ++capacity) {
    const Bytes size = Magazine::size(capacity);
    CHECK(size.rep % kCacheLine == 0);
    CHECK(size.rep / kCacheLine % 2 == 1);
    CHECK(size.rep >= sizeof(Magazine) + capacity * sizeof(void*));
    CHECK(size.rep < sizeof(Magazine) + capacity * sizeof(void*) + 2 * kCacheLine);
  }
}

TEST_CASE("the objects follow the header") {
  alignas(kCacheLine) std::byte memory[Magazine::size(4).rep] = {};
  auto* const m = reinterpret_cast<Magazine*>(memory);
  CHECK(reinterpret_cast<std::byte*>(m->objects()) == memory + sizeof(Magazine));
}

TEST_CASE("a queue: first in, first out, through empty and back") {
  MagazineQueue queue;
  std::vector<Magazine> magazines(5);
  CHECK(queue.pop() == nullptr);
  for (unsigned round = 0; round < 3; ++round) {
    for (unsigned i = 0; i < 5; ++i) {
      queue.push(&magazines[i]);
      CHECK(queue.count() == i + 1);
    }
    for (unsigned i = 0; i < 2; ++i) CHECK(queue.pop() == &magazines[i]);
    queue.push(&magazines[0]);
    for (const unsigned i : {2u, 3u, 4u, 0u}) CHECK(queue.pop() == &magazines[i]);
    CHECK(queue.count() == 0);
    CHECK(queue.pop() == nullptr);
  }
}

}  // namespace
}  // namespace fastmem::core
