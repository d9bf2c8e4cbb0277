// SPDX-License-Identifier: BSD-3-Clause
#include "platform/call_frame_program.h"

#include <cstring>

#include "platform/byte_cursor.h"

namespace fastmem {
namespace {

// How a pointer is written in the tables (DW_EH_PE_*): the low nibble is the number's form, the rest what to add.
enum PointerForm : std::uint8_t {
  kAbsolute = 0x00,
  kUnsigned4 = 0x03,
  kSigned4 = 0x0b,
  kSigned8 = 0x0c,
  kUnsigned8 = 0x04
};
enum PointerBase : std::uint8_t { kFromHere = 0x10, kOmitted = 0xff };

// The DWARF numbers of registers on x86-64.
enum : std::uint64_t { kFp = 6, kReturnAddress = 16 };

constexpr std::uint8_t kSortedTable = 0x30 + kSigned4;
constexpr std::uint8_t kFormOf = 0x0f;
constexpr std::uint8_t kBaseOf = 0x70;
constexpr std::size_t kNoLimit = std::size_t{1} << 31;  // a record's own length bounds what is read of it

// A pointer relative to its own place, or absolute. Encodings that need more fail.
std::uintptr_t take_pointer(ByteCursor& in, std::uint8_t encoding) {
  const std::uintptr_t base =
      (encoding & kBaseOf) == kFromHere ? reinterpret_cast<std::uintptr_t>(in.at()) : std::uintptr_t{0};
  if ((encoding & kBaseOf) != kFromHere && (encoding & kBaseOf) != kAbsolute) in.fail();
  switch (encoding & kFormOf) {
    case kUnsigned4:
      return base + in.take<std::uint32_t>();
    case kSigned4:
      return base + static_cast<std::uintptr_t>(std::intptr_t{in.take<std::int32_t>()});
    case kAbsolute:
    case kUnsigned8:
    case kSigned8:
      return base + in.take<std::uintptr_t>();
    default:
      return in.fail(), std::uintptr_t{0};
  }
}

// The header's table is sorted: (first address, its entry), both relative to the header.
struct Row {
  std::int32_t first;
  std::int32_t entry;
};

const unsigned char* find_entry(const unsigned char* header, std::uintptr_t address) {
  ByteCursor in(header, header + kNoLimit);
  const auto version = in.take<std::uint8_t>();
  const auto frame_encoding = in.take<std::uint8_t>();
  const auto count_encoding = in.take<std::uint8_t>();
  const auto table_encoding = in.take<std::uint8_t>();
  if (version != 1 || count_encoding == kOmitted || table_encoding != kSortedTable) return nullptr;
  take_pointer(in, frame_encoding);
  std::uintptr_t count = take_pointer(in, count_encoding);
  if (!in.good()) return nullptr;
  const auto wanted = static_cast<std::intptr_t>(address) - reinterpret_cast<std::intptr_t>(header);
  const unsigned char* table = in.at();
  const auto row = [&table](std::uintptr_t i) {
    Row r;
    std::memcpy(&r, table + i * sizeof(Row), sizeof(Row));
    return r;
  };
  if (count == 0 || wanted < row(0).first) return nullptr;
  while (count > 1) {
    const std::uintptr_t half = count / 2;
    const bool above = row(half).first <= wanted;
    if (above) table += half * sizeof(Row);
    count = above ? count - half : half;
  }
  return header + row(0).entry;
}

// What the entries of one kind of code have in common (a CIE).
struct Common {
  std::uint64_t code_unit = 1;
  std::int64_t data_unit = 1;
  std::uint8_t pointer_encoding = kAbsolute;
  bool augmented = false;
  bool signal = false;
  ByteCursor program{nullptr, nullptr};
};

// The bytes of a record after its length; empty: not one that can be read.
ByteCursor record_at(const unsigned char* at) {
  ByteCursor in(at, at + kNoLimit);
  const auto length = in.take<std::uint32_t>();
  const bool readable = length != 0 && length < kNoLimit;  // 2^32 - 1: a 64-bit one, which no compiler makes
  return {in.at(), in.at() + (readable ? length : 0)};
}

bool read_augmentation(ByteCursor& in, const char* letters, Common& common) {
  if (*letters == '\0') return true;
  if (*letters++ != 'z') return false;
  common.augmented = true;
  const std::uint64_t length = in.take_unsigned();
  const unsigned char* const begin = in.at();
  for (; *letters != '\0'; ++letters) {
    if (*letters == 'R') {
      common.pointer_encoding = in.take<std::uint8_t>();
    } else if (*letters == 'P') {
      const auto encoding = in.take<std::uint8_t>();
      take_pointer(in, static_cast<std::uint8_t>(encoding & (kFormOf | kFromHere)));
    } else if (*letters == 'L') {
      in.take<std::uint8_t>();
    } else if (*letters == 'S') {
      common.signal = true;
    } else {
      return false;
    }
  }
  in.skip(length - static_cast<std::uint64_t>(in.at() - begin));
  return in.good();
}

bool read_common(const unsigned char* at, Common& common) {
  ByteCursor in = record_at(at);
  if (in.take<std::uint32_t>() != 0) return false;  // an entry, not what entries have in common
  const auto version = in.take<std::uint8_t>();
  if (version != 1 && version != 3) return false;
  const char* const letters = reinterpret_cast<const char*>(in.at());
  while (in.take<char>() != '\0') {
  }
  common.code_unit = in.take_unsigned();
  common.data_unit = in.take_signed();
  const std::uint64_t return_column = version == 1 ? in.take<std::uint8_t>() : in.take_unsigned();
  if (!in.good() || return_column != kReturnAddress || !read_augmentation(in, letters, common)) return false;
  common.program = in;
  return true;
}

// Runs programs of call frame instructions.
class Machine {
 public:
  Machine(const Common& common, CallFrame& frame) : common_(common), frame_(frame) {}

