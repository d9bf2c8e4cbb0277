/* SPDX-License-Identifier: BSD-3-Clause */
#include <fastmem.h>
#include <stdio.h>

int main(void) {
  void *packet = fastmem_alloc(1500, 0, 0); /* the first call creates the default heap */
  void *buffer = fastmem_alloc(4096, 4096, FASTMEM_ZERO);
  fastmem_handle_t message; /* a size resolved once; NULL is the default heap */
  const int error = fastmem_handle(NULL, 64, 0, FASTMEM_NODE_ANY, &message);
  void *first = error == 0 ? fastmem_handle_alloc(NULL, message, 0) : NULL;
  if (packet == NULL || buffer == NULL || first == NULL) return puts(fastmem_error_text()), 1;

  fastmem_handle_free(NULL, message, first);
  fastmem_free(buffer);
  fastmem_free_sized(packet, 1500); /* a size known at the free spares a look-up */

  fastmem_stats_t stats = {.struct_size = sizeof(stats)};
  fastmem_stats(NULL, &stats);
  printf("C: %zu KiB held, %zu bytes in use\n", (size_t)stats.bytes_backing / 1024, (size_t)stats.bytes_in_use);
}
