// SPDX-License-Identifier: BSD-3-Clause
// core/heap_pressure.cc -- floor 2 (core). What a heap does when memory is short outside of it, and how the kernel says so.
#include "core/heap.h"
#include "platform/clock.h"
#include "platform/log.h"
#include "platform/memory_pressure.h"
#include "platform/wake_event.h"

namespace fastmem::core {
namespace {

constexpr std::uint64_t kCalm = 10'000'000'000;  // ns without growth ahead of need: what went must not come at once

}  // namespace

void Heap::on_pressure(PressureCallback callback, void* context) {
  if (refuse_in_callback() != ErrorCode::kOk) return;
  const LockGuard guard(maintenance_.mutex);
  maintenance_.on_pressure = {callback, context};
}

Error Heap::pressure(int level) {
  if (Answering::is_going_on()) return Answering::refusal();
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  if (level != kSomePressure && level != kFullPressure) {
    return make_error(ErrorCode::kInvalid, "no level of pressure: %d; there are %d (some) and %d (full)", level,
                      kSomePressure, kFullPressure);
  }
  if (lost_) return make_error(ErrorCode::kNotReady, "this heap's memory is not inherited by fork");
  maintenance_.calm_until.store(monotonic_ns() + kCalm, std::memory_order_relaxed);
  if (level == kFullPressure)
    trim();
  else
    shed();
  Callback<PressureCallback> callback;
  {
    const LockGuard guard(maintenance_.mutex);
    callback = maintenance_.on_pressure;
  }
  const Answering answering;
  if (callback.function != nullptr) callback.function(level, callback.context);
  return {};
}

// What costs nobody anything: caches that were not used since they were last looked at, depots, and all free memory
// above the floors.
void Heap::shed() {
  const LockGuard guard(admin_);
  for (unsigned id = 0; id < kMaxSlots; ++id) {
    Slot* const s = slot(id);
    if (s == nullptr) continue;
    Strays strays;
    s->shed_idle(state_->bins, 0, state_->bin_count(), id == kNoSlot.rep, kUnlimited.rep, strays);
    settle(strays);
  }
  for (unsigned n = 0; n < node_count_; ++n) {
    release_empty_slabs(n, true);
    state_->nodes[n].note_arrival();
    const LockGuard growing(state_->nodes[n].growth);
    give_back(n, kUnlimited);
  }
}

// Once: what the kernel refuses now it refuses again.
void Heap::open_triggers() {
  const LockGuard guard(maintenance_.mutex);
  if (maintenance_.triggers_tried) return;
  maintenance_.triggers_tried = true;
  const PressureConfig& p = config_.pressure;
  const std::uint32_t stalls[Maintenance::kTriggers] = {p.some_us, p.full_us};
  for (unsigned i = 0; i < Maintenance::kTriggers; ++i) {
    if (stalls[i] == 0 || p.window_us == 0) continue;
    const Result<int> fd = open_pressure_trigger(i == 0 ? Stall::kSome : Stall::kFull, stalls[i], p.window_us);
    if (fd.ok()) {
      maintenance_.triggers[i] = fd.value();
      continue;
    }
    const bool somebody_waits = maintenance_.on_pressure.function != nullptr;
    log(somebody_waits ? LogLevel::kWarning : LogLevel::kInfo, "the kernel will not tell of memory pressure: %s",
        fd.error().text);
    return;
  }
}

}  // namespace fastmem::core
