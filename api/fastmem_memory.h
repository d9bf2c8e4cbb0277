/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file fastmem_memory.h
 * fastmem for C, continued: where memory comes from and goes to. fastmem.h includes it, and has what holds for all of it:
 * thread rules, errors, units, NULL for the default heap.
 */
#ifndef FASTMEM_MEMORY_H
#define FASTMEM_MEMORY_H

#include <fastmem.h>

#ifdef __cplusplus
extern "C" {
#endif

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

#ifdef __cplusplus
}
#endif

#endif /* FASTMEM_MEMORY_H */
