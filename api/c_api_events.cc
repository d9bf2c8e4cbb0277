// SPDX-License-Identifier: BSD-3-Clause
// api/c_api_events.cc -- floor 3 (api). fastmem.h: listeners in C, each behind an adaptor to core/memory_events.h.
#include <cstddef>
#include <new>

#include "api/c_api.h"

using namespace fastmem;         // NOLINT: the bodies of fastmem.h
using namespace fastmem::c_api;  // NOLINT

static_assert(sizeof(Iova) == sizeof(std::uint64_t));

namespace {

constexpr std::size_t kLeastSize = offsetof(fastmem_listener_t, removed);

fastmem_memory_t to_c(const core::MemoryEvent& event) {
  fastmem_memory_t c = {};
  c.struct_size = sizeof(c);
  c.node = event.node.rep;
  c.base = event.base;
  c.size = event.size.rep;
  c.page_size = event.page_size.rep;
  c.iovas = event.iovas.empty() ? nullptr : &event.iovas.data()->rep;
  c.pages = event.iovas.size();
  c.fd = event.fd;
  c.fd_offset = event.fd_offset;
  return c;
}

// With the sentence that the callback left, if any.
Error to_error(int answer) {
  if (answer == 0) return {};
  Error error = last_error();
  error.code = from_errno(answer);
  return error;
}

// Lives as long as the listener is in its heap.
struct Adaptor {
  fastmem_listener_t c;

  static Adaptor& of(void* context) { return *static_cast<Adaptor*>(context); }
  static Error came(const core::MemoryEvent& memory, void* context) {
    const fastmem_memory_t region = to_c(memory);
    set_last_error({});
    return to_error(of(context).c.came(&region, of(context).c.context));
  }
  static void goes(const core::MemoryEvent& memory, void* context) {
    const fastmem_memory_t region = to_c(memory);
    of(context).c.goes(&region, of(context).c.context);
  }
  static Error may_grow(NodeId node, Bytes size, Bytes held, void* context) {
    set_last_error({});
    return to_error(of(context).c.may_grow(node.rep, size.rep, held.rep, of(context).c.context));
  }
  static void removed(void* context) {
    const fastmem_listener_t c = of(context).c;
    delete &of(context);
    if (c.removed != nullptr) c.removed(c.context);
  }
};

}  // namespace

int fastmem_listen(fastmem_heap_t* heap, const fastmem_listener_t* listener) {
  if (core::refuse_in_callback() != ErrorCode::kOk) return negative(last_error().code);
  if (listener == nullptr || listener->struct_size < kLeastSize || (listener->flags & ~FASTMEM_LISTEN_IOVAS) != 0) {
    return negative(fail(ErrorCode::kInvalid, "no listener, one whose struct_size is not set, or an unknown flag"));
  }
  core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  auto* const adaptor = new (std::nothrow) Adaptor{};
  if (adaptor == nullptr) return negative(fail(ErrorCode::kNoMemory, "no memory for a listener"));
  __builtin_memcpy(&adaptor->c, listener,
                   listener->struct_size < sizeof(*listener) ? listener->struct_size : sizeof(*listener));
  core::MemoryListener made;
  made.name = listener->name;
  made.context = adaptor;
  made.wants_iovas = (listener->flags & FASTMEM_LISTEN_IOVAS) != 0;
  if (adaptor->c.came != nullptr) made.came = Adaptor::came;
  if (adaptor->c.goes != nullptr) made.goes = Adaptor::goes;
  if (adaptor->c.may_grow != nullptr) made.may_grow = Adaptor::may_grow;
  made.removed = Adaptor::removed;
  const Error error = h->add_listener(made);
  if (!error.ok()) delete adaptor;
  return negative(error);
}

int fastmem_unlisten(fastmem_heap_t* heap, const char* name) {
  if (core::refuse_in_callback() != ErrorCode::kOk) return negative(last_error().code);
  core::Heap* const h = unwrap(heap);
  return h != nullptr ? negative(h->remove_listener(name)) : negative(last_error().code);
}

int fastmem_refuse(int error, const char* sentence) {
  fail(from_errno(error), "%s", sentence != nullptr ? sentence : "");
  return error;
}
