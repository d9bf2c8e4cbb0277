// SPDX-License-Identifier: BSD-3-Clause
// A backing whose memory lies in pieces: none holds an aligned region, and each begins somewhere in its pages.
#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "core/heap.h"
#include "tests/core/fake_topology.h"
#include "tests/support/fake_backing.h"

namespace fastmem::core {
namespace {

// Of each 2 MiB the first granule is somebody else's.
class PiecesBacking final : public test::FakeBacking {
 public:
  explicit PiecesBacking(unsigned pieces) : left_(pieces) {}

  static constexpr Bytes kPiece = kRegionUnit - kPieceUnit;

  bool in_pieces() const override { return true; }
  Result<Region> reserve(Bytes /*size*/, NodeId /*node*/, Contiguity /*contiguity*/) override {
    return make_error(ErrorCode::kNoMemory, "nothing in one piece");
  }
  Result<Region> reserve_piece(Bytes least, NodeId node) override {
    if (left_ == 0 || least > kPiece) return make_error(ErrorCode::kNoMemory, "no such piece");
    Result<Region> region = FakeBacking::reserve(kRegionUnit, node, Contiguity::kAny);
    if (!region.ok()) return region;
    --left_;
    region->base = static_cast<std::byte*>(region->base) + kPieceUnit.rep;
    region->size = kPiece;
    region->page_size = kPieceUnit;
    return region;
  }
  void release(const Region& piece) override {
    ++left_;
    Region whole = piece;
    whole.base = static_cast<std::byte*>(piece.base) - kPieceUnit.rep;
    whole.size = kRegionUnit;
    whole.page_size = kKiB * 4;
    FakeBacking::release(whole);
  }
  Error iova(Region& region, std::span<Iova> pages) override {
    const auto* at = static_cast<const std::byte*>(region.base);
    for (Iova& page : pages) {
      page = expected_iova(at);
      at += region.page_size.rep;
    }
    return {};
  }

 private:
  unsigned left_;
};

struct PiecesHeap {
  explicit PiecesHeap(unsigned pieces, Profile profile = Profile::kFine) : backing(pieces) {
    HeapConfig config;
    config.backing = &backing;
    config.topology = &topology;
    config.profile = profile;
    Result<Heap*> made = Heap::create(config);
    REQUIRE(made.ok());
    heap = *made;
  }
  PiecesHeap(const PiecesHeap&) = delete;
  PiecesHeap& operator=(const PiecesHeap&) = delete;
  ~PiecesHeap() { heap->destroy(); }

  PiecesBacking backing;
  FakeTopology topology{std::vector<unsigned>{0}};
  Heap* heap = nullptr;
};

TEST_CASE("every size has objects in pieces, of both profiles") {
  for (const Profile profile : {Profile::kFine, Profile::kRfc}) {
    PiecesHeap pieces(48, profile);
    std::vector<void*> all;
    for (unsigned c = 1; c <= pieces.heap->classes().count; ++c) {
      const std::size_t size = pieces.heap->classes().classes[c].size;
      CAPTURE(size);
      void* const p = pieces.heap->alloc(size);
      REQUIRE(p != nullptr);
      std::memset(p, 0x5a, size);
      CHECK(pieces.heap->iova_of(p) == pieces.backing.expected_iova(p));
      const std::byte* const last = static_cast<std::byte*>(p) + size - 1;
      CHECK(pieces.heap->iova_of(last) == pieces.backing.expected_iova(last));
      all.push_back(p);
    }
    pieces.heap->check_invariants();
    for (void* const p : all) CHECK(pieces.heap->free(p) == ErrorCode::kOk);
    CHECK(pieces.heap->trim().rep % PiecesBacking::kPiece.rep == 0);
    CHECK(pieces.backing.regions() == 0);
  }
}

TEST_CASE("all of the pieces is used before memory is called short") {
  constexpr unsigned kPieces = 8;
  PiecesHeap pieces(kPieces);
  std::size_t bytes = 0;
  while (void* const p = pieces.heap->alloc(4096)) {
    std::memset(p, 1, 4096);
    bytes += 4096;
  }
  CHECK(last_error().code == ErrorCode::kNoMemory);
  CHECK(Bytes{bytes} == PiecesBacking::kPiece * kPieces);
}

TEST_CASE("reserve counts pieces, and says when they are not enough") {
  PiecesHeap pieces(4);
  CHECK(pieces.heap->reserve(kMiB * 4, kAnyNode).ok());
  CHECK(pieces.backing.regions() == 3);
  CHECK(pieces.heap->reserve(kMiB * 8, kAnyNode).code == ErrorCode::kNoMemory);
  CHECK(pieces.heap->alloc(kMaxSize) != nullptr);
  pieces.heap->check_invariants();
}

}  // namespace
}  // namespace fastmem::core
