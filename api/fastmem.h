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
 * free by a caller who knows the size it last asked for: saves the look-up. For objects allocated with align 0; of others,
 * fastmem_free() alone knows the class.
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

/* ---- memory that comes and goes ----------------------------------------------------------------------------------
 * A listener hears of every region after it came and before it goes, so that it can be mapped for a device; first of
 * those that are held already. While a heap has a listener its memory comes and goes in whole regions.
 *
 * Callbacks run in the thread that makes the heap grow or shrink, one at a time for a heap. Other threads that find
 * objects go on; those that need memory wait. A callback must not call fastmem, but for fastmem_refuse(),
 * fastmem_error_text() and what only looks up (a usable size, a handle, an IOVA of a region whose IOVAs were asked for
 * before): everything else fails with EDEADLK, for every heap, and a free leaves the object with its caller. It must not fork, nor wait for a thread that allocates.
 *
 * The child of a fork has no listeners, and they are not told of it: what they mapped is the parent's.
 */

/** A region. */
typedef struct fastmem_memory {
  uint32_t struct_size; /**< set by the library */
  int32_t node;
  void *base;
  size_t size;
  size_t page_size;
  const uint64_t *iovas; /**< one for each page, the same until it goes; NULL: not asked for */
  size_t pages;          /**< how many these are */
  uint64_t fd_offset;
  int32_t fd; /**< a file whose bytes from fd_offset on these are; -1: there is none to map */
  int32_t reserved;
} fastmem_memory_t;

#define FASTMEM_LISTEN_IOVAS \
  1u /**< regions come with their IOVAs; where none can be told, growth fails with the reason */

/** Every callback may be NULL, but not all of the first three. */
typedef struct fastmem_listener {
  uint32_t struct_size; /**< set by the caller: sizeof(fastmem_listener_t) */
  uint32_t flags;       /**< FASTMEM_LISTEN_IOVAS */
  const char *name;     /**< for messages and fastmem_unlisten(): 1 to 31 characters, unique in the heap; copied */
  void *context;
  /** 0, or a negative errno: the region goes back, those told before hear goes(), and what wanted the memory fails, with
   * the sentence of fastmem_refuse() in its error text. */
  int (*came)(const fastmem_memory_t *memory, void *context);
  void (*goes)(const fastmem_memory_t *memory, void *context);
  /** Before the system is asked for `size` bytes more than `held` on the node. 0, or a negative errno as came(). */
  int (*may_grow)(int node, size_t size, size_t held, void *context);
  /** The last call, after fastmem_unlisten() or the end of the heap: the context is not used any more. */
  void (*removed)(void *context);
} fastmem_listener_t;

/**
 * @return 0, -EINVAL, -EEXIST (the name), -ENOSPC (8 are there), -EDEADLK (from a callback), -ENOMEM, or what came() said
 *   to memory that is held: it heard goes() for what it had taken, and is not added (removed() is not called).
 */
FASTMEM_API int fastmem_listen(fastmem_heap_t *heap, const fastmem_listener_t *listener);
/** It hears goes() for what is held, then removed(). @return 0, -ENOENT, -EDEADLK (from a callback) */
FASTMEM_API int fastmem_unlisten(fastmem_heap_t *heap, const char *name);
/** For a callback that refuses: remembers the sentence, at most 290 characters. @return `error`, a negative errno */
FASTMEM_API int fastmem_refuse(int error, const char *sentence);

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

/* ---- kinds of memory ------------------------------------------------------------------------------------------------
 * A heap may mix kinds of memory, each with a tag: fast pages that are few, ordinary ones, memory of one node, memory that
 * the caller brings. fastmem_kind() makes a node number of a tag, once; every function with a `node` takes it, and it
 * means: this kind, on the calling thread's node first. The first kind is the default one; FASTMEM_NODE_ANY begins there.
 *   with FASTMEM_STRICT    only this kind, on whichever node of the machine
 *   else                   this kind on every node, nearest first, then the other kinds, those next in order first
 *   with FASTMEM_ANY_KIND  the same, but what any of them holds already is taken before any of them grows
 * One node of a kind, and no other place, is number kind_number * 1024 + machine_node, where fastmem_kind() says
 * kind_number * 1024 + 1023: the default kind's places are the machine's own node numbers.
 */

enum fastmem_kind_flags {
  FASTMEM_KIND_ONLY_NAMED = 1, /**< never stands in for another kind; not for the first one */
  FASTMEM_KIND_BROUGHT = 2,    /**< has what fastmem_heap_memory_add_on() adds to it, and nothing else */
};

