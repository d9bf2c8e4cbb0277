/* SPDX-License-Identifier: BSD-3-Clause */
/* any_size.c: what the README shows of any size. */
#include <fastmem.h>
#include <stdio.h>

int main(void) {
  void *table = fastmem_alloc(300UL << 20, 0, FASTMEM_ZERO); /* its pages are not touched yet */
  table = fastmem_realloc(table, 500UL << 20, 0);            /* in place, where what follows is free */

  fastmem_request_t ring = {.struct_size = sizeof(ring), .node = FASTMEM_NODE_ANY, .size = 6 << 20};
  ring.align = 2 << 20;            /* any power of two */
  ring.boundary = 8 << 20;         /* crosses no multiple of it ... */
  ring.flags = FASTMEM_CONTIGUOUS; /* ... and is one run for the device; ENOMEM: there is none */
  void *descriptors = fastmem_alloc_request(NULL, &ring);

  printf("table: %s\n", table != NULL ? "500 MiB" : fastmem_error_text());
  printf("ring: %s\n", descriptors != NULL ? "one run" : fastmem_error_text());
  fastmem_dump(NULL, stdout); /* or fastmem_dump_json() */
  fastmem_free(descriptors);
  fastmem_free(table);
  return 0;
}
