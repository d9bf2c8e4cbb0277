// SPDX-License-Identifier: BSD-3-Clause
// api/dpdk/telemetry_answer.h -- floor 3 (api). Telemetry's data and commands, alike for all versions of DPDK.
// Limits:    EAL turns an answer into text of at most 16 KiB and leaves out what does not fit: answers that grow with
//            the machine have to stay below. A dictionary has 256 entries, a name 63 characters.
#pragma once

#include <rte_telemetry.h>
#include <rte_version.h>

#include <cstdint>
#include <cstdio>
#include <span>

namespace fastmem::dpdk {

inline void put(rte_tel_data* dict, const char* name, std::uint64_t value) {
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
  rte_tel_data_add_dict_uint(dict, name, value);
#else
  rte_tel_data_add_dict_u64(dict, name, value);
#endif
}

// The dictionary `fill` makes becomes one entry. Where there is no memory for it, or no room, it is not there.
template <class Fill>
void put_dict(rte_tel_data* dict, const char* name, Fill fill) {
  rte_tel_data* const inner = rte_tel_data_alloc();
  if (inner == nullptr) return;
  rte_tel_data_start_dict(inner);
  fill(inner);
  if (rte_tel_data_add_dict_container(dict, name, inner, 0) != 0) rte_tel_data_free(inner);
}

struct TelemetryCommand {
  const char* name;
  telemetry_cb function;
  const char* help;
};

inline void register_commands(std::span<const TelemetryCommand> commands) {
  for (const TelemetryCommand& command : commands) {
    if (rte_telemetry_register_cmd(command.name, command.function, command.help) == 0) continue;
    std::fprintf(stderr, "fastmem: telemetry does not take %s\n", command.name);
  }
}

}  // namespace fastmem::dpdk
