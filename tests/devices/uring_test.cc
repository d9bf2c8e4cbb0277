// SPDX-License-Identifier: BSD-3-Clause
// io_uring's registered buffers, on the kernel's own: reads and writes by fixed buffers with objects of a heap that grows
// and shrinks meanwhile.
#include <doctest/doctest.h>
#include <liburing.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "api/devices/fastmem_uring.h"
#include "tests/api/c_heap.h"
#include "tests/support/child_process.h"
#include "tests/support/no_ipc_lock.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

using test::CHeap;
using test::error_text;
using test::kMegabyte;
using test::says;

class Ring {
 public:
  explicit Ring(unsigned flags = 0) : error_(io_uring_queue_init(32, &ring_, flags)) {}
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring() { close(); }
  void close() {
    if (error_ == 0) io_uring_queue_exit(&ring_);
    error_ = -EBADF;
  }
  int error() const { return error_; }
  io_uring* get() { return &ring_; }

  // What the request answers.
  int submit(bool write, int fd, void* p, unsigned size, std::uint64_t offset, int index) {
    io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
    if (write) {
      io_uring_prep_write_fixed(sqe, fd, p, size, offset, index);
    } else {
      io_uring_prep_read_fixed(sqe, fd, p, size, offset, index);
    }
    io_uring_submit(&ring_);
    io_uring_cqe* cqe = nullptr;
    if (io_uring_wait_cqe(&ring_, &cqe) != 0) return -EIO;
    const int result = cqe->res;
    io_uring_cqe_seen(&ring_, cqe);
    return result;
  }

 private:
  io_uring ring_ = {};
  int error_;
};

// Whether this machine lets us have what the tests are about.
std::string why_not() {
  Ring ring;
  if (ring.error() != 0) return std::string("io_uring is not to be had here: ") + std::strerror(-ring.error());
  const int error = io_uring_register_buffers_sparse(ring.get(), 1);
  if (error == 0) return {};
  return std::string("no tables of buffers that come and go before Linux 5.19: ") + std::strerror(-error);
}

#define NEEDS_IO_URING()                 \
  const std::string missing = why_not(); \
  if (!missing.empty()) FM_SKIP(missing.c_str())

