// SPDX-License-Identifier: BSD-3-Clause
// bench/options.cc -- Q: what was the bench asked to do?
#include "bench/options.h"

#include <cstdlib>
#include <sstream>
#include <utility>

#include "api/fastmem.h"
#include "bench/allocators.h"

namespace bench {
namespace {

constexpr std::pair<const char*, std::uint32_t> kPages[] = {{"auto", FASTMEM_PAGES_AUTO},
                                                            {"1g", FASTMEM_PAGES_1G},
                                                            {"2m", FASTMEM_PAGES_2M},
                                                            {"thp", FASTMEM_PAGES_THP},
                                                            {"4k", FASTMEM_PAGES_4K}};

std::string parse_allocators(const std::string& list, std::vector<std::string>& names) {
  std::istringstream in(list);
  for (std::string name; std::getline(in, name, ',');) {
    if (find_allocator(name) == nullptr) return "no allocator is called '" + name + "'";
    names.push_back(name);
  }
  return "";
}

std::string parse_pages(const std::string& name, std::string& pages) {
  for (const auto& [known, value] : kPages) {
    if (name == known) {
      pages = name;
      return "";
    }
  }
  return "--pages takes auto, 1g, 2m, thp or 4k";
}

std::string parse_runs(const std::string& text, int& runs) {
  runs = std::atoi(text.c_str());
  return runs >= 1 && runs <= 1000 ? "" : "--runs takes 1 .. 1000";
}

std::string parse_with_value(const std::string& option, const std::string& value, Options& options) {
  if (option == "--json") {
    options.json = value;
    return "";
  }
  if (option == "--out") {
    options.out = value;
    return "";
  }
  if (option == "--runs") return parse_runs(value, options.runs);
  if (option == "--pages") return parse_pages(value, options.pages);
  return parse_allocators(value, options.allocators);
}

bool takes_value(const std::string& option) {
  return option == "--json" || option == "--out" || option == "--runs" || option == "--pages" ||
         option == "--allocators";
}

}  // namespace

const char* const kUsage =
    R"(Usage: fastmem_bench [--quick] [--json FILE] [--out DIR] [--runs N] [--allocators A,B] [--pages KIND] [--list]
                     [FILTER]

Compares fastmem with the general-purpose allocators installed here, interleaved, in one run.

  FILTER           only scenarios whose name contains it, or matches it as a regular expression
  --quick          3 short runs each instead of 11: for a first look, not for a verdict
  --runs N         that many runs each (fewer than 7 are a first look, too)
  --allocators     only these: fastmem, glibc, jemalloc, mimalloc, tcmalloc
  --pages KIND     fastmem's pages: auto (default), 1g, 2m, thp, 4k
  --json FILE      also write {scenario, allocator, cycles, ns, rss_kib, runs, ...} per measurement
  --out DIR        where bench.svg and bench.png go, the table as a picture: here, unless told otherwise
  --list           print the names of the scenarios
)";

std::uint32_t Options::pages_value() const {
  for (const auto& [known, value] : kPages) {
    if (pages == known) return value;
  }
  return FASTMEM_PAGES_AUTO;
}

std::string parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    std::string option = argv[i];
    std::string value;
    if (option.empty() || option[0] != '-') {
      if (!options.filter.empty()) return "one FILTER at most; 'a|b' matches either";
      options.filter = option;
      continue;
    }
    const auto equals = option.find('=');
    const bool has_value = equals != std::string::npos;
    if (has_value) {
      value = option.substr(equals + 1);
      option.resize(equals);
    }
    if (takes_value(option)) {
      if (!has_value && ++i == argc) return option + " needs a value";
      if (!has_value) value = argv[i];
      if (std::string wrong = parse_with_value(option, value, options); !wrong.empty()) return wrong;
    } else if (option == "--quick" && !has_value) {
      options.quick = true;
    } else if (option == "--list" && !has_value) {
      options.list = true;
    } else if ((option == "--help" || option == "-h") && !has_value) {
      options.help = true;
    } else {
      return "unknown option " + std::string(argv[i]);
    }
  }
  return "";
}

}  // namespace bench
