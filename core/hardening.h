// SPDX-License-Identifier: BSD-3-Clause
// core/hardening.h -- floor 2 (core). What makes a heap harder to attack and its user's mistakes easier to notice; each
// option alone, off by default. docs/hardening.md has what each finds and costs.
#pragma once

#include "platform/result.h"

namespace fastmem::core {

struct Hardening {
  bool random_order = false;    // which object of a slab comes next, and in which order those of a magazine do
  bool zero_on_free = false;    // objects are erased when they are freed, and still read 0 when they come again
  bool guard_granules = false;  // 64 KiB behind each slab that fault, or whose edges are looked at when the slab goes
  bool delayed_reuse = false;   // what is freed waits, and leaves in another order
  bool encoded_magazines = false;  // no pointer to an object lies in a depot as it is
  bool guarded_arena = false;      // the heap's own books lie between pages that fault
  bool sized_free_check = false;   // a size or handle that is told to free is compared with the object's

  // The hot path does not do it: each call takes its slow twin.
  bool needs_each_call() const { return zero_on_free || delayed_reuse || sized_free_check; }
};

// "random,zero,guards,delay,encode,arena,sized": any of them; "all", "none". kInvalid: the text says which word is not
// known.
Error parse_hardening(const char* text, Hardening& out);

// What `text` says; nullptr: what the environment's FASTMEM_HARDEN says, and without that: none.
Error choose_hardening(const char* text, Hardening& out);

}  // namespace fastmem::core
