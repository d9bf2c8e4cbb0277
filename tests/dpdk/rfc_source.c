/* SPDX-License-Identifier: BSD-3-Clause */
/* rte_fastmem.h as a C program sees it: compiled as C11 with every warning an error, so that a name, a signature, a
 * field or its type that differs from the RFC's does not build; and each is used once. */
#include "tests/dpdk/rfc_source.h"

#include <errno.h>
#include <rte_errno.h>
#include <rte_fastmem.h>
#include <rte_lcore.h>
#include <string.h>

#define EXPECT(condition)              \
  do {                                 \
    if (!(condition)) return __LINE__; \
  } while (0)

/* The type of a field, without an object. */
#define FIELD_IS(type, structure, field) \
  _Static_assert(_Generic(((structure *)0)->field, type : 1, default : 0), #structure "." #field " is not " #type)

_Static_assert(_Generic((rte_fastmem_handle_t)0, uint32_t : 1, default : 0), "a handle is a uint32_t");
_Static_assert(RTE_FASTMEM_F_ZERO == RTE_BIT32(0), "the zero flag is bit 0");

FIELD_IS(uint64_t, struct rte_fastmem_stats, bytes_backing);
FIELD_IS(uint64_t, struct rte_fastmem_stats, bytes_in_use);
FIELD_IS(uint64_t, struct rte_fastmem_stats, alloc_total);
FIELD_IS(uint64_t, struct rte_fastmem_stats, free_total);
FIELD_IS(uint64_t, struct rte_fastmem_stats, alloc_nomem);
FIELD_IS(unsigned int, struct rte_fastmem_stats, n_classes);

FIELD_IS(size_t, struct rte_fastmem_class_stats, class_size);
FIELD_IS(uint64_t, struct rte_fastmem_class_stats, in_use);
FIELD_IS(uint64_t, struct rte_fastmem_class_stats, alloc_cache_hits);
FIELD_IS(uint64_t, struct rte_fastmem_class_stats, alloc_cache_misses);
FIELD_IS(uint64_t, struct rte_fastmem_class_stats, alloc_nomem);
FIELD_IS(uint64_t, struct rte_fastmem_class_stats, free_cache_hits);
FIELD_IS(uint64_t, struct rte_fastmem_class_stats, free_cache_misses);
FIELD_IS(uint64_t, struct rte_fastmem_class_stats, slab_acquires);
FIELD_IS(uint64_t, struct rte_fastmem_class_stats, slab_releases);
FIELD_IS(uint32_t, struct rte_fastmem_class_stats, slabs_partial);
FIELD_IS(uint32_t, struct rte_fastmem_class_stats, slabs_full);

FIELD_IS(uint64_t, struct rte_fastmem_lcore_stats, alloc_cache_hits);
FIELD_IS(uint64_t, struct rte_fastmem_lcore_stats, alloc_cache_misses);
FIELD_IS(uint64_t, struct rte_fastmem_lcore_stats, alloc_nomem);
FIELD_IS(uint64_t, struct rte_fastmem_lcore_stats, free_cache_hits);
FIELD_IS(uint64_t, struct rte_fastmem_lcore_stats, free_cache_misses);

FIELD_IS(size_t, struct rte_fastmem_lcore_class_stats, class_size);
FIELD_IS(uint64_t, struct rte_fastmem_lcore_class_stats, alloc_cache_hits);
FIELD_IS(uint64_t, struct rte_fastmem_lcore_class_stats, alloc_cache_misses);
FIELD_IS(uint64_t, struct rte_fastmem_lcore_class_stats, alloc_nomem);
FIELD_IS(uint64_t, struct rte_fastmem_lcore_class_stats, free_cache_hits);
FIELD_IS(uint64_t, struct rte_fastmem_lcore_class_stats, free_cache_misses);

/* Every function through a pointer of exactly its type. */
static int (*const p_init)(void) = rte_fastmem_init;
static void (*const p_deinit)(void) = rte_fastmem_deinit;
static int (*const p_reserve)(size_t, int) = rte_fastmem_reserve;
static int (*const p_set_limit)(int, size_t) = rte_fastmem_set_limit;
static size_t (*const p_get_limit)(int) = rte_fastmem_get_limit;
static size_t (*const p_max_size)(void) = rte_fastmem_max_size;
static void *(*const p_alloc)(size_t, size_t, unsigned int) = rte_fastmem_alloc;
static void *(*const p_alloc_socket)(size_t, size_t, unsigned int, int) = rte_fastmem_alloc_socket;
static void *(*const p_realloc)(void *, size_t, size_t) = rte_fastmem_realloc;
static void (*const p_free)(void *) = rte_fastmem_free;
static int (*const p_alloc_bulk)(void **, unsigned int, size_t, size_t, unsigned int) = rte_fastmem_alloc_bulk;
static int (*const p_alloc_bulk_socket)(void **, unsigned int, size_t, size_t, unsigned int,
                                        int) = rte_fastmem_alloc_bulk_socket;
static void (*const p_free_bulk)(void **, unsigned int) = rte_fastmem_free_bulk;
static int (*const p_hlookup)(size_t, size_t, int, rte_fastmem_handle_t *) = rte_fastmem_hlookup;
static void *(*const p_halloc)(rte_fastmem_handle_t, unsigned int) = rte_fastmem_halloc;
static int (*const p_halloc_bulk)(rte_fastmem_handle_t, void **, unsigned int, unsigned int) = rte_fastmem_halloc_bulk;
static void (*const p_hfree)(rte_fastmem_handle_t, void *) = rte_fastmem_hfree;
static void (*const p_hfree_bulk)(rte_fastmem_handle_t, void **, unsigned int) = rte_fastmem_hfree_bulk;
static rte_iova_t (*const p_virt2iova)(const void *) = rte_fastmem_virt2iova;
static void (*const p_cache_flush)(void) = rte_fastmem_cache_flush;
static unsigned int (*const p_classes)(size_t *) = rte_fastmem_classes;
static int (*const p_stats)(struct rte_fastmem_stats *) = rte_fastmem_stats;
static int (*const p_stats_class)(size_t, struct rte_fastmem_class_stats *) = rte_fastmem_stats_class;
static int (*const p_stats_lcore)(unsigned int, struct rte_fastmem_lcore_stats *) = rte_fastmem_stats_lcore;
static int (*const p_stats_lcore_class)(unsigned int, size_t,
                                        struct rte_fastmem_lcore_class_stats *) = rte_fastmem_stats_lcore_class;
static int (*const p_stats_shared)(struct rte_fastmem_lcore_stats *) = rte_fastmem_stats_shared;
static int (*const p_stats_shared_class)(size_t,
                                         struct rte_fastmem_lcore_class_stats *) = rte_fastmem_stats_shared_class;
static void (*const p_stats_reset)(void) = rte_fastmem_stats_reset;

int rfc_cycle_of_its_own(void) {
  EXPECT(p_alloc(64, 0, 0) == NULL && rte_errno == ENODEV);
  EXPECT(p_init() == 0);
  EXPECT(p_init() == -EBUSY);
  p_deinit();
  p_deinit();
  EXPECT(p_reserve(1, SOCKET_ID_ANY) < 0);
  return 0;
}

int rfc_objects(void) {
  char *p = p_alloc(100, 0, RTE_FASTMEM_F_ZERO);
  EXPECT(p != NULL && p[0] == 0 && p[99] == 0);
  strcpy(p, "text");
  char *q = p_realloc(p, 5000, 4096);
  EXPECT(q != NULL && strcmp(q, "text") == 0 && (uintptr_t)q % 4096 == 0);
  EXPECT(p_realloc(q, 0, 0) == NULL);
  p = p_alloc_socket(8, 8, 0, SOCKET_ID_ANY);
  EXPECT(p != NULL);
  EXPECT(p_virt2iova(p) != RTE_BAD_IOVA);
  p_free(p);
  p_free(NULL);
  EXPECT(p_alloc(p_max_size() + 1, 0, 0) == NULL && rte_errno == E2BIG);
  EXPECT(p_alloc(0, 0, 0) == NULL && rte_errno == EINVAL);
  EXPECT(p_virt2iova(NULL) == RTE_BAD_IOVA);
  return 0;
}

int rfc_bulks(void) {
  void *ptrs[64];
  memset(ptrs, 0, sizeof(ptrs));
  EXPECT(p_alloc_bulk(ptrs, 64, 256, 0, RTE_FASTMEM_F_ZERO) == 0);
  EXPECT(ptrs[0] != NULL && ptrs[63] != NULL);
  p_free_bulk(ptrs, 64);
  EXPECT(p_alloc_bulk_socket(ptrs, 32, 1024, 64, 0, (int)rte_socket_id()) == 0);
  p_free_bulk(ptrs, 32);
  EXPECT(p_alloc_bulk(ptrs, 2, p_max_size() + 1, 0, 0) == -E2BIG);
  EXPECT(p_alloc_bulk(ptrs, 2, 64, 3, 0) == -EINVAL);
  return 0;
}

int rfc_handles(void) {
  rte_fastmem_handle_t handle;
  void *ptrs[32];
  EXPECT(p_hlookup(64, 0, SOCKET_ID_ANY, &handle) == 0);
  void *p = p_halloc(handle, RTE_FASTMEM_F_ZERO);
  EXPECT(p != NULL && *(char *)p == 0);
  p_hfree(handle, p);
  EXPECT(p_halloc_bulk(handle, ptrs, 32, 0) == 0);
  p_hfree_bulk(handle, ptrs, 32);
  EXPECT(p_hlookup(0, 0, SOCKET_ID_ANY, &handle) == -EINVAL);
  return 0;
}

int rfc_memory(void) {
  EXPECT(p_reserve(1, SOCKET_ID_ANY) == 0);
  EXPECT(p_get_limit(SOCKET_ID_ANY) == SIZE_MAX);
  EXPECT(p_set_limit(SOCKET_ID_ANY, (size_t)1 << 30) == 0);
  EXPECT(p_get_limit((int)rte_socket_id()) == (size_t)1 << 30);
  EXPECT(p_set_limit(SOCKET_ID_ANY, SIZE_MAX) == 0);
  size_t sizes[32];
  EXPECT(p_classes(sizes) == 18 && p_classes(NULL) == 18);
  EXPECT(sizes[0] == 8 && sizes[17] == (size_t)1 << 20);
  return 0;
}

int rfc_statistics(void) {
  struct rte_fastmem_stats total;
  struct rte_fastmem_class_stats of_class;
  struct rte_fastmem_lcore_stats lcore;
  struct rte_fastmem_lcore_class_stats both;
  p_stats_reset();
  void *p = p_alloc(64, 0, 0);
  EXPECT(p != NULL);
  EXPECT(p_stats(&total) == 0 && total.alloc_total == 1 && total.bytes_in_use == 64 && total.n_classes == 18);
  EXPECT(p_stats_class(64, &of_class) == 0 && of_class.in_use == 1 && of_class.class_size == 64);
  EXPECT(p_stats_lcore(rte_lcore_id(), &lcore) == 0 && lcore.alloc_cache_hits + lcore.alloc_cache_misses == 1);
  EXPECT(p_stats_lcore_class(rte_lcore_id(), 64, &both) == 0 && both.alloc_cache_hits + both.alloc_cache_misses == 1);
  EXPECT(p_stats_shared(&lcore) == 0 && lcore.alloc_cache_hits == 0);
  EXPECT(p_stats_shared_class(64, &both) == 0 && both.alloc_cache_misses == 0 && both.class_size == 64);
  p_free(p);
  p_cache_flush();
  EXPECT(p_stats(&total) == 0 && total.free_total == 1 && total.bytes_in_use == 0);
  return 0;
}
