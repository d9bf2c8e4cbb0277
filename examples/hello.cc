// SPDX-License-Identifier: BSD-3-Clause
#include <cstdio>
#include <fastmem.hpp>

int main() {
  fastmem::Result<fastmem::Heap> made = fastmem::Heap::create();  // this machine's best pages, every NUMA node
  if (!made.ok()) return std::puts(made.error().text), 1;
  fastmem::Heap& heap = *made;

  void* packet = heap.alloc(1500);  // any size; any thread may free it
  void* buffer = heap.alloc(4096, 4096, fastmem::kZero);
  const fastmem::Handle message = *heap.handle(64);  // a size resolved once: cheaper still
  void* first = heap.alloc(message);
  if (packet == nullptr || buffer == nullptr || first == nullptr) return std::puts(fastmem::last_error().text), 1;

  heap.free(message, first);
  heap.free(buffer);
  heap.free(packet, 1500);  // a size known at the free spares a look-up
  std::printf("C++: %zu KiB held, %zu bytes in use\n", heap.stats().backing / fastmem::kKiB, heap.stats().in_use.rep);
}
