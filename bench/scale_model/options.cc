// SPDX-License-Identifier: BSD-3-Clause
#include "bench/scale_model/options.h"

#include <cstdlib>

namespace bench::scale {
namespace {

std::string parse_far(const std::string& text, double& times) {
  times = std::atof(text.c_str());
  return times >= 1 && times <= 100 ? "" : "--far takes 1 .. 100";
}

std::string set(const std::string& option, const std::string& value, Options& options) {
  if (option == "--far") return parse_far(value, options.far_times);
  if (option == "--costs") options.costs = value;
  if (option == "--draw") options.draw = value;
  if (option == "--seed") options.seed = std::strtoull(value.c_str(), nullptr, 10);
  return "";
}

}  // namespace

const char* const kUsage =
    R"(Usage: scale_model --costs FILE [--draw BASE] [--far N] [--seed N] [--model-only] [--quick]

Replays what `misses --costs FILE` measured, for up to 256 cores and 8 nodes.

  --costs FILE     measured costs; `./run bench --scale` names those that are checked in
  --draw BASE      also draw BASE.svg and BASE.png
  --far N          a line from another node costs N times as much as one from this node
  --model-only     no comparison with threads on this machine
  --quick          compare with short runs
)";

std::string parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--help" || option == "-h") {
      options.help = true;
    } else if (option == "--quick") {
      options.quick = true;
    } else if (option == "--model-only") {
      options.real = false;
    } else if (option == "--costs" || option == "--draw" || option == "--far" || option == "--seed") {
      if (++i == argc) return option + " needs a value";
      if (std::string wrong = set(option, argv[i], options); !wrong.empty()) return wrong;
    } else {
      return "unknown option " + option;
    }
  }
  return options.help || !options.costs.empty() ? "" : "--costs FILE is missing";
}

}  // namespace bench::scale
