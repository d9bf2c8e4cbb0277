// SPDX-License-Identifier: BSD-3-Clause
#include "platform/memory_room.h"

#include <cstddef>
#include <cstdio>

#include "platform/text_file.h"

namespace fastmem {

MemoryRoom read_memory_room(const char* root) {
  MemoryRoom room;
  LineReader lines(FilePath("%s/proc/meminfo", root));
  std::size_t kib = 0;
  while (const char* line = lines.next()) {
    if (std::sscanf(line, "MemAvailable: %zu kB", &kib) == 1) room.available = kKiB * kib;
    if (std::sscanf(line, "CommitLimit: %zu kB", &kib) == 1) room.commit_limit = kKiB * kib;
    if (std::sscanf(line, "Committed_AS: %zu kB", &kib) == 1) room.committed = kKiB * kib;
  }
  room.max_maps = read_number(FilePath("%s/proc/sys/vm/max_map_count", root));
  LineReader maps(FilePath("%s/proc/self/maps", root));
  std::uint64_t count = 0;
  while (maps.next() != nullptr) ++count;
  if (count != 0) room.maps = count;
  return room;
}

}  // namespace fastmem
