// SPDX-License-Identifier: BSD-3-Clause
#include "bench/picture.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <span>

#include "tools/gnuplot.h"
#include "tools/text.h"

namespace bench {
namespace {

using fastmem::tools::format;
using fastmem::tools::gnuplot_quoted;

// Pixels.
constexpr int kWidth = 960;
constexpr int kLeft = 190;   // of the bars; the families' names stand there
constexpr int kRight = 225;  // beside them: figure and verdict
constexpr int kHead = 70;    // title and legend
constexpr int kPanelHead = 42;
constexpr int kPanelFoot = 30;
constexpr int kOurBar = 11;
constexpr int kOtherBar = 5;
constexpr int kGap = 9;
constexpr int kLeastBar = 3;  // who equals the yardstick is seen, too

// Where the axis may end, and has its marks; a ratio beyond ends in an arrow.
constexpr double kFar[] = {1.0 / 8, 1.0 / 4, 1.0 / 2, 1, 2, 4, 8, 16};
// Where the axis may end, and has its marks, when no ratio is further away than a factor of two.
constexpr double kNear[] = {0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 1.75, 2};

constexpr const char* kMet = "#2ca02c";
constexpr const char* kShort = "#d62728";
constexpr const char* kQuiet = "#606060";

int group_height(const Picture& picture) {
  return kOurBar + kOtherBar * static_cast<int>(picture.series.size() - 1) + kGap;
}

int panel_height(const Picture& picture, const Panel& panel) {
  return kPanelHead + kPanelFoot + group_height(picture) * static_cast<int>(panel.groups.size());
}

// What of the axis a panel shows: its ratios and something around 1.
struct Range {
  std::span<const double> marks;

