// SPDX-License-Identifier: BSD-3-Clause
#include "core/hardening.h"

#include <cstdlib>
#include <string_view>

namespace fastmem::core {
namespace {

constexpr int kShown = 40;  // characters of a word that is not known

struct Word {
  std::string_view name;
  bool Hardening::*option;
};

constexpr Word kWords[] = {
    {"random", &Hardening::random_order},      {"zero", &Hardening::zero_on_free},
    {"guards", &Hardening::guard_granules},    {"delay", &Hardening::delayed_reuse},
    {"encode", &Hardening::encoded_magazines}, {"arena", &Hardening::guarded_arena},
    {"sized", &Hardening::sized_free_check},
};

bool apply(std::string_view name, Hardening& to) {
  bool known = name == "all" || name == "none";
  if (name == "none") to = Hardening{};
  for (const Word& word : kWords) {
    if (name != "all" && name != word.name) continue;
    to.*word.option = true;
    known = true;
  }
  return known;
}

}  // namespace

Error parse_hardening(const char* text, Hardening& out) {
  Hardening parsed;
  std::string_view rest = text;
  for (bool more = true; more;) {
    const std::size_t comma = rest.find(',');
    const std::string_view word = rest.substr(0, comma);
    more = comma != std::string_view::npos;
    if (more) rest.remove_prefix(comma + 1);
    if (apply(word, parsed)) continue;
    const int shown = word.size() < kShown ? static_cast<int>(word.size()) : kShown;
    return make_error(ErrorCode::kInvalid,
                      "hardening: \"%.*s\" is no option; there are random, zero, guards, delay, encode, arena, sized, "
                      "all and none",
                      shown, word.data());
  }
  out = parsed;
  return {};
}

Error choose_hardening(const char* text, Hardening& out) {
  if (text == nullptr) text = std::getenv("FASTMEM_HARDEN");
  if (text == nullptr || *text == '\0') {
    out = Hardening{};
    return {};
  }
  return parse_hardening(text, out);
}

}  // namespace fastmem::core
