// SPDX-License-Identifier: BSD-3-Clause
// api/c_api.h -- floor 3 (api). What the files of the C interface share: handles to C++ and back, errno.
#pragma once

#include <fastmem.h>

#include <cerrno>

#include "api/default_heap.h"
#include "api/errors.h"

namespace fastmem::c_api {

inline core::Heap* unwrap(fastmem_heap_t* heap) {
  return heap != nullptr ? reinterpret_cast<core::Heap*>(heap) : default_heap_slow();
}
inline fastmem_heap_t* wrap(core::Heap* heap) { return reinterpret_cast<fastmem_heap_t*>(heap); }

// Remembers the error for fastmem_error_text().
inline int negative(const Error& error) {
  if (!error.ok()) set_last_error(error);
  return -to_errno(error.code);
}
inline int negative(ErrorCode code) { return -to_errno(code); }

// nullptr with errno from the last error.
[[gnu::cold, gnu::noinline]] inline void* no_object() {
  errno = to_errno(last_error().code);
  return nullptr;
}

inline bool to_node(int node, NodeId& id) {
  if (node == FASTMEM_NODE_ANY) {
    id = kAnyNode;
    return true;
  }
  id = NodeId{static_cast<std::uint16_t>(node)};
  return node >= 0 && node < kAnyNode.rep;
}
inline ErrorCode bad_node(int node) { return fail(ErrorCode::kNoNode, "node %d is not there", node); }

// NULL: the defaults. false: a value that no header knows.
bool to_config(const fastmem_config_t* given, Config& config);

// Writes no more than the caller's structure holds: it may come from an older header.
template <class T>
int fill(T* out, T value) {
  if (out == nullptr || out->struct_size < sizeof(out->struct_size) + sizeof(out->version)) {
    return negative(fail(ErrorCode::kInvalid, "no structure to fill, or one whose struct_size is not set"));
  }
  const std::size_t size = out->struct_size < sizeof(T) ? out->struct_size : sizeof(T);
  value.struct_size = static_cast<std::uint32_t>(size);
  value.version = FASTMEM_STRUCT_VERSION;
  __builtin_memcpy(out, &value, size);
  return 0;
}

}  // namespace fastmem::c_api
