// SPDX-License-Identifier: BSD-3-Clause
#include "platform/text_file.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "tests/support/fake_root.h"

namespace fastmem {
namespace {

using test::FakeRoot;

TEST_CASE("numbers") {
  const FakeRoot root;
  root.write("/n", "42\n");
  root.write("/max", "max\n");
  root.write("/word", "many\n");
  CHECK(read_number(FilePath("%s/n", root.path())) == 42);
  CHECK(read_number(FilePath("%s/max", root.path())) == std::numeric_limits<std::uint64_t>::max());
  CHECK_FALSE(read_number(FilePath("%s/word", root.path())).has_value());
  CHECK_FALSE(read_number(FilePath("%s/absent", root.path())).has_value());
}

TEST_CASE("text is cut where the buffer ends") {
  const FakeRoot root;
  root.write("/t", "abcdef");
  char text[4];
  CHECK(read_text(FilePath("%s/t", root.path()), text, sizeof(text)));
  CHECK(std::string(text) == "abc");
}

TEST_CASE("lines, longer than the buffer and without a last newline") {
  const FakeRoot root;
  root.write("/l", "one\n\n" + std::string(10000, 'x') + "\nlast");
  LineReader lines(FilePath("%s/l", root.path()));
  CHECK(std::string(lines.next()) == "one");
  CHECK(std::string(lines.next()).empty());
  CHECK(std::string(lines.next()) == std::string(2047, 'x'));
  CHECK(std::string(lines.next()) == "last");
  CHECK(lines.next() == nullptr);
}

TEST_CASE("a path that does not fit names nothing") {
  const std::string longer(2000, 'a');
  CHECK(std::string(FilePath("/%s", longer.c_str()).c_str()).empty());
  CHECK(LineReader(FilePath("/%s", longer.c_str())).next() == nullptr);
}

}  // namespace
}  // namespace fastmem
