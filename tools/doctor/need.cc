// SPDX-License-Identifier: BSD-3-Clause
#include "tools/doctor/need.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "platform/cgroup_memory.h"
#include "platform/mapping_advice.h"
#include "platform/memory_room.h"
#include "platform/node_files.h"
#include "platform/page_advice.h"
#include "tools/text.h"

namespace fastmem::tools {
namespace {

// What stands in the way of one kind of pages, one after another; `can` while nothing does.
struct Verdict {
  Row row;
  bool can = true;
  bool hopeless = false;  // no command helps

  void refuse(const std::string& why) {
    can = false;
    row.why += (row.why.empty() ? "" : "; ") + why;
  }
  void refuse(const std::string& why, const std::string& fix) {
    refuse(why);
    row.fixes.push_back(fix);
  }
  void give_up(const std::string& why) {
    refuse(why);
    hopeless = true;
  }
};

struct Machine {
  const Patient& patient;
  Need need;
  MachineFiles files;
  MemoryRoom room;
  MemoryLimit cgroup;

  const NodeFiles* node() const {
    const auto found =
        std::find_if(files.nodes.begin(), files.nodes.end(), [this](const NodeFiles& n) { return n.id == need.node; });
    return found == files.nodes.end() ? nullptr : &*found;
  }
  // Ordinary memory to be had: on the node that was named, or anywhere.
  std::optional<Bytes> memory() const {
    if (const NodeFiles* const n = node(); n != nullptr && files.nodes.size() > 1) return n->free + n->reclaimable;
    return room.available;
  }
};

std::string size(Bytes bytes_) { return bytes(bytes_).text; }

// Whether `list` ("0-3,8") has the number.
bool has_number(const std::string& list, unsigned number) {
  for (const char* at = list.c_str(); *at != '\0';) {
    char* end = nullptr;
    const unsigned long first = std::strtoul(at, &end, 10);
    if (end == at) return false;
    const unsigned long last = *end == '-' ? std::strtoul(end + 1, &end, 10) : first;
    if (number >= first && number <= last) return true;
    at = *end == ',' ? end + 1 : end;
  }
  return false;
}

void check_node(const Machine& machine, Verdict& verdict) {
  if (machine.need.node == kAnyNode) return;
  const unsigned id = machine.need.node.rep;
  const NodeFiles* const node = machine.node();
  if (node == nullptr && (id != 0 || !machine.files.nodes.empty())) {
    verdict.give_up(format("node %u is not there", id));
  } else if (node != nullptr && node->memory.rep == 0) {
    verdict.give_up(format("node %u has no memory", id));
  } else if (!machine.files.allowed_nodes.empty() && !has_number(machine.files.allowed_nodes, id)) {
    verdict.give_up(format("the cpuset of this process has memory of nodes %s only",
                           printable(machine.files.allowed_nodes).c_str()));
  }
}

void check_limits(const Machine& machine, Verdict& verdict) {
  const PageInventory& pages = machine.patient.pages;
  const Bytes left = pages.address_limit - std::min(pages.address_limit, pages.address_used);
  if (pages.address_limit != kUnlimited && left < machine.need.size) {
    verdict.refuse("RLIMIT_AS leaves " + size(left), rlimit_command("as").text);
  }
  if (pages.data_limit < machine.need.size) {
    verdict.refuse("RLIMIT_DATA is " + size(pages.data_limit), rlimit_command("data").text);
  }
}

// `what` needs that much ordinary memory.
void check_memory(const Machine& machine, Bytes wanted, const char* what, Verdict& verdict) {
  const std::optional<Bytes> memory = machine.memory();
  if (!memory || *memory >= wanted) return;
  const std::string where = machine.need.node == kAnyNode ? "" : format(" on node %u", unsigned{machine.need.node.rep});
  verdict.give_up(format("%s%s, %s%s to be had: no command makes memory", what, size(wanted).c_str(),
                         size(*memory).c_str(), where.c_str()));
}

void check_huge(const Machine& machine, const HugePages& pages, Verdict& verdict) {
  if (!pages.supported) {
    verdict.give_up(check_huge_pages_exist(pages).text);
    return;
  }
  const Bytes asked = round_up(machine.need.size, pages.page_size);
  const std::size_t wanted = asked / pages.page_size;
  HugePages unlimited = pages;
  unlimited.limit = {};
  if (unlimited.usable(machine.need.node) < wanted) {
    const PoolGoal goal = find_pool_goal(pages, asked, machine.need.node);
    const HugePool& pool = goal.on_node != nullptr ? goal.on_node->pool : pages.all;
    check_memory(machine, pages.page_size * (goal.pages - pool.total), "the pool must grow by ", verdict);
    verdict.refuse(format("%zu page%s needed, %zu of %zu free, %zu promised to others", wanted, wanted == 1 ? "" : "s",
                          pool.free, pool.total, pages.all.reserved),
                   pool_command(pages, goal.on_node, goal.pages).text);
  }
  if (pages.limit.headroom() < asked) {
    verdict.refuse(
        format("the cgroup allows %s, %s in use", size(pages.limit.limit).c_str(), size(pages.limit.used).c_str()),
        without_root(machine.patient, limit_command(pages.limit, asked).text));
  }
}

void check_small(const Machine& machine, Verdict& verdict) {
  const Bytes wanted = machine.need.size;
  check_memory(machine, wanted, "needs ", verdict);
  if (machine.cgroup.headroom() < wanted) {
    verdict.refuse(format("the cgroup allows %s, %s in use", size(machine.cgroup.limit).c_str(),
                          size(machine.cgroup.used).c_str()),
                   format("echo %zu | sudo tee %s", (machine.cgroup.used + wanted).rep,
                          without_root(machine.patient, machine.cgroup.file).c_str()));
  }
  const MemoryRoom& room = machine.room;
  if (machine.patient.pages.overcommit != Overcommit::kStrict || !room.commit_limit || !room.committed) return;
  const Bytes left = *room.commit_limit - std::min(*room.commit_limit, *room.committed);
  if (left < wanted) {
    verdict.refuse("strict overcommit leaves " + size(left), overcommit_command().text);
  }
}

void check_transparent(const Machine& machine, Verdict& verdict) {
  const TransparentHuge kind = machine.patient.pages.transparent;
  if (kind == TransparentHuge::kAbsent) verdict.give_up("no transparent huge pages here");
  if (kind == TransparentHuge::kNever) {
    verdict.refuse("transparent huge pages are switched off", transparent_command().text);
  }
  check_small(machine, verdict);
}

void check_kind(const Machine& machine, NeedKind kind, Verdict& verdict) {
  check_limits(machine, verdict);
  switch (kind) {
    case NeedKind::kHuge1G:
      check_huge(machine, machine.patient.pages.huge_1g, verdict);
      break;
    case NeedKind::kHuge2M:
      check_huge(machine, machine.patient.pages.huge_2m, verdict);
      break;
    case NeedKind::kTransparent:
      check_transparent(machine, verdict);
      break;
    case NeedKind::kSmall:
      check_small(machine, verdict);
      break;
  }
}

Verdict judge(const Machine& machine, NeedKind kind) {
  static const char* const kNames[] = {"1 GiB hugetlb pages", "2 MiB hugetlb pages", "transparent huge pages",
                                       "4 KiB pages"};
  Verdict verdict;
  verdict.row.key = name_of(kind);
  verdict.row.name = kNames[static_cast<unsigned>(kind)];
  check_node(machine, verdict);
  if (!verdict.hopeless) check_kind(machine, kind, verdict);
  if (verdict.hopeless) verdict.row.fixes.clear();  // they would not be enough
  verdict.row.values = {yes_no(verdict.can)};
  verdict.row.state = verdict.can ? State::kOk : State::kMissing;
  return verdict;
}

}  // namespace

const char* name_of(NeedKind kind) {
  static const char* const kNames[] = {"1g", "2m", "thp", "4k"};
  return kNames[static_cast<unsigned>(kind)];
}

bool parse_need(const std::string& text, Need& need) {
  const std::size_t at = text.find('@');
  std::string amount = text.substr(0, at);
  std::uint64_t number = 0;
  if (at != std::string::npos) {
    if (!parse_number(text.c_str() + at + 1, 0, kAnyNode.rep - 1, number)) return false;
    need.node = NodeId{static_cast<std::uint16_t>(number)};
  }
  unsigned shift = 0;
  constexpr char kUnits[] = "KMGT";
  for (unsigned i = 0; i < 4 && !amount.empty(); ++i) {
    if ((amount.back() & ~0x20) == kUnits[i]) shift = 10 * (i + 1);
  }
  if (shift != 0) amount.pop_back();
  if (!parse_number(amount.c_str(), 1, (std::uint64_t{1} << 56) >> shift, number)) return false;
  need.size = Bytes{number << shift};
  return true;
}

NeedAnswer answer_need(const Patient& patient, const Need& need) {
  const char* const root = patient.root.c_str();
  const Machine machine{patient, need, read_machine_files(root), read_memory_room(root), tightest_memory_limit(root)};
  const std::string where = need.node == kAnyNode ? "" : format(" on node %u", unsigned{need.node.rep});
  NeedAnswer answer;
  answer.section = {"need", size(need.size) + where + " now, in", {}, {}};
  for (unsigned i = 0; i < kNeedKinds; ++i) {
    const Verdict verdict = judge(machine, static_cast<NeedKind>(i));
    answer.can[i] = verdict.can;
    answer.section.rows.push_back(verdict.row);
  }
  return answer;
}

}  // namespace fastmem::tools
