// SPDX-License-Identifier: BSD-3-Clause
// tests/support/skip.h: how a test says that this machine cannot run it.
// FM_SKIP("no hugepages") leaves the running test case and prints "[skipped] <test case>: no hugepages",
// the line that ./run test counts and lists. Use it at the top level of a TEST_CASE only: it returns.
#pragma once

namespace fastmem::test {

void report_skip(const char* reason);

}  // namespace fastmem::test

#define FM_SKIP(reason)                   \
  do {                                    \
    ::fastmem::test::report_skip(reason); \
    return;                               \
  } while (false)
