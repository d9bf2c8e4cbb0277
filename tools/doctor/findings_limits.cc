// SPDX-License-Identifier: BSD-3-Clause
// Ordinary memory, and what limits this process.
#include "platform/cgroup_memory.h"
#include "platform/mapping_advice.h"
#include "platform/memory_room.h"
#include "platform/page_advice.h"
#include "tools/doctor/findings.h"
#include "tools/text.h"

namespace fastmem::tools {
namespace {

void make_unknown(Row& row) {
  row.values = {unknown()};
  row.state = State::kUnknown;
}

void add_transparent(const Patient& patient, Section& section) {
  static const char* const kNames[] = {"unknown", "never", "madvise", "always"};
  const TransparentHuge kind = patient.pages.transparent;
  Row& row = section.add("transparent_huge_pages", "transparent huge pages",
                         kind == TransparentHuge::kAbsent ? unknown() : words(kNames[static_cast<unsigned>(kind)]));
  if (kind == TransparentHuge::kAbsent) {
    row.state = State::kUnknown;
    row.why = "this kernel has none, or /sys is not there";
  } else if (kind == TransparentHuge::kNever) {
    row.state = State::kMissing;
    row.why = "switched off, on the machine or for this process (prctl)";
    row.fixes.emplace_back(transparent_command().text);
  }
}

void add_overcommit(const Patient& patient, const MemoryRoom& room, Section& section) {
  static const char* const kNames[] = {"0: heuristic", "1: always", "2: strict"};
  Row& row =
      section.add("overcommit", "vm.overcommit_memory", words(kNames[static_cast<unsigned>(patient.pages.overcommit)]));
  if (!can_read(patient, "/proc/sys/vm/overcommit_memory")) {
    make_unknown(row);
    return;
  }
  if (patient.pages.overcommit != Overcommit::kStrict || !room.commit_limit || !room.committed) return;
  row.why = format("%s of %s are promised", size_text(*room.committed).text, size_text(*room.commit_limit).text);
}

void add_rlimit(const Patient& patient, Section& section, const char* key, const char* name, Bytes limit,
                const char* why, const char* option) {
  Row& row = section.add(key, name, bytes(limit));
  if (!can_read(patient, "/proc/self/limits")) make_unknown(row);
  if (limit == kUnlimited) return;
  row.state = State::kMissing;
  row.why = why;
  row.fixes.emplace_back(rlimit_command(option).text);
}

void add_mappings(const MemoryRoom& room, Section& section) {
  Row& row = section.add("max_map_count", "vm.max_map_count", room.max_maps ? count(*room.max_maps) : unknown());
  if (!room.max_maps) {
    row.state = State::kUnknown;
  } else if (room.maps && *room.maps > *room.max_maps / 10 * 9) {
    row.state = State::kMissing;
    row.why = format("this process has %s mappings", with_commas(*room.maps).c_str());
    row.fixes.emplace_back(map_count_command(*room.max_maps).text);
  }
}

template <class Limit>
Row& add_cgroup(const Patient& patient, Section& section, const char* key, const char* name, const Limit& limit) {
  Row& row = section.add(key, name, limit.found ? bytes(limit.limit) : bytes(kUnlimited));
  if (!can_read(patient, "/proc/self/cgroup")) make_unknown(row);
  if (limit.found) {
    row.why = format("%s in use; %s", bytes(limit.used).text.c_str(), without_root(patient, limit.file).c_str());
  }
  return row;
}

void add_hugetlb_cgroup(const Patient& patient, Section& section, const char* key, const char* name,
                        const HugePages& pages) {
  if (!pages.supported) return;
  Row& row = add_cgroup(patient, section, key, name, pages.limit);
  if (pages.limit.headroom() >= pages.page_size) return;
  row.state = State::kMissing;
  const Bytes some = pages.page_size * (pages.page_size == kGiB ? 1 : 64);
  row.fixes.push_back(without_root(patient, limit_command(pages.limit, some).text));
}

}  // namespace

Section find_memory(const Patient& patient) {
  Section section{"memory", "memory", {}, {}};
  const MemoryRoom room = read_memory_room(patient.root.c_str());
  Row& total =
      section.add("total", "of the machine", patient.pages.memory.rep == 0 ? unknown() : bytes(patient.pages.memory));
  if (patient.pages.memory.rep == 0) total.state = State::kUnknown;
  Row& available = section.add("available", "available", room.available ? bytes(*room.available) : unknown());
  if (!room.available) available.state = State::kUnknown;
  add_transparent(patient, section);
  add_overcommit(patient, room, section);
  return section;
}

Section find_limits(const Patient& patient) {
  Section section{"limits", "limits of this process", {}, {}};
  const PageInventory& pages = patient.pages;
  add_rlimit(patient, section, "rlimit_memlock", "RLIMIT_MEMLOCK", pages.locked_limit,
             "physical addresses of small pages need more; hugetlb pages do not", "memlock");
  add_rlimit(patient, section, "rlimit_as", "RLIMIT_AS", pages.address_limit,
             "heaps reserve address space ahead of need: at most half of what this leaves", "as");
  add_rlimit(patient, section, "rlimit_data", "RLIMIT_DATA", pages.data_limit, "a heap's memory counts as data",
             "data");
  add_mappings(read_memory_room(patient.root.c_str()), section);
  const MemoryLimit memory = tightest_memory_limit(patient.root.c_str());
  Row& row = add_cgroup(patient, section, "cgroup_memory", "cgroup, memory", memory);
  if (memory.found) row.why += "; beyond it the kernel ends processes: set the heap's limit_per_node below";
  add_hugetlb_cgroup(patient, section, "cgroup_hugetlb_1g", "cgroup, 1 GiB pages", pages.huge_1g);
  add_hugetlb_cgroup(patient, section, "cgroup_hugetlb_2m", "cgroup, 2 MiB pages", pages.huge_2m);
  return section;
}

}  // namespace fastmem::tools
