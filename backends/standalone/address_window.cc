// SPDX-License-Identifier: BSD-3-Clause
#include "backends/standalone/address_window.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "platform/check.h"
#include "platform/page_advice.h"
#include "platform/text_file.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

namespace fastmem {
namespace {

constexpr Bytes kMost = kGiB * 128 * 1024;  // what a process can map: asking for more is asking for all there is

// Without MAP_NORESERVE: memory without access counts for nothing, and what is made writable later is judged by the
// kernel's own overcommit policy, whichever it is.
void* map_nothing(void* at, Bytes size) {
  const int fixed = at != nullptr ? MAP_FIXED_NOREPLACE : 0;
  void* const p = mmap(at, size.rep, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0);
  return p == MAP_FAILED ? nullptr : p;
}

AddressRange map_aligned(Bytes size, Bytes unit) {
  void* const p = map_nothing(nullptr, size + unit);
  if (p == nullptr) return {};
  const auto begin = reinterpret_cast<std::uintptr_t>(p);
  const std::uintptr_t aligned = round_up(begin, unit.rep);
  const std::uintptr_t behind = aligned + size.rep;
  if (aligned > begin) munmap(p, aligned - begin);
  if (behind < begin + size.rep + unit.rep) munmap(reinterpret_cast<void*>(behind), begin + unit.rep - aligned);
  return {aligned, behind};
}

Error explain_taken(std::uintptr_t base, Bytes size) {
  LineReader maps(FilePath("/proc/self/maps"));
  while (const char* line = maps.next()) {
    std::size_t begin = 0;
    std::size_t end = 0;
    if (std::sscanf(line, "%zx-%zx", &begin, &end) != 2 || end <= base || begin >= base + size.rep) continue;
    const char* const name = std::strpbrk(line, "/[");
    return make_error(ErrorCode::kExists,
                      "base address 0x%zx: of the %s from there on, 0x%zx to 0x%zx is taken by %s; choose another "
                      "base_address, or a smaller address_space",
                      base, size_text(size).text, begin, end, name != nullptr ? name : "an anonymous mapping");
  }
  return make_error(ErrorCode::kExists, "base address 0x%zx: of the %s from there on, a part is taken", base,
                    size_text(size).text);
}

Error explain_no_space(Bytes size, int error) {
  return make_error(ErrorCode::kNoMemory,
                    "no %s of address space to be had (%s); look at ulimit -v, and at the sizes of other mappings",
                    size_text(size).text, std::strerror(error));
}

}  // namespace

Result<AddressWindow> AddressWindow::create(Bytes wanted, Bytes smallest, Bytes unit) {
  AddressWindow window;
  Bytes size = round_up(std::min(wanted, kMost), unit);
  smallest = std::min(round_up(smallest, unit), size);
  while ((window.range_ = map_aligned(size, unit)).begin == 0) {
    if (size == smallest) return explain_no_space(size, errno);
    size = std::max(round_up(size / 2, unit), smallest);
  }
  if (const Error error = window.open_books(unit); !error.ok()) return error;
  return window;
}

Result<AddressWindow> AddressWindow::create_at(std::uintptr_t base, Bytes size, Bytes unit) {
  AddressWindow window;
  size = round_up(std::min(size, kMost), unit);
  if (base % unit.rep != 0) {
    return make_error(ErrorCode::kInvalid, "base address 0x%zx: not a multiple of %s", base, size_text(unit).text);
  }
  void* const wanted = reinterpret_cast<void*>(base);
  void* const got = map_nothing(wanted, size);
  if (got == nullptr && errno == EEXIST) return explain_taken(base, size);
  if (got == nullptr) return explain_no_space(size, errno);
  if (got != wanted) {  // a kernel before 4.17 takes the address for a wish
    munmap(got, size.rep);
    return explain_taken(base, size);
  }
  window.range_ = {base, base + size.rep};
  if (const Error error = window.open_books(unit); !error.ok()) return error;
  return window;
}

Error AddressWindow::open_books(Bytes unit) {
  unit_ = unit;
  if (taken_.create(range_.size() / unit)) return {};
  return make_error(ErrorCode::kNoMemory, "no memory for the books over %s of address space",
                    size_text(range_.size()).text);
}

AddressWindow::AddressWindow(AddressWindow&& other) noexcept
    : range_(std::exchange(other.range_, {})),
      unit_(other.unit_),
      lowest_free_(other.lowest_free_),
      taken_(std::move(other.taken_)) {}

AddressWindow::~AddressWindow() {
  if (range_.begin != 0) munmap(reinterpret_cast<void*>(range_.begin), range_.size().rep);
}

void AddressWindow::abandon() { range_ = {}; }

void* AddressWindow::take(Bytes size, Bytes align) {
  while (lowest_free_ < taken_.units() && taken_.get(lowest_free_)) ++lowest_free_;
  UnitMap::Grid grid;
  if (align > unit_) grid = {align / unit_, range_.begin / unit_.rep % (align / unit_)};
  const std::size_t first = taken_.find_clear(size / unit_, lowest_free_, grid);
  if (first == UnitMap::kNone) return nullptr;
  taken_.set(first, size / unit_, true);
  return reinterpret_cast<void*>(range_.begin + first * unit_.rep);
}

void AddressWindow::give(void* at, Bytes size) {
  const std::size_t first = (reinterpret_cast<std::uintptr_t>(at) - range_.begin) / unit_.rep;
  const std::size_t count = size / unit_;
  FM_CHECK(first + count <= taken_.units());
  for (std::size_t i = first; i < first + count; ++i) FM_CHECK(taken_.get(i));  // else: released twice, or never taken
  taken_.set(first, count, false);
  lowest_free_ = std::min(lowest_free_, first);
}

}  // namespace fastmem
