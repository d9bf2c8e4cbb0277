/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file fastmem.h
 * fastmem for C: a stable ABI. Types are opaque, structures carry their own size, functions are never removed.
 *
 * Thread rules: every function may be called from any thread at any time, except where it says otherwise
 * (fastmem_heap_destroy). An object may be freed by another thread than the one that allocated it.
 * No function may be called from a signal handler.
 *
 * Errors: functions that return a pointer return NULL and set errno; functions that return int return 0 or a negative
 * errno value. fastmem_error_text() has the sentence that belongs to the calling thread's last error.
 *
 * Units: sizes, limits and alignments are bytes. Nodes are the operating system's NUMA node numbers.
 */
#ifndef FASTMEM_H
#define FASTMEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FASTMEM_API __attribute__((visibility("default")))

/** Version of this header; fastmem_version() has the library's. */
#define FASTMEM_VERSION_MAJOR 0
#define FASTMEM_VERSION_MINOR 1
#define FASTMEM_VERSION_PATCH 0

/** Of the configuration and statistics structures: changes when a field changes its meaning; new fields come at the end. */
#define FASTMEM_STRUCT_VERSION 1

/** "0.1.0" */
FASTMEM_API const char *fastmem_version(void);

/* ---- flags and constants ----------------------------------------------------------------------------------------- */

#define FASTMEM_ZERO 1u   /**< every byte asked for reads 0 (by handle: of its class) */
#define FASTMEM_STRICT 2u /**< only the asked node (or the caller's), never another: no fallback */

#define FASTMEM_NODE_ANY (-1) /**< the calling thread's node first, then the others, nearest first */
#define FASTMEM_UNLIMITED SIZE_MAX

#define FASTMEM_BAD_IOVA UINT64_MAX

/* ---- configuration ----------------------------------------------------------------------------------------------- */

enum fastmem_pages {
  FASTMEM_PAGES_AUTO = 0, /**< the best there is: 1 GiB, 2 MiB, transparent huge pages, 4 KiB */
  FASTMEM_PAGES_1G = 1,   /**< 1 GiB hugetlb pages, or an error */
  FASTMEM_PAGES_2M = 2,   /**< 2 MiB hugetlb pages, or an error */
  FASTMEM_PAGES_THP = 3,  /**< transparent huge pages, or an error */
  FASTMEM_PAGES_4K = 4,   /**< small pages */
};

enum fastmem_iova_mode {
  FASTMEM_IOVA_AUTO = 0, /**< what works, found out when an IOVA is first asked for */
  FASTMEM_IOVA_PA = 1,   /**< physical addresses; pages are locked; needs the right to read frame numbers */
  FASTMEM_IOVA_VA = 2,   /**< the virtual address, for devices behind an IOMMU */
  FASTMEM_IOVA_NONE = 3, /**< no IOVAs */
};

enum fastmem_profile {
  FASTMEM_PROFILE_FINE = 0, /**< eight size classes per doubling to 2 KiB, four above, 16 B .. 1 MiB */
  FASTMEM_PROFILE_RFC = 1,  /**< 18 powers of two, 8 B .. 1 MiB, in 2 MiB slabs */
};

enum fastmem_misuse {
  FASTMEM_MISUSE_REPORT = 0, /**< a foreign pointer or double free that is noticed is logged, counted and refused */
  FASTMEM_MISUSE_ABORT = 1,  /**< it is logged, and the program stops */
};

