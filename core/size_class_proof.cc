// SPDX-License-Identifier: BSD-3-Clause
// core/size_class_proof.cc -- floor 2 (core). Proves size_class.h at compile time, over every size; contains no code.
#include "core/size_class.h"

namespace fastmem::core {
namespace {

// Classes ascend and fill their slabs but for a thirty-second, and the reciprocal finds every object's index.
constexpr bool classes_are_sound(const SizeClasses& all) {
  for (unsigned i = 1; i <= all.count; ++i) {
    const SizeClass& c = all.classes[i];
    if (i > 1 && c.size <= all.classes[i - 1].size) return false;
    const std::size_t slab = c.granules * kGranule;
    const std::size_t used = std::size_t{c.objects} * c.size;
    if (c.objects == 0 || used > slab || slab - used > slab / 32) return false;
    if (c.granules == 0 || c.granules * kGranule > 2 * kMiB.rep) return false;
    if (c.size % c.align != 0 || !is_power_of_two(c.align)) return false;
    if (is_power_of_two(c.size) && c.align != c.size) return false;
    for (std::uint32_t k = 0; k<c.objects; k += c.objects> 512 ? 61 : 1) {
      const std::uint64_t first = std::uint64_t{k} * c.size;
      if (first * c.reciprocal >> kReciprocalShift != k) return false;
      if ((first + c.size - 1) * c.reciprocal >> kReciprocalShift != k) return false;
    }
  }
  return all.classes[all.count].size == kMaxSize;
}

// Every size falls in the smallest class that holds it. Above kEach, class_of() looks at nothing below bit 9 of size -
// 1, so a run of 256 sizes has one class, and is proved by its two ends; size_class_test.cc walks them all once more.
constexpr std::size_t kEach = 2048;
constexpr std::size_t kRun = 256;

constexpr bool sizes_find_their_class(Profile profile) {
  const SizeClasses& all = size_classes(profile);
  unsigned expected = 1;
  for (std::size_t size = 1; size <= kMaxSize;) {
    while (all.classes[expected].size < size) ++expected;
    if (class_of(profile, size).rep != expected) return false;
    const bool first_of_run = size > kEach && size % kRun == 1;
    size += first_of_run ? kRun - 1 : 1;
  }
  return true;
}

static_assert(classes_are_sound(kFineClasses) && classes_are_sound(kRfcClasses));
static_assert(classes_are_sound(in_least_slabs(kRfcClasses)));
static_assert(sizes_find_their_class(Profile::kFine));
static_assert(sizes_find_their_class(Profile::kRfc));
static_assert(class_of(Profile::kFine, 0) == kNoClass && class_of(Profile::kFine, kMaxSize + 1) == kNoClass);
static_assert(class_of(Profile::kRfc, 0) == kNoClass && class_of(Profile::kRfc, kMaxSize + 1) == kNoClass);

}  // namespace
}  // namespace fastmem::core
