// SPDX-License-Identifier: BSD-3-Clause
// Every size, both profiles: what core/size_class_proof.cc proves by samples and ends of runs is walked here in full.
#include "core/size_class.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <set>
#include <string>

namespace fastmem::core {
namespace {

constexpr Profile kProfiles[] = {Profile::kFine, Profile::kRfc};

const char* name_of(Profile profile) { return profile == Profile::kFine ? "fine" : "rfc"; }

TEST_CASE("every size falls in the smallest class that holds it") {
  for (const Profile profile : kProfiles) {
    INFO(std::string(name_of(profile)));
    const SizeClasses& all = size_classes(profile);
    unsigned expected = 1;
    std::size_t wrong = 0;
    for (std::size_t size = 1; size <= kMaxSize; ++size) {
      while (all.classes[expected].size < size) ++expected;
      wrong += class_of(profile, size).rep != expected ? 1 : 0;
    }
    CHECK(wrong == 0);
    CHECK(expected == all.count);
  }
}

TEST_CASE("sizes that no class holds") {
  for (const Profile profile : kProfiles) {
    CHECK(class_of(profile, 0) == kNoClass);
    for (const std::size_t size : {kMaxSize + 1, kMaxSize * 2, std::numeric_limits<std::size_t>::max()}) {
      CHECK(class_of(profile, size) == kNoClass);
    }
  }
}

TEST_CASE("the table says what the arithmetic says, for every least alignment") {
  for (const Profile profile : kProfiles) {
    for (const std::size_t align : {8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096}) {
      INFO(std::string(name_of(profile)), " ", align);
      SizeTable table{};
      table.fill(profile, align);
      std::size_t wrong = 0;
      for (std::size_t size = 0; size <= kMaxSize; ++size) {
        wrong += table(size) != class_of(profile, round_up(size, align)) ? 1 : 0;
        wrong += table.words(size) != unsigned{table(size).rep} * SizeTable::kWordsPerClass ? 1 : 0;
      }
      CHECK(wrong == 0);
      CHECK(table(0) == kNoClass);
      for (const std::size_t size :
           {kMaxSize + 1, kMaxSize + 256, kMaxSize + 257, kMaxSize * 2, kMaxSize * 2048 - 1,
            std::numeric_limits<std::size_t>::max() - 255, std::numeric_limits<std::size_t>::max()}) {
        CHECK(table(size) == kNoClass);
      }
    }
  }
}

TEST_CASE("the table's largest entry still fits its word, and a rounding loses a ninth at most up to 2 KiB") {
  CHECK(unsigned{kFineClasses.count} * SizeTable::kWordsPerClass <= 65535);
  CHECK(unsigned{kRfcClasses.count} * SizeTable::kWordsPerClass <= 65535);
  for (std::size_t size = 129; size <= 2048; ++size) {
    const std::size_t lost = kFineClasses[class_of(Profile::kFine, size)].size - size;
    CHECK(lost * 9 <= size + lost);
  }
}

TEST_CASE("rounding a size up to an alignment gives a class of that alignment") {
  for (const Profile profile : kProfiles) {
    const SizeClasses& all = size_classes(profile);
    std::size_t wrong = 0;
    for (std::size_t align = 8; align <= kMaxSize; align *= 2) {
      const std::size_t step = align < 256 ? 1 : align / 4;
      for (std::size_t size = 1; size <= kMaxSize; size += step) {
        const SizeClass& c = all[class_of(profile, round_up(size, align))];
        // An object's offset in its slab is a multiple of its size, and the slab lies at a multiple of c.align.
        wrong += c.size < size || c.size % align != 0 || c.align < align ? 1 : 0;
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("objects fill their slabs but for a thirty-second, and every offset finds its object") {
  for (const Profile profile : kProfiles) {
    const SizeClasses& all = size_classes(profile);
    for (unsigned i = 1; i <= all.count; ++i) {
      const SizeClass& c = all.classes[i];
      INFO(std::string(name_of(profile)), " ", c.size);
      const std::size_t slab = c.granules * kGranule;
      const std::size_t used = std::size_t{c.objects} * c.size;
      REQUIRE(used <= slab);
      CHECK(slab - used <= slab / 32);
      CHECK(slab <= (kMiB * 2).rep);
      CHECK((profile == Profile::kFine || slab == (kMiB * 2).rep));
      CHECK(slab % c.align == 0);
      std::size_t wrong = 0;
      std::size_t index = 0;
      std::size_t next = c.size;
      for (std::size_t offset = 0; offset < slab; ++offset) {
        if (offset == next) {
          ++index;
          next += c.size;
        }
        wrong += offset * c.reciprocal >> kReciprocalShift != index ? 1 : 0;
      }
      CHECK(wrong == 0);
      CHECK((used == slab) == (index + 1 == c.objects));  // what is left over has indices of its own
    }
  }
}

TEST_CASE("the fine profile loses at most a fifth above 64 bytes, and the rfc profile has 18 powers of two") {
  for (std::size_t size = 65; size <= kMaxSize; size += 7) {
    const std::size_t held = kFineClasses[class_of(Profile::kFine, size)].size;
    if ((held - size) * 5 > held) FAIL_CHECK("size ", size, " in a class of ", held);
  }
  REQUIRE(kRfcClasses.count == 18);
  for (unsigned i = 1; i <= 18; ++i) CHECK(kRfcClasses.classes[i].size == 8u << (i - 1));
}

TEST_CASE("magazines hold a burst of small objects and never hoard") {
  for (const Profile profile : kProfiles) {
    const SizeClasses& all = size_classes(profile);
    for (unsigned i = 1; i <= all.count; ++i) {
      const SizeClass& c = all.classes[i];
      INFO(std::string(name_of(profile)), " ", c.size);
      CHECK(c.magazine >= 2);
      CHECK(c.depot >= 2);
      CHECK((c.size > 4096 || c.magazine >= 64));
      CHECK((c.magazine == 2 || std::size_t{c.magazine} * c.size <= (kMiB * 2).rep));
    }
  }
}

}  // namespace
}  // namespace fastmem::core
