// SPDX-License-Identifier: BSD-3-Clause
#include "platform/node_files.h"

#include <dirent.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "platform/text_file.h"

namespace fastmem {
namespace {

std::string first_line(const FilePath& path) {
  char text[512];
  if (!read_text(path, text, sizeof(text))) return "";
  text[std::strcspn(text, "\n")] = '\0';
  return text;
}

// The numbers of a directory's entries with that prefix: node0, node2 ...
std::vector<unsigned> numbered(const FilePath& directory, const char* prefix) {
  std::vector<unsigned> numbers;
  DIR* const entries = opendir(directory.c_str());
  if (entries == nullptr) return numbers;
  const std::size_t length = std::strlen(prefix);
  while (const dirent* const entry = readdir(entries)) {
    if (std::strncmp(entry->d_name, prefix, length) != 0) continue;
    char* end = nullptr;
    const unsigned long number = std::strtoul(entry->d_name + length, &end, 10);
    if (end != entry->d_name + length && *end == '\0') numbers.push_back(static_cast<unsigned>(number));
  }
  closedir(entries);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

NodeFiles read_node(unsigned id, const char* root) {
  NodeFiles node;
  node.id = NodeId{static_cast<std::uint16_t>(id)};
  const FilePath directory("%s/sys/devices/system/node/node%u", root, id);
  node.cpus = first_line(FilePath("%s/cpulist", directory.c_str()));
  LineReader lines(FilePath("%s/meminfo", directory.c_str()));
  std::size_t kib = 0;
  while (const char* line = lines.next()) {
    if (std::sscanf(line, "Node %*u MemTotal: %zu kB", &kib) == 1) node.memory = kKiB * kib;
    if (std::sscanf(line, "Node %*u MemFree: %zu kB", &kib) == 1) node.free = kKiB * kib;
    if (std::sscanf(line, "Node %*u Active(file): %zu kB", &kib) == 1) node.reclaimable += kKiB * kib;
    if (std::sscanf(line, "Node %*u Inactive(file): %zu kB", &kib) == 1) node.reclaimable += kKiB * kib;
  }
  const std::string distances = first_line(FilePath("%s/distance", directory.c_str()));
  const char* at = distances.c_str();
  for (char* end = nullptr;; at = end) {
    const unsigned long distance = std::strtoul(at, &end, 10);
    if (end == at) break;
    node.distances.push_back(static_cast<unsigned>(distance));
  }
  return node;
}

std::vector<L3Cache> read_l3(const char* root) {
  std::vector<L3Cache> caches;
  for (const unsigned cpu : numbered(FilePath("%s/sys/devices/system/cpu", root), "cpu")) {
    for (const unsigned index : numbered(FilePath("%s/sys/devices/system/cpu/cpu%u/cache", root, cpu), "index")) {
      const FilePath directory("%s/sys/devices/system/cpu/cpu%u/cache/index%u", root, cpu, index);
      if (first_line(FilePath("%s/level", directory.c_str())) != "3") continue;
      L3Cache cache;
      cache.cpus = first_line(FilePath("%s/shared_cpu_list", directory.c_str()));
      cache.size = kKiB * read_number(FilePath("%s/size", directory.c_str())).value_or(0);  // "32768K"
      const auto is_same = [&](const L3Cache& other) { return other.cpus == cache.cpus; };
      if (std::none_of(caches.begin(), caches.end(), is_same)) caches.push_back(cache);
    }
  }
  return caches;
}

}  // namespace

MachineFiles read_machine_files(const char* root) {
  MachineFiles machine;
  for (const unsigned id : numbered(FilePath("%s/sys/devices/system/node", root), "node")) {
    machine.nodes.push_back(read_node(id, root));
  }
  machine.l3 = read_l3(root);
  machine.online_cpus = first_line(FilePath("%s/sys/devices/system/cpu/online", root));
  LineReader lines(FilePath("%s/proc/self/status", root));
  while (const char* line = lines.next()) {
    char list[512];
    if (std::sscanf(line, "Cpus_allowed_list: %511s", list) == 1) machine.allowed_cpus = list;
    if (std::sscanf(line, "Mems_allowed_list: %511s", list) == 1) machine.allowed_nodes = list;
  }
  return machine;
}

}  // namespace fastmem
