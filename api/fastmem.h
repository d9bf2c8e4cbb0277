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
#include <stdio.h>
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

#define FASTMEM_ZERO 1u     /**< every byte asked for reads 0 (by handle: of its class) */
#define FASTMEM_STRICT 2u   /**< only the asked node (or the caller's), never another: no fallback */
#define FASTMEM_ANY_KIND 4u /**< what any node or kind of memory holds already comes before more of the one asked */
/** One run in IOVA space, checked page by page; refused (ENOMEM) where there is none, and with the reason (ENOTSUP, EPERM)
 * where IOVAs cannot be told. */
#define FASTMEM_CONTIGUOUS 8u

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

/** What else can reach a heap's memory. All but NONE: mapped shared, with a descriptor, and present from the start; children
 * of a fork cannot use the heap. */
enum fastmem_files {
  FASTMEM_FILES_NONE = 0,      /**< nothing: anonymous memory */
  FASTMEM_FILES_MEMFD = 1,     /**< memfds, of any page kind; nothing is left behind, however the process ends */
  FASTMEM_FILES_HUGETLBFS = 2, /**< one file for each region in a hugetlbfs; 1 GiB or 2 MiB pages only */
  FASTMEM_FILES_LIST = 3,      /**< one sparse file for each node in a hugetlbfs; 1 GiB or 2 MiB pages only */
};

/**
 * Told after every 64 MiB or more that became present while the heap is made, grows or reserves; on the thread that asked,
 * which waits. Must not call the heap.
 * @return 0: stop. What was asked for is given back, and fails with ENOMEM.
 */
typedef int (*fastmem_progress_t)(size_t done, size_t total, void *context);

/** Fill with fastmem_config_init(), then change what should differ. */
typedef struct fastmem_config {
  uint32_t struct_size;  /**< set by fastmem_config_init(): lets the structure grow without breaking programs */
  uint32_t version;      /**< likewise: FASTMEM_STRUCT_VERSION of the header that the program was compiled with */
  uint32_t pages;        /**< enum fastmem_pages */
  uint32_t iova_mode;    /**< enum fastmem_iova_mode */
  uint32_t profile;      /**< enum fastmem_profile */
  uint32_t misuse;       /**< enum fastmem_misuse */
  size_t default_align;  /**< alignment when 0 is asked: a power of two, 16 (default) .. 4096; 64 for cache lines */
  size_t region_size;    /**< largest growth step: 128 MiB; less when memory is short */
  size_t address_space;  /**< most memory this heap can ever hold; 0: chosen from the machine's memory and limits */
  size_t limit_per_node; /**< FASTMEM_UNLIMITED by default; see fastmem_set_limit() */
  size_t first_region;   /**< first growth step: 4 MiB; later ones a quarter of what the node holds */
  size_t cache_budget;   /**< most bytes that caches and depots together have room for: 128 MiB. 0: nothing is cached */
  uint32_t files;        /**< enum fastmem_files */
  uint32_t keep_files;   /**< 1: files in a hugetlbfs keep their names and what is held when the process ends; the next
                            heap with the same prefix reuses their pages. EBUSY: a process that lives has the prefix */
  const char *directory; /**< in a hugetlbfs, for its files; NULL: where one for the page size is mounted */
  const char
      *file_prefix;   /**< of file names, to 47 characters without '/' and '.'; NULL: "fastmem". What dead processes
                              left behind under it is removed */
  size_t preallocate; /**< taken when the heap is made, on all nodes in equal parts, held until it is destroyed, and
                              never more. 0: memory comes and goes. ENOMEM: so much is not there */
  uintptr_t
      base_address;  /**< where the address space begins, a multiple of 2 MiB (1 GiB); 0: anywhere. EEXIST: taken */
  uint32_t locked;   /**< 1: small pages are locked in memory; ENOMEM beyond RLIMIT_MEMLOCK */
  uint32_t prefault; /**< 1: small pages are present when the heap grows, not when they are touched */
  uint32_t prefault_threads;   /**< most threads that make pages present, from 64 MiB each; 0: one for each CPU. 1 where
                                  malloc is this heap: starting a thread allocates */
  uint32_t reserved;           /**< 0 */
  fastmem_progress_t progress; /**< NULL: nobody is told */
  void *progress_context;
  uint32_t decay_ms;         /**< fastmem_set_decay(): 0, off */
  uint32_t pressure_some_us; /**< the kernel calls when some thread waited so long for memory in a window: 200 ms ... */
  uint32_t pressure_full_us; /**< ... or all threads did: 100 ms. 0: it does not */
  uint32_t pressure_window_us; /**< 2 s; 500 ms to 10 s. What is no multiple of 2 s needs rights. 0: it never calls */
  const char
      *check; /**< "off", "full", and options: fastmem_checks.h. NULL: what FASTMEM_CHECK in the environment says */
  const char
      *harden; /**< "random,zero,guards,delay,encode,arena,sized", "all" or "none": see docs/hardening.md. NULL: what
                         the environment's FASTMEM_HARDEN says, and without that none. EINVAL: a word is not known */
} fastmem_config_t;

