// SPDX-License-Identifier: BSD-3-Clause
// backends/kinds/kinds_backing.h -- floor 1. Several kinds of memory in one heap: each kind is a backing of its own with a
// tag, and each (kind, machine node) one node of the heap, numbered as platform/types.h says.
// What:      everything is passed on to the kind that the node's number names, which knows the machine's nodes alone.
//            Fallback goes to the same kind on other nodes first, by distance, then to the next kind.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>

#include "platform/backing.h"
#include "platform/build.h"
#include "platform/topology.h"

namespace fastmem {

inline constexpr unsigned kLongestTag = 15;  // characters

struct KindOfMemory {
  char tag[kLongestTag + 1] = {};
  std::unique_ptr<Backing> backing;
  std::optional<NodeId> only_node;  // of the machine; unset: every node that has memory
  bool only_when_named = false;     // never stands in for another kind
};

// The nodes that a heap of kinds sees, over those of the machine, which must outlive it.
class FASTMEM_EXPORT KindsTopology final : public Topology {
 public:
  std::span<const NodeInfo> nodes() const override { return {nodes_.data(), count_}; }
  unsigned distance(NodeId from, NodeId to) const override;
  NodeId current_node() const override;
  unsigned cpus() const override { return machine_->cpus(); }
  const char* kind_tag(unsigned kind) const override { return kind < kinds_ ? tags_[kind].data() : nullptr; }

 private:
  friend class KindsBacking;
  explicit KindsTopology(const Topology& machine) : machine_(&machine) {}
  Error add(const KindOfMemory& what);

  const Topology* machine_;
  std::array<std::array<char, kLongestTag + 1>, kMostKinds> tags_ = {};
  unsigned kinds_ = 0;
  std::array<NodeInfo, kMaxNodes> nodes_ = {};
  unsigned count_ = 0;
};

class FASTMEM_EXPORT KindsBacking final : public Backing {
 public:
  // The first kind is the default one, so it may not be only_when_named. kInvalid: no kind, too many, a tag that is empty,
  // too long or there twice, or more than kMaxNodes nodes together; kNoNode: an only_node that the machine does not have.
  static Result<std::unique_ptr<KindsBacking>> create(std::span<KindOfMemory> kinds, const Topology& machine);

  const Topology& topology() const { return topology_; }

  const char* name() const override { return "kinds"; }
  AddressRange window() const override { return window_; }
  Bytes region_unit() const override;
  Bytes region_unit_of(NodeId node) const override;
  bool inherited_by_fork() const override;
  bool in_pieces() const override;

  Result<Region> reserve(Bytes size, NodeId node, Contiguity contiguity) override;
  Result<Region> reserve_aligned(Bytes size, Bytes align, NodeId node, Contiguity contiguity) override;
  Result<Region> reserve_piece(Bytes least, NodeId node) override;
  void release(const Region& region) override;
  Error adopt(const Region& region) override;
  Bytes discard_unit(const Region& region) const override;
  Error discard(const Region& region, Bytes offset, Bytes size) override;
  Error restore(const Region& region, Bytes offset, Bytes size) override;
  Error iova(Region& region, std::span<Iova> pages) override;

 private:
  explicit KindsBacking(const Topology& machine) : topology_(machine) {}
  Error add(KindOfMemory& kind);
  bool has(const char* tag) const;
  void find_window();
  bool is_there(NodeId node) const;
  Backing& of(NodeId node) const { return *kinds_[kind_of(node)].backing; }

  KindsTopology topology_;
  std::array<KindOfMemory, kMostKinds> kinds_;
  unsigned count_ = 0;
  AddressRange window_;
};

}  // namespace fastmem