  // From `location` on, up to the row that holds `address`.
  bool run(ByteCursor in, std::uintptr_t location, std::uintptr_t address) {
    while (!in.done()) {
      const auto code = in.take<std::uint8_t>();
      const std::uint8_t operand = code & 0x3f;
      if (std::uint64_t step = 0; is_step(code, operand, in, step)) {
        location += step * common_.code_unit;
        if (location > address) return in.good();
      } else if (code >> 6 == 2) {
        save(operand, static_cast<std::int64_t>(in.take_unsigned()) * common_.data_unit);
      } else if (code >> 6 == 3) {
        restore(operand);
      } else if (!run_one(code, in)) {
        return false;
      }
    }
    return in.good();
  }
  void keep_initial() { initial_ = frame_; }

 private:
  using How = SavedRegister::How;
  static constexpr unsigned kDeepest = 8;

  static bool is_step(std::uint8_t code, std::uint8_t operand, ByteCursor& in, std::uint64_t& step) {
    if (code >> 6 == 1) {
      step = operand;
    } else if (code == 0x02) {
      step = in.take<std::uint8_t>();
    } else if (code == 0x03) {
      step = in.take<std::uint16_t>();
    } else if (code == 0x04) {
      step = in.take<std::uint32_t>();
    } else {
      return false;
    }
    return true;
  }

  SavedRegister* column(std::uint64_t reg) {
    return reg == kFp ? &frame_.fp : reg == kReturnAddress ? &frame_.return_address : nullptr;
  }
  void set(std::uint64_t reg, SavedRegister how) {
    if (SavedRegister* const c = column(reg); c != nullptr) *c = how;
  }
  void save(std::uint64_t reg, std::int64_t offset) { set(reg, {How::kAtCfa, offset, nullptr}); }
  void restore(std::uint64_t reg) {
    if (reg == kFp) frame_.fp = initial_.fp;
    if (reg == kReturnAddress) frame_.return_address = initial_.return_address;
  }
  void define_cfa(std::uint64_t reg, std::int64_t offset) {
    frame_.cfa_register = reg;
    frame_.cfa_offset = offset;
    frame_.cfa_expression = nullptr;
  }

