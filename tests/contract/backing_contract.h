// SPDX-License-Identifier: BSD-3-Clause
// tests/contract/backing_contract.h: what every Backing promises, beyond what a signature can say. Run it on your own:
//
//   TEST_CASE("my backing keeps the contract") {
//     fastmem::test::check_backing_contract([] { return std::make_unique<MyBacking>(); }, NodeId{0});
//   }
//
// The factory makes a fresh backing for each subcase, with at least kContractUnits region units of memory on `node`.
#pragma once

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "platform/backing.h"
#include "platform/node_binding.h"

namespace fastmem::test {

using BackingFactory = std::function<std::unique_ptr<Backing>()>;

inline constexpr std::size_t kContractUnits = 4;
inline constexpr NodeId kNoSuchNode{0xfff0};

namespace contract {

inline auto* bytes_of(const Region& region) { return static_cast<volatile unsigned char*>(region.base); }

// Steps through every page: 4 KiB is the smallest there is.
template <class Visit>
void for_each_page(const Region& region, Visit visit) {
  for (std::size_t at = 0; at < region.size.rep; at += (kKiB * 4).rep) visit(bytes_of(region)[at]);
}

inline bool reads_zero(const Region& region) {
  const auto* const words = static_cast<const std::uint64_t*>(region.base);
  return std::all_of(words, words + region.size.rep / sizeof(*words), [](std::uint64_t word) { return word == 0; });
}

inline void check_shape(const Backing& backing, const Region& region, Bytes size, NodeId node) {
  const auto begin = reinterpret_cast<std::uintptr_t>(region.base);
  CHECK(region.size == size);
  CHECK(region.node == node);
  CHECK(begin % backing.region_unit().rep == 0);
  CHECK(begin >= backing.window().begin);
  CHECK(begin + size.rep <= backing.window().end);
  CHECK(is_power_of_two(region.page_size.rep));
  CHECK(region.page_size >= kKiB * 4);
  CHECK(region.size.rep % region.page_size.rep == 0);
}

inline Region must_reserve(Backing& backing, Bytes size, NodeId node) {
  Result<Region> region = backing.reserve(size, node, Contiguity::kAny);
  REQUIRE_MESSAGE(region.ok(), std::string(region.ok() ? "" : region.error().text));
  check_shape(backing, *region, size, node);
  return *region;
}

inline void check_window(Backing& backing) {
  CHECK(backing.name()[0] != '\0');
  const AddressRange window = backing.window();
  CHECK(window.begin != 0);
  CHECK(window.end > window.begin);
  CHECK(window.begin % kRegionUnit.rep == 0);
  CHECK(window.end % kRegionUnit.rep == 0);
  CHECK(backing.region_unit() >= kRegionUnit);
  CHECK(backing.region_unit().rep % kRegionUnit.rep == 0);
}

inline void check_memory(Backing& backing, NodeId node) {
  const Bytes unit = backing.region_unit();
  const Region small = must_reserve(backing, unit, node);
  const Region large = must_reserve(backing, unit * 3, node);
  for (const Region& region : {small, large}) {
    if (region.zeroed) CHECK(reads_zero(region));
    for_each_page(region, [](volatile unsigned char& byte) { byte = 0xa5; });
  }
  // Disjoint, and written memory stays written.
  for_each_page(small, [](volatile unsigned char& byte) { byte = 0x5a; });
  bool kept = true;
  for_each_page(large, [&kept](volatile unsigned char& byte) { kept = kept && byte == 0xa5; });
  CHECK(kept);
  CHECK(backing.window().begin <= reinterpret_cast<std::uintptr_t>(small.base));
  backing.release(small);
  backing.release(large);
}

// What comes back after a release is as good as new, many times over: nothing leaks.
inline void check_reuse(Backing& backing, NodeId node) {
  const Bytes unit = backing.region_unit();
  const std::size_t rounds = unit > kRegionUnit ? 4 : 64;
  for (std::size_t round = 0; round < rounds; ++round) {
    const Region region = must_reserve(backing, unit * (1 + round % 3), node);
    if (region.zeroed) REQUIRE(reads_zero(region));
    for_each_page(region, [](volatile unsigned char& byte) { byte = 0xff; });
    backing.release(region);
  }
}

inline void check_refusals(Backing& backing, NodeId node) {
  const Bytes unit = backing.region_unit();
  const Result<Region> elsewhere = backing.reserve(unit, kNoSuchNode, Contiguity::kAny);
  CHECK(elsewhere.code() == ErrorCode::kNoNode);
  const Result<Region> too_much = backing.reserve(backing.window().size() + unit, node, Contiguity::kAny);
  CHECK(too_much.code() == ErrorCode::kNoMemory);
  if (!too_much.ok()) CHECK(too_much.error().text[0] != '\0');
  // All or nothing: what was refused took nothing.
  backing.release(must_reserve(backing, unit, node));
}

// Until there is no more: an error and no signal, every page so far is there, and room again after a release.
inline void check_exhaustion(Backing& backing, NodeId node) {
  std::vector<Region> regions;
  const Bytes step = backing.region_unit();
  constexpr std::size_t kEnough = 4096;  // small pages come lazily: the address space ends long after
  ErrorCode code = ErrorCode::kOk;
  while (regions.size() < kEnough) {
    Result<Region> region = backing.reserve(step, node, Contiguity::kAny);
    code = region.code();
    if (!region) break;
    bytes_of(*region)[0] = 1;
    bytes_of(*region)[step.rep - 1] = 1;
    regions.push_back(*region);
  }
  CHECK(regions.size() >= kContractUnits);
  if (code != ErrorCode::kOk) CHECK(code == ErrorCode::kNoMemory);
  backing.release(regions.back());
  regions.pop_back();
  regions.push_back(must_reserve(backing, step, node));
  for (const Region& region : regions) backing.release(region);
}

inline void check_iova(Backing& backing, NodeId node) {
  Region region = must_reserve(backing, backing.region_unit() * 2, node);
  std::vector<Iova> pages(region.size / region.page_size, kBadIova);
  const Error error = backing.iova(region, pages);
  if (!error.ok()) {
    CHECK((error.code == ErrorCode::kUnsupported || error.code == ErrorCode::kPermission));
    CHECK(error.text[0] != '\0');
    backing.release(region);
    return;
  }
  for_each_page(region, [](volatile unsigned char& byte) { byte = 1; });
  for (const Iova page : pages) {
    REQUIRE(page != kBadIova);
    REQUIRE(page.rep != 0);
    REQUIRE(page.rep % region.page_size.rep == 0);
  }
  std::sort(pages.begin(), pages.end());
  CHECK(std::adjacent_find(pages.begin(), pages.end()) == pages.end());
  backing.release(region);
}

inline void check_contiguity(Backing& backing, NodeId node) {
  const Result<Region> result = backing.reserve(backing.region_unit(), node, Contiguity::kContiguous);
  if (!result.ok()) {
    CHECK((result.code() == ErrorCode::kUnsupported || result.code() == ErrorCode::kNoMemory));
    CHECK(result.error().text[0] != '\0');
    return;
  }
  Region region = result.value();
  check_shape(backing, region, backing.region_unit(), node);
  std::vector<Iova> pages(region.size / region.page_size, kBadIova);
  const Error error = backing.iova(region, pages);
  CHECK_MESSAGE(error.ok(), std::string(error.text));
  for (std::size_t i = 0; error.ok() && i < pages.size(); ++i) {
    REQUIRE(pages[i].rep == pages[0].rep + i * region.page_size.rep);
  }
  backing.release(region);
}

// Read back from the kernel.
inline void check_placement(Backing& backing, NodeId node) {
  const Region region = must_reserve(backing, backing.region_unit(), node);
  for_each_page(region, [](volatile unsigned char& byte) { byte = 1; });
  if (node_needs_binding(node)) CHECK(node_of_page(region.base) == node);
  backing.release(region);
}

inline void check_threads(Backing& backing, NodeId node) {
  constexpr unsigned kThreads = 4;
  std::vector<unsigned> wrong(kThreads, 0);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([&backing, &wrong, node, t] {
      const std::size_t rounds = backing.region_unit() > kRegionUnit ? 2 : 50;
      for (std::size_t round = 0; round < rounds; ++round) {
        const Result<Region> region = backing.reserve(backing.region_unit(), node, Contiguity::kAny);
        if (!region.ok()) continue;
        const auto mine = static_cast<unsigned char>(t + 1);
        for_each_page(region.value(), [mine](volatile unsigned char& byte) { byte = mine; });
        for_each_page(region.value(), [&](volatile unsigned char& byte) { wrong[t] += byte == mine ? 0 : 1; });
        backing.release(region.value());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const unsigned count : wrong) CHECK(count == 0);
}

// A child may use what is inherited as its own; neither sees what the other writes.
inline void check_fork(Backing& backing, NodeId node) {
  const Region region = must_reserve(backing, backing.region_unit(), node);
  bytes_of(region)[0] = 1;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (!region.inherited_by_fork) _exit(0);
    const bool seen = bytes_of(region)[0] == 1;
    for_each_page(region, [](volatile unsigned char& byte) { byte = 2; });
    const Result<Region> more = backing.reserve(backing.region_unit(), node, Contiguity::kAny);
    backing.release(region);
    _exit(seen && more.ok() ? 0 : 1);
  }
  for_each_page(region, [](volatile unsigned char& byte) { byte = 3; });
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(bytes_of(region)[0] == 3);
  backing.release(region);
}

// On a multiple of a power of two, or not at all.
inline void check_aligned(Backing& backing, NodeId node) {
  const Bytes unit = backing.region_unit();
  const Region in_the_way = must_reserve(backing, unit, node);
  for (const Bytes align : {unit * 2, unit * 4}) {
    const Result<Region> region = backing.reserve_aligned(unit, align, node, Contiguity::kAny);
    if (!region.ok()) {
      CHECK(region.code() == ErrorCode::kUnsupported);
      CHECK(region.error().text[0] != '\0');
      continue;
    }
    check_shape(backing, region.value(), unit, node);
    CHECK(reinterpret_cast<std::uintptr_t>(region.value().base) % align.rep == 0);
    CHECK(region.value().base != in_the_way.base);
    for_each_page(region.value(), [](volatile unsigned char& byte) { byte = 1; });
    backing.release(region.value());
  }
  const Result<Region> too_much =
      backing.reserve_aligned(backing.window().size() + unit, unit * 2, node, Contiguity::kAny);
  CHECK((too_much.code() == ErrorCode::kNoMemory || too_much.code() == ErrorCode::kUnsupported));
  backing.release(in_the_way);
}

// The bytes of a range that the kernel holds pages for; nothing where it does not tell.
inline std::size_t resident(void* at, Bytes size) {
  std::vector<unsigned char> pages(size / (kKiB * 4));
  if (mincore(at, size.rep, pages.data()) != 0) return 0;
  return static_cast<std::size_t>(
             std::count_if(pages.begin(), pages.end(), [](auto page) { return (page & 1) != 0; })) *
         (kKiB * 4).rep;
}

struct Part {  // of a region, by which it comes and goes
  Bytes offset;
  Bytes size;

  void* of(const Region& region) const { return static_cast<char*>(region.base) + offset.rep; }
};

template <class Visit>
void for_each_page(const Region& region, const Part& part, Visit visit) {
  for (std::size_t at = 0; at < part.size.rep; at += (kKiB * 4).rep) visit(bytes_of(region)[part.offset.rep + at]);
}

inline void check_iova_after_restore(Backing& backing, Region& region) {
  std::vector<Iova> pages(region.size / region.page_size, kBadIova);
  const Error error = backing.iova(region, pages);
  if (!error.ok()) {
    CHECK((error.code == ErrorCode::kUnsupported || error.code == ErrorCode::kPermission));
    return;
  }
  CHECK(std::count(pages.begin(), pages.end(), kBadIova) == 0);
  std::sort(pages.begin(), pages.end());
  CHECK(std::adjacent_find(pages.begin(), pages.end()) == pages.end());
}

// Pages inside of a region go and come again; their neighbours notice nothing.
inline void check_discard(Backing& backing, NodeId node) {
  Region region = must_reserve(backing, backing.region_unit() * 4, node);
  const Bytes unit = backing.discard_unit(region);
  if (unit.rep == 0) {
    CHECK(backing.discard(region, Bytes{}, region.size).code == ErrorCode::kUnsupported);
    CHECK(backing.restore(region, Bytes{}, region.size).code == ErrorCode::kUnsupported);
    backing.release(region);
    return;
  }
  REQUIRE(is_power_of_two(unit.rep));
  REQUIRE(unit >= region.page_size);
  REQUIRE(region.size.rep % unit.rep == 0);
  check_iova_after_restore(backing, region);  // with and without addresses that were told: both must go
  for_each_page(region, [](volatile unsigned char& byte) { byte = 0xa5; });
  const Bytes middle = round_down(region.size / 2, unit);
  for (const Part part : {Part{unit, unit}, Part{middle, unit}}) {
    const std::size_t before = resident(region.base, region.size);
    Error error = backing.discard(region, part.offset, part.size);
    REQUIRE_MESSAGE(error.ok(), std::string(error.text));
    if (before != 0) {
      CHECK(resident(part.of(region), part.size) == 0);
      CHECK(resident(region.base, region.size) == before - part.size.rep);
    }
    error = backing.restore(region, part.offset, part.size);
    REQUIRE_MESSAGE(error.ok(), std::string(error.text));
    bool zero = true;
    for_each_page(region, part, [&zero](volatile unsigned char& byte) { zero = zero && byte == 0; });
    CHECK(zero);
    for_each_page(region, part, [](volatile unsigned char& byte) { byte = 0xa5; });
    if (node_needs_binding(node)) CHECK(node_of_page(part.of(region)) == node);
  }
  bool kept = true;
  for_each_page(region, [&kept](volatile unsigned char& byte) { kept = kept && byte == 0xa5; });
  CHECK(kept);
  check_iova_after_restore(backing, region);
  // Gone as a whole, too, and a region with holes can be released.
  CHECK(backing.discard(region, Bytes{}, region.size).ok());
  CHECK(backing.restore(region, Bytes{}, unit).ok());
  bytes_of(region)[0] = 1;
  for (const Part wrong : {Part{unit, region.size}, Part{unit / 2, unit}, Part{Bytes{}, unit / 2}}) {
    CHECK_FALSE(backing.discard(region, wrong.offset, wrong.size).ok());
  }
  backing.release(region);
}

// What a child did not inherit is not its to give back.
inline void check_discard_in_child(Backing& backing, NodeId node) {
  const Region region = must_reserve(backing, backing.region_unit(), node);
  for_each_page(region, [](volatile unsigned char& byte) { byte = 3; });
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const Error error = backing.discard(region, Bytes{}, region.size);
    _exit(error.ok() && !region.inherited_by_fork ? 1 : 0);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  bool kept = true;
  for_each_page(region, [&kept](volatile unsigned char& byte) { kept = kept && byte == 3; });
  CHECK(kept);
  backing.release(region);
}

}  // namespace contract

inline void check_backing_contract(const BackingFactory& make, NodeId node) {
  const std::unique_ptr<Backing> backing = make();
  REQUIRE(backing != nullptr);
  SUBCASE("the window is aligned") { contract::check_window(*backing); }
  SUBCASE("memory is there, disjoint and zeroed as said") { contract::check_memory(*backing, node); }
  SUBCASE("released memory is reused") { contract::check_reuse(*backing, node); }
  SUBCASE("what cannot be had is refused and takes nothing") { contract::check_refusals(*backing, node); }
  SUBCASE("exhaustion is an error, never a signal") { contract::check_exhaustion(*backing, node); }
  SUBCASE("IOVAs are one per page, aligned and distinct, or an error") { contract::check_iova(*backing, node); }
  SUBCASE("contiguous is contiguous, or refused") { contract::check_contiguity(*backing, node); }
  SUBCASE("memory lies on its node") { contract::check_placement(*backing, node); }
  SUBCASE("aligned is aligned, or refused") { contract::check_aligned(*backing, node); }
  SUBCASE("pages inside of a region go and come again, or are refused") { contract::check_discard(*backing, node); }
  SUBCASE("a child of fork gives back nothing of its parent's") { contract::check_discard_in_child(*backing, node); }
  SUBCASE("any thread, several at once") { contract::check_threads(*backing, node); }
  SUBCASE("a child of fork may use what is inherited") { contract::check_fork(*backing, node); }
}

}  // namespace fastmem::test