/** Fill with fastmem_config_init(), then change what should differ. */
typedef struct fastmem_config {
  uint32_t struct_size;  /**< set by fastmem_config_init(): lets the structure grow without breaking programs */
  uint32_t version;      /**< likewise: FASTMEM_STRUCT_VERSION of the header that the program was compiled with */
  uint32_t pages;        /**< enum fastmem_pages */
  uint32_t iova_mode;    /**< enum fastmem_iova_mode */
  uint32_t profile;      /**< enum fastmem_profile */
  uint32_t misuse;       /**< enum fastmem_misuse */
  size_t default_align;  /**< alignment when 0 is asked: a power of two, 16 (default) .. 4096; 64 for cache lines */
  size_t region_size;    /**< largest growth step, and fastmem_reserve()'s: 128 MiB; less when memory is short */
  size_t address_space;  /**< most memory this heap can ever hold; 0: chosen from the machine's memory and limits */
  size_t limit_per_node; /**< FASTMEM_UNLIMITED by default; see fastmem_set_limit() */
  size_t first_region;   /**< first growth step: 4 MiB; later ones a quarter of what the node holds */
  size_t cache_budget;   /**< most bytes that caches and depots together have room for: 128 MiB. 0: nothing is cached */
  uint32_t decay_ms;     /**< fastmem_set_decay(): 0, off */
  uint32_t pressure_some_us; /**< the kernel calls when some thread waited so long for memory in a window: 200 ms ... */
  uint32_t pressure_full_us; /**< ... or all threads did: 100 ms. 0: it does not */
  uint32_t pressure_window_us; /**< 2 s; 500 ms to 10 s. What is no multiple of 2 s needs rights. 0: it never calls */
} fastmem_config_t;

FASTMEM_API void fastmem_config_init(fastmem_config_t *config);

/* ---- heaps ------------------------------------------------------------------------------------------------------- */

typedef struct fastmem_heap fastmem_heap_t;

/**
 * Creates a heap. NULL config: the defaults.
 * @return NULL and errno: EINVAL (a value out of range), ENOTSUP (the named page kind or IOVA mode is not there;
 *   fastmem_error_text() names what is missing and the command that would fix it), ENOMEM.
 */
FASTMEM_API fastmem_heap_t *fastmem_heap_create(const fastmem_config_t *config);

/**
 * Gives everything back, live objects too. The caller makes sure that no other thread uses the heap any more.
 * @return 0, -EINVAL (NULL, or not a heap)
 */
FASTMEM_API int fastmem_heap_destroy(fastmem_heap_t *heap);

/**
 * Creates the default heap with a configuration. Optional: the first allocation creates it with the defaults.
 * @return 0, -EBUSY (it exists), or as fastmem_heap_create()
 */
FASTMEM_API int fastmem_init(const fastmem_config_t *config);

/** The default heap, created when it does not exist; NULL and errno when it cannot be. */
FASTMEM_API fastmem_heap_t *fastmem_default_heap(void);

/** The sentence of the calling thread's last error; "" when there was none. Valid until its next call into fastmem. */
FASTMEM_API const char *fastmem_error_text(void);

/* Every function below that takes a heap takes NULL for the default heap. */

/* ---- objects ----------------------------------------------------------------------------------------------------- */

/**
 * Allocates from the default heap, on the calling thread's node by preference.
 * @param size 1 .. fastmem_max_size()
 * @param align 0 for the heap's default, or a power of two up to fastmem_max_size()
 * @param flags FASTMEM_ZERO, FASTMEM_STRICT
 * @return NULL and errno: EINVAL (size 0, align no power of two, unknown flag), E2BIG (size or align too large), ENOMEM,
 *   ENODEV (a child of a fork that does not inherit the heap), ENOTSUP (the default heap cannot be made: see the text)
 *
 * An object whose size is a power of two is aligned to its size.
 */
FASTMEM_API void *fastmem_alloc(size_t size, size_t align, unsigned int flags);

/** The same on a node: that node by preference, or with FASTMEM_STRICT only there. ENODEV: no such node. */
FASTMEM_API void *fastmem_alloc_on(size_t size, size_t align, unsigned int flags, int node);

/** @return 0; also for NULL. -EINVAL: not an object of the default heap, or free already where that is noticed.
 * -ENODEV: no heap yet. */
FASTMEM_API int fastmem_free(void *ptr);

/**
 * free by a caller who knows the size it last asked for: saves the look-up. For objects allocated with align 0; of others,
 * fastmem_free() alone knows the class.
 */
