/* SPDX-License-Identifier: BSD-3-Clause */
/* Misuses of rte_fastmem.h. The other thread is another lcore. */
#include <rte_eal.h>
#include <rte_fastmem.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/misuse/misuses.h"

static void begin(void) {
  if (rte_fastmem_init() != 0) exit(98);
}

static void *alloc(size_t size) { return rte_fastmem_alloc(size, 0, 0); }
static void *alloc_elsewhere(size_t size) { return rte_malloc(NULL, size, 0); }

static void free_by_handle(void *p, size_t size) {
  rte_fastmem_handle_t handle = 0;
  if (rte_fastmem_hlookup(size, 0, SOCKET_ID_ANY, &handle) != 0) exit(96);
  rte_fastmem_hfree(handle, p);
}

static int use_early(void) { return rte_fastmem_halloc(7, 0) == NULL; }

static int use_late(void) {
  begin();
  rte_fastmem_deinit();
  return rte_fastmem_alloc(100, 0, 0) == NULL;
}

struct job {
  void (*body)(void *);
  void *arg;
};

static int run(void *arg) {
  const struct job *job = arg;
  job->body(job->arg);
  rte_fastmem_cache_flush();
  return 0;
}

static void on_other_thread(void (*body)(void *), void *arg) {
  struct job job = {body, arg};
  const unsigned worker = rte_get_next_lcore(rte_lcore_id(), 1, 0);
  if (rte_eal_remote_launch(run, &job, worker) != 0) exit(95);
  rte_eal_wait_lcore(worker);
}

int main(int argc, char **argv) {
  static const struct face face = {
      .begin = begin,
      .end = rte_fastmem_deinit,
      .alloc = alloc,
      .alloc_elsewhere = alloc_elsewhere,
      .free = rte_fastmem_free,
      .free_sized = NULL, /* nobody tells a size */
      .free_by_handle = free_by_handle,
      .free_bulk = rte_fastmem_free_bulk,
      .pin = NULL,
      .flush = rte_fastmem_cache_flush,
      .use_early = use_early,
      .use_late = use_late,
      .on_other_thread = on_other_thread,
  };
  /* Two lcores on one processor, and nothing that another program could see. */
  char *eal[] = {argv[0],
                 "--no-huge",
                 "-m",
                 "256",
                 "--no-shconf",
                 "--no-pci",
                 "--no-telemetry",
                 "--lcores=0@0,1@0",
                 "--log-level=lib.eal:error"};
  if (rte_eal_init(sizeof(eal) / sizeof(eal[0]), eal) < 0) return 99;
  const int status = commit_misuse(&face, argc, argv);
  rte_eal_cleanup();
  return status;
}
