/* SPDX-License-Identifier: BSD-3-Clause */
/* A device that copies objects of a heap: "edu", the PCI device that QEMU has for teaching (qemu -device intel-iommu
 * -device edu,dma_mask=0xffffffffffffffff), driven from user space through VFIO.
 *
 *   echo vfio-pci > /sys/bus/pci/devices/$D/driver_override && echo $D > /sys/bus/pci/drivers_probe
 *   edu_dma $D             objects at their virtual addresses
 *   edu_dma $D physical    at their physical ones
 */
#include <errno.h>
#include <fastmem_vfio.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { EDU_ID = 0x00, EDU_FROM = 0x80, EDU_TO = 0x88, EDU_COUNT = 0x90, EDU_COMMAND = 0x98, EDU_BUFFER = 0x40000 };
enum { EDU_START = 1, EDU_TO_MEMORY = 2 };
enum { SIZE = 4000, OBJECTS = 24, LARGE = 1 << 20, COMMAND_REGISTER = 4, MEMORY_AND_MASTER = 6 };

static int complain(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  return 1;
}

static volatile uint64_t *edu_register(volatile char *bar, int at) { return (volatile uint64_t *)(bar + at); }

/* Between memory, at a device address, and the device's buffer. */
static void edu_copy(volatile char *bar, uint64_t iova, int to_memory) {
  const struct timespec moment = {0, 1000000};
  *edu_register(bar, EDU_FROM) = to_memory ? EDU_BUFFER : iova;
  *edu_register(bar, EDU_TO) = to_memory ? iova : EDU_BUFFER;
  *edu_register(bar, EDU_COUNT) = SIZE;
  *edu_register(bar, EDU_COMMAND) = EDU_START | (to_memory ? EDU_TO_MEMORY : 0);
  while ((*edu_register(bar, EDU_COMMAND) & EDU_START) != 0) nanosleep(&moment, NULL);
}

/* The device's first BAR, with memory decoding and bus mastering turned on; NULL: errno says why. */
static volatile char *open_device(int group, const char *address) {
  struct vfio_region_info bar = {.argsz = sizeof(bar), .index = VFIO_PCI_BAR0_REGION_INDEX};
  struct vfio_region_info config = {.argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX};
  uint16_t command = MEMORY_AND_MASTER;
  void *mapped;
  const int device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address);
  if (device < 0 || ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &bar) != 0 ||
      ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config) != 0 ||
      pwrite(device, &command, sizeof(command), (off_t)config.offset + COMMAND_REGISTER) != sizeof(command)) {
    return NULL;
  }
  mapped = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)bar.offset);
  return mapped != MAP_FAILED ? mapped : NULL;
}

/* Each object to the device and into the next one. */
static int copy_around(fastmem_heap_t *heap, volatile char *bar, int physical) {
  unsigned char *objects[OBJECTS];
  fastmem_stats_t stats = {.struct_size = sizeof(stats)};
  for (int i = 0; i < OBJECTS; ++i) {
    objects[i] = fastmem_heap_alloc(heap, i % 2 == 0 ? SIZE : LARGE, 0, 0); /* the heap grows: its memory is mapped */
    if (objects[i] == NULL) return complain("alloc", fastmem_error_text());
    for (int k = 0; k < SIZE; ++k) objects[i][k] = 0;
  }
  for (int i = 0; i + 1 < OBJECTS; ++i) {
    unsigned char *from = objects[i], *to = objects[i + 1];
    for (int k = 0; k < SIZE; ++k) from[k] = (unsigned char)(k * 7 + i);
    edu_copy(bar, physical ? fastmem_virt_to_iova(heap, from) : (uintptr_t)from, 0);
    edu_copy(bar, physical ? fastmem_virt_to_iova(heap, to) : (uintptr_t)to, 1);
    if (memcmp(from, to, SIZE) != 0) return complain("copy", "other bytes came");
  }
  fastmem_stats(heap, &stats);
  printf("%d copies of %d bytes by the device, in %u regions of %zu KiB together\n", OBJECTS - 1, SIZE, stats.regions,
         (size_t)stats.bytes_backing / 1024);
  for (int i = 0; i < OBJECTS; ++i) fastmem_heap_free(heap, objects[i]);
  return 0;
}

/* What the heap gave back the device cannot write to, whoever has it now. */
static int reach_after_detach(fastmem_heap_t *heap, volatile char *bar, int container, int physical) {
  unsigned char *object = fastmem_heap_alloc(heap, SIZE, 0, 0);
  uint64_t iova;
  if (object == NULL) return complain("alloc", fastmem_error_text());
  iova = physical ? fastmem_virt_to_iova(heap, object) : (uintptr_t)object;
  fastmem_vfio_detach(heap, container);
  for (int k = 0; k < SIZE; ++k) object[k] = 0x55;
  edu_copy(bar, iova, 1);
  for (int k = 0; k < SIZE; ++k) {
    if (object[k] != 0x55) return complain("detach", "the device still reaches the object");
  }
  puts("after the detach the device reaches nothing");
  return 0;
}

int main(int argc, char **argv) {
  char path[300], link[300] = "", group_path[350];
  const int physical = argc > 2 && strcmp(argv[2], "physical") == 0;
  const fastmem_vfio_options_t options = {.struct_size = sizeof(options), .flags = FASTMEM_VFIO_HEAP_IOVAS};
  fastmem_config_t config;
  fastmem_heap_t *heap;
  volatile char *bar;
  int group, container;
  if (argc < 2) return complain("usage", "edu_dma PCI-ADDRESS [physical]"), 2;
  snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", argv[1]);
  if (readlink(path, link, sizeof(link) - 1) < 0) return complain(path, strerror(errno));
  snprintf(group_path, sizeof(group_path), "/dev/vfio/%s", strrchr(link, '/') + 1);

  container = fastmem_vfio_open(group_path, &group);
  if (container < 0) return complain(group_path, fastmem_error_text());
  bar = open_device(group, argv[1]);
  if (bar == NULL) return complain(argv[1], strerror(errno));
  if ((*(volatile uint32_t *)(bar + EDU_ID) & 0xff) != 0xed) return complain(argv[1], "not the edu device");

  fastmem_config_init(&config);
  config.first_region = config.region_size = 2u << 20; /* small steps: the heap is to grow before our eyes */
  config.iova_mode = physical ? FASTMEM_IOVA_PA : FASTMEM_IOVA_VA;
  heap = fastmem_heap_create(&config);
  if (heap == NULL) return complain("heap", fastmem_error_text());
  if (fastmem_vfio_attach(heap, container, physical ? &options : NULL) != 0) {
    return complain("attach", fastmem_error_text());
  }
  if (copy_around(heap, bar, physical) != 0) return 1;
  printf("trim gave %zu KiB back\n", fastmem_trim(heap) / 1024);
  if (copy_around(heap, bar, physical) != 0) return 1;
  if (reach_after_detach(heap, bar, container, physical) != 0) return 1;
  fastmem_heap_destroy(heap);
  return 0;
}
