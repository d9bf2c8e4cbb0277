// SPDX-License-Identifier: BSD-3-Clause
#include "bench/scale_model/costs.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <iterator>
#include <sstream>
#include <vector>

namespace bench::scale {
namespace {

struct Entry {
  const char* key;
  double Costs::*value;
  const char* meaning;
};

constexpr Entry kEntries[] = {
    {"hit", &Costs::hit, "an operation that hits"},
    {"lock", &Costs::lock, "a lock taken and given"},
    {"miss_alloc", &Costs::miss_alloc, "an alloc that misses, outside the locks"},
    {"miss_free", &Costs::miss_free, "a free that misses, outside the locks"},
    {"exchange_alloc", &Costs::exchange_alloc, "bin's lock held: a magazine from the depot"},
    {"exchange_free", &Costs::exchange_free, "bin's lock held: a magazine into the depot"},
    {"overflow", &Costs::overflow, "bin's lock held: the depot full, objects in order"},
    {"overflow_scattered", &Costs::overflow_scattered, "bin's lock held: the depot full, objects scattered"},
    {"refill", &Costs::refill, "bin's lock held: a magazine's worth from one slab"},
    {"refill_crumbs", &Costs::refill_crumbs, "bin's lock held: the same from some 16 slabs"},
    {"new_slab", &Costs::new_slab, "bin's lock held: what a new slab takes on top"},
    {"page_take", &Costs::page_take, "node's lock held: granules for a slab"},
    {"page_give", &Costs::page_give, "node's lock held: a slab's granules come back"},
    {"line", &Costs::line, "a line that another core of the node wrote last"},
    {"magazine", &Costs::magazine, "a magazine's lines at once, on top of the first"},
    {"far_times", &Costs::far_times, "times as much from another node: ASSUMED where there is one node only"},
};

std::string read_line(const std::string& line, Costs& costs, std::vector<std::string>& seen) {
  std::istringstream words(line);
  std::string key;
  if (!(words >> key)) return "";
  const auto* const entry =
      std::find_if(std::begin(kEntries), std::end(kEntries), [&](const Entry& e) { return e.key == key; });
  if (entry == std::end(kEntries)) return "no cost is called '" + key + "'";
  double value = 0;
  if (!(words >> value) || !std::isfinite(value) || value < 0) return key + " needs a number of nanoseconds";
  if (std::find(seen.begin(), seen.end(), key) != seen.end()) return key + " is there twice";
  costs.*entry->value = value;
  seen.push_back(key);
  return "";
}

}  // namespace

std::string read_costs(std::istream& in, Costs& costs) {
  std::vector<std::string> seen;
  const std::string kMachine = "# machine: ";
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(kMachine)) costs.machine = line.substr(kMachine.size());
    if (std::string wrong = read_line(line.substr(0, line.find('#')), costs, seen); !wrong.empty()) return wrong;
  }
  for (const Entry& entry : kEntries) {
    if (std::find(seen.begin(), seen.end(), entry.key) == seen.end()) return std::string(entry.key) + " is missing";
  }
  return "";
}

void write_costs(std::ostream& out, const Costs& costs) {
  out << "# SPDX-License-Identifier: BSD-3-Clause\n# Measured by: ./run bench --misses --costs FILE. Nanoseconds.\n";
  out << "# machine: " << costs.machine << "\n" << std::fixed << std::setprecision(1);
  for (const Entry& entry : kEntries) {
    out << std::left << std::setw(20) << entry.key << std::right << std::setw(10) << costs.*entry.value << "  # "
        << entry.meaning << "\n";
  }
}

}  // namespace bench::scale
