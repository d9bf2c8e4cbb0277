// SPDX-License-Identifier: BSD-3-Clause
#include "bench/drawing.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <sstream>

#include "bench/allocators.h"
#include "bench/call_demands.h"
#include "bench/table.h"
#include "bench/verdict.h"
#include "tools/gnuplot.h"

namespace bench {
namespace {

std::optional<double> figure_of(const Row& row, const std::string& allocator) {
  const Cell* cell = row.find(allocator);
  if (cell == nullptr || !cell->measured()) return std::nullopt;
  return figure(row.scenario, *cell);
}

// Of the scenarios that have it.
class GeometricMean {
 public:
  void add(std::optional<double> value) {
    if (!value || !(*value > 0)) return;
    sum_ += std::log(*value);
    ++n_;
  }
  std::optional<double> value() const { return n_ == 0 ? std::nullopt : std::optional(std::exp(sum_ / n_)); }

 private:
  double sum_ = 0;
  int n_ = 0;
};

// fastmem's own figures in the family, from the least to the most.
std::string in_words(const std::vector<const Row*>& family, const std::string& ours) {
  std::vector<double> all;
  for (const Row* row : family) {
    if (const auto figure = figure_of(*row, ours)) all.push_back(*figure);
  }
  if (all.empty()) return "";
  const auto [least, most] = std::minmax_element(all.begin(), all.end());
  const std::string low = short_number(*least);
  const std::string high = short_number(*most);
  return (low == high ? low : low + " – " + high) + (family.front()->scenario.judge_memory ? " B" : " cycles");
}

BarGroup make_group(const std::string& name, const std::vector<const Row*>& family, const Drawing& drawing) {
  BarGroup group{.name = name, .ratios = {}, .asked = {}, .figure = in_words(family, drawing.series.front().name)};
  for (const Series& series : drawing.series) {
    GeometricMean mean;
    for (const Row* row : family) {
      const auto figure = figure_of(*row, series.name);
      if (figure) mean.add(*figure / *drawing.yardstick(*row));
    }
    group.ratios.push_back(mean.value());
  }
  GeometricMean asked;
  for (const Row* row : family) {
    asked.add(drawing.asked(*row));
    const std::optional<bool> meets = drawing.meets(*row);
    group.judged += meets ? 1 : 0;
    group.met += meets.value_or(false) ? 1 : 0;
  }
  group.asked = asked.value();
  return group;
}

// ---- the general bench ---------------------------------------------------------------------------------------------

// As the verdict knows it, so that the bar and the mark are about the same one.
std::optional<double> best_other(const Row& row) {
  const auto ours = figure_of(row, kOurs);
  const auto of_best = judge(row).of_best;
  return ours && of_best ? std::optional(*ours / *of_best) : std::nullopt;
}

std::optional<bool> meets_all(const Row& row, const std::vector<Row>& rows) {
  std::optional<bool> meets;
  const auto note = [&](bool met) { meets = meets.value_or(true) && met; };
  const Verdict::Answer answer = judge(row).answer();
  if (answer == Verdict::Answer::kMet || answer == Verdict::Answer::kShort) note(answer == Verdict::Answer::kMet);
  for (const Demand& demand : call_demands()) {
    if (demand.scenario != row.scenario.name) continue;
    const Finding::Answer found = judge(demand, kOurs, rows, 1).answer;
    if (found == Finding::Answer::kMet || found == Finding::Answer::kShort) note(found == Finding::Answer::kMet);
  }
  return meets;
}

std::vector<Series> allocators_in_colour() {
  std::vector<Series> all;
  for (const AllocatorInfo& allocator : allocators()) {
    all.push_back({allocator.name, fastmem::tools::kPalette[all.size() % fastmem::tools::kPaletteSize]});
  }
  return all;
}

}  // namespace

std::string family_of(const ScenarioInfo& scenario) {
  const std::string& name = scenario.name;
  const auto slash = name.find('/');
  if (!scenario.judge_memory || slash == std::string::npos) return name.substr(0, slash);
  std::istringstream in(name.substr(slash + 1));
  std::string family;
  for (std::string part; std::getline(in, part, '/');) {
    if (!part.empty() && std::isdigit(static_cast<unsigned char>(part.front())) == 0)
      family += (family.empty() ? "" : "/") + part;
  }
  return family.empty() ? name.substr(0, slash) : family;
}

std::vector<Panel> panels(const std::vector<Row>& rows, const Drawing& drawing) {
  std::vector<Panel> made(2);
  for (const bool memory : {false, true}) {
    std::vector<std::pair<std::string, std::vector<const Row*>>> families;
    for (const Row& row : rows) {
      if (row.scenario.judge_memory != memory || !drawing.yardstick(row)) continue;
      const std::string name = family_of(row.scenario);
      auto found = std::find_if(families.begin(), families.end(), [&](const auto& f) { return f.first == name; });
      if (found == families.end()) found = families.insert(found, {name, {}});
      found->second.push_back(&row);
    }
    for (const auto& [name, family] : families) made[memory].groups.push_back(make_group(name, family, drawing));
  }
  return made;
}

Picture picture_of(const std::vector<Row>& rows) {
  const Drawing drawing{.series = allocators_in_colour(),
                        .yardstick = best_other,
                        .asked = [](const Row& row) { return row.scenario.asked.of_best; },
                        .meets = [&](const Row& row) { return meets_all(row, rows); }};
  Picture picture{
      .title = "fastmem against general-purpose allocators", .series = drawing.series, .panels = panels(rows, drawing)};
  picture.panels[0].title = "time per object: 1 is the best of the others, less is better";
  picture.panels[1].title = "memory per live byte: 1 is the best of the others, less is better";
  return picture;
}

}  // namespace bench
