// SPDX-License-Identifier: BSD-3-Clause
// api/devices/uring.cc -- floor 3 (api). fastmem_uring.h: the listener that registers regions as fixed buffers.
#include <liburing.h>
#include <sys/resource.h>

#include <algorithm>
#include <bitset>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <new>

#include "api/devices/fastmem_uring.h"
#include "api/devices/range_table.h"
#include "api/devices/refuse.h"

namespace fastmem::devices {
namespace {

constexpr unsigned kMostBuffers = 16384;                  // the kernel's limit
constexpr unsigned kBuffersByDefault = 1024;              //
constexpr std::size_t kMostBytes = std::size_t{1} << 30;  // of a buffer: the kernel's limit
constexpr std::size_t kNameRoom = 32;

// Each chunk of the region that a buffer can be.
template <class Visit>
void for_each_chunk(const fastmem_memory_t& memory, Visit visit) {
  auto* const base = static_cast<char*>(memory.base);
  for (std::size_t at = 0; at < memory.size; at += kMostBytes) {
    visit(iovec{base + at, std::min(kMostBytes, memory.size - at)});
  }
}

std::uintptr_t address_of(const iovec& chunk) { return reinterpret_cast<std::uintptr_t>(chunk.iov_base); }

}  // namespace

// The listener's context.
class UringBuffers {
 public:
  UringBuffers(fastmem_heap_t* heap, io_uring* ring, unsigned places)
      : heap_(heap), ring_(ring), places_(places), table_(places) {
    std::snprintf(name_, sizeof(name_), "uring %d", ring->ring_fd);
  }

  bool is_there() const { return table_.is_there(); }
  const char* name() const { return name_; }
  fastmem_heap_t* heap() const { return heap_; }
  int index(const void* p, std::size_t size) const { return table_.find(reinterpret_cast<std::uintptr_t>(p), size); }

  int open();
  void close();
  int came(const fastmem_memory_t& memory);
  void goes(const fastmem_memory_t& memory);

 private:
  int add(const iovec& chunk);
  void remove(const iovec& chunk);
  int update(unsigned place, const iovec& chunk);
  int refuse_chunk(const iovec& chunk, int error) const;

