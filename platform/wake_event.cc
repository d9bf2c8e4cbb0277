// SPDX-License-Identifier: BSD-3-Clause
#include "platform/wake_event.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <limits>

namespace fastmem {
namespace {

constexpr std::size_t kMostFiles = 4;

int to_ms(std::uint64_t ns) {
  if (ns == kForever) return -1;
  const std::uint64_t ms = ns / 1'000'000 + (ns % 1'000'000 != 0 ? 1 : 0);
  return static_cast<int>(std::min<std::uint64_t>(ms, std::numeric_limits<int>::max()));
}

}  // namespace

Result<int> open_wake_event() {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd >= 0) return fd;
  return make_error(ErrorCode::kNoSpace, "no file descriptor to be woken by (%s); see ulimit -n", std::strerror(errno));
}

void signal_wake_event(int event) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(event, &one, sizeof(one));  // it is signalled already where it is full
}

unsigned sleep_until_woken(int event, std::span<int> urgent, std::uint64_t timeout_ns) {
  pollfd files[1 + kMostFiles] = {{event, POLLIN, 0}};
  const std::size_t count = std::min(urgent.size(), kMostFiles);
  for (std::size_t i = 0; i < count; ++i) files[1 + i] = {urgent[i], POLLPRI, 0};  // poll passes over -1
  if (poll(files, 1 + count, to_ms(timeout_ns)) <= 0) return 0;                    // a signal is as good as the time
  if ((files[0].revents & POLLIN) != 0) {
    std::uint64_t signals = 0;
    [[maybe_unused]] const ssize_t got = read(event, &signals, sizeof(signals));  // another sleeper may have taken it
  }
  unsigned bits = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const short seen = files[1 + i].revents;
    // Of a cgroup that is gone, or of a trigger that somebody else replaced.
    if ((seen & (POLLERR | POLLNVAL)) != 0)
      close_file(urgent[i]);
    else if ((seen & POLLPRI) != 0)
      bits |= 1u << i;
  }
  return bits;
}

void close_file(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

}  // namespace fastmem
