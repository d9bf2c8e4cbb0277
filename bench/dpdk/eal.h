// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/eal.h -- Q: how does EAL start so that nobody else notices?
#pragma once

#include <string>

namespace bench {

// Hugepages without files where there are enough free ones; else memory of any pages.
bool hugepages_for_eal();

// dpdk_lcores() lcores, taking turns on the CPUs of this process, the main lcore on the last one. Returns "" or what is wrong.
std::string start_eal(const char* program, bool hugepages);
void stop_eal();

}  // namespace bench
