// SPDX-License-Identifier: BSD-3-Clause
// tests/dpdk/eal_main.h: main() of the tests that run inside EAL.
//   --eal="..."     EAL's arguments; a file prefix of the program's own is added, and what EAL leaves behind removed
//   --hugepages=N   so many 2 MiB pages must be free, else the whole program is reported as skipped
#pragma once

#include <functional>
#include <string>

#include "platform/types.h"

namespace fastmem::test {

// EAL's arguments, as given.
const std::string& eal_arguments();
bool eal_has(const char* argument);

// Runs `body` on a worker lcore and waits for it. false: there is no worker.
bool on_worker_lcore(const std::function<void()>& body);

// Runs `body` in a thread that EAL does not know.
void on_plain_thread(const std::function<void()>& body);

// Whether so much lies in one piece, or may: legacy memory is as scattered as the hugepages that the machine had.
bool eal_has_run_of(Bytes size);

// How many memzones have names that begin so.
unsigned memzones_named(const char* prefix);

}  // namespace fastmem::test
