// SPDX-License-Identifier: BSD-3-Clause
#include "bench/scale_model/draw.h"

#include <algorithm>
#include <sstream>

#include "tools/gnuplot.h"

namespace bench::scale {
namespace {

using fastmem::tools::gnuplot_quoted;

constexpr int kPanelWidth = 420;
constexpr int kPanelHeight = 330;
constexpr int kTitleHeight = 40;
constexpr std::size_t kColumns = 3;
constexpr std::size_t kColours[] = {0, 2, 3, 4};  // of the palette; grey is for what is asked

void write_data(std::ostream& out, const std::vector<Curve>& curves) {
  for (std::size_t i = 0; i < curves.size(); ++i) {
    for (unsigned nodes : node_counts()) {
      out << "$c" << i << "n" << nodes << " << EOD\n";
      for (const Point& p : curves[i].points) {
        if (p.shape.nodes == nodes) out << p.shape.cores << " " << p.relative << "\n";
      }
      out << "EOD\n";
    }
  }
}

void write_panel(std::ostream& out, std::size_t i, const Curve& curve) {
  out << "set title " << gnuplot_quoted(curve.workload.name) << " noenhanced\nplot " << kBent
      << " with lines dt 2 lw 1 lc rgb '#7f7f7f' notitle";
  std::size_t colour = 0;
  for (unsigned nodes : node_counts()) {
    out << ", $c" << i << "n" << nodes << " using 1:2 with linespoints lw 2 pt 7 ps 0.6 lc rgb "
        << gnuplot_quoted(fastmem::tools::kPalette[kColours[colour++]]) << " title "
        << gnuplot_quoted(std::to_string(nodes) + (nodes == 1 ? " node" : " nodes"));
  }
  out << "\n";
}

}  // namespace

std::string plot_script(const std::vector<Curve>& curves, const std::string& terminal, const std::string& file) {
  const std::size_t columns = std::min(kColumns, curves.size());
  const std::size_t rows = (curves.size() + columns - 1) / columns;
  std::ostringstream out;
  write_data(out, curves);
  out << "set terminal " << terminal << " size " << columns * kPanelWidth << "," << rows * kPanelHeight + kTitleHeight
      << " font ',11' background rgb 'white'\nset output " << gnuplot_quoted(file)
      << "\nset logscale x 2\nset xrange [2:256]\nset yrange [0:1.1]\nset xlabel 'cores'\n"
      << "set ylabel 'throughput per core'\nset grid lt 1 lw 1 lc rgb '#d0d0d0'\nset tics nomirror\nset border 3\n"
      << "set key below horizontal\nset multiplot layout " << rows << "," << columns
      << " title 'Modelled from measured costs: a core among many, of a core alone (dashed: 0.9)' font ',14'\n";
  for (std::size_t i = 0; i < curves.size(); ++i) write_panel(out, i, curves[i]);
  out << "unset multiplot\nset output\n";
  return out.str();
}

std::string draw(const std::vector<Curve>& curves, const std::string& base) {
  const std::string script = plot_script(curves, "svg", base + ".svg") + plot_script(curves, "pngcairo", base + ".png");
  std::string error;
  return fastmem::tools::run_gnuplot(script, error) ? "" : error;
}

}  // namespace bench::scale
