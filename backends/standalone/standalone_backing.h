// SPDX-License-Identifier: BSD-3-Clause
// backends/standalone/standalone_backing.h -- floor 1. Memory straight from the kernel: hugetlb pages, transparent huge
// pages or small pages, in address space reserved up front, bound to its node; IOVA through /proc/self/pagemap.
#pragma once

#include <cstdint>
#include <memory>

#include "backends/standalone/populate.h"
#include "platform/backing.h"
#include "platform/build.h"
#include "platform/topology.h"

namespace fastmem {

enum class PageKind : std::uint8_t { kAuto, kHuge1G, kHuge2M, kTransparent, kSmall };
enum class IovaMode : std::uint8_t { kAuto, kPhysical, kVirtual, kNone };

// What else can reach the memory. All but kNone: mapped MAP_SHARED, Region::fd and fd_offset are set so that others can
// map it, every page is there from the start (of small ones, too), and children of a fork neither have the memory nor
// may ask for more.
enum class FileKind : std::uint8_t {
  kNone,           // nobody else: anonymous memory
  kMemfd,          // one sparse memfd for each page kind and node: any page kind, nothing is left behind
  kHugetlbfs,      // in a hugetlbfs, one file and one descriptor for each region; hugetlb pages only
  kHugetlbfsList,  // in a hugetlbfs, one sparse file for each node; hugetlb pages only
};

// `iova`: how devices see the memory. kAuto is decided when an address is first asked for: physical where frame numbers
// are told (root, CAP_SYS_ADMIN), else virtual where an IOMMU is there, else none. Physical pages are locked and not
// inherited by fork, for a copy on write would move them: with kPhysical from reserve() on, as Region says; with kAuto
// from iova() on, though Region said otherwise when it was made.
struct StandaloneOptions {
  PageKind pages = PageKind::kAuto;
  IovaMode iova = IovaMode::kAuto;
  Bytes address_space = {};  // 0: twice the machine's memory, at least 64 GiB, less where the address space is limited

  // Where the address space begins: a multiple of region_unit(). 0: anywhere. Then address_space is had whole or not at
  // all. kExists: something is mapped there.
  std::uintptr_t base_address = 0;

  FileKind files = FileKind::kNone;
  // In a hugetlbfs; its page size decides where `pages` is kAuto. nullptr: the mount for the page size, out of
  // /proc/mounts.
  const char* directory = nullptr;
  // Of the files' names, at most 47 characters without '/' and '.'; nullptr: "fastmem". What dead processes left behind
  // under it goes when the backing is made.
  const char* file_prefix = nullptr;
  // The files have names for as long as their memory is held, and keep it when the process ends without releasing it.
  // The next backing with the same prefix takes their pages first, as they are: Region::zeroed is then false. Without
  // it, names are gone before a file has its first page. kBusy: a process that lives has the prefix.
  bool keep_files = false;

  // Taken when the backing is made, in equal parts (rounded up to region_unit()) on all nodes that have memory, and held
  // until it goes: reserve() gives of it, release() takes it back, dirty, and there is never more. 0: memory comes and
  // goes. kNoMemory: so much is not there.
  Bytes preallocate = {};

  bool locked = false;    // small pages are locked, too: RLIMIT_MEMLOCK counts. reserve() answers kNoMemory beyond it
  bool prefault = false;  // small pages are present from reserve() on, not touched lazily
  // Threads that make pages present, 64 MiB or more each: short-lived, without signals, the calling one among them.
  // 0: one for each CPU that this process may run on. Starting one allocates from the C library's malloc: a program
  // whose malloc is a heap on this backing says 1.
  unsigned threads = 0;
  // Told about every 64 MiB or more that became present, of what one reserve() (or `preallocate`) asked for. When it
  // returns 0, reserve() gives back what it has and answers kNoMemory. It must not call the heap.
  Progress progress = nullptr;
  void* progress_context = nullptr;
};

// Errors: kUnsupported (the page kind, IOVA mode or hugetlbfs is not there: the text names what is missing and the
// command that would fix it), kNoMemory (no address space; `preallocate`), kInvalid, and those that the options name.
FASTMEM_EXPORT Result<std::unique_ptr<Backing>> make_standalone_backing(const StandaloneOptions& options,
                                                                        const Topology& topology);

}  // namespace fastmem
