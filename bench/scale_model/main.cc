// SPDX-License-Identifier: BSD-3-Clause
// bench/scale_model/main.cc -- Q: how does fastmem do on 8 to 256 cores and 1 to 8 nodes, and what stops it?
//
//   main > draw_curve > replay > Engine     the model
//        > run_real                         the same workloads with threads, here
//        > draw                             gnuplot
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "bench/machine.h"
#include "bench/scale_model/curve.h"
#include "bench/scale_model/draw.h"
#include "bench/scale_model/options.h"
#include "bench/scale_model/real.h"

namespace bench::scale {
namespace {

constexpr int kUsageError = 2;
constexpr int kNameWidth = 32;

void print_curve(const Curve& curve) {
  std::printf("\n%-*s", kNameWidth, curve.workload.name.c_str());
  for (unsigned cores : core_counts()) std::printf(" %6u", cores);
  std::printf("  cores\n");
  for (unsigned nodes : node_counts()) {
    std::printf("%*u node%s", kNameWidth - 6, nodes, nodes == 1 ? " " : "s");
    for (unsigned cores : core_counts()) {
      const Point* here = nullptr;
      for (const Point& p : curve.points) {
        if (p.shape.cores == cores && p.shape.nodes == nodes) here = &p;
      }
      here != nullptr ? std::printf(" %6.2f", here->relative) : std::printf(" %6s", "-");
    }
    const Point* const bent = bend(curve, nodes);
    if (bent != nullptr) {
      std::printf("  bends at %u: %s\n", bent->shape.cores, why(bent->outcome).c_str());
    } else {
      std::printf("  does not bend\n");
    }
  }
}

void print_validation_row(const Workload& workload, unsigned cores, double real, double modelled) {
  std::printf("%-*s %6u %10.2f %10.2f %8.2f\n", kNameWidth, workload.name.c_str(), cores, real, modelled,
              modelled / real);
}

// threads/N of the general bench: what one thread's objects cost besides is taken from threads/1, and threads/2 is
// predicted.
void validate_sets(const Costs& costs, const Options& options, unsigned cores) {
  Workload sets{.name = "threads/N of the bench", .pattern = Pattern::kSets};
  const double real = run_real(sets, 1, options.quick);
  sets.app_ns = std::max(0.0, real - replay(sets, {1, 1}, costs, options.seed).ns_per_object);
  for (unsigned n = 1; n <= cores; ++n) {
    print_validation_row(sets, n, n == 1 ? real : run_real(sets, n, options.quick),
                         replay(sets, {n, 1}, costs, options.seed).ns_per_object);
  }
}

void validate(const Costs& costs, const Options& options) {
  const unsigned cores = all_cpus().size() < 2 ? 1 : 2;
  std::printf("\nThreads on this machine (%s), and the model: ns of a core for an object's alloc and free\n",
              processor().c_str());
  std::printf("%-*s %6s %10s %10s %8s\n", kNameWidth, "", "cores", "measured", "model", "ratio");
  for (const Workload& workload : workloads()) {
    if (workload.app_ns != 0) continue;
    for (unsigned n = workload.pattern == Pattern::kPairs ? 2 : 1; n <= cores; ++n) {
      print_validation_row(workload, n, run_real(workload, n, options.quick),
                           replay(workload, {n, 1}, costs, options.seed).ns_per_object);
    }
  }
  validate_sets(costs, options, cores);
}

int scale_main(const Options& options) {
  all_cpus();  // before any thread is pinned
  Costs costs;
  std::ifstream file(options.costs);
  const std::string wrong = file ? read_costs(file, costs) : "cannot read it";
  if (!wrong.empty()) {
    std::fprintf(stderr, "scale_model: %s: %s\n", options.costs.c_str(), wrong.c_str());
    return kUsageError;
  }
  if (options.far_times != 0) costs.far_times = options.far_times;
  std::printf("Costs measured on: %s. A line from another core: %.0f ns, from another node: %.1f times as much.\n",
              costs.machine.c_str(), costs.line, costs.far_times);
  std::printf("Throughput per core, of that of one core (pairs: of one pair); all objects of 256 B.\n");
  std::vector<Curve> curves;
  for (const Workload& workload : workloads()) {
    curves.push_back(draw_curve(workload, costs, options.seed));
    print_curve(curves.back());
  }
  if (options.real) validate(costs, options);
  if (options.draw.empty()) return EXIT_SUCCESS;
  if (const std::string failed = draw(curves, options.draw); !failed.empty()) {
    std::fprintf(stderr, "scale_model: %s\n", failed.c_str());
    return EXIT_FAILURE;
  }
  std::printf("\nDrawn: %s.svg, %s.png\n", options.draw.c_str(), options.draw.c_str());
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace bench::scale

int main(int argc, char** argv) {
  using namespace bench::scale;
  Options options;
  if (const std::string wrong = parse(argc, argv, options); !wrong.empty()) {
    std::fprintf(stderr, "scale_model: %s\n%s", wrong.c_str(), kUsage);
    return kUsageError;
  }
  if (options.help) {
    std::fputs(kUsage, stdout);
    return EXIT_SUCCESS;
  }
  return scale_main(options);
}
