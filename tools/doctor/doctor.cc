// SPDX-License-Identifier: BSD-3-Clause
#include "tools/doctor/doctor.h"

#include <cstdio>

#include "platform/text_file.h"
#include "tools/doctor/findings.h"
#include "tools/doctor/need.h"
#include "tools/doctor/options.h"

namespace fastmem::tools {
namespace {

std::vector<Section> report_on(const Patient& patient) {
  return {find_hugetlb_pools(patient), find_hugetlb_mounts(patient), find_left_files(patient),
          find_memory(patient),        find_limits(patient),         find_device_addresses(patient),
          find_kernel(patient),        find_nodes(patient),          find_caches(patient)};
}

void print(const std::vector<Section>& sections, bool json) {
  if (json) {
    print_json(sections);
  } else {
    print_text(sections);
  }
}

}  // namespace

Patient examine(const std::string& root) { return {root, read_pages(root.c_str())}; }

bool can_read(const Patient& patient, const char* file) {
  char text[2];
  return read_text(FilePath("%s%s", patient.root.c_str(), file), text, sizeof(text)) && text[0] != '\0';
}

std::string without_root(const Patient& patient, const std::string& text) {
  std::string out = text;
  if (patient.root.empty()) return out;
  for (std::size_t at; (at = out.find(patient.root)) != std::string::npos;) out.erase(at, patient.root.size());
  return out;
}

int doctor(int argc, char** argv) {
  DoctorOptions options;
  std::string error;
  if (!parse_doctor_options(argc, argv, options, error)) {
    std::fprintf(stderr, "fastmem: %s\n%s", error.c_str(), kDoctorUsage);
    return 2;
  }
  if (options.help) {
    std::fputs(kDoctorUsage, stdout);
    return 0;
  }
  const Patient patient = examine(options.root);
  if (!options.need) {
    print(report_on(patient), options.json);
    return 0;
  }
  const NeedAnswer answer = answer_need(patient, *options.need);
  print({answer.section}, options.json);
  const bool yes = options.pages ? answer.can[static_cast<unsigned>(*options.pages)] : answer.any();
  return yes ? 0 : 1;
}

}  // namespace fastmem::tools