  // Instructions with their operands in full, by their numbers in DWARF 5, 7.24.
  bool run_one(std::uint8_t code, ByteCursor& in) {
    switch (code) {
      case 0x00:  // nop
        return true;
      case 0x05:    // offset_extended
      case 0x2f: {  // GNU_negative_offset_extended
        const std::uint64_t reg = in.take_unsigned();
        const std::int64_t offset = static_cast<std::int64_t>(in.take_unsigned()) * common_.data_unit;
        return save(reg, code == 0x05 ? offset : -offset), true;
      }
      case 0x11: {  // offset_extended_sf
        const std::uint64_t reg = in.take_unsigned();
        return save(reg, in.take_signed() * common_.data_unit), true;
      }
      case 0x06:  // restore_extended
        return restore(in.take_unsigned()), true;
      case 0x07:  // undefined
        return set(in.take_unsigned(), {How::kUndefined, 0, nullptr}), true;
      case 0x08:  // same_value
        return set(in.take_unsigned(), {}), true;
      case 0x10: {  // expression
        const std::uint64_t reg = in.take_unsigned();
        return set(reg, {How::kExpression, 0, in.take_block()}), true;
      }
      case 0x2e:  // GNU_args_size
        return in.take_unsigned(), true;
      default:
        return run_cfa(code, in) || run_rare(code, in);
    }
  }

  bool run_cfa(std::uint8_t code, ByteCursor& in) {
    switch (code) {
      case 0x0c:    // def_cfa
      case 0x12: {  // def_cfa_sf
        const std::uint64_t reg = in.take_unsigned();
        define_cfa(reg, take_cfa_offset(code == 0x12, in));
        return true;
      }
      case 0x0d:  // def_cfa_register
        return define_cfa(in.take_unsigned(), frame_.cfa_offset), true;
      case 0x0e:  // def_cfa_offset
      case 0x13:  // def_cfa_offset_sf
        return define_cfa(frame_.cfa_register, take_cfa_offset(code == 0x13, in)), true;
      case 0x0f:  // def_cfa_expression
        frame_.cfa_expression = in.take_block();
        return true;
      default:
        return false;
    }
  }
  std::int64_t take_cfa_offset(bool factored, ByteCursor& in) const {
    return factored ? in.take_signed() * common_.data_unit : static_cast<std::int64_t>(in.take_unsigned());
  }

  bool run_rare(std::uint8_t code, ByteCursor& in) {
    switch (code) {
      case 0x0a:  // remember_state
        if (depth_ == kDeepest) return false;
        remembered_[depth_++] = frame_;
        return true;
      case 0x0b:  // restore_state
        if (depth_ == 0) return false;
        frame_ = remembered_[--depth_];
        return true;
      case 0x09:    // register
      case 0x14: {  // val_offset
        const std::uint64_t reg = in.take_unsigned();
        in.take_unsigned();
        return set(reg, {How::kOther, 0, nullptr}), true;
      }
      case 0x15: {  // val_offset_sf
        const std::uint64_t reg = in.take_unsigned();
        in.take_signed();
        return set(reg, {How::kOther, 0, nullptr}), true;
      }
      case 0x16: {  // val_expression
        const std::uint64_t reg = in.take_unsigned();
        in.take_block();
        return set(reg, {How::kOther, 0, nullptr}), true;
      }
      default:
        return false;
    }
  }

  const Common& common_;
  CallFrame& frame_;
  CallFrame initial_;
  CallFrame remembered_[kDeepest];
  unsigned depth_ = 0;
};

}  // namespace

bool interpret_call_frame(const void* eh_frame_hdr, std::uintptr_t address, CallFrame& frame) {
  const unsigned char* const entry = find_entry(static_cast<const unsigned char*>(eh_frame_hdr), address);
  if (entry == nullptr) return false;
  ByteCursor in = record_at(entry);
  const unsigned char* const here = in.at();
  Common common;
  if (!read_common(here - in.take<std::uint32_t>(), common)) return false;
  const std::uintptr_t begin = take_pointer(in, common.pointer_encoding);
  const std::uintptr_t size = take_pointer(in, common.pointer_encoding & kFormOf);
  if (common.augmented) in.take_block();
  if (!in.good() || address < begin || address - begin >= size) return false;
  frame = {};
  Machine machine(common, frame);
  if (!machine.run(common.program, 0, ~std::uintptr_t{0})) return false;
  machine.keep_initial();
  if (!machine.run(in, begin, address)) return false;
  frame.signal = common.signal;
  return true;
}

}  // namespace fastmem
