// SPDX-License-Identifier: BSD-3-Clause
// The machine's shape.
#include "platform/node_files.h"
#include "tools/doctor/findings.h"
#include "tools/text.h"

namespace fastmem::tools {
namespace {

Value distances(const NodeFiles& node) {
  if (node.distances.empty()) return unknown();
  Value value{"", "[", false};
  for (const unsigned distance : node.distances) {
    value.text += (value.text.empty() ? "" : " ") + std::to_string(distance);
    value.json += (value.json.size() == 1 ? "" : ", ") + std::to_string(distance);
  }
  value.json += "]";
  return value;
}

Value list_or(const std::string& list, const Value& none) { return list.empty() ? none : words(list); }

}  // namespace

Section find_nodes(const Patient& patient) {
  Section section{"nodes", "nodes", {"CPUs", "memory", "free", "distances"}, {}};
  const MachineFiles machine = read_machine_files(patient.root.c_str());
  for (const NodeFiles& node : machine.nodes) {
    const unsigned id = node.id.rep;
    section.rows.push_back({std::to_string(id),
                            format("node %u", id),
                            {list_or(node.cpus, words("none")), bytes(node.memory), bytes(node.free), distances(node)},
                            State::kOk,
                            "",
                            {}});
  }
  if (machine.nodes.empty()) {
    Row row{"none",          "not told", {list_or(machine.online_cpus, unknown()), unknown(), unknown(), unknown()},
            State::kUnknown, "",         {}};
    row.why = "a kernel without NUMA, or no /sys: everything counts as node 0";
    section.rows.push_back(row);
  }
  Row allowed{"allowed", "this process", {}, State::kOk, "", {}};
  allowed.values = {list_or(machine.allowed_cpus, unknown()), nothing(), nothing(), nothing()};
  if (!machine.allowed_nodes.empty()) allowed.why = "memory of nodes " + printable(machine.allowed_nodes);
  section.rows.push_back(allowed);
  return section;
}

Section find_caches(const Patient& patient) {
  Section section{"l3_caches", "L3 caches", {"size", "CPUs"}, {}};
  const MachineFiles machine = read_machine_files(patient.root.c_str());
  for (const L3Cache& cache : machine.l3) {
    const std::string number = std::to_string(section.rows.size());
    section.rows.push_back({number, "L3 " + number, {bytes(cache.size), words(cache.cpus)}, State::kOk, "", {}});
  }
  if (section.rows.empty()) {
    section.rows.push_back({"none", "not told", {unknown(), unknown()}, State::kUnknown, "", {}});
  }
  return section;
}

}  // namespace fastmem::tools