FASTMEM_API void fastmem_config_init(fastmem_config_t *config);

/* ---- heaps ------------------------------------------------------------------------------------------------------- */

typedef struct fastmem_heap fastmem_heap_t;

/**
 * Creates a heap. NULL config: the defaults.
 * @return NULL and errno: EINVAL (a value out of range), ENOTSUP (the named page kind or IOVA mode is not there;
 *   fastmem_error_text() names what is missing and the command that would fix it), ENOMEM, and what fastmem_config_t says
 *   of a field.
 */
FASTMEM_API fastmem_heap_t *fastmem_heap_create(const fastmem_config_t *config);

/**
 * Gives everything back, live objects too. The caller makes sure that no other thread uses the heap any more.
 * @return 0, -EINVAL (NULL, or not a heap), -EDEADLK (from a callback)
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
 * @param size 1 .. fastmem_max_size(). Up to 1 MiB objects come from caches and slabs, larger ones are cut from regions in
 *   steps of 64 KiB
 * @param align 0 for the heap's default, or a power of two up to fastmem_max_size()
 * @param flags FASTMEM_ZERO, FASTMEM_STRICT, FASTMEM_ANY_KIND, FASTMEM_CONTIGUOUS
 * @return NULL and errno: EINVAL (size 0, align no power of two, unknown flag), E2BIG (size or align too large), ENOMEM,
 *   ENODEV (a child of a fork that does not inherit the heap), ENOTSUP (the default heap cannot be made: see the text)
 *
 * An object whose size is a power of two up to 1 MiB is aligned to its size.
 */
FASTMEM_API void *fastmem_alloc(size_t size, size_t align, unsigned int flags);

/** The same on a node: that node by preference, or with FASTMEM_STRICT only there. ENODEV: no such node. */
FASTMEM_API void *fastmem_alloc_on(size_t size, size_t align, unsigned int flags, int node);

/** All that can be asked of an allocation. Fill with zeroes, struct_size and node, then what is wished. */
typedef struct fastmem_request {
  uint32_t struct_size; /**< sizeof(fastmem_request_t) */
  uint32_t flags;       /**< FASTMEM_ZERO, FASTMEM_STRICT, FASTMEM_ANY_KIND, FASTMEM_CONTIGUOUS */
  size_t size;
  size_t align; /**< 0, or a power of two */
  size_t
      boundary; /**< 0, or a power of two no smaller than size: the object crosses no multiple of it, nor, when it is to
                        be contiguous, do its IOVAs */
  int32_t node; /**< FASTMEM_NODE_ANY, or a node */
  uint32_t reserved;
} fastmem_request_t;

/** Errors as fastmem_alloc_on(); EINVAL also for a boundary that is no power of two, or smaller than size. */
FASTMEM_API void *fastmem_alloc_request(fastmem_heap_t *heap, const fastmem_request_t *request);

/** @return 0; also for NULL. -EINVAL: not an object of the default heap, or free already where that is noticed.
 * -ENODEV: no heap yet. */
FASTMEM_API int fastmem_free(void *ptr);

/**
 * free by a caller who knows the size it last asked for: saves the look-up. For objects allocated with align 0 and without
 * FASTMEM_CONTIGUOUS or a boundary; of others, fastmem_free() alone knows the class.
 */
FASTMEM_API int fastmem_free_sized(void *ptr, size_t size);

/** Erases the object, all that may be used of it, and frees it: for keys and other secrets. As fastmem_free(). */
FASTMEM_API int fastmem_free_sensitive(fastmem_heap_t *heap, void *ptr);

/**
 * NULL ptr: alloc. Size 0: free, and NULL. Otherwise the object with its contents up to the smaller size, moved when `size`
 * has another class. Above 1 MiB it grows into free memory behind it, and shrinks by giving back its tail, in place.
 * On failure NULL and errno, and the old object stays.
 */
FASTMEM_API void *fastmem_realloc(void *ptr, size_t size, size_t align);

/** Bytes that may be used at ptr: at least what was asked. 0 for NULL and for a pointer that is not ours. */
FASTMEM_API size_t fastmem_usable_size(const void *ptr);

