// SPDX-License-Identifier: BSD-3-Clause
// bench/counters.cc -- Q: what did the processor do meanwhile: instructions, misses of caches and of the TLB?
#include "bench/counters.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "bench/machine.h"

namespace bench {
namespace {

struct Event {
  std::uint32_t type;
  std::uint64_t config;
};

constexpr std::uint64_t read_misses_of(std::uint64_t cache) {
  return cache | PERF_COUNT_HW_CACHE_OP_READ << 8 | PERF_COUNT_HW_CACHE_RESULT_MISS << 16;
}

// The kernel has no name for page walks; the makers' manuals have. Loads that missed both levels of the TLB.
constexpr Event kIntelWalks{PERF_TYPE_RAW, 0x0e08};  // DTLB_LOAD_MISSES.WALK_COMPLETED, Skylake and later
constexpr Event kAmdWalks{PERF_TYPE_RAW, 0xf045};    // L1 DTLB misses that miss the L2 DTLB, all page sizes, Zen
constexpr Event kNoSuchEvent{UINT32_MAX, 0};

Event page_walks() {
  const std::string vendor = processor_vendor();
  return vendor == "GenuineIntel" ? kIntelWalks : vendor == "AuthenticAMD" ? kAmdWalks : kNoSuchEvent;
}

int open_event(const Event& event) {
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = event.type;
  attributes.config = event.config;
  attributes.disabled = 1;
  attributes.exclude_kernel = 1;
  attributes.exclude_hv = 1;
  attributes.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
  return static_cast<int>(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
}

}  // namespace

Counters::Counters() {
  const std::array<Event, kCounters> events = {{{PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
                                                {PERF_TYPE_HW_CACHE, read_misses_of(PERF_COUNT_HW_CACHE_DTLB)},
                                                page_walks(),
                                                {PERF_TYPE_HW_CACHE, read_misses_of(PERF_COUNT_HW_CACHE_L1D)},
                                                {PERF_TYPE_HW_CACHE, read_misses_of(PERF_COUNT_HW_CACHE_LL)},
                                                {PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS}}};
  for (std::size_t i = 0; i < kCounters; ++i) {
    files_[i] = open_event(events[i]);
    errors_[i] = files_[i] < 0 ? errno : 0;
  }
}

Counters::~Counters() {
  for (int file : files_) {
    if (file >= 0) close(file);
  }
}

bool Counters::read_event(std::size_t i, Reading& reading) const {
  return read(files_[i], &reading, sizeof reading) == static_cast<ssize_t>(sizeof reading);
}

void Counters::start() {
  for (std::size_t i = 0; i < kCounters; ++i) {
    if (files_[i] < 0) continue;
    read_event(i, before_[i]);
    ioctl(files_[i], PERF_EVENT_IOC_ENABLE, 0);
  }
}

CounterReading Counters::stop(double operations) {
  for (int file : files_) {
    if (file >= 0) ioctl(file, PERF_EVENT_IOC_DISABLE, 0);
  }
  CounterReading reading{.asked = true, .count = {}, .error = errors_};
  for (std::size_t i = 0; i < kCounters; ++i) {
    if (files_[i] < 0) continue;
    Reading now{};
    if (!read_event(i, now) || now.running == before_[i].running) {
      reading.error[i] = EBUSY;  // somebody else had the processor's counters all the time
      continue;
    }
    const auto enabled = static_cast<double>(now.enabled - before_[i].enabled);
    const auto running = static_cast<double>(now.running - before_[i].running);
    reading.count[i] = static_cast<double>(now.value - before_[i].value) * enabled / running / operations;
  }
  return reading;
}

}  // namespace bench
