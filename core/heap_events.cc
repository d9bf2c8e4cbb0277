// SPDX-License-Identifier: BSD-3-Clause
// core/heap_events.cc -- floor 2 (core). Listeners come and go while regions do: listeners_.mutex orders the two, so that
// whoever listens hears of each region once when it came, and once before it goes.
#include "core/heap.h"

namespace fastmem::core {

MemoryEvent Heap::event_of(RegionNumber number) {
  const RegionInfo& info = state_->regions[number];
  const Region& region = info.region;
  MemoryEvent event;
  event.base = region.base;
  event.size = region.size;
  event.page_size = region.page_size;
  event.node = region.node;
  event.fd = region.fd;
  event.fd_offset = region.fd_offset;
  if (info.table != nullptr) event.iovas = {info.table, region.size / region.page_size};
  return event;
}

// ---- regions -------------------------------------------------------------------------------------------------------

Error Heap::ask_listeners(NodeId node, Bytes size, Bytes held) {
  if (listeners_.empty()) return {};
  const LockGuard telling(listeners_.mutex);
  return listeners_.may_grow(node, size, held);
}

Error Heap::tell_came(RegionNumber number) {
  if (listeners_.empty()) return {};
  if (listeners_.wants_iovas()) {
    if (const Error error = prepare_iovas(number); !error.ok()) return error;
  }
  return listeners_.came(event_of(number));
}

// Its table of IOVAs is there if somebody was ever told of it.
void Heap::tell_goes(RegionNumber number) {
  if (!listeners_.empty()) listeners_.goes(event_of(number));
}

Error Heap::prepare_iovas(RegionNumber number) {
  const auto pages = state_->regions.pages_of(number, *backing_);
  if (pages.ok()) return {};
  return make_error(pages.code(), "a listener wants device addresses: %.300s", pages.error().text);
}

// One listener, of the regions up to that number, the last one first.
void Heap::tell_all_go(unsigned listener, unsigned highest) {
  for (unsigned n = highest; n != 0; --n) {
    const auto number = static_cast<RegionNumber>(n);
    if (state_->regions[number].present) listeners_.goes_to(listener, event_of(number));
  }
}

// ---- listeners -----------------------------------------------------------------------------------------------------

Error Heap::add_listener(const MemoryListener& listener) {
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  if (lost_) return make_error(ErrorCode::kNotReady, "this heap's memory is not inherited by fork");
  if (const Error error = keep_regions_whole(); !error.ok()) return error;
  const Error error = tell_new(listener);
  if (!error.ok()) let_regions_break();
  return error;
}

// It hears of all that is held.
Error Heap::tell_new(const MemoryListener& listener) {
  const LockGuard telling(listeners_.mutex);
  if (const Error error = listeners_.add(listener); !error.ok()) return error;
  const unsigned index = listeners_.count() - 1;
  for (unsigned n = 1; n <= state_->regions.highest(); ++n) {
    const auto number = static_cast<RegionNumber>(n);
    if (!state_->regions[number].present) continue;
    Error error = listener.wants_iovas ? prepare_iovas(number) : Error{};
    if (error.ok()) error = listeners_.came_to(index, event_of(number));
    if (error.ok()) continue;
    tell_all_go(index, n - 1);
    listeners_.take_out(index);
    return error;
  }
  return {};
}

Error Heap::remove_listener(const char* name) {
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  MemoryListener gone;
  {
    const LockGuard telling(listeners_.mutex);
    const unsigned index = listeners_.find(name);
    if (index == ListenerList::kMost) {
      return make_error(ErrorCode::kNotFound, "no listener of the name %s", name != nullptr ? name : "(null)");
    }
    tell_all_go(index, state_->regions.highest());
    gone = listeners_.take_out(index);
  }
  let_regions_break();
  if (gone.removed != nullptr) gone.removed(gone.context);
  // What it refused may be had now.
  for (unsigned n = 0; n < node_count_; ++n) {
    NodeState& node = state_->nodes[n];
    const LockGuard growing(node.growth);
    node.forget_refusals();
    node.note_arrival();
  }
  return {};
}

// The heap goes: nobody else is inside.
void Heap::forget_listeners() {
  for (;;) {
    MemoryListener gone;
    {
      const LockGuard telling(listeners_.mutex);
      if (listeners_.empty()) return;
      const unsigned index = listeners_.count() - 1;
      tell_all_go(index, state_->regions.highest());
      gone = listeners_.take_out(index);
    }
    if (gone.removed != nullptr) gone.removed(gone.context);
  }
}

}  // namespace fastmem::core
