// SPDX-License-Identifier: BSD-3-Clause
// rte_fastmem.h: what each function answers to arguments that make no sense.
#include <climits>
#include <cstdlib>

#include "tests/dpdk/rte_guard.h"

namespace fastmem::test {
namespace {

constexpr int kNoSuchSockets[] = {-2, 32, 255, 9999, 0xfffe, 0xffff, 0x10000, INT_MAX, INT_MIN};
constexpr unsigned kNoSuchFlags[] = {2, 3, 4, 0x80000000, 0xfffffffe, ~0u};

struct Request {
  std::size_t size, align;
  int error;
};
const Request kImpossible[] = {
    {0, 0, EINVAL},
    {0, 64, EINVAL},
    {0, 3, EINVAL},
    {1, 3, EINVAL},
    {64, 65, EINVAL},
    {64, 63, EINVAL},
    {64, SIZE_MAX, EINVAL},
    {64, kOneMiB + 1, EINVAL},
    {rte_fastmem_max_size() + 1, 0, E2BIG},
    {rte_fastmem_max_size() + 1, 8, E2BIG},
    {SIZE_MAX, 0, E2BIG},
    {SIZE_MAX, 8, E2BIG},
    {SIZE_MAX, kOneMiB, E2BIG},
    {SIZE_MAX - 62, 0, E2BIG},
    {SIZE_MAX / 2 + 1, 0, E2BIG},
    {std::size_t{1} << 32, 0, E2BIG},
    {(std::size_t{1} << 32) + 64, 0, E2BIG},
    {1, rte_fastmem_max_size() * 2, E2BIG},
    {1, std::size_t{1} << 63, E2BIG},
};

// Each way to ask; 0, or the errno.
int as_errno(void* p) {
  if (p == nullptr) return rte_errno;
  rte_fastmem_free(p);
  return 0;
}

// A bulk call that fails leaves the array as it was.
template <class Bulk>
int bulk_errno(Bulk bulk) {
  int mine = 0;
  void* ptrs[4] = {&mine, nullptr, &mine, nullptr};
  const int result = bulk(ptrs, 4u);
  if (result != 0) {
    CHECK((ptrs[0] == &mine && ptrs[1] == nullptr && ptrs[2] == &mine && ptrs[3] == nullptr));
    return -result;
  }
  rte_fastmem_free_bulk(ptrs, 4);
  return 0;
}

void check_every_way(std::size_t size, std::size_t align, unsigned flags, int socket, int error) {
  CAPTURE(size);
  CAPTURE(align);
  CAPTURE(flags);
  CAPTURE(socket);
  rte_errno = 0;
  CHECK(as_errno(rte_fastmem_alloc_socket(size, align, flags, socket)) == error);
  CHECK(bulk_errno([&](void** ptrs, unsigned n) {
          return rte_fastmem_alloc_bulk_socket(ptrs, n, size, align, flags, socket);
        }) == error);
  if (flags == 0) {
    rte_fastmem_handle_t handle = 0xabcd;
    CHECK(rte_fastmem_hlookup(size, align, socket, &handle) == -error);
    if (error != 0) CHECK(handle == 0xabcd);
  }
  if (socket != SOCKET_ID_ANY) return;
  rte_errno = 0;
  CHECK(as_errno(rte_fastmem_alloc(size, align, flags)) == error);
  CHECK(bulk_errno([&](void** ptrs, unsigned n) { return rte_fastmem_alloc_bulk(ptrs, n, size, align, flags); }) ==
        error);
}

TEST_CASE("sizes and alignments that cannot be are EINVAL or E2BIG, in every call alike") {
  const Initialised heap;
  for (const Request& r : kImpossible) {
    check_every_way(r.size, r.align, 0, SOCKET_ID_ANY, r.error);
    check_every_way(r.size, r.align, 0, first_socket_id(), r.error);
    check_every_way(r.size, r.align, RTE_FASTMEM_F_ZERO, SOCKET_ID_ANY, r.error);
  }
  CHECK(totals().alloc_nomem == 0);
  CHECK(totals().alloc_total == 0);
  CHECK(memzones_named("fastmem") == 0);  // nothing was asked of EAL
}

TEST_CASE("unknown flags are EINVAL, in every call alike") {
  const Initialised heap;
  rte_fastmem_handle_t handle;
  REQUIRE(rte_fastmem_hlookup(64, 0, SOCKET_ID_ANY, &handle) == 0);
  for (const unsigned flags : kNoSuchFlags) {
    check_every_way(64, 0, flags, SOCKET_ID_ANY, EINVAL);
    check_every_way(64, 0, flags, first_socket_id(), EINVAL);
    rte_errno = 0;
    CHECK(as_errno(rte_fastmem_halloc(handle, flags)) == EINVAL);
    CHECK(bulk_errno([&](void** p, unsigned n) { return rte_fastmem_halloc_bulk(handle, p, n, flags); }) == EINVAL);
  }
  CHECK(totals().alloc_total == 0);
}

TEST_CASE("sockets that are not there are EINVAL, in every call alike") {
  const Initialised heap;
  for (const int socket : kNoSuchSockets) {
    check_every_way(64, 0, 0, socket, EINVAL);
    check_every_way(8, 8, RTE_FASTMEM_F_ZERO, socket, EINVAL);
    CHECK(rte_fastmem_reserve(1, socket) == -EINVAL);
    CHECK(rte_fastmem_reserve(0, socket) == -EINVAL);
    CHECK(rte_fastmem_set_limit(socket, kOneMiB) == -EINVAL);
    rte_fastmem_get_limit(socket);
  }
  CHECK(rte_fastmem_get_limit(first_socket_id()) == SIZE_MAX);
  CHECK(memzones_named("fastmem") == 0);
}

TEST_CASE("the sockets that are there, and any, are taken") {
  const Initialised heap;
  for (unsigned i = 0; i < rte_socket_count(); ++i) check_every_way(64, 0, 0, rte_socket_id_by_idx(i), 0);
  check_every_way(64, 0, 0, SOCKET_ID_ANY, 0);
  check_every_way(rte_fastmem_max_size(), rte_fastmem_max_size(), 0, SOCKET_ID_ANY, 0);
}

TEST_CASE("what is no handle is EINVAL, and frees by it do no harm") {
  const Initialised heap;
  rte_fastmem_handle_t good;
  REQUIRE(rte_fastmem_hlookup(64, 0, SOCKET_ID_ANY, &good) == 0);
  for (const rte_fastmem_handle_t bad : {0u, 1u, 39u, 127u, 64u * 64u, 0xffffu, 0x10000u, 0x20000u, 0x20001u, ~0u}) {
    CAPTURE(bad);
    REQUIRE(bad != good);
    rte_errno = 0;
    CHECK(as_errno(rte_fastmem_halloc(bad, 0)) == EINVAL);
    rte_errno = 0;
    CHECK(as_errno(rte_fastmem_halloc(bad, RTE_FASTMEM_F_ZERO)) == EINVAL);
    CHECK(bulk_errno([&](void** ptrs, unsigned n) { return rte_fastmem_halloc_bulk(bad, ptrs, n, 0); }) == EINVAL);
    rte_fastmem_hfree(bad, nullptr);
    rte_fastmem_hfree_bulk(bad, nullptr, 0);
  }
}

TEST_CASE("an array or a place that is missing is -EINVAL; none is needed for nothing") {
  const Initialised heap;
  rte_fastmem_handle_t handle;
  REQUIRE(rte_fastmem_hlookup(64, 0, SOCKET_ID_ANY, &handle) == 0);
  CHECK(rte_fastmem_hlookup(64, 0, SOCKET_ID_ANY, nullptr) == -EINVAL);
  CHECK(rte_fastmem_alloc_bulk(nullptr, 1, 64, 0, 0) == -EINVAL);
  CHECK(rte_fastmem_alloc_bulk_socket(nullptr, 5, 64, 0, 0, first_socket_id()) == -EINVAL);
  CHECK(rte_fastmem_halloc_bulk(handle, nullptr, 1, 0) == -EINVAL);
  rte_fastmem_free_bulk(nullptr, 3);
  rte_fastmem_hfree_bulk(handle, nullptr, 3);
  CHECK(rte_fastmem_alloc_bulk(nullptr, 0, 64, 0, 0) == 0);
  CHECK(rte_fastmem_halloc_bulk(handle, nullptr, 0, 0) == 0);
  rte_fastmem_free_bulk(nullptr, 0);
  rte_fastmem_hfree_bulk(handle, nullptr, 0);
}

TEST_CASE("a bulk of nothing still has its arguments looked at") {
  const Initialised heap;
  void* none[1] = {nullptr};
  CHECK(rte_fastmem_alloc_bulk(none, 0, 0, 0, 0) == -EINVAL);
  CHECK(rte_fastmem_alloc_bulk(none, 0, 64, 3, 0) == -EINVAL);
  CHECK(rte_fastmem_alloc_bulk(none, 0, SIZE_MAX, 0, 0) == -E2BIG);
  CHECK(rte_fastmem_alloc_bulk_socket(none, 0, 64, 0, 0, 9999) == -EINVAL);
}

TEST_CASE("statistics refuse NULL, classes and lcores that are not there") {
  const Initialised heap;
  rte_fastmem_class_stats of_class;
  rte_fastmem_lcore_stats lcore;
  rte_fastmem_lcore_class_stats both;
  CHECK(rte_fastmem_stats(nullptr) == -EINVAL);
  CHECK(rte_fastmem_stats_class(64, nullptr) == -EINVAL);
  CHECK(rte_fastmem_stats_lcore(0, nullptr) == -EINVAL);
  CHECK(rte_fastmem_stats_lcore_class(0, 64, nullptr) == -EINVAL);
  CHECK(rte_fastmem_stats_shared(nullptr) == -EINVAL);
  CHECK(rte_fastmem_stats_shared_class(64, nullptr) == -EINVAL);
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{9}, std::size_t{63},
                                 std::size_t{65}, std::size_t{96}, kOneMiB - 1, kOneMiB * 2, SIZE_MAX}) {
    CAPTURE(size);
    CHECK(rte_fastmem_stats_class(size, &of_class) == -EINVAL);
    CHECK(rte_fastmem_stats_lcore_class(0, size, &both) == -EINVAL);
    CHECK(rte_fastmem_stats_shared_class(size, &both) == -EINVAL);
  }
  for (const unsigned id : {static_cast<unsigned>(RTE_MAX_LCORE), static_cast<unsigned>(LCORE_ID_ANY), 1u << 16}) {
    CAPTURE(id);
    CHECK(rte_fastmem_stats_lcore(id, &lcore) == -EINVAL);
    CHECK(rte_fastmem_stats_lcore_class(id, 64, &both) == -EINVAL);
  }
}

}  // namespace
}  // namespace fastmem::test
