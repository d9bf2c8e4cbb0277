// SPDX-License-Identifier: BSD-3-Clause
// tools/doctor/doctor.h -- Q: `fastmem doctor`: what can this machine offer, and what would change it?
#pragma once

namespace fastmem::tools {

int doctor(int argc, char** argv);

}  // namespace fastmem::tools
