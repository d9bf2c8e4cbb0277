/* SPDX-License-Identifier: BSD-3-Clause */
#include "examples/dpdk/packet_pool.h"

#include <errno.h>
#include <rte_errno.h>
#include <rte_fastmem.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <stdio.h>

#define CHUNK_SIZE (512u * 1024)
#define PAGE_SIZE 4096u
#define BUFFER_SIZE (sizeof(struct rte_mbuf) + RTE_MBUF_DEFAULT_BUF_SIZE)
#define CACHE_SIZE 256

/* How much of the memory from p on is one run of device addresses, as well as it is one of virtual ones. */
static size_t run_length(const char *p, size_t most) {
  const rte_iova_t first = rte_fastmem_virt2iova(p);
  size_t length = PAGE_SIZE;
  while (length < most && rte_fastmem_virt2iova(p + length) == first + length) length += PAGE_SIZE;
  return length;
}

/* @return how many buffers the chunk gave, or a negative errno. */
static int populate(struct rte_mempool *mempool, char *chunk) {
  int buffers = 0;
  for (size_t at = 0; at < CHUNK_SIZE && mempool->populated_size < mempool->size;) {
    const size_t length = run_length(chunk + at, CHUNK_SIZE - at);
    const rte_iova_t iova = rte_fastmem_virt2iova(chunk + at);
    if (iova == RTE_BAD_IOVA) return -EFAULT;
    const int added = rte_mempool_populate_iova(mempool, chunk + at, iova, length, NULL, NULL);
    if (added < 0) return added;
    buffers += added;
    at += length;
  }
  return buffers;
}

static int add_chunks(struct packet_pool *pool, unsigned int buffers, int socket_id) {
  while (pool->mempool->populated_size < buffers) {
    void *const chunk = rte_fastmem_alloc_socket(CHUNK_SIZE, 0, 0, socket_id);
    if (chunk == NULL) return -rte_errno;
    pool->chunks[pool->n_chunks++] = chunk;
    const int added = populate(pool->mempool, chunk);
    if (added < 0) return added;
    if (added == 0) return -ENOSPC;
  }
  return 0;
}

/* fastmem's own ops keep free buffers, too, when the plugin is there; any ops will do. */
static int choose_ops(struct rte_mempool *mempool) {
  if (rte_mempool_set_ops_byname(mempool, "fastmem", NULL) == 0) return 0;
  return rte_mempool_set_ops_byname(mempool, rte_mbuf_best_mempool_ops(), NULL);
}

static int fill(struct packet_pool *pool, unsigned int n, int socket_id) {
  /* Where pages are small and scattered, a page holds one buffer. */
  const unsigned int most_chunks = n / (CHUNK_SIZE / PAGE_SIZE) + 1;
  pool->chunks = rte_fastmem_alloc(most_chunks * sizeof(void *), 0, 0);
  if (pool->chunks == NULL) return -rte_errno;
  const int error = choose_ops(pool->mempool);
  if (error != 0) return error;
  rte_pktmbuf_pool_init(pool->mempool, NULL);
  const int out_of_memory = add_chunks(pool, n, socket_id);
  if (out_of_memory != 0) return out_of_memory;
  rte_mempool_obj_iter(pool->mempool, rte_pktmbuf_init, NULL);
  return 0;
}

int packet_pool_create(struct packet_pool *pool, const char *name, unsigned int n, int socket_id) {
  *pool = (struct packet_pool){0};
  pool->mempool =
      rte_mempool_create_empty(name, n, BUFFER_SIZE, CACHE_SIZE, sizeof(struct rte_pktmbuf_pool_private), socket_id, 0);
  if (pool->mempool == NULL) return -rte_errno;
  const int error = fill(pool, n, socket_id);
  if (error != 0) packet_pool_destroy(pool);
  return error;
}

void packet_pool_destroy(struct packet_pool *pool) {
  rte_mempool_free(pool->mempool); /* before the memory that it knows of */
  if (pool->chunks != NULL) rte_fastmem_free_bulk(pool->chunks, pool->n_chunks);
  rte_fastmem_free(pool->chunks);
  *pool = (struct packet_pool){0};
}
