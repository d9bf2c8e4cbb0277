// SPDX-License-Identifier: BSD-3-Clause
// platform/iommu.h -- floor 0. Is there an IOMMU, and may this process program it through VFIO?
#pragma once

namespace fastmem {

struct Iommu {
  bool known = false;         // the kernel tells of groups at all
  unsigned groups = 0;        // 0: no device sits behind an IOMMU
  char type[64] = {};         // of the groups' domains: "DMA", "DMA-FQ", "identity"; "mixed"; empty: not told
  bool vfio = false;          // /dev/vfio/vfio is there ...
  bool vfio_usable = false;   // ... and this process may open it
  unsigned vfio_groups = 0;   // bound to VFIO
  bool vfio_noiommu = false;  // VFIO works without an IOMMU: with physical addresses
};

// `root` is put before every path, for tests.
Iommu read_iommu(const char* root = "");

}  // namespace fastmem
