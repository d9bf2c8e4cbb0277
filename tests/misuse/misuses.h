/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/misuse/misuses.h: misuses, each written once, and what a program brings to commit them through its own face of
 * fastmem. Between what fastmem says on stderr it says what it is about to do ("-- free", "-- flush", "-- end"), and what
 * was refused ("-- refused"). */
#ifndef FASTMEM_TESTS_MISUSES_H
#define FASTMEM_TESTS_MISUSES_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* NULL: the face has no such thing. */
struct face {
  void (*begin)(void); /* there is a heap, and a second one for alloc_elsewhere() */
  void (*end)(void);
  void *(*alloc)(size_t size);
  void *(*alloc_elsewhere)(size_t size); /* of another heap */
  void (*free)(void *p);
  void (*free_sized)(void *p, size_t size);
  void (*free_by_handle)(void *p, size_t size); /* by the handle for that size */
  void (*free_bulk)(void **ptrs, unsigned n);
  void (*pin)(void *p);
  void (*flush)(void);    /* and whatever else makes freed objects go home */
  int (*use_early)(void); /* of a handle before there is a heap; whether that was refused */
  int (*use_late)(void);  /* of a heap that is gone; likewise */
  void (*on_other_thread)(void (*body)(void *), void *arg); /* until that thread's caches are flushed */
};

/* main() of a program: MISUSE small|large same|other. */
int commit_misuse(const struct face *face, int argc, char **argv);

#ifdef __cplusplus
}
#endif

#endif