/** Fill with fastmem_kind_init(), then change what should differ. */
typedef struct fastmem_memory_kind {
  uint32_t struct_size; /**< set by fastmem_kind_init(); the same for all kinds of an array */
  uint32_t pages;       /**< enum fastmem_pages */
  const char *tag;      /**< 1 .. 15 characters, unique in its heap; copied */
  uint32_t locked;      /**< as fastmem_config_t's. Hugetlb pages always are */
  int32_t node;         /**< where all of it lies; FASTMEM_NODE_ANY: each node of the machine has some */
  uint32_t flags;       /**< enum fastmem_kind_flags */
  uint32_t reserved;    /**< 0 */
  size_t limit;         /**< as fastmem_set_limit(), for each of its nodes */
} fastmem_kind_t;

FASTMEM_API void fastmem_kind_init(fastmem_kind_t *kind, const char *tag);

/**
 * Creates a heap of n kinds of memory (1 .. 63; kinds times nodes at most 64). The configuration's `pages` and `locked` say
 * nothing; the base address is the first kind's, names of files get the tag behind the prefix, and the rest, `preallocate`
 * too, is for each kind. NULL config: the defaults.
 * @return NULL and errno as fastmem_heap_create(); also EINVAL (no kind, a tag that is empty, too long or there twice, a
 *   first kind that is only for who names it, too many nodes), ENODEV (a kind's node is not there)
 */
FASTMEM_API fastmem_heap_t *fastmem_heap_create_kinds(const fastmem_config_t *config, const fastmem_kind_t *kinds,
                                                      unsigned int n);

/** @return the node number of a tag, valid as long as the heap; -ENOENT: the heap has no such kind */
FASTMEM_API int fastmem_kind(fastmem_heap_t *heap, const char *tag);

typedef struct fastmem_kind_stats {
  uint32_t struct_size;       /**< set by the caller */
  uint32_t version;           /**< set by the library */
  uint64_t sent_elsewhere;    /**< objects asked here, served by another node or kind; 0 after a reset */
  uint64_t served_for_others; /**< objects asked of another, served here; 0 after a reset */
  uint64_t bytes_backing;
  uint64_t bytes_slabs;
  uint64_t bytes_free;
  uint64_t limit; /**< the least of its nodes */
  uint32_t regions;
  uint32_t nodes; /**< summed up here */
} fastmem_kind_stats_t;

/** Of a node, or of all nodes of a kind. 0, or -EINVAL (NULL, struct_size 0, no such node or kind). */
FASTMEM_API int fastmem_stats_kind(fastmem_heap_t *heap, int node, fastmem_kind_stats_t *stats);

/* ---- named heaps, and memory that the caller brings -----------------------------------------------------------------
 * A named heap has the memory that is added to it and no other: a buffer, a mapped file, hugepages, device memory. It is
 * found by its name, and fastmem_free(), _free_bulk(), _realloc(), _usable_size(), _virt_to_iova() and _iova_segments() of
 * the default heap find it by an object's address, as do fastmem_free_sensitive() and fastmem_validate().
 * fastmem_free_sized() and handles need the heap itself. Its books take
 * 196 GiB of address space (not memory): ENOMEM where `ulimit -v` has less.
 *
 * A child of a fork cannot use a heap whose memory it may share with its parent: see FASTMEM_MEMORY_FORK.
 */

/**
 * @param name 1 .. 31 characters
 * @return NULL and errno: EINVAL (no name, or too long), EEXIST, ENOSPC (there are 64), ENOMEM (address space)
 */
FASTMEM_API fastmem_heap_t *fastmem_named_heap_create(const char *name);

/** NULL and ENOENT: there is none. */
FASTMEM_API fastmem_heap_t *fastmem_named_heap(const char *name);

/**
 * As fastmem_heap_destroy(), which forces it, but only when all memory was removed.
 * @return 0, -ENOENT, -EBUSY (it has memory, and perhaps objects), -EDEADLK (from a callback)
 */
FASTMEM_API int fastmem_named_heap_destroy(const char *name);

enum fastmem_memory_flags {
  FASTMEM_MEMORY_ZEROED = 1,  /**< every byte reads 0 */
  FASTMEM_MEMORY_IOVA_VA = 2, /**< without a table: devices see the virtual addresses */
  FASTMEM_MEMORY_FORK = 4,    /**< private memory that no device uses: a child of a fork has its own copy of the heap */
};

/**
 * Adds memory, which stays the caller's: the heap never gives it back to the system. It must stay mapped, and nobody else
 * may write to it, until it was removed or the heap destroyed. Whole granules of 64 KiB on multiples of 64 KiB are used;
 * what lies before and behind them in [addr, addr + len) is not touched.
 * @param iovas     one for each page, copied and used as they are; NULL: not known
 * @param n_pages   len / page_size; without iovas it says nothing
 * @param page_size of the memory: a power of two from 4096 on. With iovas, addr and len are multiples of it.
 * @return 0, -EINVAL (one of the above; FASTMEM_BAD_IOVA in the table; no granule is left), -EEXIST (some of it is the
 *   heap's already), -EPERM (a heap that takes no such memory: the default heap, and every one that was not made for it),
 *   -ENOSPC (no room for the table, or 65,535 areas)
 */
