/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file rte_fastmem.h
 * fastmem for DPDK: objects of any size from 1 byte to rte_fastmem_max_size(), from memzones, at less than the price
 * of a mempool. Source compatible with version 4 of the fastmem RFC's interface.
 *
 * Between rte_fastmem_init() and rte_fastmem_deinit() every function may be called from any thread: EAL lcores,
 * registered and other threads alike have caches of their own and take no lock on a hit. Any thread may free what
 * another one allocated. No function may be called from a signal handler.
 *
 * Sizes, limits and alignments are bytes. Sockets are EAL's socket ids; SOCKET_ID_ANY is the calling thread's by
 * preference, then the others, nearest first. A named socket is meant: there is no other to fall back to.
 *
 * Functions that return a pointer return NULL and set rte_errno. Functions that return int return a negative errno.
 * Before rte_fastmem_init() everything is refused with ENODEV, and nothing crashes.
 */
#ifndef RTE_FASTMEM_H
#define RTE_FASTMEM_H

#include <rte_bitops.h>
#include <rte_common.h>
#include <rte_memory.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/** Every byte asked for reads 0 (by handle: every byte of the class). */
#define RTE_FASTMEM_F_ZERO RTE_BIT32(0)

/** A size class on a socket, resolved once. 0 is never one. Valid until rte_fastmem_deinit(). */
typedef uint32_t rte_fastmem_handle_t;

/* ---- coming and going ---------------------------------------------------------------------------------------------- */

/**
 * After rte_eal_init(). Takes no memzone yet: the first allocation or rte_fastmem_reserve() does.
 * FASTMEM_CHECK and FASTMEM_HARDEN in the environment say how closely it looks, and what it is hardened with.
 * @return 0, -EBUSY (done already), -ENOMEM (no memory or address space for the books), -ENODEV (no EAL memory), -EINVAL
 *   (a word in one of the two is not known: it is logged)
 */
int rte_fastmem_init(void);

/**
 * Frees every memzone, and with them every object. Nothing when not initialised. Before rte_eal_cleanup(), and while no
 * other thread is inside.
 */
void rte_fastmem_deinit(void);

/* ---- memory held ------------------------------------------------------------------------------------------------- */

/**
 * Takes memzones ahead of need, until `size` bytes are held on the socket (SOCKET_ID_ANY: on all together, the
 * caller's first). Memory comes in whole regions of up to 128 MiB.
 * @return 0, -EINVAL (no such socket), -ENOMEM (what could be had is kept), -ENODEV
 */
int rte_fastmem_reserve(size_t size, int socket_id);

/**
 * Most bytes that may be used of a socket (SOCKET_ID_ANY: of each), the allocator's own books included. Any
 * granularity. SIZE_MAX: no limit. 0: no growth. Less than is held now: nothing is taken away, nothing grows.
 * @return 0, -EINVAL (no such socket), -ENODEV
 */
int rte_fastmem_set_limit(int socket_id, size_t max_bytes);

/** SOCKET_ID_ANY: the least of all sockets. 0: no such socket, or not initialised. */
size_t rte_fastmem_get_limit(int socket_id);

/** The largest object, and the largest alignment: 1 MiB. */
size_t rte_fastmem_max_size(void);

/* ---- objects ----------------------------------------------------------------------------------------------------- */

/**
 * An object on the caller's socket by preference.
 * @param size 1 .. rte_fastmem_max_size()
 * @param align 0 for a cache line, or a power of two up to rte_fastmem_max_size()
 * @param flags 0 or RTE_FASTMEM_F_ZERO
 * @return NULL and rte_errno: EINVAL (size 0, align no power of two, unknown flag), E2BIG (size or align too large),
 *   ENOMEM, ENODEV (not initialised)
 */
void *rte_fastmem_alloc(size_t size, size_t align, unsigned int flags);

/** The same on a socket: there or nowhere. EINVAL: no such socket. */
void *rte_fastmem_alloc_socket(size_t size, size_t align, unsigned int flags, int socket_id);

/**
 * NULL ptr: an allocation. Size 0: frees, returns NULL. Otherwise the object with its contents up to the smaller size:
 * the same pointer as long as the class and the alignment fit. On failure NULL and rte_errno; the old object stays.
 */
void *rte_fastmem_realloc(void *ptr, size_t size, size_t align);

/** NULL does nothing. A pointer that is not an object's is logged, counted and otherwise ignored. */
void rte_fastmem_free(void *ptr);

/** All n objects (0), or none and ptrs untouched: -E2BIG, -EINVAL, -ENOMEM, -ENODEV. n may be 0. */
int rte_fastmem_alloc_bulk(void **ptrs, unsigned int n, size_t size, size_t align, unsigned int flags);
int rte_fastmem_alloc_bulk_socket(void **ptrs, unsigned int n, size_t size, size_t align, unsigned int flags,
                                  int socket_id);

