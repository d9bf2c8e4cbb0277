// SPDX-License-Identifier: BSD-3-Clause
// Tables that are made here, instruction by instruction; the ones that compilers make are in stack_trace_test.cc.
#include "platform/call_frame_program.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <vector>

namespace fastmem {
namespace {

using Bytes8 = std::vector<std::uint8_t>;
using How = SavedRegister::How;

constexpr std::int32_t kCode = 0x100000;  // where the function is, from the tables on; nothing is read there
constexpr std::uint32_t kCodeSize = 0x100;

// A header, what its entries have in common, and one entry with this program.
class Tables {
 public:
  explicit Tables(const Bytes8& program, const char* augmentation = "zR") {
    bytes_.reserve(512);
    append({1, 0x1b, 0x03, 0x3b});  // a version; pointers from here in 4 bytes; a count; a sorted table from its start
    append_number(0);               // to .eh_frame: not needed
    append_number(1);
    append_number(kCode);
    const std::size_t entry_row = bytes_.size();
    append_number(0);

    const std::size_t common = begin_record();
    append_number(0);
    append({1});
    for (const char* letter = augmentation; *letter != '\0'; ++letter) append({static_cast<std::uint8_t>(*letter)});
    append({0, 1, 0x78, 16, 1, 0x1b});   // code by 1, data by -8, the return address is register 16
    append({0x0c, 7, 8, 0x80 | 16, 1});  // CFA = sp + 8, the return address below it
    end_record(common);

    const std::size_t entry = begin_record();
    append_number(static_cast<std::int32_t>(bytes_.size() - common));
    const auto to_code = kCode - static_cast<std::int32_t>(bytes_.size());
    append_number(to_code);
    append_number(static_cast<std::int32_t>(kCodeSize));
    append({0});
    bytes_.insert(bytes_.end(), program.begin(), program.end());
    end_record(entry);
    put(entry_row, static_cast<std::int32_t>(entry));
  }

  bool interpret(std::int64_t offset, CallFrame& frame) const {
    return interpret_call_frame(
        bytes_.data(), reinterpret_cast<std::uintptr_t>(bytes_.data()) + static_cast<std::uintptr_t>(kCode + offset),
        frame);
  }
  CallFrame at(std::int64_t offset) const {
    CallFrame frame;
    REQUIRE(interpret(offset, frame));
    return frame;
  }

 private:
  void append(std::initializer_list<std::uint8_t> more) { bytes_.insert(bytes_.end(), more); }
  void append_number(std::int32_t n) {
    bytes_.resize(bytes_.size() + sizeof(n));
    put(bytes_.size() - sizeof(n), n);
  }
  void put(std::size_t at, std::int32_t n) { std::memcpy(bytes_.data() + at, &n, sizeof(n)); }
  std::size_t begin_record() {
    append_number(0);
    return bytes_.size() - sizeof(std::int32_t);
  }
  void end_record(std::size_t at) { put(at, static_cast<std::int32_t>(bytes_.size() - at - sizeof(std::int32_t))); }

  Bytes8 bytes_;
};

TEST_CASE("a row holds from its address on, up to the next") {
  // push rbp; mov rbp, rsp; ...; pop rbp
  const Tables tables({0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x02, 0x40, 0x0c, 7, 8, 0xc6});
  CHECK(tables.at(0).cfa_register == 7);
  CHECK(tables.at(0).cfa_offset == 8);
  CHECK(tables.at(0).fp.how == How::kSame);
  CHECK(tables.at(0).return_address.how == How::kAtCfa);
  CHECK(tables.at(0).return_address.offset == -8);
  CHECK(tables.at(1).cfa_offset == 16);
  CHECK(tables.at(1).fp.how == How::kAtCfa);
  CHECK(tables.at(1).fp.offset == -16);
  CHECK(tables.at(3).cfa_register == 7);
  CHECK(tables.at(4).cfa_register == 6);
  CHECK(tables.at(0x43).cfa_register == 6);
  CHECK(tables.at(0x44).cfa_register == 7);
  CHECK(tables.at(0x44).cfa_offset == 8);
  CHECK(tables.at(0x44).fp.how == How::kSame);
}

TEST_CASE("what is remembered comes again; numbers of two and four bytes; large offsets") {
  const Tables tables({0x0a, 0x0e, 0x80, 0x02, 0x03, 0x10, 0x00, 0x0b, 0x04, 0x10, 0, 0, 0, 0x13, 0x70});
  CHECK(tables.at(0).cfa_offset == 256);
  CHECK(tables.at(0x10).cfa_offset == 8);
  CHECK(tables.at(0x1f).cfa_offset == 8);
  CHECK(tables.at(0x20).cfa_offset == 128);  // -16 times -8
}

TEST_CASE("expressions, and registers that are lost") {
  const Tables tables({0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0, 0x41, 0x07, 16, 0x41, 0x09, 6, 3, 0x08, 16});
  REQUIRE(tables.at(0).cfa_expression != nullptr);
  CHECK(tables.at(0).cfa_expression[0] == 3);
  CHECK(tables.at(0).fp.how == How::kExpression);
  CHECK(tables.at(1).return_address.how == How::kUndefined);
  CHECK(tables.at(2).fp.how == How::kOther);
  CHECK(tables.at(2).return_address.how == How::kSame);
}

TEST_CASE("a signal's frame says so") {
  CHECK(!Tables({}).at(0).signal);
  CHECK(Tables({}, "zRS").at(0).signal);
}

TEST_CASE("no row: addresses outside, instructions and augmentations that nobody knows, programs that are cut") {
  CallFrame frame;
  CHECK(!Tables({}).interpret(-1, frame));
  CHECK(Tables({}).interpret(kCodeSize - 1, frame));
  CHECK(!Tables({}).interpret(kCodeSize, frame));
  CHECK(!Tables({0x3c}).interpret(0, frame));
  CHECK(!Tables({0x0b}).interpret(0, frame));
  CHECK(!Tables({0x0e, 0x80}).interpret(0, frame));
  CHECK(!Tables({0x0f, 100, 1}).interpret(0, frame));
  CHECK(!Tables({}, "zRX").interpret(0, frame));
  CHECK(!Tables({0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a}).interpret(0, frame));
}

}  // namespace
}  // namespace fastmem
