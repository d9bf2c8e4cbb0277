// SPDX-License-Identifier: BSD-3-Clause
// bench/counter_reading.cc -- Q: why was something not counted?
#include "bench/counter_reading.h"

#include <cerrno>
#include <cstring>

namespace bench {

const char* why_not_counted(int error) {
  switch (error) {
    case ENOENT:
    case EOPNOTSUPP:
    case EINVAL:
    case ENODEV:
      return "this processor, or who virtualizes it, does not count them";
    case EACCES:
    case EPERM:
      return "not permitted; see /proc/sys/kernel/perf_event_paranoid";
    case ENOSYS:
      return "the kernel has no perf_event_open()";
    default:
      return std::strerror(error);
  }
}

}  // namespace bench
