// SPDX-License-Identifier: BSD-3-Clause
// platform/result.h -- floor 0. How "the world said no" travels: an ErrorCode, with a sentence for people where it
// helps.
#pragma once

#include <cstdarg>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "platform/build.h"

namespace fastmem {

enum class ErrorCode : std::uint8_t {
  kOk = 0,
  kNoMemory,        // nothing left on the allowed nodes, or a limit reached
  kInvalid,         // an argument that no heap accepts: size 0, an alignment that is no power of two, an unknown flag
  kTooBig,          // larger than the largest size or alignment served
  kNoNode,          // the named NUMA node is not there
  kNotReady,        // the heap does not exist (yet, or any more), or was not inherited by fork
  kForeignPointer,  // the pointer does not belong to this heap
  kDoubleFree,      // the object was free already
  kUnsupported,     // this machine or backing cannot do it
  kPermission,      // the kernel refused for lack of a right
  kReentered,       // called from a callback of the same heap
  kBusy,            // in use: it cannot go, or be made again
  kNotFound,        // nothing of that name
  kExists,          // something of that name is there
  kNoSpace,         // a table of fixed size is full
};

// The code's name in plain words, e.g. "out of memory".
FASTMEM_EXPORT const char* describe(ErrorCode code);

// An error and its sentence: what was asked, what is missing, which command would fix it. Plain data, never allocates.
struct Error {
  ErrorCode code = ErrorCode::kOk;
  char text[360] = {};

  bool ok() const { return code == ErrorCode::kOk; }
};

// Formats as printf does; what does not fit is cut.
[[gnu::format(printf, 2, 3)]] FASTMEM_EXPORT Error make_error(ErrorCode code, const char* format, ...);

// Either a T or an Error.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : ok_(true) { ::new (static_cast<void*>(&storage_.value)) T(std::move(value)); }  // NOLINT: implicit
  Result(const Error& error) : ok_(false) { ::new (static_cast<void*>(&storage_.error)) Error(error); }  // NOLINT
  Result(Result&& other) noexcept : ok_(other.ok_) {
    if (ok_) {
      ::new (static_cast<void*>(&storage_.value)) T(std::move(other.storage_.value));
    } else {
      ::new (static_cast<void*>(&storage_.error)) Error(other.storage_.error);
    }
  }
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
  Result& operator=(Result&&) = delete;
  ~Result() {
    if (ok_) storage_.value.~T();
  }

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  T& value() { return storage_.value; }
  const T& value() const { return storage_.value; }
  T& operator*() { return storage_.value; }
  T* operator->() { return &storage_.value; }
  const Error& error() const { return storage_.error; }
  ErrorCode code() const { return ok_ ? ErrorCode::kOk : storage_.error.code; }

 private:
  union Storage {
    Storage() {}
    ~Storage() {}
    T value;
    Error error;
  } storage_;
  bool ok_;
};

}  // namespace fastmem
