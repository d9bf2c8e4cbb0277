// SPDX-License-Identifier: BSD-3-Clause
// bench/worker.cc -- Q: how does one allocator run one scenario, when told to?
#include "bench/worker.h"

#include <dlfcn.h>
#include <malloc.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "bench/allocators.h"
#include "bench/catalogue.h"
#include "bench/held.h"
#include "bench/machine.h"
#include "bench/message.h"

namespace bench {
namespace {

constexpr int kArguments = 7;

int g_socket = -1;  // where die() leaves its last words

bool send_reply(const Reply& reply) {
  return send(g_socket, &reply, sizeof reply, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof reply);
}

// A preload that the loader ignored would measure glibc under another name.
void check_malloc_is(const std::string& allocator) {
  const AllocatorInfo* info = find_allocator(allocator);
  if (info == nullptr || info->soname.empty()) return;
  Dl_info found{};
  void* address = dlsym(RTLD_DEFAULT, "malloc");
  if (address == nullptr || dladdr(address, &found) == 0) die("malloc is nowhere to be found");
  const std::string file = std::filesystem::path(found.dli_fname).filename();
  if (file != info->soname) die("malloc comes from another library", found.dli_fname);
}

Reply measure(Scenario& scenario) {
  Reply reply;
  reply.spin_before = spin();
  const Presence presence(Presence::Of::kProcess);  // threads/1 runs in a thread that is not this one
  reply.sample = scenario.run();
  reply.away = presence.away();
  reply.spin_after = spin();
  reply.memory = resident();
  return reply;
}

void serve(Scenario& scenario) {
  for (Request request; recv(g_socket, &request, sizeof request, 0) == static_cast<ssize_t>(sizeof request);) {
    Reply reply;
    if (request == Request::kWarmUp) {
      scenario.warm_up();
    } else if (request == Request::kIdle) {
      malloc_trim(0);  // what libc's malloc keeps of earlier objects is its own doing
      reply.sample.grown.held = static_cast<double>(held_bytes());
    } else {
      reply = measure(scenario);
    }
    if (!send_reply(reply)) return;
  }
}

}  // namespace

void die(const char* why, const char* detail) {
  Reply reply;
  reply.outcome = Outcome::kFailed;
  std::snprintf(reply.why, sizeof reply.why, "%s%s%s", why, *detail == '\0' ? "" : ": ", detail);
  if (!send_reply(reply)) std::fprintf(stderr, "bench: %s\n", reply.why);
  std::_Exit(EXIT_FAILURE);
}

bool is_worker(int argc, char** argv) { return argc == kArguments && std::strcmp(argv[1], kWorkerFlag) == 0; }

int worker_main(int, char** argv, SuiteOf suite_of) {
  const ScenarioInfo* info = find_scenario(argv[2]);
  const std::string allocator = argv[3];
  g_socket = std::atoi(argv[4]);
  const Plan plan{.setup = {.size = info == nullptr ? 0 : info->size,
                            .threads = info == nullptr ? 1 : info->threads,
                            .pages = static_cast<std::uint32_t>(std::atoi(argv[6]))},
                  .quick = std::atoi(argv[5]) != 0};
  const Suite suite = suite_of(allocator);
  if (info == nullptr || suite == nullptr) die("not in this program", info == nullptr ? argv[2] : argv[3]);
  check_malloc_is(allocator);
  pin(all_cpus().back());

  const std::unique_ptr<Scenario> scenario = suite(*info, plan);
  if (scenario == nullptr) {
    Reply reply;
    reply.outcome = Outcome::kUnsupported;
    send_reply(reply);
    return EXIT_SUCCESS;
  }
  serve(*scenario);
  std::_Exit(EXIT_SUCCESS);  // a million live objects need not be tidied up
}

}  // namespace bench
