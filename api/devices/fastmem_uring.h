/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file fastmem_uring.h
 * A heap's memory as registered buffers of an io_uring: regions become buffers when they come and cease to be some before
 * they go. IORING_OP_READ_FIXED and WRITE_FIXED then take objects of the heap without pinning pages for each request:
 *
 *     fastmem_uring_t *buffers = fastmem_uring_attach(heap, &ring, NULL);
 *     io_uring_prep_read_fixed(sqe, fd, object, length, offset, fastmem_uring_index(buffers, object, length));
 *
 * Link with fastmem-uring (pkg-config), which needs liburing. Linux 5.19.
 *
 * The ring's table of buffers is the heap's while it is attached: register none of your own. Several rings may be attached
 * to a heap, each with its own fastmem_uring_t. A buffer has at most 1 GiB; a larger region is several.
 *
 * Errors: as in fastmem.h. What the kernel refuses refuses the growth of the heap, with a sentence.
 * Threads: fastmem_uring_index() from any thread at any time, without a lock. Buffers are registered by whichever thread
 *   makes the heap grow or shrink; the kernel keeps that apart from submissions, and a lock from other registrations here.
 *   A ring with IORING_SETUP_SINGLE_ISSUER lets only one thread register: then only that one may make the heap grow or
 *   trim (fastmem_reserve() ahead of need). Detach before io_uring_queue_exit(), and when no request is in flight that
 *   uses the heap's memory. Objects in use by a request must not be freed.
 * Memory: the kernel pins registered buffers, so all of a region is present, and counts it against RLIMIT_MEMLOCK.
 */
#ifndef FASTMEM_URING_H
#define FASTMEM_URING_H

#include <fastmem.h>

#ifdef __cplusplus
extern "C" {
#endif

struct io_uring;
typedef struct fastmem_uring fastmem_uring_t;

typedef struct fastmem_uring_options {
  uint32_t struct_size; /**< set by the caller: sizeof(fastmem_uring_options_t) */
  uint32_t buffers; /**< places in the ring's table: 1 .. 16384; 0: 1024. Each region takes one for each GiB begun */
} fastmem_uring_options_t;

/**
 * Registers what the heap holds, and from now on what it gets.
 * @param heap NULL: the default heap
 * @param options NULL: none
 * @return NULL and errno: EINVAL (no ring, an option; a kernel before 5.19), EBUSY (the ring has buffers), EEXIST
 *   (attached already; a single issuer's ring from another thread), ENOSPC (more regions than places, or 8 listeners),
 *   ENOMEM (RLIMIT_MEMLOCK), or what the kernel said. Then nothing is registered.
 */
FASTMEM_API fastmem_uring_t *fastmem_uring_attach(fastmem_heap_t *heap, struct io_uring *ring,
                                                  const fastmem_uring_options_t *options);

/** Unregisters all of it; `buffers` is gone. The end of the heap does the same. @return 0, -EINVAL, -EDEADLK (callback) */
FASTMEM_API int fastmem_uring_detach(fastmem_uring_t *buffers);

/**
 * The buf_index for [ptr, ptr + len), in O(log regions).
 * @return -EFAULT: not (all) in this heap's memory, or in two buffers, as an object of a region above 1 GiB may be
 */
FASTMEM_API int fastmem_uring_index(const fastmem_uring_t *buffers, const void *ptr, size_t len);

#ifdef __cplusplus
}
#endif

#endif /* FASTMEM_URING_H */
