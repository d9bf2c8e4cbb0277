// SPDX-License-Identifier: BSD-3-Clause
// api/devices/vfio.cc -- floor 3 (api). fastmem_vfio.h: the listener that maps and unmaps, and how a container is opened.
#include <fcntl.h>
#include <linux/vfio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>

#include "api/devices/refuse.h"
#include "api/devices/vfio_listener.h"

namespace fastmem::devices {
namespace {

constexpr unsigned kKnownFlags = FASTMEM_VFIO_HEAP_IOVAS | FASTMEM_VFIO_READ_ONLY;
constexpr std::size_t kNameRoom = 32;

// A container is attached to a heap once.
void name_of(int container_fd, char (&name)[kNameRoom]) { std::snprintf(name, kNameRoom, "vfio %d", container_fd); }

VfioContainer& container_of(void* context) { return *static_cast<VfioContainer*>(context); }

int refuse_path(const char* path, int error) { return refuse(error, "%s: %s", path, std::strerror(-error)); }

// The group is in the container, which translates as type 1 does.
int set_up(int container, int group, const char* group_path, VfioKernel& kernel) {
  const int version = kernel.control(container, VFIO_GET_API_VERSION, nullptr);
  if (version != VFIO_API_VERSION) return refuse(-ENOTSUP, "VFIO answers with version %d, not 0", version);
  vfio_group_status status = {};
  status.argsz = sizeof(status);
  if (const int error = kernel.control(group, VFIO_GROUP_GET_STATUS, &status); error < 0) {
    return refuse_path(group_path, error);
  }
  if ((status.flags & VFIO_GROUP_FLAGS_VIABLE) == 0) {
    return refuse(-EPERM,
                  "%s: not every device of this IOMMU group is bound to a VFIO driver: see "
                  "/sys/kernel/iommu_groups/*/devices, and bind them (driverctl set-override DEVICE vfio-pci)",
                  group_path);
  }
  if (const int error = kernel.control(group, VFIO_GROUP_SET_CONTAINER, &container); error < 0) {
    return refuse_path(group_path, error);
  }
  void* const type = reinterpret_cast<void*>(static_cast<std::uintptr_t>(VFIO_TYPE1v2_IOMMU));
  if (const int error = kernel.control(container, VFIO_SET_IOMMU, type); error < 0) {
    return refuse(error, "%s: no IOMMU of type 1 (%s): is it turned on (intel_iommu=on), and vfio_iommu_type1 loaded?",
                  group_path, std::strerror(-error));
  }
  return 0;
}

}  // namespace

int vfio_attach(fastmem_heap_t* heap, int container_fd, const fastmem_vfio_options_t* options, VfioKernel& kernel) {
  const unsigned flags = options != nullptr ? options->flags : 0;
  if (options != nullptr && (options->struct_size < sizeof(*options) || (flags & ~kKnownFlags) != 0)) {
    return refuse(-EINVAL, "fastmem_vfio_options_t: struct_size is not set, or a flag is unknown (%#x)", flags);
  }
  auto* const container = new (std::nothrow) VfioContainer(kernel, container_fd, (flags & FASTMEM_VFIO_READ_ONLY) != 0);
  if (container == nullptr) return refuse(-ENOMEM, "no memory for a listener");
  char name[kNameRoom];
  name_of(container_fd, name);
  fastmem_listener_t listener = {};
  listener.struct_size = sizeof(listener);
  listener.flags = (flags & FASTMEM_VFIO_HEAP_IOVAS) != 0 ? FASTMEM_LISTEN_IOVAS : 0;
  listener.name = name;
  listener.context = container;
  listener.came = [](const fastmem_memory_t* memory, void* context) { return container_of(context).map(*memory); };
  listener.goes = [](const fastmem_memory_t* memory, void* context) { container_of(context).unmap(*memory); };
  listener.removed = [](void* context) { delete &container_of(context); };
  int error = container->check();
  if (error == 0) error = fastmem_listen(heap, &listener);
  if (error != 0) delete container;
  return error;
}

int vfio_open(const char* container_path, const char* group_path, int* group_fd, VfioKernel& kernel) {
  if (group_path == nullptr || group_fd == nullptr) {
    return refuse(-EINVAL, "no path of a group, or no place for its descriptor");
  }
  const int container = open(container_path, O_RDWR | O_CLOEXEC);
  if (container < 0) return refuse_path(container_path, -errno);
  const int group = open(group_path, O_RDWR | O_CLOEXEC);
  if (group < 0) {
    const int error = errno;
    close(container);
    return refuse_path(group_path, -error);
  }
  if (const int error = set_up(container, group, group_path, kernel); error != 0) {
    close(group);
    close(container);
    return error;
  }
  *group_fd = group;
  return container;
}

}  // namespace fastmem::devices

int fastmem_vfio_attach(fastmem_heap_t* heap, int container_fd, const fastmem_vfio_options_t* options) {
  return fastmem::devices::vfio_attach(heap, container_fd, options, fastmem::devices::real_vfio_kernel());
}

int fastmem_vfio_detach(fastmem_heap_t* heap, int container_fd) {
  char name[fastmem::devices::kNameRoom];
  fastmem::devices::name_of(container_fd, name);
  return fastmem_unlisten(heap, name);
}

int fastmem_vfio_open(const char* group_path, int* group_fd) {
  return fastmem::devices::vfio_open("/dev/vfio/vfio", group_path, group_fd, fastmem::devices::real_vfio_kernel());
}
