// SPDX-License-Identifier: BSD-3-Clause
// bench/held.h -- Q: how much memory does this process hold that an allocator may have asked for?
//
// Resident pages of mappings that no file is behind (the program break, anonymous maps, static tables), and hugetlb
// pages. Code, the stack, and what the dynamic linker wrote into a library's pages are not an allocator's doing.
// The kernel walks the page tables for it: exact, where VmRSS may be off by what each CPU has not yet reported.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bench {

// Reads /proc/self/smaps piece by piece.
class HeldCounter {
 public:
  void read(const char* text, std::size_t n);
  std::uint64_t kib() const { return kib_; }

 private:
  void end_line();

  char line_[256] = {};  // its start; longer ones are paths of files
  std::size_t length_ = 0;
  bool counts_ = false;  // the mapping that the lines are about
  std::uint64_t kib_ = 0;
};

// Allocates nothing. 0: the kernel does not say.
std::uint64_t held_bytes();

}  // namespace bench
