/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/misuse/misuses.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is asked for: this object, misused through this face by this thread or another one. */
struct act {
  const struct face *face;
  size_t size;
  int other;
};

static void step(const char *what) { fprintf(stderr, "-- %s\n", what); }

static void give_up(const char *why) {
  fprintf(stderr, "%s\n", why);
  exit(97);
}

static void *must_alloc(const struct act *act) {
  void *p = act->face->alloc(act->size);
  if (p == NULL) give_up("no memory");
  memset(p, 0x11, act->size);
  return p;
}

/* Others lie before it, and the calling thread's cache of its class has room for what is freed next. */
static unsigned char *object(const struct act *act) {
  for (int i = 0; i < 3; ++i) must_alloc(act);
  return must_alloc(act);
}

/* ---- on the thread asked for --------------------------------------------------------------------------------------- */

typedef void (*call_t)(const struct act *act, void *p);

struct there {
  const struct act *act;
  call_t call;
  void *p;
};

static void go(void *arg) {
  const struct there *there = arg;
  step("free");
  there->call(there->act, there->p);
  step("flush");
}

static void commit(const struct act *act, call_t call, void *p) {
  struct there there = {act, call, p};
  if (act->other) {
    act->face->on_other_thread(go, &there);
  } else {
    go(&there);
  }
}

static void free_it(const struct act *act, void *p) { act->face->free(p); }

/* ---- the misuses --------------------------------------------------------------------------------------------------- */

static void double_free(const struct act *act) {
  void *p = object(act);
  act->face->free(p);
  commit(act, free_it, p);
}

static void foreign_stack(const struct act *act) {
  char here[64];
  commit(act, free_it, here + 16);
}

static void foreign_libc(const struct act *act) {
  char *p = malloc(100);
  commit(act, free_it, p);
  free(p);
}

static void foreign_heap(const struct act *act) { commit(act, free_it, act->face->alloc_elsewhere(100)); }

static void foreign_unmapped(const struct act *act) {
  commit(act, free_it, (void *)4096); /* NOLINT(performance-no-int-to-ptr) */
}

static void inner_pointer(const struct act *act) { commit(act, free_it, object(act) + act->size / 2); }

static void free_as_larger(const struct act *act, void *p) {
  act->face->alloc(2 * act->size); /* this thread's cache of that class has room */
  act->face->free_sized(p, 2 * act->size);
}
static void wrong_size(const struct act *act) { commit(act, free_as_larger, object(act)); }

static void free_by_larger(const struct act *act, void *p) { act->face->free_by_handle(p, 500); }
static void wrong_handle(const struct act *act) { commit(act, free_by_larger, object(act)); }

static void free_mixed(const struct act *act, void *p) {
  static char mine[64];
  void *ptrs[5] = {p, must_alloc(act), mine, must_alloc(act), must_alloc(act)};
  act->face->free_bulk(ptrs, 5);
}
static void wrong_in_bulk(const struct act *act) { commit(act, free_mixed, object(act)); }

static void overrun(const struct act *act) {
  volatile unsigned char *p = object(act);
  p[act->size] = 0;
  commit(act, free_it, (void *)p);
}

static void underrun(const struct act *act) {
  volatile unsigned char *p = object(act);
  p[-1] = 0;
  commit(act, free_it, (void *)p);
}

static void free_and_write(const struct act *act, void *p) {
  act->face->free(p);
  ((volatile unsigned char *)p)[act->size / 2] = 0;
}
static void write_after_free(const struct act *act) { commit(act, free_and_write, object(act)); }

static void pinned_free(const struct act *act) {
  void *p = object(act);
  act->face->pin(p);
  commit(act, free_it, p);
}

static void leak(const struct act *act) {
  must_alloc(act);
  step("flush");
}

static void early_use(const struct act *act) {
  if (act->face->use_early()) step("refused");
}

static void late_use(const struct act *act) {
  if (act->face->use_late()) step("refused");
}

/* ---- by name ------------------------------------------------------------------------------------------------------- */

static const struct {
  const char *name;
  void (*of)(const struct act *act);
} misuses[] = {
    {"double-free", double_free},
    {"foreign-stack", foreign_stack},
    {"foreign-libc", foreign_libc},
    {"foreign-heap", foreign_heap},
    {"foreign-unmapped", foreign_unmapped},
    {"inner-pointer", inner_pointer},
    {"wrong-size", wrong_size},
    {"wrong-handle", wrong_handle},
    {"wrong-in-bulk", wrong_in_bulk},
    {"overrun", overrun},
    {"underrun", underrun},
    {"write-after-free", write_after_free},
    {"pinned-free", pinned_free},
    {"early-use", early_use},
    {"late-use", late_use},
    {"leak", leak},
};

int commit_misuse(const struct face *face, int argc, char **argv) {
  if (argc != 4) give_up("MISUSE small|large same|other");
  const struct act act = {face, strcmp(argv[2], "large") == 0 ? 3u << 20 : 100, strcmp(argv[3], "other") == 0};
  size_t i = 0;
  while (i < sizeof(misuses) / sizeof(misuses[0]) && strcmp(misuses[i].name, argv[1]) != 0) ++i;
  if (i == sizeof(misuses) / sizeof(misuses[0])) give_up("no such misuse");
  if (misuses[i].of == early_use || misuses[i].of == late_use) {
    misuses[i].of(&act);
    return 0;
  }
  face->begin();
  misuses[i].of(&act);
  face->flush();
  step("end");
  face->end();
  return 0;
}
