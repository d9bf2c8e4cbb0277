// SPDX-License-Identifier: BSD-3-Clause
// api/devices/vfio_listener.h -- floor 3 (api). fastmem_vfio_attach() on any kernel.
#pragma once

#include "api/devices/fastmem_vfio.h"
#include "api/devices/vfio_container.h"

namespace fastmem::devices {

// `kernel` outlives the attachment.
int vfio_attach(fastmem_heap_t* heap, int container_fd, const fastmem_vfio_options_t* options, VfioKernel& kernel);
int vfio_open(const char* container_path, const char* group_path, int* group_fd, VfioKernel& kernel);

}  // namespace fastmem::devices
