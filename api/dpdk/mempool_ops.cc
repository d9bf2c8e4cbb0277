// SPDX-License-Identifier: BSD-3-Clause
// api/dpdk/mempool_ops.cc -- floor 3 (api). The mempool ops `fastmem`: mempools keep their objects' pointers here.
// What:      one PointerPool per mempool; the objects are mempool's own, made once and never touched. Where
//            FASTMEM_CHECK=full it is a CheckedPool, behind ops of its own that the mempool gets when it asks for memory:
//            these cost nothing to those that are not checked.
#include <rte_mempool.h>

#include <cerrno>
#include <cstring>

#include "api/dpdk/checked_pool.h"
#include "api/dpdk/pointer_pool.h"
#include "core/checks.h"
#include "platform/log.h"

namespace {

using fastmem::dpdk::CheckedPool;
using fastmem::dpdk::PointerPool;

constexpr const char* kCheckedOps = "fastmem-checked";

PointerPool& pool_of(const rte_mempool* mp) { return *static_cast<PointerPool*>(mp->pool_data); }

CheckedPool& checked_pool_of(const rte_mempool* mp) { return *static_cast<CheckedPool*>(mp->pool_data); }

bool is_checked() {
  fastmem::core::CheckOptions checks;
  const fastmem::Error error = fastmem::core::choose_checks(nullptr, checks);
  if (!error.ok()) fastmem::log(fastmem::LogLevel::kWarning, "mempool ops: %s", error.text);
  return checks.level == fastmem::core::CheckLevel::kFull;
}

int index_of_checked_ops() {
  for (unsigned i = 0; i < rte_mempool_ops_table.num_ops; ++i) {
    if (std::strcmp(rte_mempool_ops_table.ops[i].name, kCheckedOps) == 0) return static_cast<int>(i);
  }
  return -1;
}

int checked_alloc(rte_mempool* mp) {
  mp->pool_data = CheckedPool::create(mp->size, mp->socket_id);
  return mp->pool_data != nullptr ? 0 : -ENOMEM;
}

void checked_free(rte_mempool* mp) {
  CheckedPool::destroy(&checked_pool_of(mp));
  mp->pool_data = nullptr;
}

int checked_enqueue(rte_mempool* mp, void* const* objects, unsigned n) {
  checked_pool_of(mp).put(*mp, objects, n);
  return 0;
}

int checked_dequeue(rte_mempool* mp, void** objects, unsigned n) {
  return checked_pool_of(mp).get(objects, n) ? 0 : -ENOBUFS;
}

unsigned checked_count(const rte_mempool* mp) { return checked_pool_of(mp).count(); }

int ops_alloc(rte_mempool* mp) {
  if (const int checked = is_checked() ? index_of_checked_ops() : -1; checked >= 0) {
    mp->ops_index = checked;
    return checked_alloc(mp);
  }
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

constinit const rte_mempool_ops fastmem_checked_ops = {
    .name = "fastmem-checked",
    .alloc = checked_alloc,
    .free = checked_free,
    .enqueue = checked_enqueue,
    .dequeue = checked_dequeue,
    .get_count = checked_count,
    .calc_mem_size = nullptr,
    .populate = nullptr,
    .get_info = nullptr,
    .dequeue_contig_blocks = nullptr,
};

RTE_MEMPOOL_REGISTER_OPS(fastmem_checked_ops)

}  // namespace
