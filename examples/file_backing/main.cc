// SPDX-License-Identifier: BSD-3-Clause
// examples/file_backing/main.cc: file_backing FILE -- fills a heap whose memory is FILE, and empties it again.
#include <sys/stat.h>

#include <cstdio>

#include "examples/file_backing/file_backing.h"

namespace {

// The machine as this heap is to see it: one node, whatever there is.
class OneNode final : public fastmem::Topology {
 public:
  std::span<const fastmem::NodeInfo> nodes() const override { return {&node_, 1}; }
  unsigned distance(fastmem::NodeId, fastmem::NodeId) const override { return 10; }
  fastmem::NodeId current_node() const override { return node_.id; }
  unsigned cpus() const override { return node_.cpus; }

 private:
  fastmem::NodeInfo node_{.id = fastmem::NodeId{0}, .cpus = 1, .memory = fastmem::kMiB * 64};
};

}  // namespace

int main(int argc, char** argv) {
  const char* const path = argc > 1 ? argv[1] : "/dev/shm/fastmem_example";
  auto backing = FileBacking::open(path, fastmem::kMiB * 64, fastmem::NodeId{0});
  if (!backing.ok()) return std::puts(backing.error().text), 1;
  const OneNode topology;
  fastmem::Config config;
  config.backing = backing->get();
  config.topology = &topology;
  auto heap = fastmem::Heap::create(config);
  if (!heap.ok()) return std::puts(heap.error().text), 1;

  std::vector<void*> objects;
  while (void* const p = heap->alloc(4096)) objects.push_back(p);
  std::printf("%zu objects of 4096 bytes in %zu MiB of %s\n", objects.size(), heap->stats().backing / fastmem::kMiB,
              path);
  std::printf("then: %s\n", fastmem::last_error().text);

  for (void* const p : objects) heap->free(p);
  const fastmem::Bytes trimmed = heap->trim();
  struct stat status = {};
  stat(path, &status);
  std::printf("trim gave %zu MiB back, the file holds %zu KiB\n", trimmed / fastmem::kMiB,
              static_cast<std::size_t>(status.st_blocks) / 2);
  std::remove(path);
}
