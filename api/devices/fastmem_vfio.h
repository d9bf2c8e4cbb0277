/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file fastmem_vfio.h
 * A heap's memory in the IOMMU of a VFIO container (type 1): each region is mapped when it comes, in as few and as large
 * ranges as there can be, and unmapped before it goes. Objects can then be given to a device as they are.
 *
 * Link with fastmem-vfio (pkg-config). Linux only.
 *
 * Errors: 0 or a negative errno; fastmem_error_text() has the sentence. What the IOMMU refuses refuses the growth of the
 * heap: the allocation that wanted the memory fails with that sentence.
 * Threads: any, at any time, but for the container's end: detach first. Whoever closes the container, or the last group
 * in it, takes all mappings away.
 * Memory: the kernel pins what is mapped, so all of it is present, and counts it against RLIMIT_MEMLOCK.
 */
#ifndef FASTMEM_VFIO_H
#define FASTMEM_VFIO_H

#include <fastmem.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A page's IOVA is what fastmem_virt_to_iova() says, and neighbours are merged. Without: an object's IOVA is its virtual
 * address, and each region is one range. */
#define FASTMEM_VFIO_HEAP_IOVAS 1u
#define FASTMEM_VFIO_READ_ONLY 2u /**< the device may read, not write */

typedef struct fastmem_vfio_options {
  uint32_t struct_size; /**< set by the caller: sizeof(fastmem_vfio_options_t) */
  uint32_t flags;       /**< FASTMEM_VFIO_* */
} fastmem_vfio_options_t;

/**
 * Maps what the heap holds, and from now on what it gets.
 * @param heap NULL: the default heap
 * @param container_fd with a group in it and VFIO_TYPE1v2_IOMMU (or VFIO_TYPE1_IOMMU) set
 * @param options NULL: none
 * @return 0, -EINVAL (no such container, an option), -EEXIST (attached already; or an IOVA is taken), -ENOSPC (the limit
 *   of mappings, or 8 listeners), -ERANGE (an IOVA beyond what the IOMMU translates), -ENOMEM (RLIMIT_MEMLOCK), or what
 *   the kernel said. Then nothing is mapped.
 */
FASTMEM_API int fastmem_vfio_attach(fastmem_heap_t *heap, int container_fd, const fastmem_vfio_options_t *options);

/** Unmaps what the heap holds. The end of the heap does it, too. @return 0, -ENOENT: not attached */
FASTMEM_API int fastmem_vfio_detach(fastmem_heap_t *heap, int container_fd);

/**
 * Opens a container and a group (as "/dev/vfio/7"), puts the group into it and sets VFIO_TYPE1v2_IOMMU.
 * @param group_fd where the group's descriptor goes, which must stay open: VFIO_GROUP_GET_DEVICE_FD takes it
 * @return the container's descriptor, or a negative errno (EPERM: not all devices of the group are bound to VFIO)
 */
FASTMEM_API int fastmem_vfio_open(const char *group_path, int *group_fd);

#ifdef __cplusplus
}
#endif

#endif /* FASTMEM_VFIO_H */
