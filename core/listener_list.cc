// SPDX-License-Identifier: BSD-3-Clause
#include "core/listener_list.h"

#include <algorithm>
#include <cstring>

#include "platform/last_error.h"
#include "platform/thread_slot.h"

namespace fastmem::core {
namespace {

// As the listener said it, under its name.
Error said_by(const char* name, const Error& error) {
  const char* const text = error.text[0] != '\0' ? error.text : describe(error.code);
  return make_error(error.code, "%s: %.300s", name, text);
}

// It hears of the memory only what it asked for.
MemoryEvent as_seen_by(const MemoryListener& listener, MemoryEvent memory) {
  if (!listener.wants_iovas) memory.iovas = {};
  return memory;
}

}  // namespace

ErrorCode refuse_in_callback() {
  const char* const owner = callback_owner();
  if (owner == nullptr) [[likely]]
    return ErrorCode::kOk;
  return fail(ErrorCode::kReentered,
              "a callback of listener %s called a heap, whose locks it holds; note what is to be done there, and do it "
              "when the callback has returned",
              owner);
}

bool ListenerList::wants_iovas() const {
  for (unsigned i = 0; i < count(); ++i) {
    if (entries_[i].listener.wants_iovas) return true;
  }
  return false;
}

unsigned ListenerList::find(const char* name) const {
  for (unsigned i = 0; name != nullptr && i < count(); ++i) {
    if (std::strncmp(entries_[i].name, name, kNameRoom) == 0) return i;
  }
  return kMost;
}

Error ListenerList::add(const MemoryListener& listener) {
  const std::size_t length = listener.name != nullptr ? strnlen(listener.name, kNameRoom) : 0;
  if (length == 0 || length == kNameRoom) {
    return make_error(ErrorCode::kInvalid, "a listener's name has 1 to %zu characters", kNameRoom - 1);
  }
  if (listener.came == nullptr && listener.goes == nullptr && listener.may_grow == nullptr) {
    return make_error(ErrorCode::kInvalid, "listener %s has no callback", listener.name);
  }
  if (find(listener.name) != kMost) {
    return make_error(ErrorCode::kExists, "there is a listener of the name %s", listener.name);
  }
  if (count() == kMost) {
    return make_error(ErrorCode::kNoSpace, "no room for listener %s: a heap has at most %u; remove one", listener.name,
                      kMost);
  }
  Entry& entry = entries_[count()];
  entry.listener = listener;
  std::memcpy(entry.name, listener.name, length + 1);
  entry.listener.name = entry.name;
  count_.fetch_add(1, std::memory_order_relaxed);
  return {};
}

MemoryListener ListenerList::take_out(unsigned index) {
  const MemoryListener gone = entries_[index].listener;
  std::copy(entries_ + index + 1, entries_ + count(), entries_ + index);
  count_.fetch_sub(1, std::memory_order_relaxed);
  for (unsigned i = index; i < count(); ++i) entries_[i].listener.name = entries_[i].name;
  return gone;
}

Error ListenerList::came(const MemoryEvent& memory) {
  for (unsigned i = 0; i < count(); ++i) {
    const Error error = came_to(i, memory);
    if (error.ok()) continue;
    goes_before(memory, i);
    return error;
  }
  return {};
}

void ListenerList::goes_before(const MemoryEvent& memory, unsigned index) {
  while (index-- != 0) goes_to(index, memory);
}

Error ListenerList::came_to(unsigned index, const MemoryEvent& memory) {
  const MemoryListener& listener = entries_[index].listener;
  if (listener.came == nullptr) return {};
  const CallbackScope scope(entries_[index].name);
  const Error error = listener.came(as_seen_by(listener, memory), listener.context);
  return error.ok() ? error : said_by(entries_[index].name, error);
}

void ListenerList::goes_to(unsigned index, const MemoryEvent& memory) {
  const MemoryListener& listener = entries_[index].listener;
  if (listener.goes == nullptr) return;
  const CallbackScope scope(entries_[index].name);
  listener.goes(as_seen_by(listener, memory), listener.context);
}

Error ListenerList::may_grow(NodeId node, Bytes size, Bytes held) {
  for (unsigned i = 0; i < count(); ++i) {
    const MemoryListener& listener = entries_[i].listener;
    if (listener.may_grow == nullptr) continue;
    const CallbackScope scope(entries_[i].name);
    const Error error = listener.may_grow(node, size, held, listener.context);
    if (!error.ok()) return said_by(entries_[i].name, error);
  }
  return {};
}

}  // namespace fastmem::core
