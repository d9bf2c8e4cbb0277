// SPDX-License-Identifier: BSD-3-Clause
// api/dpdk/mempool_ops.cc -- floor 3 (api). The mempool ops `fastmem`: mempools keep their objects' pointers here.
// What:      one PointerPool per mempool; the objects are mempool's own, made once and never touched.
#include <rte_mempool.h>

#include <cerrno>

#include "api/dpdk/pointer_pool.h"

namespace {

using fastmem::dpdk::PointerPool;

PointerPool& pool_of(const rte_mempool* mp) { return *static_cast<PointerPool*>(mp->pool_data); }

int ops_alloc(rte_mempool* mp) {
  mp->pool_data = PointerPool::create(mp->size, mp->socket_id);
  return mp->pool_data != nullptr ? 0 : -ENOMEM;
}

void ops_free(rte_mempool* mp) {
  PointerPool::destroy(static_cast<PointerPool*>(mp->pool_data));
  mp->pool_data = nullptr;
}

int ops_enqueue(rte_mempool* mp, void* const* objects, unsigned n) {
  return pool_of(mp).put(objects, n) ? 0 : -ENOBUFS;
}

int ops_dequeue(rte_mempool* mp, void** objects, unsigned n) { return pool_of(mp).get(objects, n) ? 0 : -ENOBUFS; }

unsigned ops_get_count(const rte_mempool* mp) { return pool_of(mp).count(); }

constinit const rte_mempool_ops fastmem_mempool_ops = {
    .name = "fastmem",
    .alloc = ops_alloc,
    .free = ops_free,
    .enqueue = ops_enqueue,
    .dequeue = ops_dequeue,
    .get_count = ops_get_count,
    .calc_mem_size = nullptr,
    .populate = nullptr,
    .get_info = nullptr,
    .dequeue_contig_blocks = nullptr,
};

RTE_MEMPOOL_REGISTER_OPS(fastmem_mempool_ops)

}  // namespace
