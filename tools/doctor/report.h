// SPDX-License-Identifier: BSD-3-Clause
// tools/doctor/report.h -- Q: what did the doctor find, as lines for people and as JSON?
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "platform/types.h"

namespace fastmem::tools {

// One thing known, in both forms.
struct Value {
  std::string text;
  std::string json;
  bool number = false;  // stands at the right of its column
};
Value count(std::uint64_t n);
Value bytes(Bytes size);  // kUnlimited: "unlimited"
Value words(const std::string& text);
Value yes_no(bool yes);
Value unknown();
Value nothing();  // does not apply here: "-", null

enum class State : std::uint8_t { kOk, kMissing, kUnknown };

struct Row {
  std::string key;   // in JSON
  std::string name;  // for people
  std::vector<Value> values;
  State state = State::kOk;
  std::string why;                 // a sentence, or nothing
  std::vector<std::string> fixes;  // commands, as a shell takes them
};

struct Section {
  std::string key;
  std::string title;
  std::vector<std::string> columns;  // empty: each row has one value, and is found by its key
  std::vector<Row> rows;

  Row& add(const std::string& row_key, const std::string& name, const Value& value);
};

// What one cannot print or trust to a terminal stands as \xNN.
std::string printable(const std::string& text);
// The text as one word of a command: $'...' where it must be.
std::string shell_word(const std::string& text);

void print_text(const std::vector<Section>& sections);
void print_json(const std::vector<Section>& sections);

}  // namespace fastmem::tools
