// SPDX-License-Identifier: BSD-3-Clause
// bench/footprint_rows.cc -- Q: which rows of the table does a footprint run make?
#include "bench/footprint_rows.h"

#include <algorithm>
#include <utility>

#include "bench/allocators.h"

namespace bench {
namespace {

constexpr double kBooksAtMost = 1;  // per cent

void fill_in(Cell& cell, const std::vector<Footprint>& readings) {
  cell.cycles.clear();
  for (const Footprint& reading : readings) {
    cell.cycles.push_back(reading.cycles);
    cell.of_memory.push_back(reading.held / reading.live);
    if (reading.backing > 0) cell.backing_per_live.push_back(reading.backing / reading.live);
  }
}

double books_of(const Footprint& reading) { return 100 * reading.metadata / reading.backing; }

void fill_in_books(Cell& cell) {
  if (cell.allocator != kOurs) {
    if (cell.measured()) cell.state = CellState::kUnsupported;
    return;
  }
  for (std::size_t run = 0; run < cell.grown.size(); ++run) {
    cell.of_memory.push_back(std::max(books_of(cell.grown[run]), books_of(cell.freed[run])));
  }
}

}  // namespace

std::vector<Row> rows_of(Row measured) {
  if (measured.scenario.kind != Kind::kFootprint) return {std::move(measured)};
  Row freed = measured;
  freed.scenario.name += "/freed";
  Row books = measured;
  books.scenario.name += "/books";
  books.scenario.kind = Kind::kBooks;
  books.scenario.asked = {.at_most = kBooksAtMost};
  for (Cell& cell : measured.cells) fill_in(cell, cell.grown);
  for (Cell& cell : freed.cells) fill_in(cell, cell.freed);
  for (Cell& cell : books.cells) fill_in_books(cell);
  return {std::move(measured), std::move(freed), std::move(books)};
}

}  // namespace bench
