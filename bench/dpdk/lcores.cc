// SPDX-License-Identifier: BSD-3-Clause
#include "bench/dpdk/lcores.h"

#include <rte_launch.h>
#include <rte_lcore.h>

#include <thread>
#include <vector>

#include "bench/machine.h"
#include "bench/scenario.h"

namespace bench {
namespace {

struct Job {
  const std::function<void(unsigned)>* body;
  unsigned index;
};

int run_job(void* arg) {
  const Job& job = *static_cast<const Job*>(arg);
  (*job.body)(job.index);
  return 0;
}

}  // namespace

unsigned lcores_there() { return rte_lcore_count(); }

bool two_cpus() { return all_cpus().size() > 1; }

void on_lcores(unsigned n, const std::function<void(unsigned)>& body) {
  std::vector<Job> jobs(n);
  std::vector<unsigned> workers;
  for (unsigned lcore = rte_get_next_lcore(-1, 1, 0); workers.size() + 1 < n; lcore = rte_get_next_lcore(lcore, 1, 0)) {
    if (lcore >= RTE_MAX_LCORE) die("fewer lcores than were counted");
    const auto index = static_cast<unsigned>(workers.size()) + 1;
    jobs[index] = {&body, index};
    if (rte_eal_remote_launch(run_job, &jobs[index], lcore) != 0) die("a worker lcore is busy");
    workers.push_back(lcore);
  }
  body(0);
  for (unsigned lcore : workers) rte_eal_wait_lcore(lcore);
}

void on_eal_lcore(const std::function<void()>& body) {
  if (lcores_there() == 1) return body();
  on_lcores(2, [&](unsigned index) {
    if (index == 1) body();
  });
}

void on_non_eal_thread(const std::function<void()>& body) {
  const unsigned worker = rte_get_next_lcore(-1, 1, 0);
  const int cpu = rte_lcore_to_cpu_id(static_cast<int>(worker < RTE_MAX_LCORE ? worker : rte_get_main_lcore()));
  std::thread([&] {
    pin(cpu);
    body();
  }).join();
}

}  // namespace bench
