// SPDX-License-Identifier: BSD-3-Clause
// bench/traced_sizes.h -- Q: which sizes does a real program's heap hold?
//
// A python3.11 of Debian 12 that keeps the syntax trees of 1.5 MB of its standard library's sources, at the moment when
// it held most: 615,415 objects in 47.6 MiB. Made with
//   cat > keep.py <<END
//   import ast, os, sysconfig
//   folder = sysconfig.get_paths()["stdlib"]
//   trees, total = [], 0
//   for name in sorted(os.listdir(folder)):
//       path = os.path.join(folder, name)
//       if name.endswith(".py") and total < 1500000:
//           trees.append(ast.parse(open(path, encoding="utf-8", errors="replace").read()))
//           total += os.path.getsize(path)
//   END
//   PYTHONMALLOC=malloc fastmem record --max 256M -o keep.trace -- python3 -S keep.py
//   size_histogram keep.trace           (bazel build //bench:size_histogram)
// An entry whose size is a program's usual one has that size; rare sizes are one entry of their mean.
#pragma once

#include <cstdint>

namespace bench {

struct TracedSize {
  std::uint32_t size;
  std::uint32_t objects;
};

inline constexpr TracedSize kTracedSizes[] = {
    {8, 23458},    {16, 5755},  {32, 165433}, {37, 3577},  {48, 111976}, {53, 3868},
    {56, 59653},   {58, 3803},  {64, 114070}, {70, 5836},  {83, 3102},   {119, 7675},
    {207, 104492}, {321, 1563}, {838, 597},   {5531, 550}, {79987, 7},
};

}  // namespace bench