  fastmem_heap_t* heap_;
  io_uring* ring_;
  char name_[kNameRoom];
  std::mutex mutex_;  // guards the ring's table of buffers: taken_ and the changes of table_
  unsigned places_;
  std::bitset<kMostBuffers> taken_;
  RangeTable table_;
};

int UringBuffers::open() {
  const std::lock_guard guard(mutex_);
  const int error = io_uring_register_buffers_sparse(ring_, places_);
  if (error == -EBUSY) return refuse(error, "ring %d has registered buffers: unregister them first", ring_->ring_fd);
  if (error == -EINVAL) {
    return refuse(error, "this kernel has no table of %u buffers that come and go: 5.19 has", places_);
  }
  if (error < 0) return refuse(error, "ring %d takes no buffers: %s", ring_->ring_fd, std::strerror(-error));
  return 0;
}

void UringBuffers::close() {
  const std::lock_guard guard(mutex_);
  io_uring_unregister_buffers(ring_);
}

// All of the region, or none of it.
int UringBuffers::came(const fastmem_memory_t& memory) {
  const std::lock_guard guard(mutex_);
  int error = 0;
  for_each_chunk(memory, [&](const iovec& chunk) {
    if (error == 0) error = add(chunk);
  });
  if (error == 0) return 0;
  for_each_chunk(memory, [&](const iovec& chunk) { remove(chunk); });
  return error;
}

void UringBuffers::goes(const fastmem_memory_t& memory) {
  const std::lock_guard guard(mutex_);
  for_each_chunk(memory, [&](const iovec& chunk) { remove(chunk); });
}

int UringBuffers::add(const iovec& chunk) {
  unsigned place = 0;
  while (place < places_ && taken_[place]) ++place;
  if (place == places_) {
    return refuse(
        -ENOSPC,
        "all %u places for buffers of ring %d are taken: ask for more in fastmem_uring_options_t.buffers, or use "
        "larger regions (fastmem_config_t.region_size, first_region)",
        places_, ring_->ring_fd);
  }
  if (const int error = update(place, chunk); error < 0) return refuse_chunk(chunk, error);
  taken_[place] = true;
  table_.insert(address_of(chunk), address_of(chunk) + chunk.iov_len, static_cast<int>(place));
  return 0;
}

// Nothing for what was not added. What the kernel does not let go of it keeps pinned, until the place has another buffer.
void UringBuffers::remove(const iovec& chunk) {
  const int place = table_.erase(address_of(chunk));
  if (place == RangeTable::kNone) return;
  update(static_cast<unsigned>(place), iovec{nullptr, 0});
  taken_[static_cast<unsigned>(place)] = false;
}

int UringBuffers::update(unsigned place, const iovec& chunk) {
  __u64 tag = 0;
  const int done = io_uring_register_buffers_update_tag(ring_, place, &chunk, &tag, 1);
  return done == 1 ? 0 : done < 0 ? done : -EIO;
}

int UringBuffers::refuse_chunk(const iovec& chunk, int error) const {
  const std::size_t kib = chunk.iov_len / 1024;
  switch (error) {
    case -ENOMEM: {
      rlimit lock = {};
      getrlimit(RLIMIT_MEMLOCK, &lock);
      return refuse(error,
                    "the kernel does not pin %zu KiB more; RLIMIT_MEMLOCK is %llu KiB: ulimit -l unlimited, or "
                    "LimitMEMLOCK=infinity for a service",
                    kib, static_cast<unsigned long long>(lock.rlim_cur) / 1024);
    }
    case -EEXIST:
      return refuse(error,
                    "ring %d has a single issuer (IORING_SETUP_SINGLE_ISSUER), and another thread makes the heap grow: "
                    "fastmem_reserve() there ahead of need",
                    ring_->ring_fd);
    case -EOPNOTSUPP:
      return refuse(error, "the kernel registers no buffers in files: use anonymous or hugetlb memory");
    default:
      return refuse(error, "ring %d does not take %zu KiB at %p: %s", ring_->ring_fd, kib, chunk.iov_base,
                    std::strerror(-error));
  }
}

namespace {

UringBuffers& buffers_of(void* context) { return *static_cast<UringBuffers*>(context); }

int listen(UringBuffers& buffers) {
  fastmem_listener_t listener = {};
  listener.struct_size = sizeof(listener);
  listener.name = buffers.name();
  listener.context = &buffers;
  listener.came = [](const fastmem_memory_t* memory, void* context) { return buffers_of(context).came(*memory); };
  listener.goes = [](const fastmem_memory_t* memory, void* context) { buffers_of(context).goes(*memory); };
  listener.removed = [](void* context) {
    buffers_of(context).close();
    delete &buffers_of(context);
  };
  return fastmem_listen(buffers.heap(), &listener);
}

int attach(fastmem_heap_t* heap, io_uring* ring, const fastmem_uring_options_t* options, UringBuffers*& made) {
  const unsigned asked = options != nullptr ? options->buffers : 0;
  if (ring == nullptr || asked > kMostBuffers || (options != nullptr && options->struct_size < sizeof(*options))) {
    return refuse(-EINVAL, "no ring, more than %u buffers (%u), or a struct_size that is not set", kMostBuffers, asked);
  }
  auto* const buffers = new (std::nothrow) UringBuffers(heap, ring, asked != 0 ? asked : kBuffersByDefault);
  if (buffers == nullptr || !buffers->is_there()) {
    delete buffers;
    return refuse(-ENOMEM, "no memory for a table of buffers");
  }
  int error = buffers->open();
  if (error == 0) {
    error = listen(*buffers);
    if (error != 0) buffers->close();
  }
  if (error != 0) {
    delete buffers;
    return error;
  }
  made = buffers;
  return 0;
}

}  // namespace
}  // namespace fastmem::devices

using fastmem::devices::UringBuffers;

static const UringBuffers& unwrap(const fastmem_uring_t* buffers) {
  return *reinterpret_cast<const UringBuffers*>(buffers);
}

fastmem_uring_t* fastmem_uring_attach(fastmem_heap_t* heap, struct io_uring* ring,
                                      const fastmem_uring_options_t* options) {
  UringBuffers* made = nullptr;
  const int error = fastmem::devices::attach(heap, ring, options, made);
  if (error != 0) errno = -error;
  return reinterpret_cast<fastmem_uring_t*>(made);
}

int fastmem_uring_detach(fastmem_uring_t* buffers) {
  if (buffers == nullptr) return fastmem::devices::refuse(-EINVAL, "no buffers to detach");
  return fastmem_unlisten(unwrap(buffers).heap(), unwrap(buffers).name());
}

int fastmem_uring_index(const fastmem_uring_t* buffers, const void* ptr, size_t len) {
  if (buffers == nullptr) return -EINVAL;
  const int place = unwrap(buffers).index(ptr, len);
  return place != fastmem::devices::RangeTable::kNone ? place : -EFAULT;
}
