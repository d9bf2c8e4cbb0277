// SPDX-License-Identifier: BSD-3-Clause
// bench/table.cc -- Q: how does a person read the results on 120 columns?
#include "bench/table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "bench/verdict.h"

namespace bench {
namespace {

constexpr int kNameWidth = 19;
constexpr int kCellWidth = 16;

std::string format(const char* pattern, double value) {
  char text[64];
  std::snprintf(text, sizeof text, pattern, value);
  return text;
}

std::string padded(const std::string& text, int width) {
  char line[128];
  std::snprintf(line, sizeof line, "%*s", width, text.c_str());
  return line;
}

std::string centred(const std::string& text, int width) {
  const int left = (width - static_cast<int>(text.size()) + 1) / 2;
  return padded(padded(text, static_cast<int>(text.size()) + left), -width);
}

// ".50" rather than "0.50", "1" rather than "1.00": the column is narrow.
std::string bound(double value) {
  const std::string text = format("%.2f", value);
  if (text.ends_with(".00")) return text.substr(0, text.size() - 3);
  return text.starts_with("0.") ? text.substr(1) : text;
}

std::string ratio(const std::optional<double>& value) {
  if (!value) return "-";
  return format(*value < 9.995 ? "%.2f" : *value < 99.95 ? "%.1f" : "%.0f", *value);
}

std::string asked(const Asked& asked) {
  if (asked.at_most) return "<=" + bound(*asked.at_most);
  if (!asked.of_glibc && !asked.of_best) return "-";
  if (asked.less_than) return "<" + format("%.0f", *asked.of_best);
  return (asked.of_glibc ? bound(*asked.of_glibc) + "/" : "") + (asked.of_best ? bound(*asked.of_best) : "");
}

const char* word(Verdict::Answer answer) {
  switch (answer) {
    case Verdict::Answer::kMet:
      return "met";
    case Verdict::Answer::kShort:
      return "NO";
    case Verdict::Answer::kUnknown:
      return "?";
    default:
      return "-";
  }
}

std::string excuse(const Cell* cell) {
  if (cell != nullptr && cell->state == CellState::kNotInstalled) return "not installed";
  if (cell != nullptr && cell->state == CellState::kFailed) return "failed";
  return "-";
}

// The median of values, where there are any.
auto of(std::vector<double> Cell::*values, double scale = 1) {
  return [values, scale](const Cell& cell) {
    return (cell.*values).empty() ? std::optional<double>{} : median(cell.*values) * scale;
  };
}

std::string verdict_columns(const Row& row) {
  const Verdict verdict = judge(row);
  return padded(ratio(verdict.of_glibc), 4) + padded(ratio(verdict.of_best), 5) + padded(asked(row.scenario.asked), 8) +
         padded(word(verdict.beside_others), 4);
}

std::string per_core_columns(const Row& row) {
  return padded("", 9) + padded(">=" + bound(*row.scenario.asked.per_core), 8) +
         padded(word(judge(row).beside_one_thread), 4);
}

}  // namespace

std::string short_number(double value) {
  const char* unit = "";
  if (value >= 999'500) {
    value /= 1e6;
    unit = "M";
  } else if (value >= 9'999.5) {
    value /= 1e3;
    unit = "k";
  }
  const char* pattern = value < 9.995 ? "%.2f" : value < 99.95 ? "%.1f" : "%.0f";
  return format(pattern, value) + unit;
}

Table::Table(const std::vector<std::string>& allocators, double ticks_per_ns)
    : allocators_(allocators), ticks_per_ns_(ticks_per_ns) {}

std::vector<std::string> Table::group(std::size_t from) const {
  const std::size_t to = std::min(from + kColumns, allocators_.size());
  return {allocators_.begin() + static_cast<std::ptrdiff_t>(from),
          allocators_.begin() + static_cast<std::ptrdiff_t>(to)};
}

void Table::print_head() const { print_group_head(0); }

void Table::print_group_head(std::size_t from) const {
  std::string first = padded("", kNameWidth);
  std::string second = padded("scenario", -kNameWidth);
  for (const std::string& allocator : group(from)) {
    first += centred(allocator, kCellWidth - 1) + "|";
    second += "cycles   ns  % |";
  }
  if (from == 0) {
    first += " fastmem's part of";
    second += "glibc best  asked";
  }
  std::printf("%s\n%s\n", first.c_str(), second.c_str());
}

void Table::print_row(const Row& row) const { print_group_row(row, 0); }

void Table::print_rest(const std::vector<Row>& rows) const {
  for (std::size_t from = kColumns; from < allocators_.size(); from += kColumns) {
    std::printf("\n");
    print_group_head(from);
    for (const Row& row : rows) print_group_row(row, from);
  }
}

void Table::print_group_row(const Row& row, std::size_t from) const {
  const ScenarioInfo& scenario = row.scenario;
  const std::string verdict = from == 0 ? verdict_columns(row) : "";
  if (scenario.kind == Kind::kBooks) {  // a figure of fastmem's, and no time
    print_extra(row, from, "  % is metadata", of(&Cell::of_memory), verdict);
    return;
  }
  const bool long_name = scenario.name.size() >= static_cast<std::size_t>(kNameWidth);
  if (long_name) std::printf("%s\n", scenario.name.c_str());
  std::string line = padded(long_name ? "" : scenario.name, -kNameWidth);
  for (const std::string& allocator : group(from)) line += cell(row, allocator);
  std::printf("%s%s\n", line.c_str(), scenario.judge_memory ? "" : verdict.c_str());
  if (scenario.kind == Kind::kFirstTouch) {
    print_extra(row, from, "  p99", of(&Cell::p99_cycles, 1 / ticks_per_ns_), "");
    print_extra(row, from, "  max", of(&Cell::max_cycles, 1 / ticks_per_ns_), "");
    print_extra(row, from, "  mean", of(&Cell::mean_cycles, 1 / ticks_per_ns_), "");
  }
  if (scenario.asked.per_core) {
    print_extra(row, from, "  per core", of(&Cell::per_core), from == 0 ? per_core_columns(row) : "");
  }
  if (scenario.judge_memory) {
    print_extra(row, from, "  RSS / live byte", of(&Cell::of_memory), verdict);
    print_extra(row, from, "  backing / live", of(&Cell::backing_per_live), "");
  }
  print_counters(row, from);
  std::fflush(stdout);
}

std::string Table::cell(const Row& row, const std::string& allocator) const {
  const Cell* cell = row.find(allocator);
  if (cell == nullptr || !cell->measured()) return centred(excuse(cell), kCellWidth - 1) + "|";
  const double cycles = median(cell->cycles);
  const double percent = std::min(99.0, std::round(spread(cell->cycles) * 100));
  return padded(short_number(cycles), 5) + padded(short_number(cycles / ticks_per_ns_), 6) +
         padded(format("%.0f", percent), 3) + (noisy(row.scenario, *cell) ? "!|" : " |");
}

// Scaled cycles are nanoseconds and stand below those.
void Table::print_extra(const Row& row, std::size_t from, const std::string& label, const Extra& extra,
                        const std::string& end) const {
  std::string line = padded(label, -kNameWidth);
  for (const std::string& allocator : group(from)) {
    const Cell* cell = row.find(allocator);
    const auto value = cell != nullptr && cell->measured() ? extra(*cell) : std::nullopt;
    line += padded(value ? short_number(*value) : "", 11) + "    |";
  }
  std::printf("%s%s\n", line.c_str(), end.c_str());
}

// What could be counted, and below it what could not and why.
void Table::print_counters(const Row& row, std::size_t from) const {
  std::map<std::string, std::string> missing;  // by reason: names
  for (std::size_t i = 0; i < kCounters; ++i) {
    bool counted = false;
    int error = 0;
    for (const Cell& cell : row.cells) {
      for (const CounterReading& reading : cell.counters) {
        counted |= reading.counted(i);
        if (reading.asked && reading.error[i] != 0) error = reading.error[i];
      }
    }
    const char* const name = kCounterNames[i].text;
    if (counted) {
      print_extra(
          row, from, std::string("  ") + name, [i](const Cell& c) { return median_count(c, i); }, "");
    } else if (error != 0) {
      std::string& names = missing[why_not_counted(error)];
      names += (names.empty() ? "" : ", ") + std::string(name);
    }
  }
  for (const auto& [why, names] : missing) std::printf("  not counted: %s: %s\n", names.c_str(), why.c_str());
}

}  // namespace bench