FASTMEM_API int fastmem_free_sized(void *ptr, size_t size);

/**
 * NULL ptr: alloc. Size 0: free, and NULL. Otherwise the object, moved when `size` has another class, with its
 * contents up to the smaller size. On failure NULL and errno, and the old object stays.
 */
FASTMEM_API void *fastmem_realloc(void *ptr, size_t size, size_t align);

/** Bytes that may be used at ptr: at least what was asked. 0 for NULL and for a pointer that is not ours. */
FASTMEM_API size_t fastmem_usable_size(const void *ptr);

/** All n objects (0), or none and ptrs untouched (negative errno as alloc's). */
FASTMEM_API int fastmem_alloc_bulk(void **ptrs, size_t n, size_t size, size_t align, unsigned int flags);

/** Frees n objects of any sizes and nodes; NULLs are skipped. The first error is returned; the others are freed. */
FASTMEM_API int fastmem_free_bulk(void *const *ptrs, size_t n);

FASTMEM_API void *fastmem_heap_alloc(fastmem_heap_t *heap, size_t size, size_t align, unsigned int flags);
FASTMEM_API void *fastmem_heap_alloc_on(fastmem_heap_t *heap, size_t size, size_t align, unsigned int flags, int node);
FASTMEM_API int fastmem_heap_free(fastmem_heap_t *heap, void *ptr);
FASTMEM_API int fastmem_heap_free_sized(fastmem_heap_t *heap, void *ptr, size_t size);
FASTMEM_API void *fastmem_heap_realloc(fastmem_heap_t *heap, void *ptr, size_t size, size_t align);
FASTMEM_API size_t fastmem_heap_usable_size(fastmem_heap_t *heap, const void *ptr);
FASTMEM_API int fastmem_heap_alloc_bulk(fastmem_heap_t *heap, void **ptrs, size_t n, size_t size, size_t align,
                                        unsigned int flags, int node);
FASTMEM_API int fastmem_heap_free_bulk(fastmem_heap_t *heap, void *const *ptrs, size_t n);

/* ---- handles: class and node resolved once -------------------------------------------------------------------------
 */

/** Valid as long as the heap; shared freely between threads. 0 is never a handle. */
typedef uint32_t fastmem_handle_t;

/** node FASTMEM_NODE_ANY: the caller's node now. @return 0, -EINVAL, -E2BIG, -ENODEV */
FASTMEM_API int fastmem_handle(fastmem_heap_t *heap, size_t size, size_t align, int node, fastmem_handle_t *handle);
/** Only FASTMEM_ZERO and FASTMEM_STRICT; falls back to other nodes unless strict. */
FASTMEM_API void *fastmem_handle_alloc(fastmem_heap_t *heap, fastmem_handle_t handle, unsigned int flags);
FASTMEM_API int fastmem_handle_alloc_bulk(fastmem_heap_t *heap, fastmem_handle_t handle, void **ptrs, size_t n,
                                          unsigned int flags);
/** ptr must come from an alloc by the same handle. One that came from another node is noticed later and sent home. */
FASTMEM_API int fastmem_handle_free(fastmem_heap_t *heap, fastmem_handle_t handle, void *ptr);
FASTMEM_API int fastmem_handle_free_bulk(fastmem_heap_t *heap, fastmem_handle_t handle, void *const *ptrs, size_t n);

/* ---- device addresses ----------------------------------------------------------------------------------------------
 */

/** O(1). FASTMEM_BAD_IOVA: not ours, or no IOVAs here (fastmem_error_text() says why). Works inside objects too. */
FASTMEM_API uint64_t fastmem_virt_to_iova(fastmem_heap_t *heap, const void *ptr);

/** 1: [ptr, ptr + len) is one run in IOVA space; 0: it is not; negative errno: not ours, or no IOVAs. */
FASTMEM_API int fastmem_iova_contiguous(fastmem_heap_t *heap, const void *ptr, size_t len);

