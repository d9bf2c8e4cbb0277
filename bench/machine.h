// SPDX-License-Identifier: BSD-3-Clause
// bench/machine.h -- Q: which CPUs and how much memory does this process have, and is the machine quiet?
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bench {

// CPUs this process might run on when it first asked, ascending: ask before pin().
const std::vector<int>& all_cpus();

// The calling thread stays on one CPU, or on all of these.
void pin(int cpu);
void pin(const std::vector<int>& cpus);

// Resident memory of this process, hugetlb pages included (the kernel counts those apart). Sizes in KiB.
struct Resident {
  std::uint64_t now_kib;
  std::uint64_t peak_kib;
  std::uint64_t hugetlb_kib;  // of these: hugetlb pages
  std::uint64_t thp_kib;      // of these: transparent huge pages
};
Resident resident();

std::uint64_t available_memory_kib();

// "AuthenticAMD", "GenuineIntel" ...; "": not said.
std::string processor_vendor();
// "AMD EPYC, 2 CPUs"; "always", "madvise" or "never"; free 2 MiB pages.
std::string processor();
std::string transparent_huge_pages();
std::uint64_t free_hugepages();

// Cycles a fixed chain of dependent multiplications takes, about 50 microseconds: rises when the CPU is shared or
// slows.
double spin();

// Time since it was made, and the part of it in which the thread that made it was not on a CPU, or no thread of the
// process was: another task had it.
//
// Asking the kernel for a thread's CPU time is where a thread whose turn is over loses its CPU: the wall clock is read
// after that at the beginning and before it at the end, or the others' turn would count as away from what is measured.
class Presence {
 public:
  enum class Of { kThread, kProcess };
  explicit Presence(Of of = Of::kThread);
  double away() const;

 private:
  Of of_;
  std::int64_t cpu_ns_;  // in the order in which they are read
  std::int64_t wall_ns_;
};

// Nanoseconds in which the calling thread, since it began, was ready to run and another task had its CPU; 0 where the
// kernel does not tell.
std::uint64_t queued_ns();

// Anonymous memory for the bench's own books: never from the allocator under test, touched, on huge pages if possible.
void* map_books(std::size_t bytes);
void unmap_books(void* books, std::size_t bytes);

template <class T>
class Books {
 public:
  explicit Books(std::size_t n) : data_(static_cast<T*>(map_books(n * sizeof(T)))), size_(n) {}
  ~Books() { unmap_books(data_, size_ * sizeof(T)); }
  Books(const Books&) = delete;
  Books& operator=(const Books&) = delete;

  T* data() { return data_; }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }

 private:
  T* data_;
  std::size_t size_;
};

}  // namespace bench
