// SPDX-License-Identifier: BSD-3-Clause
#include "platform/fault_handler.h"

#include <atomic>
#include <cerrno>
#include <csignal>

namespace fastmem {
namespace {

std::atomic<FaultListener> g_listener{
    nullptr};                    // release: the handlers that were there are known; pairs with on_fault()
struct sigaction g_segv_before;  // written before ours is in place
struct sigaction g_bus_before;

const struct sigaction& before(int signal) { return signal == SIGBUS ? g_bus_before : g_segv_before; }

void pass_on(int signal, siginfo_t* info, void* context) {
  const struct sigaction& old = before(signal);
  if ((old.sa_flags & SA_SIGINFO) != 0) return old.sa_sigaction(signal, info, context);
  if (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN) return old.sa_handler(signal);
  // The access is tried again, and this time nobody listens.
  struct sigaction by_default = {};
  by_default.sa_handler = SIG_DFL;
  sigaction(signal, &by_default, nullptr);
  if (info->si_code <= 0) raise(signal);  // sent by somebody: nothing would be tried again
}

void on_fault(int signal, siginfo_t* info, void* context) {
  const int saved = errno;
  // si_code above 0: the kernel's own word, with an address.
  const FaultListener listener = g_listener.load(std::memory_order_acquire);
  if (listener != nullptr && info->si_code > 0) listener(info->si_addr);
  errno = saved;
  pass_on(signal, info, context);
}

// In place of what is there, unless that is ours, or came after it: then it may pass on to ours.
void install(int signal, struct sigaction& old) {
  struct sigaction there = {};
  sigaction(signal, nullptr, &there);
  const bool is_default = (there.sa_flags & SA_SIGINFO) == 0 && there.sa_handler == SIG_DFL;
  if (g_listener.load(std::memory_order_acquire) != nullptr && !is_default) return;
  struct sigaction ours = {};
  ours.sa_sigaction = on_fault;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigemptyset(&ours.sa_mask);
  old = there;
  sigaction(signal, &ours, nullptr);
}

}  // namespace

void listen_to_faults(FaultListener listener) {
  install(SIGSEGV, g_segv_before);
  install(SIGBUS, g_bus_before);
  g_listener.store(listener, std::memory_order_release);
}

}  // namespace fastmem
