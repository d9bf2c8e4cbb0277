// SPDX-License-Identifier: BSD-3-Clause
// core/report.h -- floor 2 (core). The caller's bugs: one function for each message, fixed text with address, class and
// node. They allocate nothing and take no lock; whether the program goes on is the heap's configuration.
#pragma once

#include <cstddef>
#include <cstdint>

#include "platform/types.h"

namespace fastmem::core {

// What happens after a misuse was reported.
enum class Misuse : std::uint8_t { kReport, kAbort };

// Where an object belongs, for people.
struct Home {
  std::size_t class_size;
  NodeId node;
};

namespace report {

void foreign_free(Misuse then, const void* p);
void double_free(Misuse then, const void* p, Home home);
void inner_free(Misuse then, const void* p, Home home);
void wrong_class_free(Misuse then, const void* p, Home freed_as, Home home);
void lost_strays(Misuse then, unsigned count);

}  // namespace report

}  // namespace fastmem::core
