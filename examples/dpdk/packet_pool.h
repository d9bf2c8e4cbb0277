/* SPDX-License-Identifier: BSD-3-Clause */
/* packet_pool.h -- a pool of packet buffers whose memory is objects of rte_fastmem.
 * rte_mempool keeps the buffers; where it comes from, and where it goes, is decided here. */
#ifndef PACKET_POOL_H
#define PACKET_POOL_H

#include <rte_mempool.h>

struct packet_pool {
  struct rte_mempool *mempool; /* what ports and rte_pktmbuf_alloc() want */
  void **chunks;               /* the memory of its buffers */
  unsigned int n_chunks;
};

/* n buffers of the default size on the socket. @return 0 or a negative errno; nothing stays behind then. */
int packet_pool_create(struct packet_pool *pool, const char *name, unsigned int n, int socket_id);

/* All buffers are back: the ports are closed. */
void packet_pool_destroy(struct packet_pool *pool);

#endif
