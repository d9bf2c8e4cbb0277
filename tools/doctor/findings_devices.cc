// SPDX-License-Identifier: BSD-3-Clause
// What addresses may devices be told?
#include <cstring>

#include "backends/standalone/iova.h"
#include "platform/iommu.h"
#include "platform/text_file.h"
#include "tools/doctor/findings.h"
#include "tools/text.h"

namespace fastmem::tools {
namespace {

enum class Frames { kTold, kNotTold, kUnknown };

Frames add_frames(const Patient& patient, Section& section) {
  const std::string pagemap = patient.root + kPagemap;
  char first[1];
  if (!patient.is_here() && !read_text(FilePath("%s", pagemap.c_str()), first, sizeof(first))) {
    section.add("frame_numbers", "page frame numbers told", unknown()).state = State::kUnknown;
    return Frames::kUnknown;
  }
  const Error error = check_frames_readable(pagemap.c_str());
  Row& row = section.add("frame_numbers", "page frame numbers told", yes_no(error.ok()));
  if (error.ok()) return Frames::kTold;
  row.state = State::kMissing;
  row.why = "the kernel tells them to root and CAP_SYS_ADMIN only; without, there are no physical addresses";
  row.fixes.emplace_back("sudo setcap cap_sys_admin+ep PROGRAM");
  return Frames::kNotTold;
}

// What the kernel must be told at boot: AMD's IOMMU is on by itself.
const char* boot_option(const Patient& patient) {
  LineReader lines(FilePath("%s/proc/cpuinfo", patient.root.c_str()));
  while (const char* line = lines.next()) {
    if (std::strstr(line, "AuthenticAMD") != nullptr) return "iommu=pt";
    if (line[0] == '\0') break;  // the first processor's end
  }
  return "intel_iommu=on iommu=pt";
}

void add_iommu(const Patient& patient, const Iommu& iommu, Section& section) {
  Row& groups = section.add("iommu_groups", "IOMMU groups", iommu.known ? count(iommu.groups) : unknown());
  if (!iommu.known) {
    groups.state = State::kUnknown;
  } else if (iommu.groups == 0) {
    const char* const option = boot_option(patient);
    groups.state = State::kMissing;
    groups.why = format("no device sits behind one: switch it on in the firmware (VT-d, AMD-Vi), boot with %s", option);
    groups.fixes.push_back(
        format("sudo sed -i 's/^GRUB_CMDLINE_LINUX=\"/&%s /' /etc/default/grub && sudo update-grub", option));
  }
  const Value none = iommu.groups == 0 ? nothing() : unknown();
  section.add("iommu_type", "IOMMU type", iommu.type[0] == '\0' ? none : words(iommu.type));
}

void add_vfio(const Iommu& iommu, Section& section) {
  Row& vfio = section.add("vfio", "/dev/vfio/vfio usable", yes_no(iommu.vfio_usable));
  if (!iommu.vfio) {
    vfio.state = State::kMissing;
    vfio.why = "VFIO is not loaded";
    vfio.fixes.emplace_back(iommu.groups != 0 ? "sudo modprobe vfio-pci"
                                              : "sudo modprobe vfio-pci && sudo modprobe vfio "
                                                "enable_unsafe_noiommu_mode=1");
  } else if (!iommu.vfio_usable) {
    vfio.state = State::kMissing;
    vfio.why = "this user may not open it";
    vfio.fixes.emplace_back("sudo chmod 0666 /dev/vfio/vfio");
  }
  section.add("vfio_groups", "groups bound to VFIO", count(iommu.vfio_groups));
  section.add("vfio_noiommu", "VFIO without an IOMMU", yes_no(iommu.vfio_noiommu));
}

}  // namespace

Section find_device_addresses(const Patient& patient) {
  Section section{"device_addresses", "device addresses", {}, {}};
  const Frames frames = add_frames(patient, section);
  const Iommu iommu = read_iommu(patient.root.c_str());
  add_iommu(patient, iommu, section);
  add_vfio(iommu, section);

  Row& mode = section.add("iova_mode", "IOVA mode that auto takes", words("pa: physical addresses"));
  if (frames == Frames::kTold) return section;
  if (frames == Frames::kUnknown) {
    mode.values = {unknown()};
    mode.state = State::kUnknown;
  } else if (iommu_is_there(patient.root.c_str())) {
    mode.values = {words("va: virtual addresses")};
  } else {
    mode.values = {words("none")};
    mode.state = State::kMissing;
    mode.why = "neither frame numbers nor an IOMMU: see above";
  }
  return section;
}

}  // namespace fastmem::tools
