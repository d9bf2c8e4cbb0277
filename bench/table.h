// SPDX-License-Identifier: BSD-3-Clause
// bench/table.h -- Q: how does a person read the results on 120 columns?
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/results.h"

namespace bench {

// 5.72, 57.2, 5720, 57.2k, 5.72M: at most five characters.
std::string short_number(double value);

// Rows appear as they are measured. kColumns allocators stand side by side; print_rest() shows the others.
class Table {
 public:
  Table(const std::vector<std::string>& allocators, double ticks_per_ns);

  void print_head() const;
  void print_row(const Row& row) const;
  void print_rest(const std::vector<Row>& rows) const;

 private:
  static constexpr std::size_t kColumns = 5;

  // Allocators from .. from + kColumns - 1; the first such group ends with the verdict.
  void print_group_head(std::size_t from) const;
  void print_group_row(const Row& row, std::size_t from) const;
  std::string cell(const Row& row, const std::string& allocator) const;
  using Extra = std::function<std::optional<double>(const Cell&)>;  // nothing: an empty cell
  void print_extra(const Row& row, std::size_t from, const std::string& label, const Extra& extra,
                   const std::string& end) const;
  void print_counters(const Row& row, std::size_t from) const;
  std::vector<std::string> group(std::size_t from) const;

  std::vector<std::string> allocators_;
  double ticks_per_ns_;
};

// What falls short, what could not be measured, whether the machine was quiet.
void print_summary(const std::vector<Row>& rows, const Noise& noise);
// The last of these alone.
void print_noise(const std::vector<Row>& rows, const Noise& noise);

}  // namespace bench