typedef struct fastmem_segment {
  uint64_t iova;
  size_t len;
} fastmem_segment_t;

/** Runs that make up [ptr, ptr + len), at most max of them. @return how many there are (may exceed max), or negative
 * errno */
FASTMEM_API ssize_t fastmem_iova_segments(fastmem_heap_t *heap, const void *ptr, size_t len,
                                          fastmem_segment_t *segments, size_t max);

/* ---- memory held ------------------------------------------------------------------------------------------------- */

/** Takes memory ahead of need until the node (FASTMEM_NODE_ANY: all together, nearest first) holds `size` bytes. 0,
 * -ENOMEM, -ENODEV, -EINVAL */
FASTMEM_API int fastmem_reserve(fastmem_heap_t *heap, size_t size, int node);

/**
 * Most bytes the heap may use of a node (FASTMEM_NODE_ANY: of each), its own bookkeeping counted; any granularity.
 * FASTMEM_UNLIMITED: none; 0: no growth. Below what is held: allowed, nothing is taken away, nothing grows.
 */
FASTMEM_API int fastmem_set_limit(fastmem_heap_t *heap, size_t bytes, int node);
/** FASTMEM_NODE_ANY: the least of all nodes. 0: no such node. */
FASTMEM_API size_t fastmem_get_limit(fastmem_heap_t *heap, int node);

/** Gives the calling thread's cached objects back to the heap. Counters keep their values. */
FASTMEM_API void fastmem_flush(fastmem_heap_t *heap);

/** Gives free memory back to the system: caches of every thread, depots, empty slabs, wholly free regions. @return
 * bytes given back */
FASTMEM_API size_t fastmem_trim(fastmem_heap_t *heap);

/** The same until about `bytes` have gone. */
FASTMEM_API size_t fastmem_trim_bytes(fastmem_heap_t *heap, size_t bytes);

/** So much stays held of the node (FASTMEM_NODE_ANY: of each), whatever goes back; taken now where it is not. 0,
 * -ENOMEM, -ENODEV */
FASTMEM_API int fastmem_set_floor(fastmem_heap_t *heap, size_t bytes, int node);

/** Most bytes the heap may use of all nodes together, as fastmem_set_limit(). @return 0 */
FASTMEM_API int fastmem_set_total_limit(fastmem_heap_t *heap, size_t bytes);

/* ---- memory that comes ahead of need and goes by itself -------------------------------------------------------------
 * Done by whoever maintains the heap: its own thread (fastmem_maintainer_start()), or one of yours that loops on
 * fastmem_maintain(). Where nobody does, threads that miss in their caches tell about watermarks and give back what is
 * due, a little at a time; nothing grows ahead of need.
 * Callbacks are called with no lock of the heap held, on the thread that does so. They may allocate and free, but not
 * maintain, press, start, stop (-EDEADLK), or destroy the heap. One that is replaced may run once more. */

#define FASTMEM_BELOW_LOW 1
#define FASTMEM_ABOVE_HIGH 2

/** event: FASTMEM_BELOW_LOW or FASTMEM_ABOVE_HIGH; bytes_free: what the node had free then. */
typedef void (*fastmem_watermark_t)(int event, int node, size_t bytes_free, void *context);

/**
 * Marks of a node's free memory (FASTMEM_NODE_ANY: of each node's), of that which lies in no slab and no object. Below
 * `low`, and before where the rate of use says so, more comes in the background, its pages too; above `high` the surplus
 * goes back, not below the floor. Each crossing is told once, and again only after free memory was an eighth of the mark
 * on its other side. 0 and FASTMEM_UNLIMITED: no such mark.
 * @return 0, -EINVAL (high is not 64 KiB above low), -ENODEV
 */
FASTMEM_API int fastmem_set_watermarks(fastmem_heap_t *heap, size_t low, size_t high, int node);
/** NULL: nobody is told. */
FASTMEM_API void fastmem_on_watermark(fastmem_heap_t *heap, fastmem_watermark_t callback, void *context);

