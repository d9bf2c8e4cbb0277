// SPDX-License-Identifier: BSD-3-Clause
#include "platform/mapping_advice.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "platform/memory_room.h"
#include "platform/pages.h"

namespace fastmem {

CommandText map_count_command(std::uint64_t now) {
  CommandText out;
  std::snprintf(out.text, sizeof(out.text), "echo %llu | sudo tee /proc/sys/vm/max_map_count",
                static_cast<unsigned long long>(now) * 4);
  return out;
}

CommandText rlimit_command(const char* resource) {
  CommandText out;
  std::snprintf(out.text, sizeof(out.text), "sudo prlimit --pid $$ --%s=unlimited", resource);
  return out;
}

CommandText overcommit_command() { return {"echo 0 | sudo tee /proc/sys/vm/overcommit_memory"}; }

// The kernel says ENOMEM to all of them; what is told is the one that fits.
Error explain_no_mapping(Bytes size, int error) {
  char head[128];
  std::snprintf(head, sizeof(head), "the kernel gives no memory for %s (%s)", size_text(size).text,
                std::strerror(error));
  if (error != ENOMEM) return make_error(ErrorCode::kNoMemory, "%s; look at ulimit -a", head);
  const MemoryRoom room = read_memory_room();
  constexpr std::uint64_t kNearly = 8;  // an operation may need a few at once
  if (room.max_maps && room.maps && *room.maps + kNearly > *room.max_maps) {
    return make_error(ErrorCode::kNoMemory, "%s: this process has %llu mappings, vm.max_map_count allows %llu: %s",
                      head, static_cast<unsigned long long>(*room.maps),
                      static_cast<unsigned long long>(*room.max_maps), map_count_command(*room.max_maps).text);
  }
  const PageInventory limits = read_pages();
  if (limits.data_limit != kUnlimited) {
    return make_error(ErrorCode::kNoMemory, "%s: RLIMIT_DATA is %s: %s (ulimit -d)", head,
                      size_text(limits.data_limit).text, rlimit_command("data").text);
  }
  if (limits.overcommit == Overcommit::kStrict && room.commit_limit && room.committed) {
    return make_error(ErrorCode::kNoMemory, "%s: strict overcommit, %s of %s are promised: %s", head,
                      size_text(*room.committed).text, size_text(*room.commit_limit).text, overcommit_command().text);
  }
  return make_error(ErrorCode::kNoMemory, "%s; look at ulimit -v, vm.max_map_count and free memory", head);
}

}  // namespace fastmem
