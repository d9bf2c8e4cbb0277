// SPDX-License-Identifier: BSD-3-Clause
/// @file fastmem_dpdk.hpp
/// What a C++ program gives to fastmem::Heap::create() to have a heap on EAL's memory:
///
///     const auto topology = fastmem::make_dpdk_topology();  // after rte_eal_init()
///     auto backing = fastmem::make_dpdk_backing();
///     auto heap = fastmem::Heap::create({.backing = backing->get(), .topology = topology.get()});
///
/// Both outlive the heap, and the heap ends before rte_eal_cleanup(). Link with fastmem and fastmem-dpdk.
#pragma once

#include "backends/dpdk/dpdk_backing.h"
#include "backends/dpdk/dpdk_topology.h"
