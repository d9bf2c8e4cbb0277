/* SPDX-License-Identifier: BSD-3-Clause */
/* comes_and_goes.c: what the README shows of memory that comes and goes. */
#include <fastmem.h>
#include <stdio.h>

static int map(const fastmem_memory_t *memory, void *context) {
  (void)context;
  printf("came: %zu KiB\n", memory->size / 1024);
  return 0;
}

static void unmap(const fastmem_memory_t *memory, void *context) {
  (void)context;
  printf("goes: %zu KiB\n", memory->size / 1024);
}

int main(void) {
  fastmem_set_floor(NULL, 16 << 20, FASTMEM_NODE_ANY); /* stays whatever goes */
  fastmem_set_total_limit(NULL, 8UL << 30);
  fastmem_trim(NULL);                                                 /* what is free goes now ... */
  fastmem_set_decay(NULL, 5000);                                      /* ... or what stays free, by and by */
  fastmem_set_watermarks(NULL, 8 << 20, 1UL << 30, FASTMEM_NODE_ANY); /* growth ahead of need */
  fastmem_maintainer_start(NULL); /* a thread of its own, or one of yours: fastmem_maintain() */

  fastmem_listener_t device = {.struct_size = sizeof(device), .name = "card", .came = map, .goes = unmap};
  fastmem_listen(NULL, &device); /* hears of every region after it came and before it goes */

  fastmem_free(fastmem_alloc(200 << 20, 0, 0));
  printf("trimmed: %zu KiB\n", fastmem_trim(NULL) / 1024);
  fastmem_unlisten(NULL, "card");
  return fastmem_maintainer_stop(NULL) == 0 ? 0 : 1;
}
