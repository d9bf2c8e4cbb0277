/* SPDX-License-Identifier: BSD-3-Clause */
/* Misuses of fastmem.h. */
#include <fastmem.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/misuse/misuses.h"

static fastmem_heap_t *heap;
static fastmem_heap_t *elsewhere;

/* Small pages, as many as the largest misuse takes in one region. */
static fastmem_heap_t *make_heap(void) {
  fastmem_config_t config;
  fastmem_config_init(&config);
  config.pages = FASTMEM_PAGES_4K;
  config.iova_mode = FASTMEM_IOVA_NONE;
  config.first_region = (size_t)64 << 20;
  config.address_space = (size_t)1 << 30;
  fastmem_heap_t *made = fastmem_heap_create(&config);
  if (made == NULL) {
    fprintf(stderr, "%s\n", fastmem_error_text());
    exit(98);
  }
  return made;
}

static void begin(void) {
  heap = make_heap();
  elsewhere = make_heap();
}

static void end(void) {
  fastmem_heap_destroy(heap);
  fastmem_heap_destroy(elsewhere);
}

static void *alloc(size_t size) { return fastmem_heap_alloc(heap, size, 0, 0); }
static void *alloc_elsewhere(size_t size) { return fastmem_heap_alloc(elsewhere, size, 0, 0); }
static void free_object(void *p) { fastmem_heap_free(heap, p); }
static void free_sized(void *p, size_t size) { fastmem_heap_free_sized(heap, p, size); }
static void free_bulk(void **ptrs, unsigned n) { fastmem_heap_free_bulk(heap, ptrs, n); }
static void pin(void *p) { fastmem_pin(heap, p); }

static void free_by_handle(void *p, size_t size) {
  fastmem_handle_t handle = 0;
  if (fastmem_handle(heap, size, 0, FASTMEM_NODE_ANY, &handle) != 0) exit(96);
  fastmem_handle_free(heap, handle, p);
}

static void flush(void) {
  fastmem_flush(heap);
  fastmem_trim(heap);
}

static int use_early(void) {
  char mine = 0;
  return fastmem_handle_free(NULL, 7, &mine) != 0;
}

static int use_late(void) {
  begin();
  end();
  return fastmem_heap_alloc(heap, 100, 0, 0) == NULL;
}

struct job {
  void (*body)(void *);
  void *arg;
};

static void *run(void *arg) {
  const struct job *job = arg;
  job->body(job->arg);
  return NULL;
}

static void on_other_thread(void (*body)(void *), void *arg) {
  struct job job = {body, arg};
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, &job) != 0) exit(95);
  pthread_join(thread, NULL);
}

int main(int argc, char **argv) {
  static const struct face face = {
      .begin = begin,
      .end = end,
      .alloc = alloc,
      .alloc_elsewhere = alloc_elsewhere,
      .free = free_object,
      .free_sized = free_sized,
      .free_by_handle = free_by_handle,
      .free_bulk = free_bulk,
      .pin = pin,
      .flush = flush,
      .use_early = use_early,
      .use_late = use_late,
      .on_other_thread = on_other_thread,
  };
  return commit_misuse(&face, argc, argv);
}
