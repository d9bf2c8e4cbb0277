// SPDX-License-Identifier: BSD-3-Clause
// Who waits leaves once, not soon, in an order of its own, and never are too many bytes inside.
#include "core/waiting_room.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace fastmem::core {
namespace {

using Guest = WaitingRoom::Guest;

Guest guest(std::size_t n, std::uint32_t size = 64, unsigned bin = 5) {
  return {reinterpret_cast<void*>(n + 1), size, BinId{static_cast<std::uint16_t>(bin)}};
}
std::size_t number_of(const Guest& g) { return reinterpret_cast<std::uintptr_t>(g.object) - 1; }

std::unique_ptr<WaitingRoom> make(std::uint64_t stream = 1) {
  return std::make_unique<WaitingRoom>(Random(RandomKey{11, 12}, stream));
}

TEST_CASE("each leaves once, and not before as many came as the queue holds") {
  constexpr std::size_t kAll = 5000;
  const auto room = make();
  std::vector<std::size_t> left;
  for (std::size_t i = 0; i < kAll; ++i) {
    room->admit(guest(i), [&](const Guest& g) {
      left.push_back(number_of(g));
      CHECK(i - number_of(g) >= WaitingRoom::kQueue);
    });
  }
  CHECK(left.size() > kAll - WaitingRoom::kPlaces - WaitingRoom::kQueue - 1);
  CHECK_FALSE(std::is_sorted(left.begin(), left.end()));
  room->dismiss([](const Guest&) { return true; }, [&](const Guest& g) { left.push_back(number_of(g)); });
  CHECK(room->bytes() == 0);
  std::sort(left.begin(), left.end());
  REQUIRE(left.size() == kAll);
  for (std::size_t i = 0; i < kAll; ++i) CHECK(left[i] == i);
}

TEST_CASE("another stream, another order") {
  std::vector<std::size_t> order[2];
  for (std::uint64_t stream = 0; stream < 2; ++stream) {
    const auto room = make(stream);
    for (std::size_t i = 0; i < 2000; ++i) {
      room->admit(guest(i), [&](const Guest& g) { order[stream].push_back(number_of(g)); });
    }
  }
  CHECK(order[0] != order[1]);
}

TEST_CASE("never more bytes than the bound, and the newest stays") {
  const auto room = make();
  std::size_t left = 0;
  const std::uint32_t sizes[] = {1u << 20, 64, 300'000, 4096};
  for (std::size_t i = 0; i < 3000; ++i) {
    room->admit(guest(i, sizes[i % 4]), [&](const Guest& g) {
      ++left;
      CHECK(number_of(g) != i);
    });
    CHECK(room->bytes() <= WaitingRoom::kMost.rep);
  }
  room->dismiss([](const Guest&) { return true; }, [&](const Guest&) { ++left; });
  CHECK(left == 3000);
  CHECK(room->bytes() == 0);
}

TEST_CASE("only some are dismissed; the others wait on") {
  const auto room = make();
  std::size_t left = 0;
  const auto count = [&](const Guest&) { ++left; };
  for (std::size_t i = 0; i < 400; ++i) room->admit(guest(i, 64, i % 2 == 0 ? 5 : 6), count);
  CHECK(left == 0);
  room->dismiss([](const Guest& g) { return g.bin.rep == 5; },
                [&](const Guest& g) {
                  ++left;
                  CHECK(g.bin.rep == 5);
                });
  CHECK(left == 200);
  CHECK(room->bytes() == 200 * 64);
  room->dismiss([](const Guest&) { return true; }, count);
  CHECK(left == 400);
}

}  // namespace
}  // namespace fastmem::core