/**
 * Free memory beyond the floor and the low mark that stays free goes back to the system: of what was free all the time,
 * a share 1 - exp(-t / ms) in t milliseconds. 0 (the default): it stays until it is trimmed.
 */
FASTMEM_API void fastmem_set_decay(fastmem_heap_t *heap, unsigned int ms);

/**
 * For a thread of yours, in a loop: sleeps for at most timeout_ms (negative: as long as it takes) until something is
 * due, and does it. Several threads may.
 * @return 0, -ENOSPC (no file descriptor to sleep on), -EDEADLK (from a callback), -ENODEV (not inherited by fork)
 */
FASTMEM_API int fastmem_maintain(fastmem_heap_t *heap, int timeout_ms);

/**
 * A thread of the heap's own, called "fastmem", that takes no signals and runs on the CPUs that the calling thread may run
 * on: do not start it from one that is pinned to the CPU it works on. It does not run in the child of a fork, where it
 * may be started anew; fastmem_heap_destroy() stops it.
 * @return 0, -EBUSY (it runs), -ENOMEM (no thread), -ENOSPC, -EDEADLK, -ENODEV
 */
FASTMEM_API int fastmem_maintainer_start(fastmem_heap_t *heap);
/** @return 0, also where none runs; -EDEADLK */
FASTMEM_API int fastmem_maintainer_stop(fastmem_heap_t *heap);

#define FASTMEM_PRESSURE_SOME \
  1 /**< threads wait for memory: idle caches, depots and all free memory go, to the floor */
#define FASTMEM_PRESSURE_FULL 2 /**< hardly anything else happens: as fastmem_trim() */

typedef void (*fastmem_pressure_t)(int level, void *context);

/** Called after the heap gave back what the level asks for. Who maintains waits for the kernel's word, too: pressure
 * stall information of the process's own cgroup, or of the machine; the log says once why where there is none. */
FASTMEM_API void fastmem_on_pressure(fastmem_heap_t *heap, fastmem_pressure_t callback, void *context);
/** Memory is short, says the caller: done on this thread, the callback too. Nothing grows ahead of need for 10 s.
 * @return 0, -EINVAL (no such level), -EDEADLK, -ENODEV */
FASTMEM_API int fastmem_pressure(fastmem_heap_t *heap, int level);

/* ---- size classes ------------------------------------------------------------------------------------------------ */

FASTMEM_API size_t fastmem_max_size(fastmem_heap_t *heap);
/** Writes the classes' sizes, ascending; sizes may be NULL. @return how many there are */
FASTMEM_API unsigned int fastmem_classes(fastmem_heap_t *heap, size_t *sizes);

/* ---- statistics ------------------------------------------------------------------------------------------------------
 * Counters count objects (a bulk of 32 counts 32) and are exact when no other thread is inside the heap and nothing was
 * misused: an object that is freed twice is counted twice. Laws, for the heap, each class, each slot sum:
 *   alloc_total - free_total == objects in use (since the heap exists; a reset moves both totals, not in_use)
 *   alloc_total == alloc_cache_hits + alloc_cache_misses, free_total likewise
 *   per class: (slabs_empty + slabs_partial + slabs_full) * objects_per_slab == in_use + cached + free_in_slabs
 *   per node:  bytes_backing == bytes_slabs + bytes_free
 */

typedef struct {
  uint32_t struct_size;    /**< set by the caller: sizeof(fastmem_stats_t) */
  uint32_t version;        /**< set by the library: FASTMEM_STRUCT_VERSION */
  uint64_t bytes_backing;  /**< held from the system, all nodes */
  uint64_t bytes_slabs;    /**< of these: in slabs */
  uint64_t bytes_in_use;   /**< of these: objects handed out, by class size */
  uint64_t bytes_cached;   /**< of these: free objects in threads' caches and depots */
  uint64_t bytes_metadata; /**< the heap's own books, outside the backing */
  uint64_t alloc_total;
  uint64_t free_total;
  uint64_t alloc_nomem;     /**< asked for in vain, for want of memory */
  uint64_t alloc_elsewhere; /**< served by another node than the one asked */
  uint64_t misuse;          /**< foreign pointers and double frees noticed */
  uint32_t regions;
  uint32_t slots; /**< threads that hold caches now */
  uint32_t classes;
  uint32_t nodes;
} fastmem_stats_t;

