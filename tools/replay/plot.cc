// SPDX-License-Identifier: BSD-3-Clause
#include "tools/replay/plot.h"

#include "tools/gnuplot.h"
#include "tools/text.h"

namespace fastmem::tools {
namespace {

constexpr int kPanelWidth = 460;
constexpr int kPanelHeight = 240;
constexpr int kTitleHeight = 50;
constexpr int kFigures = 3;

struct Figure {
  const char* label;
  const char* number;  // how a bar's number is written
  double (*of)(const Medians&);
};
const Figure kRows[kFigures] = {
    {"time [ms]", "%.0f", [](const Medians& m) { return m.seconds * 1e3; }},
    {"cycles per operation", "%.0f", [](const Medians& m) { return m.cycles_per_op; }},
    {"peak RSS [MiB]", "%.1f", [](const Medians& m) { return m.peak_rss / (1 << 20); }},
};

std::string data_block(std::size_t number, const TraceResults& trace) {
  std::string out = format("$t%zu << EOD\n", number);
  for (std::size_t i = 0; i < trace.allocators.size(); ++i) {
    const AllocatorResults& allocator = trace.allocators[i];
    if (!allocator.measured()) continue;
    const Medians m = medians(trace, allocator);
    out += format("%zu %s", i, allocator.info->name);
    for (const Figure& figure : kRows) out += format(" %.4f", figure.of(m));
    const auto colour = static_cast<std::size_t>(allocator.info - known_allocators().data());
    out += format(" 0x%s\n", kPalette[colour % kPaletteSize] + 1);
  }
  return out + "EOD\n";
}

std::string panel(std::size_t number, const TraceResults& trace, std::size_t row) {
  const Figure& figure = kRows[row];
  std::string out;
  if (row == 0) {
    out += format(
        "set title %s noenhanced offset 0,-0.3\n",
        gnuplot_quoted(format("%s: %s operations, %u thread%s", trace.name.c_str(),
                              human_count(trace.summary.ops).c_str(), trace.threads, trace.threads == 1 ? "" : "s"))
            .c_str());
  } else {
    out += "unset title\n";
  }
  out += format("set ylabel %s\n", gnuplot_quoted(figure.label).c_str());
  out += format("set xrange [-0.6:%zu.6]\n", trace.allocators.empty() ? 0 : trace.allocators.size() - 1);
  const std::size_t column = row + 3;  // after place and name; the colour is the sixth
  out += format(
      "plot $t%zu using 1:%zu:6:xtic(2) with boxes lc rgb variable notitle, "
      "'' using 1:%zu:(sprintf(%s, $%zu)) with labels offset 0,0.6 notitle\n",
      number, column, column, gnuplot_quoted(figure.number).c_str(), column);
  return out;
}

// A row of data: place, name, one number per figure, colour.
std::string script(const std::vector<TraceResults>& traces, const char* terminal, const std::string& file) {
  const auto columns = static_cast<int>(traces.size());
  std::string out;
  for (std::size_t i = 0; i < traces.size(); ++i) out += data_block(i, traces[i]);
  out += format("set terminal %s size %d,%d font ',11' background rgb 'white'\n", terminal, columns * kPanelWidth,
                kFigures * kPanelHeight + kTitleHeight);
  out += format("set output %s\n", gnuplot_quoted(file).c_str());
  out +=
      "set boxwidth 0.7\nset style fill solid 0.9 noborder\nset grid ytics lt 1 lw 1 lc rgb '#d0d0d0'\nset tics "
      "nomirror\n"
      "set border 3\nset xtics scale 0 font ',10'\nset yrange [0:*]\nset offsets 0,0,graph 0.15,0\nset lmargin 10\n";
  out += format(
      "set multiplot layout %d,%d title 'Recorded programs replayed: lower is better' "
      "font ',14'\n",
      kFigures, columns);
  for (std::size_t row = 0; row < kFigures; ++row) {
    for (std::size_t i = 0; i < traces.size(); ++i) out += panel(i, traces[i], row);
  }
  return out + "unset multiplot\nset output\n";
}

}  // namespace

bool write_plots(const std::vector<TraceResults>& traces, const std::string& svg, const std::string& png,
                 std::string& error) {
  std::string input;
  if (!svg.empty()) input += script(traces, "svg", svg);
  if (!png.empty()) input += script(traces, "pngcairo", png);
  return input.empty() || run_gnuplot(input, error);
}

}  // namespace fastmem::tools
