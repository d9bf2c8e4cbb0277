// SPDX-License-Identifier: BSD-3-Clause
#include "core/checks.h"

#include <cstdlib>
#include <cstring>
#include <string_view>

namespace fastmem::core {
namespace {

constexpr int kShown = 40;  // characters of a word that is not known

bool to_bytes(std::string_view text, Bytes& out) {
  std::size_t n = 0;
  std::size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    if (n > kUnlimited.rep / 16) return false;
    n = n * 10 + static_cast<std::size_t>(text[digits] - '0');
  }
  if (digits == 0) return false;
  const std::string_view unit = text.substr(digits);
  unsigned shift = 0;
  if (unit == "K" || unit == "k") {
    shift = 10;
  } else if (unit == "M" || unit == "m") {
    shift = 20;
  } else if (unit == "G" || unit == "g") {
    shift = 30;
  } else if (!unit.empty()) {
    return false;
  }
  if (n > kUnlimited.rep >> shift) return false;
  out = Bytes{n << shift};
  return true;
}

bool to_flag(std::string_view text, bool& out) {
  out = text == "on" || text == "1";
  return out || text == "off" || text == "0";
}

bool to_level(std::string_view word, CheckLevel& level) {
  if (word == "off") return level = CheckLevel::kOff, true;
  if (word == "full") return level = CheckLevel::kFull, true;
  return false;
}

bool to_option(std::string_view word, CheckOptions& out) {
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos) return word == "leaks" && (out.leaks = true);
  const std::string_view name = word.substr(0, equals);
  const std::string_view value = word.substr(equals + 1);
  if (name == "quarantine") return to_bytes(value, out.quarantine);
  if (name == "large") return to_bytes(value, out.large);
  if (name == "traces") return to_bytes(value, out.traces);
  return name == "leaks" && to_flag(value, out.leaks);
}

}  // namespace

Error parse_checks(const char* text, CheckOptions& out) {
  CheckOptions parsed;
  std::string_view rest = text;
  for (bool first = true; first || !rest.empty(); first = false) {
    const std::size_t comma = rest.find(',');
    const std::string_view word = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    if (first ? to_level(word, parsed.level) : to_option(word, parsed)) continue;
    const int shown = word.size() < kShown ? static_cast<int>(word.size()) : kShown;
    return make_error(ErrorCode::kInvalid,
                      first
                          ? "checks: \"%.*s\" is no level; there are off and full"
                          : "checks: \"%.*s\" is no option; there are quarantine=, large=, traces=, sample=, samples= "
                            "with a size, and leaks=on or off",
                      shown, word.data());
  }
  out = parsed;
  return {};
}

Error choose_checks(const char* text, CheckOptions& out) {
  if (text == nullptr) text = std::getenv("FASTMEM_CHECK");
  if (text == nullptr || *text == '\0') {
    out = CheckOptions{};
    return {};
  }
  return parse_checks(text, out);
}

}  // namespace fastmem::core
