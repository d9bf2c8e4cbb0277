// SPDX-License-Identifier: BSD-3-Clause
#include "bench/misses/report.h"

#include <algorithm>
#include <cstdio>

#include "bench/table.h"

namespace bench {
namespace {

constexpr int kNameWidth = 38;

std::string verdict_of(const Path& path) {
  if (!path.asked) return "";
  return (met(path) ? "met  " : "NO   ") + path.asked->text + " <= " + short_number(path.asked->ns);
}

}  // namespace

bool met(const Path& path) { return !path.asked || path.took.*path.asked->figure <= path.asked->ns; }

void print_paths(const std::string& title, const std::vector<Path>& paths) {
  std::printf("\n%-*s %7s %7s %7s %7s %7s %9s  %s\n", kNameWidth, title.c_str(), "p50", "p99", "p99.9", "max",
              "samples", "disturbed", "asked");
  for (const Path& path : paths) {
    const Distribution& d = path.took;
    std::printf("%-*s %7s %7s %7s %7s %7zu %9zu  %s\n", kNameWidth, path.name.c_str(), short_number(d.p50).c_str(),
                short_number(d.p99).c_str(), short_number(d.p999).c_str(), short_number(d.max).c_str(), d.count,
                d.disturbed, verdict_of(path).c_str());
  }
}

void print_forced(const std::vector<Path>& paths) {
  std::printf("\nHow each path is forced:\n");
  for (const Path& path : paths) {
    if (!path.forced.empty()) std::printf("  %-*s %s\n", kNameWidth, path.name.c_str(), path.forced.c_str());
  }
}

void print_verdict(const std::vector<Path>& paths) {
  const auto asked = std::count_if(paths.begin(), paths.end(), [](const Path& p) { return p.asked.has_value(); });
  const auto kept = std::count_if(paths.begin(), paths.end(), [](const Path& p) { return p.asked && met(p); });
  std::printf("\nfastmem does what is asked in %ld of %ld paths.\n", static_cast<long>(kept), static_cast<long>(asked));
  for (const Path& path : paths) {
    if (met(path)) continue;
    std::printf("  %-*s %s of %s ns, asked at most %s\n", kNameWidth, path.name.c_str(), path.asked->text.c_str(),
                short_number(path.took.*path.asked->figure).c_str(), short_number(path.asked->ns).c_str());
  }
}

}  // namespace bench