  double low() const { return marks.front(); }
  double high() const { return marks.back(); }
  double clipped(double ratio) const { return std::clamp(ratio, low(), high()); }
  // What is `pixels` to the right of a ratio.
  double beside(double ratio, int pixels) const {
    return ratio * std::exp2(pixels * std::log2(high() / low()) / (kWidth - kLeft - kRight));
  }
};

Range range_of(const Panel& panel) {
  double least = 0.85;
  double most = 1.2;
  for (const BarGroup& group : panel.groups) {
    for (const std::optional<double>& ratio : group.ratios) {
      least = std::min(least, ratio.value_or(1));
      most = std::max(most, ratio.value_or(1));
    }
    least = std::min(least, group.asked.value_or(1));
    most = std::max(most, group.asked.value_or(1));
  }
  std::span<const double> marks = kFar;
  if (least >= kNear[0] && most <= kNear[std::size(kNear) - 1]) marks = kNear;
  while (marks.size() > 2 && marks[1] < 1 && marks[1] <= least) marks = marks.subspan(1);
  while (marks.size() > 2 && marks[marks.size() - 2] > 1 && marks[marks.size() - 2] >= most) {
    marks = marks.first(marks.size() - 1);
  }
  return {marks};
}

// Panels measure their height in pixels, from the bottom up.
struct Bar {
  double from;
  double to;
  int bottom;
  int top;
};

std::string box(const Bar& bar, const std::string& colour) {
  const double middle = (bar.bottom + bar.top) / 2.0;
  return format("%.5g %.1f %.5g %.5g %d %d 0x%s\n", bar.from, middle, bar.from, bar.to, bar.bottom, bar.top,
                colour.c_str() + 1);
}

// Text exactly as it is. place and style are gnuplot's.
std::string label(const std::string& text, const std::string& place, const std::string& style) {
  return "set label " + gnuplot_quoted(text) + " at " + place + " noenhanced " + style + "\n";
}

std::string arrow(double ratio, const Range& range, double middle, const std::string& colour) {
  if (range.clipped(ratio) == ratio) return "";
  const bool right = ratio > 1;
  return label(right ? "▶" : "◀", format("%.5g,%.1f", range.clipped(ratio), middle),
               format("%s offset %s,0 front font ',8' textcolor rgb '%s'", right ? "left" : "right",
                      right ? "-0.2" : "0.2", colour.c_str()));
}

// The boxes of one group, whose top is at `top`, and the arrows that go with them.
void add_bars(const Picture& picture, const BarGroup& group, const Range& range, int top, std::string& boxes,
              std::string& labels) {
  for (std::size_t i = 0; i < picture.series.size(); ++i) {
    const int bottom = top - (i == 0 ? kOurBar : kOtherBar);
    if (const auto ratio = i < group.ratios.size() ? group.ratios[i] : std::nullopt; ratio) {
      const double end = range.clipped(*ratio);
      const double least = range.beside(1, end < 1 ? -kLeastBar : kLeastBar);
      boxes += box({1, end < 1 ? std::min(end, least) : std::max(end, least), bottom, top}, picture.series[i].colour);
      labels += arrow(*ratio, range, (top + bottom) / 2.0, picture.series[i].colour);
    }
    top = bottom;
  }
}

// Beside the bars, at a height of gnuplot's: fastmem's own figure, and how often it does what is asked.
std::string figure_at(const std::string& text, const std::string& height, const std::string& colour) {
  return label(text, "graph 1," + height, "left offset 2,0 font ',10' textcolor rgb '" + colour + "'");
}
std::string verdict_at(const std::string& text, const std::string& height, const std::string& colour) {
  return label(text, "screen 0.985," + height, "right font ',10' textcolor rgb '" + colour + "'");
}

std::string words(const BarGroup& group, double middle) {
  const std::string height = format("first %.1f", middle);
  std::string out = label(group.name, "graph 0," + height, "right offset -2,0 font ',11'");
  out += figure_at(group.figure, height, "black");
  if (group.judged == 0) return out;
  return out +
         verdict_at(format("%u of %u", group.met, group.judged), height, group.met == group.judged ? kMet : kShort);
}

std::string mark(double asked, int bottom, int top) {
  return format("set arrow from %.5g,%d to %.5g,%d nohead front lw 2.5 lc rgb 'black'\n", asked, bottom, asked, top);
}

std::string ticks(const Range& range) {
  std::string list;
  for (const double at : range.marks) list += format("%s'%g×' %g", list.empty() ? "" : ", ", at, at);
  return "set xtics (" + list + ") scale 0 font ',10'\n";
}

std::string panel_commands(const Picture& picture, const Panel& panel, std::size_t number, int canvas, int below) {
  const Range range = range_of(panel);
  const int height = panel_height(picture, panel);
  const int bars = height - kPanelHead - kPanelFoot;
  std::string boxes;
  std::string out;
  int top = bars - kGap / 2;
  for (const BarGroup& group : panel.groups) {
    const int bottom = top - group_height(picture) + kGap;
    add_bars(picture, group, range, top, boxes, out);
    out += words(group, (top + bottom) / 2.0);
    if (group.asked) out += mark(range.clipped(*group.asked), top - kOurBar - 2, top + 2);
    top = bottom - kGap;
  }
  const double scale = canvas;
  out += format("set bmargin at screen %.5f\nset tmargin at screen %.5f\n", (below + kPanelFoot) / scale,
                (below + kPanelFoot + bars) / scale);
  // gnuplot leaves out marks at the very ends.
  out += format("set xrange [%g:%g]\nset yrange [0:%d]\n", range.low() * 0.999, range.high() * 1.001, bars);
  out += ticks(range);
  const std::string above = format("first %d", bars + kPanelHead / 3);
  out += figure_at("fastmem", above, kQuiet) + verdict_at("does as asked", above, kQuiet);
  out += format("set arrow from 1,0 to 1,%d nohead back lw 1.2 lc rgb '#404040'\n", bars);
  out += format("set title %s noenhanced font ',12' offset 0,-0.4\n", gnuplot_quoted(panel.title).c_str());
  return format("$panel%zu << EOD\n", number) + boxes + "EOD\n" + out +
         format(
             "plot $panel%zu using 1:2:3:4:5:6:7 with boxxyerror fillstyle solid noborder lc rgb variable notitle\n"
             "unset label\nunset arrow\n",
             number);
}

// A square and a name for each series, and the mark.
std::string legend(const Picture& picture, int canvas) {
  constexpr int kLetter = 8;
  constexpr int kSquare = 44;  // and the gap after the name
  int width = 0;
  const auto room = [](const std::string& name) { return kSquare + kLetter * static_cast<int>(name.size()); };
  const std::string asked = "asked of fastmem";
  for (const Series& series : picture.series) width += room(series.name);
  int at = (kWidth - width - room(asked)) / 2;
  const double y = 1 - 50.0 / canvas;
  std::string out;
  const auto entry = [&](const std::string& sign, const std::string& colour, const std::string& name) {
    const auto place = [&](int x) { return format("screen %.4f,%.4f", x / double{kWidth}, y); };
    out += label(sign, place(at), "left font ',13' textcolor rgb '" + colour + "'");
    out += label(name, place(at + 20), "left font ',11'");
    at += room(name);
  };
  for (const Series& series : picture.series) entry("■", series.colour, series.name);
  entry("┃", "black", asked);
  return out;
}

}  // namespace

bool Picture::empty() const {
  return std::all_of(panels.begin(), panels.end(), [](const Panel& panel) { return panel.groups.empty(); });
}

std::string gnuplot_commands(const Picture& picture, const std::string& terminal, const std::string& file) {
  int canvas = kHead;
  for (const Panel& panel : picture.panels) canvas += panel.groups.empty() ? 0 : panel_height(picture, panel);
  std::string out =
      format("reset\nset encoding utf8\nset terminal %s size %d,%d font 'sans-serif,11' background rgb 'white'\n",
             terminal.c_str(), kWidth, canvas);
  out += "set output " + gnuplot_quoted(file) + "\n";
  out += format("set lmargin at screen %.5f\nset rmargin at screen %.5f\n", kLeft / double{kWidth},
                1 - kRight / double{kWidth});
  out += "set logscale x 2\nset border 0\nunset ytics\nset grid xtics back lt 1 lw 1 lc rgb '#dddddd'\n";
  out += "set multiplot title " + gnuplot_quoted(picture.title) + " noenhanced font ',14'\n";
  out += legend(picture, canvas);
  int below = canvas - kHead;
  std::string panels;
  std::size_t number = 0;
  for (const Panel& panel : picture.panels) {
    if (panel.groups.empty()) continue;
    below -= panel_height(picture, panel);
    panels += panel_commands(picture, panel, number++, canvas, below);
  }
  return out + panels + "unset multiplot\nunset output\n";
}

void draw(const Picture& picture, const std::string& folder, const std::string& name) {
  if (picture.empty()) return;
  const std::string path = (std::filesystem::path(folder) / name).lexically_normal();
  std::string error;
  const std::string commands =
      gnuplot_commands(picture, "svg", path + ".svg") + gnuplot_commands(picture, "pngcairo", path + ".png");
  if (fastmem::tools::run_gnuplot(commands, error)) {
    std::printf("\nDrawn: %s.svg, %s.png\n", path.c_str(), path.c_str());
  } else {
    std::printf("\n%s\n", error.c_str());
  }
}

std::string prepare_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!std::filesystem::is_directory(folder) || access(folder.c_str(), W_OK) != 0) return "cannot write into " + folder;
  return "";
}

}  // namespace bench
