// SPDX-License-Identifier: BSD-3-Clause
// bench/summary.cc -- Q: where does fastmem fall short, and can this run be believed?
#include <algorithm>
#include <cstdio>

#include "bench/allocators.h"
#include "bench/call_demands.h"
#include "bench/table.h"
#include "bench/verdict.h"

namespace bench {
namespace {

constexpr double kQuietSpins = 0.05;  // spread of the spin loop
constexpr double kQuietCells = 0.10;  // part of the cells that may be noisy

void print_slower(const Row& row, const Verdict& verdict) {
  const Asked& asked = row.scenario.asked;
  const char* less = asked.less_than ? "less than " : "";
  std::printf("  %-20s", row.scenario.name.c_str());
  if (asked.at_most) std::printf("  %.3f, asked at most %.2f", *verdict.figure, *asked.at_most);
  if (asked.of_glibc) std::printf("  %.3f of glibc, asked %s%.2f;", *verdict.of_glibc, less, *asked.of_glibc);
  if (asked.of_best) {
    std::printf("  %.3f of the best (%s), asked %s%.2f", *verdict.of_best, verdict.best.c_str(), less, *asked.of_best);
  }
  std::printf("\n");
}

void print_short(const Row& row) {
  const Verdict verdict = judge(row);
  if (verdict.beside_others == Verdict::Answer::kShort) print_slower(row, verdict);
  if (verdict.beside_one_thread == Verdict::Answer::kShort) {
    std::printf("  %-20s  %.3f of one thread's throughput per core, asked at least %.2f\n", row.scenario.name.c_str(),
                *verdict.per_core, *row.scenario.asked.per_core);
  }
}

void print_verdicts(const std::vector<Row>& rows) {
  unsigned asked = 0;
  unsigned met = 0;
  unsigned unknown = 0;
  for (const Row& row : rows) {
    const Verdict::Answer answer = judge(row).answer();
    asked += answer != Verdict::Answer::kNothingAsked;
    met += answer == Verdict::Answer::kMet;
    unknown += answer == Verdict::Answer::kUnknown;
  }
  std::printf("\nfastmem does what is asked in %u of %u scenarios", met, asked);
  if (unknown > 0) std::printf("; %u could not be judged", unknown);
  std::printf(".\n");
  if (met + unknown < asked) std::printf("It falls short in:\n");
  for (const Row& row : rows) print_short(row);
}

bool skipped(const Cell& cell) { return cell.state == CellState::kUnsupported && !cell.why.empty(); }

bool all_skipped(const Row& row) { return std::all_of(row.cells.begin(), row.cells.end(), skipped); }

void print_skipped(const Row& row) {
  for (const Cell& cell : row.cells) {
    if (!skipped(cell)) continue;
    std::printf("Left out: %s with %s: %s\n", row.scenario.name.c_str(), cell.allocator.c_str(), cell.why.c_str());
  }
}

void print_gaps(const std::vector<Row>& rows) {
  std::string reported;
  for (const Row& row : rows) {
    for (const Cell& cell : row.cells) {
      if (cell.state == CellState::kFailed) {
        std::printf("FAILED: %s with %s: %s\n", row.scenario.name.c_str(), cell.allocator.c_str(), cell.why.c_str());
      }
    }
    print_skipped(row);
    const Verdict verdict = judge(row);
    if (row.scenario.asked.of_best && !all_skipped(row) && !verdict.missing.empty() && verdict.missing != reported) {
      std::printf("Judged without %s.\n", verdict.missing.c_str());
      reported = verdict.missing;
    }
  }
}

void print_memory_kinds(const std::vector<Row>& rows) {
  std::uint64_t hugetlb = 0;
  std::uint64_t thp = 0;
  for (const Row& row : rows) {
    const Cell* ours = row.find(kOurs);
    if (ours == nullptr) continue;
    hugetlb = std::max(hugetlb, ours->hugetlb_kib);
    thp = std::max(thp, ours->thp_kib);
  }
  std::printf("fastmem held up to %llu MiB on hugetlb pages and %llu MiB on transparent huge pages.\n",
              static_cast<unsigned long long>(hugetlb / 1024), static_cast<unsigned long long>(thp / 1024));
}

}  // namespace

void print_noise(const std::vector<Row>& rows, const Noise& noise) {
  unsigned cells = 0;
  unsigned loud = 0;
  for (const Row& row : rows) {
    for (const Cell& cell : row.cells) {
      if (!cell.measured()) continue;
      ++cells;
      loud += noisy(row.scenario, cell) ? 1 : 0;
    }
  }
  const double spins = spread(noise.spins);
  const bool quiet = spins <= kQuietSpins && loud <= kQuietCells * cells;
  std::printf("\n%s\n", quiet ? "The machine was quiet:" : "THE MACHINE WAS TOO NOISY, do not rely on these figures:");
  std::printf("  %u of %u figures are noisy (marked !); up to %.0f %% of them may be\n", loud, cells,
              kQuietCells * 100);
  std::printf("  a fixed loop before and after each run: %.1f %% apart (p90 - p10); up to %.0f %% may be\n",
              spins * 100, kQuietSpins * 100);
  std::printf("  another task shared the CPU in %u of %u runs of one thread, after %u were repeated for that reason\n",
              noise.shared_runs, noise.single_runs, noise.repeated_runs);
}

void print_summary(const std::vector<Row>& rows, const Noise& noise) {
  print_verdicts(rows);
  print_call_demands(rows);
  print_gaps(rows);
  print_memory_kinds(rows);
  print_noise(rows, noise);
}

}  // namespace bench
