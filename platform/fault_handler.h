// SPDX-License-Identifier: BSD-3-Clause
// platform/fault_handler.h -- floor 0. Who is told when the process touches memory that it must not: SIGSEGV and SIGBUS.
// What:      our handler comes before the one that was there, and passes on to it: a handler of the program's, or the
//            signal's default, which ends the program where it stands. One that the program installs later replaces ours.
#pragma once

namespace fastmem {

// On the thread that did it, in the signal handler: allocates nothing, takes no lock. It explains, and cannot repair.
using FaultListener = void (*)(const void* address);

// Installs the handlers, on later calls again where the default was set since. One listener for the process; two threads
// do not call it at once.
void listen_to_faults(FaultListener listener);

}  // namespace fastmem
