// SPDX-License-Identifier: BSD-3-Clause
// bench/sized_free.h -- Q: how is the malloc of this process told the size of what is freed?
#pragma once

#include <cstddef>

namespace bench {

using SizedFree = void (*)(void* p, std::size_t size);

// Its own function for that, where it has one: jemalloc's sdallocx(), mimalloc's mi_free_size(), tcmalloc's
// tc_free_sized(). free() else, as glibc's. Called through a pointer, as malloc and free are.
SizedFree find_sized_free();

}  // namespace bench
