// SPDX-License-Identifier: BSD-3-Clause
#include "platform/frame_rule.h"

#include <dlfcn.h>
#include <link.h>

#include <optional>

#include "platform/byte_cursor.h"
#include "platform/call_frame_program.h"

namespace fastmem {
namespace {

constexpr std::uint64_t kFpNumber = 6;  // DWARF's numbers of registers on x86-64
constexpr std::uint64_t kSpNumber = 7;
constexpr std::int64_t kWord = 8;

// "frame pointer + a number", and that dereferenced or not.
constexpr std::uint8_t kFpPlus = 0x70 + kFpNumber;  // DW_OP_breg6
constexpr std::uint8_t kDereference = 0x06;         // DW_OP_deref

std::optional<std::int64_t> offset_from_fp(const unsigned char* expression, bool dereferenced) {
  ByteCursor length(expression, expression + 1);
  const std::uint64_t size = length.take_unsigned();
  ByteCursor in(length.at(), length.at() + size);
  if (!length.good() || in.take<std::uint8_t>() != kFpPlus) return std::nullopt;
  const std::int64_t offset = in.take_signed();
  if (dereferenced && in.take<std::uint8_t>() != kDereference) return std::nullopt;
  if (!in.good() || !in.done()) return std::nullopt;
  return offset;
}

// In words, if it is so many and they fit.
std::optional<std::uint16_t> in_words(std::int64_t bytes, std::int64_t most) {
  if (bytes < 0 || bytes % kWord != 0 || bytes / kWord > most) return std::nullopt;
  return static_cast<std::uint16_t>(bytes / kWord);
}

// Functions that align their stack keep the CFA itself in their frame.
FrameRule realigned_rule(const CallFrame& frame) {
  if (frame.fp.how != SavedRegister::How::kExpression) return {FrameKind::kUnknown};
  const auto cfa = offset_from_fp(frame.cfa_expression, true);
  const auto fp = offset_from_fp(frame.fp.expression, false);
  if (!cfa || !fp || *fp != 0) return {FrameKind::kUnknown};
  const auto words = in_words(-*cfa, UINT16_MAX);
  if (!words) return {FrameKind::kUnknown};
  return {FrameKind::kRealigned, *words};
}

FrameRule rule_of(const CallFrame& frame) {
  using How = SavedRegister::How;
  if (frame.signal) return {FrameKind::kSignal};
  if (frame.return_address.how == How::kUndefined) return {FrameKind::kOutermost};
  if (frame.return_address.how != How::kAtCfa || frame.return_address.offset != -kWord) return {FrameKind::kUnknown};
  if (frame.cfa_expression != nullptr) return realigned_rule(frame);
  if (frame.cfa_register != kSpNumber && frame.cfa_register != kFpNumber) return {FrameKind::kUnknown};
  const auto cfa = in_words(frame.cfa_offset, UINT16_MAX);
  if (!cfa || *cfa == 0) return {FrameKind::kUnknown};
  FrameRule rule{frame.cfa_register == kSpNumber ? FrameKind::kFromSp : FrameKind::kFromFp, *cfa};
  if (frame.fp.how == How::kAtCfa) {
    const auto saved = in_words(-frame.fp.offset, kMostSavedFp);
    if (!saved || *saved == 0) return {FrameKind::kUnknown};
    rule.saved_fp = *saved;
  } else if (frame.fp.how == How::kExpression || frame.fp.how == How::kOther) {
    return {FrameKind::kUnknown};
  }
  return rule;
}

}  // namespace

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 35)
// The one search of glibc's that takes no lock.
LoadedModule module_of(std::uintptr_t address) {
  dl_find_object found{};
  if (_dl_find_object(reinterpret_cast<void*>(address), &found) != 0) return {};
  return {reinterpret_cast<std::uintptr_t>(found.dlfo_map_start), reinterpret_cast<std::uintptr_t>(found.dlfo_map_end),
          found.dlfo_link_map->l_addr, found.dlfo_link_map->l_name, found.dlfo_eh_frame};
}
#else
LoadedModule module_of(std::uintptr_t) { return {}; }
#endif

FrameRule read_frame_rule(std::uintptr_t address) {
  const LoadedModule module = module_of(address);
  CallFrame frame;
  if (!kHasFrameRules || module.eh_frame_hdr == nullptr || !interpret_call_frame(module.eh_frame_hdr, address, frame)) {
    return {FrameKind::kUnknown};
  }
  return rule_of(frame);
}

}  // namespace fastmem
