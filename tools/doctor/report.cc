// SPDX-License-Identifier: BSD-3-Clause
#include "tools/doctor/report.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "api/fastmem.h"
#include "platform/page_advice.h"
#include "tools/text.h"

namespace fastmem::tools {

// ---- values

Value count(std::uint64_t n) { return {std::to_string(n), std::to_string(n), true}; }

Value bytes(Bytes size) {
  if (size == kUnlimited) return {"unlimited", "\"unlimited\"", true};
  const bool round = size.rep < kMiB.rep || size.rep % kMiB.rep == 0;
  const std::string text = round ? size_text(size).text : human_bytes(static_cast<double>(size.rep));
  return {text, std::to_string(size.rep), true};
}

Value words(const std::string& text) {
  const std::string plain = printable(text);
  return {plain, quoted_json(plain), false};
}

Value yes_no(bool yes) { return {yes ? "yes" : "no", yes ? "true" : "false", false}; }
Value unknown() { return {"unknown", "null", false}; }
Value nothing() { return {"-", "null", true}; }

Row& Section::add(const std::string& row_key, const std::string& name, const Value& value) {
  rows.push_back({row_key, name, {value}, State::kOk, "", {}});
  return rows.back();
}

std::string printable(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += format("\\x%02x", byte);
    }
  }
  return out;
}

std::string shell_word(const std::string& text) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::strchr("/._-+:,@%", c) != nullptr;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), is_plain)) return text;
  std::string escaped;
  for (const char c : text) escaped += c == '\'' || c == '\\' ? std::string{'\\', c} : std::string{c};
  return "$'" + printable(escaped) + "'";
}

namespace {

// ---- for people

constexpr std::size_t kMostName = 40;  // a longer name moves its own section's columns only

const char* mark(State state) {
  switch (state) {
    case State::kMissing:
      return "! ";
    case State::kUnknown:
      return "? ";
    default:
      return "  ";
  }
}

std::string padded(const std::string& text, std::size_t width, bool right) {
  if (text.size() >= width) return text;
  const std::string blanks(width - text.size(), ' ');
  return right ? blanks + text : text + blanks;
}

struct Layout {
  std::size_t name = 0;
  std::vector<std::size_t> columns;
  std::vector<bool> right;
};

std::size_t name_width(const Section& section) {
  std::size_t width = section.title.size();
  for (const Row& row : section.rows) width = std::max(width, row.name.size() + 2);
  return width;
}

std::size_t common_name_width(const std::vector<Section>& sections) {
  std::size_t width = 0;
  for (const Section& section : sections) width = std::max(width, std::min(name_width(section), kMostName));
  return width;
}

Layout lay_out(const Section& section, std::size_t name) {
  Layout layout;
  layout.name = std::max(name, name_width(section));
  for (const std::string& column : section.columns) layout.columns.push_back(column.size());
  layout.columns.resize(std::max<std::size_t>(layout.columns.size(), 1));
  layout.right.resize(layout.columns.size(), !section.columns.empty());
  for (const Row& row : section.rows) {
    for (std::size_t i = 0; i < row.values.size() && i < layout.columns.size(); ++i) {
      layout.columns[i] = std::max(layout.columns[i], row.values[i].text.size());
      layout.right[i] = layout.right[i] && row.values[i].number;
    }
  }
  return layout;
}

void print_line(std::string line) {
  while (!line.empty() && line.back() == ' ') line.pop_back();
  std::printf("%s\n", line.c_str());
}

void print_row(const Row& row, const Layout& layout) {
  std::string line = padded(mark(row.state) + row.name, layout.name, false);
  for (std::size_t i = 0; i < row.values.size() && i < layout.columns.size(); ++i) {
    line += "  " + padded(row.values[i].text, layout.columns[i], layout.right[i]);
  }
  print_line(line);
  if (!row.why.empty()) print_line("      " + row.why);
  for (const std::string& fix : row.fixes) print_line("      $ " + fix);
}

// ---- JSON

std::string json_of(const Section& section, const Row& row) {
  static const char* const kStates[] = {"ok", "missing", "unknown"};
  std::string out = "{";
  if (!section.columns.empty()) out += "\"key\": " + quoted_json(row.key) + ", ";
  out += "\"name\": " + quoted_json(printable(row.name));
  for (std::size_t i = 0; i < row.values.size(); ++i) {
    std::string key = section.columns.empty() ? "value" : section.columns[i];
    std::replace(key.begin(), key.end(), ' ', '_');
    out += ", " + quoted_json(key) + ": " + row.values[i].json;
  }
  out += format(", \"state\": \"%s\"", kStates[static_cast<std::size_t>(row.state)]);
  if (!row.why.empty()) out += ", \"why\": " + quoted_json(printable(row.why));
  out += ", \"fix\": [";
  for (std::size_t i = 0; i < row.fixes.size(); ++i) out += (i == 0 ? "" : ", ") + quoted_json(printable(row.fixes[i]));
  return out + "]}";
}

}  // namespace

void print_text(const std::vector<Section>& sections) {
  bool missing = false;
  bool not_known = false;
  const std::size_t name = common_name_width(sections);
  for (const Section& section : sections) {
    const Layout layout = lay_out(section, name);
    std::string title = padded(section.title, layout.name, false);
    for (std::size_t i = 0; i < section.columns.size(); ++i) {
      title += "  " + padded(section.columns[i], layout.columns[i], layout.right[i]);
    }
    print_line(title);
    for (const Row& row : section.rows) {
      print_row(row, layout);
      missing = missing || row.state == State::kMissing;
      not_known = not_known || row.state == State::kUnknown;
    }
    std::printf("\n");
  }
  if (missing) std::printf("!  missing or in the way; a command below it changes that\n");
  if (not_known) std::printf("?  the kernel does not tell\n");
}

void print_json(const std::vector<Section>& sections) {
  std::printf("{\n  \"version\": %s", quoted_json(fastmem_version()).c_str());
  for (const Section& section : sections) {
    const bool table = !section.columns.empty();
    std::printf(",\n  %s: %s", quoted_json(section.key).c_str(), table ? "[" : "{");
    for (std::size_t i = 0; i < section.rows.size(); ++i) {
      const Row& row = section.rows[i];
      const std::string key = table ? "" : quoted_json(row.key) + ": ";
      std::printf("%s\n    %s%s", i == 0 ? "" : ",", key.c_str(), json_of(section, row).c_str());
    }
    std::printf("\n  %s", table ? "]" : "}");
  }
  std::printf("\n}\n");
}

}  // namespace fastmem::tools
