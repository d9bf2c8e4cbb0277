/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file fastmem_checks.h
 * fastmem for C, continued: heaps that are checked. fastmem.h includes it, and has what holds for all of it: thread rules,
 * errors, units, NULL for the default heap. docs/checks.md tells what is found, and what it costs.
 *
 * How closely a heap looks is said by fastmem_config_t.check, or where that is NULL by FASTMEM_CHECK in the environment:
 *   off      (the default) what reaches a slab is verified there
 *   full     every object has guards on both sides, a record and, once freed, a rest: double, foreign and inner frees,
 *            wrong sizes and handles, bytes written beside an object or into one that was freed, frees of what a device
 *            has, and leaks are named with the object, who had it when, and the stacks of its allocation and free
 * and then by options: "full,quarantine=64M,leaks=off". quarantine=: most bytes of small objects at rest (1M). large=: of
 * those above 1 MiB (16M). traces=: memory for stacks (8M; 0: none). leaks=off: nothing is told of what is left.
 */
#ifndef FASTMEM_CHECKS_H
#define FASTMEM_CHECKS_H

#include <fastmem.h>

#ifdef __cplusplus
extern "C" {
#endif

enum fastmem_misuse_kind {
  FASTMEM_FOREIGN_FREE = 0,       /**< not an object of this heap */
  FASTMEM_DOUBLE_FREE = 1,        /**< it was free already */
  FASTMEM_INNER_FREE = 2,         /**< the address is inside of an object */
  FASTMEM_WRONG_CLASS = 3,        /**< freed with a size or handle of another class; noticed in its slab */
  FASTMEM_WRONG_SIZE = 4,         /**< freed with another size than it has */
  FASTMEM_WRONG_HANDLE = 5,       /**< freed with another handle than its own */
  FASTMEM_OVERRUN = 6,            /**< bytes behind it were written */
  FASTMEM_UNDERRUN = 7,           /**< bytes before it were written */
  FASTMEM_WRITE_AFTER_FREE = 8,   /**< it was written after it was freed */
  FASTMEM_PINNED_FREE = 9,        /**< freed while a device has it */
  FASTMEM_NOT_PINNED = 10,        /**< a device gives back what it does not have */
  FASTMEM_ACCESS_AFTER_FREE = 11, /**< touched after it was freed: the processor refused */
  FASTMEM_ACCESS_BEYOND = 12,     /**< touched before its start or behind its end: the processor refused */
  FASTMEM_DEAD_HEAP = 13,         /**< a heap that is gone, or not there yet, was used */
  FASTMEM_LEAK = 14,              /**< not freed at the end: count objects of size bytes in all */
  FASTMEM_LOST = 15,              /**< more misused pointers than could be named one by one */
  FASTMEM_WRITTEN_GUARD = 16,     /**< of hardened heaps: bytes between slabs were written */
  FASTMEM_WRITTEN_BOOKS = 17      /**< likewise: what the heap itself keeps was written */
};

/** "double-free", "overrun" ...: the word of the line for machines. */
FASTMEM_API const char *fastmem_misuse_name(unsigned int kind);

/** What was noticed. Valid during the callback. Traces are return addresses, innermost first. */
typedef struct fastmem_misuse_report {
  uint32_t struct_size;
  uint32_t version;
  uint32_t kind;         /**< enum fastmem_misuse_kind */
  int32_t node;          /**< -1: not known */
  const void *address;   /**< what was passed, written or touched */
  const void *object;    /**< where the object begins; NULL: not known */
  size_t size;           /**< as asked */
  size_t class_size;     /**< of the cell that holds it, guards counted; 0: it has no class */
  const void *heap;      /**< NULL: not known */
  ptrdiff_t damage;      /**< of writes: from the object's start */
  size_t claimed;        /**< the wrong size, the wrong handle's class size, or the number of pins */
  size_t index;          /**< in a bulk ... */
  size_t count;          /**< ... of so many; 0: it was none */
  uint32_t allocated_by; /**< slots: the numbers that fastmem_slot_stats() takes. 0: a thread without one */
  uint32_t freed_by;
  uint32_t noticed_by;
  uint32_t was_freed;
  uint64_t allocated_ago; /**< ns */
  uint64_t freed_ago;
  void *const *alloc_trace;
  size_t alloc_depth; /**< 0: not known */
  void *const *free_trace;
  size_t free_depth;
  void *const *noticed_trace;
  size_t noticed_depth;
} fastmem_misuse_report_t;

/** Called once a misuse was logged, before the program is aborted where the heap does that; on the thread that did it,
 * maybe in a signal handler. It may look and write, and must not call fastmem. */
typedef void (*fastmem_misuse_t)(const fastmem_misuse_report_t *report, void *context);
/** One for the process; NULL: nobody. */
FASTMEM_API void fastmem_on_misuse(fastmem_misuse_t callback, void *context);

/**
 * A device has memory of the object that ptr is in, until fastmem_unpin() was called as often: freeing it meanwhile is
 * named and refused. In heaps that are not checked in full both do nothing.
 * @return 0, -EINVAL (in no live object; not pinned)
 */
FASTMEM_API int fastmem_pin(fastmem_heap_t *heap, const void *ptr);
FASTMEM_API int fastmem_unpin(fastmem_heap_t *heap, const void *ptr);

/** Looks at all guards and at all that rests, now, while other threads go on. Each damage is reported once.
 * @return how many there were (0 of a heap that is not checked in full), or negative errno */
FASTMEM_API ssize_t fastmem_examine(fastmem_heap_t *heap);

/** Objects of one call site that are not freed. */
typedef struct fastmem_leak {
  uint64_t objects;
  uint64_t bytes;
  void *const *trace; /**< valid as long as the heap */
  size_t depth;       /**< 0: not known, or of all places beyond 1024 */
} fastmem_leak_t;

/** The objects that are handed out now by where they were allocated, most bytes first, at most max places.
 * @return how many places there are (may exceed max), -ENOTSUP (the heap is not checked in full), -ENOMEM */
FASTMEM_API ssize_t fastmem_leaks(fastmem_heap_t *heap, fastmem_leak_t *leaks, size_t max);

/** What fastmem_check() saw. Set struct_size first. */
typedef struct fastmem_check_result {
  uint32_t struct_size;
  uint32_t version;
  uint64_t findings; /**< what is wrong; 0: nothing */
  /* looked at */
  uint64_t slabs;
  uint64_t objects; /**< that are free: in slabs, caches and magazines; and at rest */
  uint64_t extents;
  uint64_t magazines;
  uint64_t caches;
  uint64_t map_entries;
  uint64_t regions;
  /* not looked at */
  uint64_t busy;     /**< parts whose lock could not be had in time */
  uint64_t running;  /**< caches whose thread may be using them: what they hold */
  uint64_t unmarked; /**< objects of which it is not known whether they are free twice: no memory to note them in */
  /* the first findings: a fixed sentence, and an address in the heap's books, or an object's */
  uint32_t told;
  uint32_t unused;
  const char *what[8];
  const void *where[8];
} fastmem_check_t;

/** Proves that the heap's own books are right: bitmaps, counters, lists, extents, the map, magazines, rests. Other threads
 * may go on; what only holds between two operations is not looked at then. Damage does not make it crash.
 * @return 0 (nothing is wrong), -EIO (something is: see out), -EINVAL (no structure, or no struct_size) */
FASTMEM_API int fastmem_check(fastmem_heap_t *heap, fastmem_check_t *out);
/** The same of a heap that no other thread is inside of until it returns: then nothing is left out. */
FASTMEM_API int fastmem_check_idle(fastmem_heap_t *heap, fastmem_check_t *out);

#ifdef __cplusplus
}
#endif

#endif
