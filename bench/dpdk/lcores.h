// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/lcores.h -- Q: where does a body of code run: on lcores, or on a thread that EAL does not know?
#pragma once

#include <functional>

namespace bench {

// Workers and the main lcore. The first ones, as many as there are CPUs, have each a CPU of their own.
unsigned lcores_there();

// Whether two lcores can run at the same time.
bool two_cpus();

// body(0) on the main lcore, body(1) .. body(n - 1) each on a worker; returns when all have.
void on_lcores(unsigned n, const std::function<void(unsigned)>& body);

// On the first worker; on the main lcore where there is no worker.
void on_eal_lcore(const std::function<void()>& body);

// On a new thread without an lcore id, on the CPU of on_eal_lcore()'s.
void on_non_eal_thread(const std::function<void()>& body);

}  // namespace bench
