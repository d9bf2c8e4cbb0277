// SPDX-License-Identifier: BSD-3-Clause
// What is there of hugetlb pages, and of the file system over them?
#include <algorithm>

#include "platform/hugetlb_files.h"
#include "platform/page_advice.h"
#include "tools/doctor/findings.h"
#include "tools/text.h"

namespace fastmem::tools {
namespace {

constexpr std::size_t kMostFiles = 200;

// What is worth having at all: less is as good as nothing.
Bytes some_pages(const HugePages& pages) { return pages.page_size * (pages.page_size == kGiB ? 1 : 64); }

void judge_pool(const Patient& patient, const HugePages& pages, Row& row) {
  if (const Error error = check_huge_pages_exist(pages); !error.ok() && pages.all.total == 0) {
    row.state = State::kMissing;
    row.why = "the pool is empty";
    row.fixes.push_back(pool_command(pages, nullptr, find_pool_goal(pages, some_pages(pages), kAnyNode).pages).text);
    if (pages.page_size == kGiB) row.why += "; surest at boot: hugepagesz=1G hugepages=N";
    return;
  }
  if (pages.usable() != 0) return;
  row.state = State::kMissing;
  if (pages.limit.headroom() < pages.page_size) {
    row.why = format("this process's cgroup allows %s, %s in use", size_text(pages.limit.limit).text,
                     size_text(pages.limit.used).text);
    row.fixes.push_back(without_root(patient, limit_command(pages.limit, some_pages(pages)).text));
    return;
  }
  row.why = "every page is taken";
  row.fixes.push_back(pool_command(pages, nullptr, find_pool_goal(pages, some_pages(pages), kAnyNode).pages).text);
}

void add_pool(const Patient& patient, const HugePages& pages, const char* key, Section& section) {
  Row row;
  row.key = key;
  row.name = size_text(pages.page_size).text;
  if (!pages.supported) {
    row.values.assign(section.columns.size(), unknown());
    row.state = State::kUnknown;
    row.why = pages.unreadable ? check_huge_pages_exist(pages).text
                               : "not listed below /sys/kernel/mm/hugepages: the processor or kernel has none, or /sys "
                                 "is not there";
    section.rows.push_back(row);
    return;
  }
  row.values = {count(pages.all.total),   count(pages.all.free),   count(pages.all.reserved),
                count(pages.all.surplus), count(pages.overcommit), count(pages.usable())};
  judge_pool(patient, pages, row);
  section.rows.push_back(row);
  for (unsigned i = 0; i < pages.nodes && pages.nodes > 1; ++i) {
    const NodePool& node = pages.of_node[i];
    Row own;
    own.key = format("%s@%u", key, unsigned{node.node.rep});
    own.name = format("  on node %u", unsigned{node.node.rep});
    own.values = {count(node.pool.total),        count(node.pool.free), nothing(), count(node.pool.surplus), nothing(),
                  count(pages.usable(node.node))};
    section.rows.push_back(own);
  }
}

}  // namespace

Section find_hugetlb_pools(const Patient& patient) {
  Section section{
      "hugetlb_pages", "hugetlb pages", {"total", "free", "reserved", "surplus", "overcommit", "for this process"}, {}};
  add_pool(patient, patient.pages.huge_1g, "1g", section);
  add_pool(patient, patient.pages.huge_2m, "2m", section);
  return section;
}

Section find_hugetlb_mounts(const Patient& patient) {
  Section section{"hugetlbfs_mounts", "hugetlbfs mounts", {"page size", "limit", "writable"}, {}};
  for (const HugetlbMount& mount : read_hugetlb_mounts(patient.root.c_str())) {
    Row row;
    row.key = row.name = printable(mount.point);
    row.values = {mount.page_size.rep == 0 ? unknown() : bytes(mount.page_size), bytes(mount.limit),
                  yes_no(mount.writable)};
    if (!mount.writable) {
      row.state = State::kMissing;
      row.why = mount.read_only ? "mounted read-only" : "this user may not make files there";
      const std::string point = shell_word(mount.point);
      row.fixes.push_back(mount.read_only
                              ? "sudo mount -o remount,rw " + point
                              : format("sudo chgrp $(id -g) %s && sudo chmod g+rwx %s", point.c_str(), point.c_str()));
    }
    section.rows.push_back(row);
  }
  if (!section.rows.empty()) return section;
  Row none{"none", "none", {nothing(), nothing(), nothing()}, State::kMissing, "", {}};
  none.why = "only memory in files needs one";
  none.fixes.emplace_back(
      "sudo mkdir -p /dev/hugepages && sudo mount -t hugetlbfs -o pagesize=2M,mode=1777 none /dev/hugepages");
  section.rows.push_back(none);
  return section;
}

Section find_left_files(const Patient& patient) {
  Section section{"hugetlbfs_files", "files left in hugetlbfs", {"pages held", "used by somebody"}, {}};
  const char* const root = patient.root.c_str();
  unsigned used = 0;
  for (const HugetlbFile& file : find_hugetlb_files(read_hugetlb_mounts(root), kMostFiles, root)) {
    if (file.use == FileUse::kUsed) {
      ++used;
      continue;
    }
    Row row;
    row.key = row.name = printable(file.path);
    row.values = {bytes(file.held), file.use == FileUse::kUnused ? yes_no(false) : unknown()};
    row.state = file.use == FileUse::kUnused ? State::kMissing : State::kUnknown;
    if (file.use == FileUse::kUnused) {
      row.why = "of a process that has ended: its pages are lost until it goes";
      row.fixes.push_back("sudo rm " + shell_word(file.path));
    } else {
      row.why = "this user may not look into every process; ask again with more rights";
      row.fixes.emplace_back("sudo fastmem doctor");
    }
    section.rows.push_back(row);
  }
  if (section.rows.empty()) {
    const std::string name = used == 0 ? "none" : format("none; %u in use", used);
    section.rows.push_back({"none", name, {nothing(), nothing()}, State::kOk, "", {}});
  }
  return section;
}

}  // namespace fastmem::tools
