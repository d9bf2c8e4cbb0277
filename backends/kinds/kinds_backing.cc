// SPDX-License-Identifier: BSD-3-Clause
#include "backends/kinds/kinds_backing.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "platform/check.h"

namespace fastmem {
namespace {

// As the kind's own backing knows it, and back.
Region as_machine(Region region) {
  region.node = machine_node_of(region.node);
  return region;
}
Result<Region> as_place(Result<Region> region, NodeId place) {
  if (region.ok()) region->node = place;
  return region;
}

Error no_node(NodeId node) {
  return make_error(ErrorCode::kNoNode, "node %u is not there: no kind %u on machine node %u", unsigned{node.rep},
                    kind_of(node), unsigned{machine_node_of(node).rep});
}

}  // namespace

Result<std::unique_ptr<KindsBacking>> KindsBacking::create(std::span<KindOfMemory> kinds, const Topology& machine) {
  if (kinds.empty() || kinds.size() > kMostKinds) {
    return make_error(ErrorCode::kInvalid, "%zu kinds of memory; 1 to %u are served", kinds.size(), kMostKinds);
  }
  if (kinds[0].only_when_named) {
    return make_error(ErrorCode::kInvalid,
                      "kind %s comes first, so it is the default: it cannot be only for who names it", kinds[0].tag);
  }
  std::unique_ptr<KindsBacking> made(new (std::nothrow) KindsBacking(machine));
  if (made == nullptr) return make_error(ErrorCode::kNoMemory, "no memory for the kinds of memory");
  for (KindOfMemory& kind : kinds) {
    if (const Error error = made->add(kind); !error.ok()) return error;
  }
  made->find_window();
  return made;
}

Error KindsBacking::add(KindOfMemory& kind) {
  const std::size_t length = strnlen(kind.tag, kLongestTag + 1);
  if (length == 0 || length > kLongestTag) {
    return make_error(ErrorCode::kInvalid, "kind %u of memory: a tag has 1 to %u characters", count_, kLongestTag);
  }
  if (has(kind.tag)) return make_error(ErrorCode::kInvalid, "two kinds of memory are called %s", kind.tag);
  if (kind.backing == nullptr) return make_error(ErrorCode::kInvalid, "kind %s has no backing", kind.tag);
  if (const Error error = topology_.add(kind); !error.ok()) return error;
  kinds_[count_++] = std::move(kind);
  return {};
}

void KindsBacking::find_window() {
  window_ = kinds_[0].backing->window();
  for (unsigned k = 1; k < count_; ++k) {
    const AddressRange its = kinds_[k].backing->window();
    window_ = {std::min(window_.begin, its.begin), std::max(window_.end, its.end)};
  }
}

bool KindsBacking::has(const char* tag) const {
  return std::any_of(kinds_.begin(), kinds_.begin() + count_,
                     [tag](const KindOfMemory& kind) { return std::strcmp(kind.tag, tag) == 0; });
}

bool KindsBacking::is_there(NodeId node) const {
  for (const NodeInfo& info : topology_.nodes()) {
    if (info.id == node) return true;
  }
  return false;
}

Bytes KindsBacking::region_unit() const {
  Bytes least = kinds_[0].backing->region_unit();
  for (unsigned k = 1; k < count_; ++k) least = std::min(least, kinds_[k].backing->region_unit());
  return least;
}

Bytes KindsBacking::region_unit_of(NodeId node) const {
  return is_there(node) ? of(node).region_unit_of(machine_node_of(node)) : region_unit();
}

bool KindsBacking::inherited_by_fork() const {
  return std::all_of(kinds_.begin(), kinds_.begin() + count_,
                     [](const KindOfMemory& kind) { return kind.backing->inherited_by_fork(); });
}

bool KindsBacking::in_pieces() const {
  return std::any_of(kinds_.begin(), kinds_.begin() + count_,
                     [](const KindOfMemory& kind) { return kind.backing->in_pieces(); });
}

// ---- passed on

Result<Region> KindsBacking::reserve(Bytes size, NodeId node, Contiguity contiguity) {
  if (!is_there(node)) return no_node(node);
  return as_place(of(node).reserve(size, machine_node_of(node), contiguity), node);
}

Result<Region> KindsBacking::reserve_aligned(Bytes size, Bytes align, NodeId node, Contiguity contiguity) {
  if (!is_there(node)) return no_node(node);
  return as_place(of(node).reserve_aligned(size, align, machine_node_of(node), contiguity), node);
}

Result<Region> KindsBacking::reserve_piece(Bytes least, NodeId node) {
  if (!is_there(node)) return no_node(node);
  return as_place(of(node).reserve_piece(least, machine_node_of(node)), node);
}

void KindsBacking::release(const Region& region) {
  FM_CHECK(is_there(region.node));
  of(region.node).release(as_machine(region));
}

// Not in address space that a kind has reserved for what it will return.
Error KindsBacking::adopt(const Region& region) {
  if (!is_there(region.node)) return no_node(region.node);
  if (const Error error = of(region.node).adopt(as_machine(region)); !error.ok()) return error;
  const auto begin = reinterpret_cast<std::uintptr_t>(region.base);
  for (unsigned k = 0; k < count_; ++k) {
    const AddressRange its = kinds_[k].backing->window();
    const bool meets = begin < its.end && its.begin < begin + region.size.rep;
    // One that takes such memory itself has reserved nothing.
    if (!meets || kinds_[k].backing->adopt(as_machine(region)).ok()) continue;
    return make_error(ErrorCode::kPermission, "memory at %p is in the address space of kind %s", region.base,
                      kinds_[k].tag);
  }
  return {};
}

Bytes KindsBacking::discard_unit(const Region& region) const {
  return is_there(region.node) ? of(region.node).discard_unit(as_machine(region)) : Bytes{};
}

Error KindsBacking::discard(const Region& region, Bytes offset, Bytes size) {
  return of(region.node).discard(as_machine(region), offset, size);
}

Error KindsBacking::restore(const Region& region, Bytes offset, Bytes size) {
  return of(region.node).restore(as_machine(region), offset, size);
}

Error KindsBacking::iova(Region& region, std::span<Iova> pages) {
  if (!is_there(region.node)) return no_node(region.node);
  Region its = as_machine(region);
  const Error error = of(region.node).iova(its, pages);
  region.inherited_by_fork = its.inherited_by_fork;
  return error;
}

}  // namespace fastmem