FASTMEM_API int fastmem_heap_memory_add(fastmem_heap_t *heap, void *addr, size_t len, const uint64_t *iovas,
                                        unsigned int n_pages, size_t page_size);

/**
 * The same with enum fastmem_memory_flags, and for a node or kind of the heap; FASTMEM_NODE_ANY: the first that takes it.
 * -ENODEV: no such node.
 */
FASTMEM_API int fastmem_heap_memory_add_on(fastmem_heap_t *heap, void *addr, size_t len, const uint64_t *iovas,
                                           unsigned int n_pages, size_t page_size, int node, unsigned int flags);

/**
 * Takes away what was added with the same addr and len. Free objects in caches of any thread come back first.
 * @return 0, -EBUSY (objects of it are in use), -ENOENT (nothing was added so), -EPERM (the heap's own memory), -EINVAL
 */
FASTMEM_API int fastmem_heap_memory_remove(fastmem_heap_t *heap, void *addr, size_t len);

/**
 * No new object comes from this memory from now on; those in it live on and are freed as always, until it can be removed
 * or is attached again. What is freed by handle or with fastmem_free_sized() may be handed out once more.
 * @return 0, -EBUSY (it is detached, or other threads kept it in motion: once more), -ENOENT, -EPERM, -EINVAL
 */
FASTMEM_API int fastmem_heap_memory_detach(fastmem_heap_t *heap, void *addr, size_t len);

/** Detached memory serves again. @return 0, -EBUSY (it is not detached), -ENOENT, -EPERM, -EINVAL */
FASTMEM_API int fastmem_heap_memory_attach(fastmem_heap_t *heap, void *addr, size_t len);

/* ---- named zones ----------------------------------------------------------------------------------------------------
 * Memory that is found by name: rings, tables, what several parts of a program share. At most 4096 in a heap; they go with
 * it. Free one by its name only, not by its address.
 */

typedef struct fastmem_zone {
  uint32_t struct_size; /**< set by the caller */
  uint32_t version;     /**< set by the library */
  char name[32];
  void *addr;
  size_t len;       /**< as asked; of the largest: what there was */
  uint64_t iova;    /**< with FASTMEM_CONTIGUOUS; else FASTMEM_BAD_IOVA: ask fastmem_virt_to_iova() for each part */
  size_t page_size; /**< of the memory it lies in */
  int32_t node;
  uint32_t flags;
} fastmem_zone_t;

/**
 * Takes memory and names it.
 * @param name  1 .. 31 characters
 * @param len   0: the largest free memory in one piece that the heap holds now, see fastmem_zone_largest()
 * @param align 0 for a cache line, or a power of two
 * @param bound 0, or a power of two no smaller than len: the zone crosses no multiple of it
 * @param flags FASTMEM_ZERO, FASTMEM_STRICT, FASTMEM_ANY_KIND, FASTMEM_CONTIGUOUS
 * @param zone  filled as far as its struct_size goes; NULL: not wanted
 * @return 0, -EEXIST (the name is taken), -EINVAL (name, align, bound, flags), -ENOSPC (there are 4096), -ENOMEM, -ENODEV (no
 *   such node), -E2BIG; with FASTMEM_CONTIGUOUS -ENOTSUP and -EPERM, where IOVAs cannot be told
 */
FASTMEM_API int fastmem_zone_reserve(fastmem_heap_t *heap, const char *name, size_t len, size_t align, size_t bound,
                                     unsigned int flags, int node, fastmem_zone_t *zone);

/** @return 0, -ENOENT, -EINVAL (a zone whose struct_size is not set). zone may be NULL. */
FASTMEM_API int fastmem_zone_lookup(fastmem_heap_t *heap, const char *name, fastmem_zone_t *zone);

/** @return 0, -ENOENT */
FASTMEM_API int fastmem_zone_free(fastmem_heap_t *heap, const char *name);

/** Calls back for each zone. The callback may call the heap; zones that come or go meanwhile may be left out. */
FASTMEM_API void fastmem_zone_walk(fastmem_heap_t *heap, void (*callback)(const fastmem_zone_t *zone, void *context),
                                   void *context);

/**
 * The largest zone that could be reserved now without the heap growing (FASTMEM_NODE_ANY: on any node), in steps of 64 KiB;
 * what rests in caches and slabs not counted. 0 also for an align that is no power of two and a node that is not there.
 */
FASTMEM_API size_t fastmem_zone_largest(fastmem_heap_t *heap, int node, size_t align);

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