/** Objects of any sizes and sockets; NULLs are skipped. */
void rte_fastmem_free_bulk(void **ptrs, unsigned int n);

/* ---- handles ------------------------------------------------------------------------------------------------------- */

/**
 * SOCKET_ID_ANY: the caller's socket now; an allocation falls back to others. A named socket: only that one.
 * @return 0, -EINVAL (size 0, align no power of two, no such socket, no place for the handle), -E2BIG, -ENODEV
 */
int rte_fastmem_hlookup(size_t size, size_t align, int socket_id, rte_fastmem_handle_t *handle);

/** As rte_fastmem_alloc(). EINVAL: not a handle. */
void *rte_fastmem_halloc(rte_fastmem_handle_t handle, unsigned int flags);
int rte_fastmem_halloc_bulk(rte_fastmem_handle_t handle, void **ptrs, unsigned int n, unsigned int flags);

/**
 * Of objects that came by this handle, or by one for the same class and socket. Others are a mistake that is noticed when
 * they get back to their slab; until then they may be handed out as objects of this handle. By what is no handle at all
 * an object is freed as rte_fastmem_free() does.
 */
void rte_fastmem_hfree(rte_fastmem_handle_t handle, void *ptr);
void rte_fastmem_hfree_bulk(rte_fastmem_handle_t handle, void **ptrs, unsigned int n);

/* ---- device addresses ---------------------------------------------------------------------------------------------- */

/** O(1), for any byte of an object. RTE_BAD_IOVA: not initialised, or not ours. */
rte_iova_t rte_fastmem_virt2iova(const void *ptr);

/* ---- caches and classes -------------------------------------------------------------------------------------------- */

/** The calling thread's cached objects go back, so that others can have them. Counters keep their values. */
void rte_fastmem_cache_flush(void);

/** Writes the class sizes, ascending; sizes may be NULL. @return how many there are: 18, powers of two from 8 B to
 * 1 MiB. Before rte_fastmem_init() too. */
unsigned int rte_fastmem_classes(size_t *sizes);

/* ---- statistics ------------------------------------------------------------------------------------------------------
 * Counters count objects (a bulk of 32 counts 32), since init or the last reset. They are exact while no thread is
 * inside. alloc_total - free_total is what is in use, until a reset, which leaves bytes_in_use and in_use as they are.
 * @return 0, -EINVAL (NULL, no such class or lcore), -ENODEV (not initialised)
 */

struct rte_fastmem_stats {
  uint64_t bytes_backing; /**< held in memzones */
  uint64_t bytes_in_use;  /**< objects handed out, by class size */
  uint64_t alloc_total;
  uint64_t free_total;
  uint64_t alloc_nomem; /**< asked for in vain, for want of memory */
  unsigned int n_classes;
};

struct rte_fastmem_class_stats {
  size_t class_size;
  uint64_t in_use; /**< objects */
  uint64_t alloc_cache_hits;
  uint64_t alloc_cache_misses;
  uint64_t alloc_nomem;
  uint64_t free_cache_hits;
  uint64_t free_cache_misses;
  uint64_t slab_acquires;
  uint64_t slab_releases;
  uint32_t slabs_partial; /**< with free objects in the slab itself */
  uint32_t slabs_full;    /**< without */
};

struct rte_fastmem_lcore_stats {
  uint64_t alloc_cache_hits;
  uint64_t alloc_cache_misses;
  uint64_t alloc_nomem;
  uint64_t free_cache_hits;
  uint64_t free_cache_misses;
};

struct rte_fastmem_lcore_class_stats {
  size_t class_size;
  uint64_t alloc_cache_hits;
  uint64_t alloc_cache_misses;
  uint64_t alloc_nomem;
  uint64_t free_cache_hits;
  uint64_t free_cache_misses;
};

/* The function and the structure share their name, as in the RFC. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
int rte_fastmem_stats(struct rte_fastmem_stats *stats);
#pragma GCC diagnostic pop
int rte_fastmem_stats_class(size_t class_size, struct rte_fastmem_class_stats *stats);
int rte_fastmem_stats_lcore(unsigned int lcore_id, struct rte_fastmem_lcore_stats *stats);
int rte_fastmem_stats_lcore_class(unsigned int lcore_id, size_t class_size,
                                  struct rte_fastmem_lcore_class_stats *stats);
/** Of all threads without an lcore id. */
int rte_fastmem_stats_shared(struct rte_fastmem_lcore_stats *stats);
int rte_fastmem_stats_shared_class(size_t class_size, struct rte_fastmem_lcore_class_stats *stats);
void rte_fastmem_stats_reset(void);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
