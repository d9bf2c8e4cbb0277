// SPDX-License-Identifier: BSD-3-Clause
// tests/support/doctest_main.cc: main() of every doctest program, and the name of the running test case for FM_SKIP.
#ifndef DOCTEST_CONFIG_IMPLEMENT  // set by who brings a main() of its own
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#endif
#include <doctest/doctest.h>

#include <cstdio>

#include "tests/support/skip.h"

namespace {

const char* running_test_case = "?";

// doctest tells its listeners which case is running, but offers no function to ask for it.
struct CaseNameListener : doctest::IReporter {
  explicit CaseNameListener(const doctest::ContextOptions& /*options*/) {}

  void test_case_start(const doctest::TestCaseData& test) override { running_test_case = test.m_name; }

  void report_query(const doctest::QueryData& /*query*/) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats& /*stats*/) override {}
  void test_case_reenter(const doctest::TestCaseData& /*test*/) override {}
  void test_case_end(const doctest::CurrentTestCaseStats& /*stats*/) override {}
  void test_case_exception(const doctest::TestCaseException& /*exception*/) override {}
  void subcase_start(const doctest::SubcaseSignature& /*subcase*/) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData& /*assertion*/) override {}
  void log_message(const doctest::MessageData& /*message*/) override {}
  void test_case_skipped(const doctest::TestCaseData& /*test*/) override {}
};

REGISTER_LISTENER("case_name", 1, CaseNameListener);

}  // namespace

void fastmem::test::report_skip(const char* reason) {
  std::printf("[skipped] %s: %s\n", running_test_case, reason);
  std::fflush(stdout);
}