/**
 * Whether ptr is the address of an object of this heap that is handed out. One that was freed and rests in a cache passes.
 * @param size gets fastmem_usable_size(); may be NULL
 * @return 0, -EINVAL
 */
FASTMEM_API int fastmem_validate(fastmem_heap_t *heap, const void *ptr, size_t *size);

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

/** Of sizes up to 1 MiB. node FASTMEM_NODE_ANY: the caller's node now. @return 0, -EINVAL, -E2BIG, -ENODEV */
FASTMEM_API int fastmem_handle(fastmem_heap_t *heap, size_t size, size_t align, int node, fastmem_handle_t *handle);
/** Only FASTMEM_ZERO, FASTMEM_STRICT and FASTMEM_ANY_KIND; falls back to other nodes unless strict. */
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

/** Gives free memory back to the system: caches of every thread, depots, empty slabs, then wholly free regions and pages
 * inside of the others. @return bytes given back */
FASTMEM_API size_t fastmem_trim(fastmem_heap_t *heap);

/** The same until about `bytes` have gone. */
FASTMEM_API size_t fastmem_trim_bytes(fastmem_heap_t *heap, size_t bytes);

/** So much stays held of the node (FASTMEM_NODE_ANY: of each), whatever goes back; taken now where it is not. 0,
 * -ENOMEM, -ENODEV */
FASTMEM_API int fastmem_set_floor(fastmem_heap_t *heap, size_t bytes, int node);

/** Most bytes of slabs and large objects on all nodes together, its bookkeeping not counted. Below what these are now:
 * nothing is taken away, nothing new is handed out. @return 0 */
FASTMEM_API int fastmem_set_total_limit(fastmem_heap_t *heap, size_t bytes);

/* ---- size classes ------------------------------------------------------------------------------------------------ */

/** The largest object that could be asked for, were all of the heap's address space memory. */
FASTMEM_API size_t fastmem_max_size(fastmem_heap_t *heap);
/** Writes the classes' sizes, ascending; sizes may be NULL. @return how many there are */
FASTMEM_API unsigned int fastmem_classes(fastmem_heap_t *heap, size_t *sizes);

/* ---- statistics ------------------------------------------------------------------------------------------------------
 * Counters count objects (a bulk of 32 counts 32) and are exact when no other thread is inside the heap and nothing was
 * misused: an object that is freed twice is counted twice. Objects above 1 MiB are counted for the heap alone: they have
 * no class and pass no slot. Laws, for the heap, each class, each slot sum:
 *   alloc_total - free_total == objects in use (since the heap exists; a reset moves both totals, not in_use)
 *   alloc_total == alloc_cache_hits + alloc_cache_misses, free_total likewise
 *   per class: (slabs_empty + slabs_partial + slabs_full) * objects_per_slab == in_use + cached + free_in_slabs
 *   per node:  bytes_backing == bytes_slabs + bytes_free
 */

typedef struct {
  uint32_t struct_size;    /**< set by the caller: sizeof(fastmem_stats_t) */
  uint32_t version;        /**< set by the library: FASTMEM_STRUCT_VERSION */
  uint64_t bytes_backing;  /**< held from the system, all nodes */
  uint64_t bytes_slabs;    /**< of these: in slabs and objects above 1 MiB */
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

/** What a node has, FASTMEM_NODE_ANY: all together. */
typedef struct {
  uint32_t struct_size;
  uint32_t version;
  uint64_t bytes_total;        /**< held from the system */
  uint64_t bytes_in_slabs;     /**< of these: slabs of objects up to 1 MiB */
  uint64_t bytes_large;        /**< of these: objects above 1 MiB */
  uint64_t bytes_free;         /**< of these: in neither */
  uint64_t bytes_largest_free; /**< the largest piece of free memory */
  uint64_t bytes_away;         /**< given back to the system inside of regions that stay */
  uint64_t bytes_floor;        /**< stay held whatever is given back */
  uint64_t free_pieces;
  uint64_t large_objects;
  uint32_t regions;
  uint32_t fragmentation; /**< in thousandths: 1000 * (1 - largest free / free); 0 where nothing is free */
} fastmem_memory_stats_t;
FASTMEM_API int fastmem_stats_memory(fastmem_heap_t *heap, int node, fastmem_memory_stats_t *stats);

/** Everything that is known of the heap: a page for people, or one JSON object. @return 0, or negative errno of writing. */
FASTMEM_API int fastmem_dump(fastmem_heap_t *heap, FILE *file);
FASTMEM_API int fastmem_dump_json(fastmem_heap_t *heap, FILE *file);

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

#include <fastmem_checks.h>
#include <fastmem_memory.h> /* memory that comes and goes, kinds of memory, named heaps and zones */

#endif /* FASTMEM_H */
