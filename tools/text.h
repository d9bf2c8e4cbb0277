// SPDX-License-Identifier: BSD-3-Clause
// tools/text.h -- Q: how do numbers look in tables?
#pragma once

#include <cstdint>
#include <string>

namespace fastmem::tools {

[[gnu::format(printf, 1, 2)]] std::string format(const char* pattern, ...);
std::string with_commas(std::uint64_t value);      // 1,234,567
std::string human_bytes(double bytes);             // 12.3 MiB
std::string human_count(std::uint64_t value);      // 3.2 M
std::string quoted_json(const std::string& text);  // "..."

// False: not a number, or not between the two.
bool parse_number(const char* text, std::uint64_t low, std::uint64_t high, std::uint64_t& value);

}  // namespace fastmem::tools
