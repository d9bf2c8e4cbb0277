// SPDX-License-Identifier: BSD-3-Clause
// tools/gnuplot.h -- Q: how does a program draw? It writes gnuplot's commands, and gnuplot makes the files.
#pragma once

#include <cstddef>
#include <string>

namespace fastmem::tools {

// One for each allocator, fastmem's first: the strong one.
inline constexpr const char* kPalette[] = {"#d62728", "#7f7f7f", "#1f77b4", "#2ca02c", "#ff9f1c"};
inline constexpr std::size_t kPaletteSize = sizeof kPalette / sizeof kPalette[0];

// As a string of gnuplot's that says just this.
std::string gnuplot_quoted(const std::string& text);

// False: error says in one line that there is no gnuplot, or that it did not like what it read.
bool run_gnuplot(const std::string& commands, std::string& error);

}  // namespace fastmem::tools