class TemporaryFile {
 public:
  TemporaryFile() {
    const char* const folder = std::getenv("TEST_TMPDIR");
    std::string path = std::string(folder != nullptr ? folder : "/tmp") + "/uring_test.XXXXXX";
    fd_ = mkstemp(path.data());
    REQUIRE(fd_ >= 0);
    unlink(path.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { ::close(fd_); }
  int fd() const { return fd_; }

 private:
  int fd_;
};

// Writes the object to the file and reads it back into another one, by fixed buffers. Empty: it worked.
std::string round_trip(Ring& ring, const fastmem_uring_t* buffers, int file, unsigned char* from, unsigned char* to,
                       unsigned size, unsigned char salt) {
  const int from_index = fastmem_uring_index(buffers, from, size);
  const int to_index = fastmem_uring_index(buffers, to, size);
  if (from_index < 0 || to_index < 0) return "no index";
  for (unsigned i = 0; i < size; ++i) from[i] = static_cast<unsigned char>(i * 31 + salt);
  std::memset(to, 0, size);
  const int written = ring.submit(true, file, from, size, salt * 4096u, from_index);
  if (written != static_cast<int>(size)) return "write: " + std::to_string(written);
  const int read = ring.submit(false, file, to, size, salt * 4096u, to_index);
  if (read != static_cast<int>(size)) return "read: " + std::to_string(read);
  return std::memcmp(from, to, size) == 0 ? "" : "other bytes came back";
}

unsigned char* bytes(void* p) { return static_cast<unsigned char*>(p); }

TEST_CASE("objects go to a file and come back by fixed buffers, while the heap grows") {
  NEEDS_IO_URING();
  Ring ring;
  const TemporaryFile file;
  const CHeap heap;
  void* const early = heap.alloc(8192);  // from before
  fastmem_uring_t* const buffers = fastmem_uring_attach(heap, ring.get(), nullptr);
  REQUIRE_MESSAGE(buffers != nullptr, error_text());
  std::set<int> indices;
  std::vector<void*> all = {early};
  for (unsigned i = 0; i < 24; ++i) {
    void* const p = heap.alloc(i % 2 == 0 ? kMegabyte : 8192);
    REQUIRE(p != nullptr);
    CHECK(round_trip(ring, buffers, file.fd(), bytes(all.back()), bytes(p), 8192, static_cast<unsigned char>(i)) == "");
    indices.insert(fastmem_uring_index(buffers, p, 8192));
    all.push_back(p);
  }
  CHECK(indices.size() > 4);  // it grew
  CHECK(indices.size() <= heap.stats().regions);
  CHECK(heap.free_all(all) == 0);
  CHECK(fastmem_uring_detach(buffers) == 0);
}

TEST_CASE("what is not registered has no index, and the kernel refuses another buffer's") {
  NEEDS_IO_URING();
  Ring ring;
  const TemporaryFile file;
  const CHeap heap, other;
  fastmem_uring_t* const buffers = fastmem_uring_attach(heap, ring.get(), nullptr);
  REQUIRE(buffers != nullptr);
  void* const p = heap.alloc(4096);
  void* const foreign = other.alloc(4096);
  CHECK(fastmem_uring_index(buffers, p, 4096) >= 0);
  CHECK(fastmem_uring_index(buffers, foreign, 4096) == -EFAULT);
  CHECK(fastmem_uring_index(buffers, &ring, 1) == -EFAULT);
  CHECK(fastmem_uring_index(buffers, p, 4 * kMegabyte) == -EFAULT);  // beyond the region
  CHECK(fastmem_uring_index(nullptr, p, 1) == -EINVAL);
  CHECK(ring.submit(true, file.fd(), foreign, 4096, 0, fastmem_uring_index(buffers, p, 4096)) == -EFAULT);
  CHECK(fastmem_uring_detach(buffers) == 0);
}

TEST_CASE("trim unregisters, and the place is used again") {
  NEEDS_IO_URING();
  Ring ring;
  const TemporaryFile file;
  const CHeap heap;
  fastmem_uring_options_t options = {};
  options.struct_size = sizeof(options);
  options.buffers = 4;
  fastmem_uring_t* const buffers = fastmem_uring_attach(heap, ring.get(), &options);
  REQUIRE(buffers != nullptr);
  for (unsigned round = 0; round < 20; ++round) {
    std::vector<void*> all;
    for (unsigned i = 0; i < 3; ++i) all.push_back(heap.alloc(kMegabyte));
    const int index = fastmem_uring_index(buffers, all[0], kMegabyte);
    CHECK(index >= 0);
    CHECK(index < 4);
    CHECK(round_trip(ring, buffers, file.fd(), bytes(all[0]), bytes(all[2]), 65536, 3) == "");
    CHECK(heap.free_all(all) == 0);
    CHECK(fastmem_trim(heap) > 0);
    CHECK(fastmem_uring_index(buffers, all[0], 1) == -EFAULT);
    // To the kernel there is no such buffer any more: whatever is at that address now.
    void* const same = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(ring.submit(true, file.fd(), same, 4096, 0, index) == -EFAULT);
    munmap(same, 4096);
  }
  CHECK(fastmem_uring_detach(buffers) == 0);
}

TEST_CASE("more regions than places: growth ends in words, and begins again after a trim") {
  NEEDS_IO_URING();
  Ring ring;
  const CHeap heap;
  const fastmem_uring_options_t options = {sizeof(options), 3};
  fastmem_uring_t* const buffers = fastmem_uring_attach(heap, ring.get(), &options);
  REQUIRE(buffers != nullptr);
  const std::vector<void*> all = heap.alloc_all(kMegabyte);
  CHECK(errno == ENOMEM);
  CHECK(says(error_text(), "all 3 places for buffers"));
  CHECK(heap.stats().regions == 3);
  for (void* const p : all) CHECK(fastmem_uring_index(buffers, p, kMegabyte) >= 0);
  CHECK(heap.free_all(all) == 0);
  fastmem_trim(heap);
  CHECK(heap.alloc(kMegabyte) != nullptr);
  CHECK(fastmem_uring_detach(buffers) == 0);
  for (unsigned i = 0; i < 8; ++i) CHECK(heap.alloc(kMegabyte) != nullptr);  // nobody counts any more
}

TEST_CASE("several rings, each with its own table; the end of the heap detaches") {
  NEEDS_IO_URING();
  Ring one, two;
  const TemporaryFile file;
  {
    const CHeap heap;
    REQUIRE(heap.alloc(100) != nullptr);
    fastmem_uring_t* const first = fastmem_uring_attach(heap, one.get(), nullptr);
    REQUIRE(first != nullptr);
    std::vector<void*> all;
    for (unsigned i = 0; i < 6; ++i) all.push_back(heap.alloc(kMegabyte));
    fastmem_uring_t* const second = fastmem_uring_attach(heap, two.get(), nullptr);
    REQUIRE(second != nullptr);
    CHECK(fastmem_uring_attach(heap, two.get(), nullptr) == nullptr);
    CHECK(errno == EBUSY);
    for (Ring* const ring : {&one, &two}) {
      CHECK(round_trip(*ring, ring == &one ? first : second, file.fd(), bytes(all[1]), bytes(all[5]), 100000, 9) == "");
    }
    CHECK(fastmem_uring_detach(first) == 0);
    CHECK(round_trip(two, second, file.fd(), bytes(all[2]), bytes(all[3]), 100000, 8) == "");
  }
  // The tables are the rings' own again.
  CHECK(io_uring_register_buffers_sparse(one.get(), 4) == 0);
  CHECK(io_uring_register_buffers_sparse(two.get(), 4) == 0);
}

TEST_CASE("growth, trims and requests by several threads") {
  NEEDS_IO_URING();
  const CHeap heap;
  constexpr unsigned kThreads = 3;
  Ring rings[kThreads];
  fastmem_uring_t* buffers[kThreads];
  for (unsigned t = 0; t < kThreads; ++t) {
    buffers[t] = fastmem_uring_attach(heap, rings[t].get(), nullptr);
    REQUIRE_MESSAGE(buffers[t] != nullptr, error_text());
  }
  std::atomic<unsigned> wrong{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const TemporaryFile file;
      for (unsigned round = 0; round < 30; ++round) {
        std::vector<void*> mine;
        for (unsigned i = 0; i < 4; ++i) mine.push_back(heap.alloc(kMegabyte));
        if (std::count(mine.begin(), mine.end(), nullptr) != 0 ||
            !round_trip(rings[t], buffers[t], file.fd(), bytes(mine[0]), bytes(mine[3]), 20000, 1).empty()) {
          ++wrong;
        }
        heap.free_all(mine);
        if (round % 3 == t) fastmem_trim(heap);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
  for (fastmem_uring_t* const b : buffers) CHECK(fastmem_uring_detach(b) == 0);
}

TEST_CASE("a region above 1 GiB is two buffers") {
  NEEDS_IO_URING();
  if (sysconf(_SC_AVPHYS_PAGES) < 4 * 1024 * 256L) FM_SKIP("fewer than 4 GiB of memory are free");
  Ring ring;
  fastmem_config_t config = test::small_config();
  config.region_size = config.first_region = 1026 * kMegabyte;
  config.address_space = 4096 * kMegabyte;
  char* base = nullptr;
  const CHeap heap(config);
  fastmem_listener_t listener = {};
  listener.struct_size = sizeof(listener);
  listener.name = "where";
  listener.context = &base;
  listener.came = [](const fastmem_memory_t* memory, void* context) {
    *static_cast<char**>(context) = static_cast<char*>(memory->base);
    return 0;
  };
  REQUIRE(fastmem_listen(heap, &listener) == 0);
  fastmem_uring_t* const buffers = fastmem_uring_attach(heap, ring.get(), nullptr);
  REQUIRE(buffers != nullptr);
  REQUIRE_MESSAGE(heap.alloc(100) != nullptr, error_text());
  REQUIRE(base != nullptr);
  const std::size_t first = 1024 * kMegabyte;
  CHECK(fastmem_uring_index(buffers, base, first) == 0);
  CHECK(fastmem_uring_index(buffers, base + first, 2 * kMegabyte) == 1);
  CHECK(fastmem_uring_index(buffers, base + first - 1, 2) == -EFAULT);  // in two
  CHECK(fastmem_uring_index(buffers, base + first, 2 * kMegabyte + 1) == -EFAULT);
  CHECK(fastmem_uring_detach(buffers) == 0);
}

TEST_CASE("RLIMIT_MEMLOCK is named, and ends growth without a trace") {
  NEEDS_IO_URING();
  const test::ChildResult result = test::run_in_child([]() -> std::string {
    if (!test::lock_at_most(kMiB * 4)) return "cannot lower the limit";
    Ring ring;
    if (ring.error() != 0) return "no ring";
    const CHeap heap;
    fastmem_uring_t* const buffers = fastmem_uring_attach(heap, ring.get(), nullptr);
    if (buffers == nullptr) return "not attached: " + error_text();
    std::size_t objects = 0;
    while (objects < 64 && heap.alloc(kMegabyte) != nullptr) ++objects;
    if (objects == 64) return "the kernel counts nothing here";
    if (!says(error_text(), "RLIMIT_MEMLOCK is 4096 KiB")) return error_text();
    if (heap.stats().bytes_backing > 4 * kMegabyte) return "more held than may be locked";
    return fastmem_uring_detach(buffers) == 0 ? "" : "detach";
  });
  CHECK(result.signal == 0);
  if (result.text == "the kernel counts nothing here") FM_SKIP("this kernel does not count registered buffers");
  CHECK(result.text == "");
}

TEST_CASE("a single issuer's ring: another thread's growth is refused in words") {
  NEEDS_IO_URING();
#ifdef IORING_SETUP_SINGLE_ISSUER
  Ring ring(IORING_SETUP_SINGLE_ISSUER);
  if (ring.error() != 0) FM_SKIP("no IORING_SETUP_SINGLE_ISSUER before Linux 6.0");
  const CHeap heap;
  fastmem_uring_t* const buffers = fastmem_uring_attach(heap, ring.get(), nullptr);
  REQUIRE_MESSAGE(buffers != nullptr, error_text());
  REQUIRE(heap.alloc(kMegabyte) != nullptr);
  std::thread([&] {
    unsigned objects = 0;
    while (objects < 64 && heap.alloc(kMegabyte) != nullptr) ++objects;
    CHECK(objects < 4);
    CHECK(errno == ENOMEM);
    CHECK_MESSAGE(says(error_text(), "IORING_SETUP_SINGLE_ISSUER"), error_text());
  }).join();
  CHECK(heap.stats().regions == 1);
  for (unsigned i = 0; i < 8; ++i) CHECK(heap.alloc(kMegabyte) != nullptr);  // the issuer itself
  CHECK(fastmem_uring_detach(buffers) == 0);
#else
  FM_SKIP("this liburing does not know IORING_SETUP_SINGLE_ISSUER");
#endif
}

TEST_CASE("arguments") {
  NEEDS_IO_URING();
  Ring ring;
  const CHeap heap;
  CHECK(fastmem_uring_attach(heap, nullptr, nullptr) == nullptr);
  CHECK(errno == EINVAL);
  fastmem_uring_options_t options = {0, 0};
  CHECK(fastmem_uring_attach(heap, ring.get(), &options) == nullptr);
  CHECK(errno == EINVAL);
  options = {sizeof(options), 16385};
  CHECK(fastmem_uring_attach(heap, ring.get(), &options) == nullptr);
  CHECK(errno == EINVAL);
  options = {sizeof(options), 16384};
  fastmem_uring_t* const buffers = fastmem_uring_attach(heap, ring.get(), &options);
  CHECK(buffers != nullptr);
  CHECK(fastmem_uring_detach(buffers) == 0);
  CHECK(fastmem_uring_detach(nullptr) == -EINVAL);
}

}  // namespace
}  // namespace fastmem
