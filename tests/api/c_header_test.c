/* SPDX-License-Identifier: BSD-3-Clause */
/* fastmem.h is C and needs nothing before it; a C program can do everything. */
#include <fastmem.h>
#include <stdio.h>
#include <string.h>

static int failures;

static void check(int ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "failed: %s (%s)\n", what, fastmem_error_text());
  ++failures;
}

static void note(int level, const char *line, void *context) {
  (void)level;
  (void)line;
  ++*(int *)context;
}

static void small_default_heap(void) {
  fastmem_config_t config;
  fastmem_config_init(&config);
  config.pages = FASTMEM_PAGES_4K;
  check(fastmem_init(&config) == 0, "init");
}

static void objects(void) {
  void *many[40];
  char *p = fastmem_alloc(100, 0, FASTMEM_ZERO);
  check(p != NULL && p[0] == 0 && p[99] == 0, "alloc");
  if (p == NULL) return;
  check(fastmem_usable_size(p) >= 100, "usable_size");
  memcpy(p, "fastmem", 8);
  p = fastmem_realloc(p, 5000, 0);
  check(p != NULL && strcmp(p, "fastmem") == 0, "realloc");
  check(fastmem_free(p) == 0, "free");
  check(fastmem_alloc_bulk(many, 40, 64, 64, 0) == 0, "alloc_bulk");
  check(fastmem_free_bulk(many, 40) == 0, "free_bulk");
}

static void heaps(void) {
  fastmem_config_t config;
  fastmem_heap_t *heap;
  fastmem_handle_t handle = 0;
  fastmem_stats_t stats = {sizeof(stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  void *p;
  int lines = 0;
  fastmem_config_init(&config);
  config.pages = FASTMEM_PAGES_4K;
  config.address_space = (size_t)1 << 30;
  heap = fastmem_heap_create(&config);
  check(heap != NULL, "heap_create");
  check(fastmem_handle(heap, 256, 0, FASTMEM_NODE_ANY, &handle) == 0 && handle != 0, "handle");
  p = fastmem_handle_alloc(heap, handle, 0);
  check(p != NULL, "handle_alloc");
  check(fastmem_handle_free(heap, handle, p) == 0, "handle_free");
  check(fastmem_stats(heap, &stats) == 0 && stats.alloc_total == 1, "stats");
  fastmem_set_log(note, &lines);
  check(fastmem_heap_free(heap, &config) < 0 && lines == 1, "a foreign pointer is reported to the log");
  fastmem_set_log(NULL, NULL);
  check(fastmem_heap_destroy(heap) == 0, "heap_destroy");
}

int main(void) {
  char version[32];
  snprintf(version, sizeof(version), "%d.%d.%d", FASTMEM_VERSION_MAJOR, FASTMEM_VERSION_MINOR, FASTMEM_VERSION_PATCH);
  check(strcmp(version, fastmem_version()) == 0, "version");
  small_default_heap();
  objects();
  heaps();
  return failures != 0;
}