typedef struct {
  uint32_t struct_size;
  uint32_t version;
  uint64_t class_size;
  uint64_t in_use; /**< objects */
  uint64_t cached;
  uint64_t alloc_cache_hits;
  uint64_t alloc_cache_misses;
  uint64_t alloc_nomem;
  uint64_t free_cache_hits;
  uint64_t free_cache_misses;
  uint64_t slab_acquires;
  uint64_t slab_releases;
  uint64_t objects_per_slab;
  uint64_t free_in_slabs; /**< objects in slabs, in no cache */
  uint32_t slabs_empty;
  uint32_t slabs_partial;
  uint32_t slabs_full; /**< no free object in the slab itself */
  uint32_t reserved;
} fastmem_class_stats_t;

typedef struct {
  uint32_t struct_size;
  uint32_t version;
  uint64_t class_size; /**< 0 when summed over classes */
  uint64_t cached;     /**< objects in its caches now */
  uint64_t alloc_cache_hits;
  uint64_t alloc_cache_misses;
  uint64_t alloc_nomem;
  uint64_t free_cache_hits;
  uint64_t free_cache_misses;
} fastmem_slot_stats_t;

typedef struct {
  uint32_t struct_size;
  uint32_t version;
  uint64_t bytes_backing;
  uint64_t bytes_slabs;
  uint64_t bytes_free;     /**< in no slab */
  uint64_t bytes_metadata; /**< the books counted against its limit */
  uint64_t limit;
  uint32_t regions;
  int32_t node;
} fastmem_node_stats_t;

/* 0, or -EINVAL (NULL, struct_size 0, no such class, slot or node). */
FASTMEM_API int fastmem_stats(fastmem_heap_t *heap, fastmem_stats_t *stats);
FASTMEM_API int fastmem_stats_class(fastmem_heap_t *heap, size_t class_size, fastmem_class_stats_t *stats);
FASTMEM_API int fastmem_stats_slot(fastmem_heap_t *heap, unsigned int slot, fastmem_slot_stats_t *stats);
FASTMEM_API int fastmem_stats_slot_class(fastmem_heap_t *heap, unsigned int slot, size_t class_size,
                                         fastmem_slot_stats_t *stats);
FASTMEM_API int fastmem_stats_node(fastmem_heap_t *heap, int node, fastmem_node_stats_t *stats);
/** Totals, hits and misses start again from 0; what is in use, cached and held stays true. */
FASTMEM_API void fastmem_stats_reset(fastmem_heap_t *heap);

/** The calling thread's slot: 1 .. fastmem_max_slots() - 1. Slot 0 is shared by the threads that found none free. */
FASTMEM_API unsigned int fastmem_slot(void);
FASTMEM_API unsigned int fastmem_max_slots(void);

/* ---- log --------------------------------------------------------------------------------------------------------- */

enum fastmem_log_level { FASTMEM_LOG_INFO = 0, FASTMEM_LOG_WARNING = 1, FASTMEM_LOG_ERROR = 2 };

/** One line, no newline. May be called from several threads at once; must not call fastmem. */
typedef void (*fastmem_log_t)(int level, const char *line, void *context);

/** NULL restores the default: warnings and errors to stderr; all of it when the environment has FASTMEM_LOG=info. */
FASTMEM_API void fastmem_set_log(fastmem_log_t callback, void *context);

#ifdef __cplusplus
}
#endif

#endif /* FASTMEM_H */
