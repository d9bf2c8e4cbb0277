// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/eal.h -- Q: how does EAL start so that nobody else notices?
#pragma once

#include <string>

namespace bench {

// Hugepages without files where there are enough free ones; else memory of any pages.
bool hugepages_for_eal();

// All memory is taken at once: what rte_malloc gives back to the system and takes again would count against it.
// dpdk_lcores() lcores, taking turns on the CPUs of this process, the main lcore on the last one. Returns "" or what is wrong.
std::string start_eal(const char* program, bool hugepages);
void stop_eal();

// Whether EAL holds enough for the sets of large objects of several allocators at once.
bool eal_is_roomy();

}  // namespace bench
