// SPDX-License-Identifier: BSD-3-Clause
#include "core/report.h"

#include <cstdlib>

#include "platform/log.h"

namespace fastmem::core::report {
namespace {

void finish(Misuse then) {
  if (then == Misuse::kAbort) std::abort();
}

}  // namespace

void foreign_free(Misuse then, const void* p) {
  log(LogLevel::kError, "foreign pointer freed: %p is not an object of this heap", p);
  finish(then);
}

void double_free(Misuse then, const void* p, Home home) {
  log(LogLevel::kError, "double free: %p, class %zu, node %u, was free already", p, home.class_size,
      unsigned{home.node.rep});
  finish(then);
}

void inner_free(Misuse then, const void* p, Home home) {
  log(LogLevel::kError, "inner pointer freed: %p lies inside an object of class %zu, node %u", p, home.class_size,
      unsigned{home.node.rep});
  finish(then);
}

void wrong_class_free(Misuse then, const void* p, Home freed_as, Home home) {
  log(LogLevel::kError, "freed with a wrong size or handle: %p as class %zu, node %u; it is of class %zu, node %u", p,
      freed_as.class_size, unsigned{freed_as.node.rep}, home.class_size, unsigned{home.node.rep});
  finish(then);
}

void lost_strays(Misuse then, unsigned count) {
  log(LogLevel::kError, "%u more misused pointers in one drain: their memory stays out of use", count);
  finish(then);
}

}  // namespace fastmem::core::report
