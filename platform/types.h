// SPDX-License-Identifier: BSD-3-Clause
// platform/types.h -- floor 0. The vocabulary: ids, sizes and addresses are distinct types, so a swapped call does not
// build.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace fastmem {

template <class Tag, class Rep>
struct Id {
  constexpr Id() = default;
  constexpr explicit Id(Rep r) : rep(r) {}
  constexpr auto operator<=>(const Id&) const = default;
  Rep rep{};
};

using NodeId = Id<struct NodeTag, std::uint16_t>;   // a NUMA node as the operating system numbers it; may have holes
using ClassId = Id<struct ClassTag, std::uint8_t>;  // a size class; 0 is "no class"
using SlotId = Id<struct SlotTag, std::uint16_t>;   // an owner of caches; 0 is "no slot yet"
using CpuId = Id<struct CpuTag, std::uint32_t>;     // a processor as the operating system numbers it
using Iova = Id<struct IovaTag, std::uint64_t>;     // an address as a device sees it

inline constexpr NodeId kAnyNode{0xffff};           // "the calling thread's node, then the nearest that has memory"
inline constexpr Iova kBadIova{~std::uint64_t{0}};  // never a valid device address

// Where a heap has several kinds of memory on each machine node (backends/kinds/), kind k on machine node n is the place
// k * 1024 + n. Kind 0 is the default one: its places are the machine's nodes themselves. No machine has a node 1023, so
// k * 1024 + 1023 is free to mean "kind k, on the calling thread's node first".
inline constexpr unsigned kPlacesPerKind = 1024;
inline constexpr unsigned kMostKinds = 63;  // the number of one more would make kAnyNode
inline constexpr unsigned kCallersNode = kPlacesPerKind - 1;

constexpr NodeId place_of(unsigned kind, unsigned machine_node) {
  return NodeId{static_cast<std::uint16_t>(kind * kPlacesPerKind + machine_node)};
}
constexpr unsigned kind_of(NodeId place) { return place.rep / kPlacesPerKind; }
constexpr NodeId machine_node_of(NodeId place) {
  return NodeId{static_cast<std::uint16_t>(place.rep % kPlacesPerKind)};
}
constexpr bool means_callers_node(NodeId place) {
  return place.rep % kPlacesPerKind == kCallersNode && place != kAnyNode;
}

// A number of bytes. Converts from and to integers only when asked to.
struct Bytes {
  constexpr Bytes() = default;
  constexpr explicit Bytes(std::size_t n) : rep(n) {}
  constexpr auto operator<=>(const Bytes&) const = default;
  constexpr Bytes& operator+=(Bytes o) { return rep += o.rep, *this; }
  constexpr Bytes& operator-=(Bytes o) { return rep -= o.rep, *this; }
  friend constexpr Bytes operator+(Bytes a, Bytes b) { return Bytes{a.rep + b.rep}; }
  friend constexpr Bytes operator-(Bytes a, Bytes b) { return Bytes{a.rep - b.rep}; }
  friend constexpr Bytes operator*(Bytes a, std::size_t n) { return Bytes{a.rep * n}; }
  friend constexpr std::size_t operator/(Bytes a, Bytes b) { return a.rep / b.rep; }
  friend constexpr Bytes operator/(Bytes a, std::size_t n) { return Bytes{a.rep / n}; }
  std::size_t rep = 0;
};

inline constexpr Bytes kKiB{std::size_t{1} << 10};
inline constexpr Bytes kMiB{std::size_t{1} << 20};
inline constexpr Bytes kGiB{std::size_t{1} << 30};
inline constexpr Bytes kUnlimited{~std::size_t{0}};

constexpr bool is_power_of_two(std::size_t n) { return n != 0 && (n & (n - 1)) == 0; }
constexpr std::size_t round_down(std::size_t n, std::size_t power_of_two) { return n & ~(power_of_two - 1); }
constexpr std::size_t round_up(std::size_t n, std::size_t power_of_two) {
  return round_down(n + power_of_two - 1, power_of_two);
}
constexpr Bytes round_up(Bytes n, Bytes power_of_two) { return Bytes{round_up(n.rep, power_of_two.rep)}; }
constexpr Bytes round_down(Bytes n, Bytes power_of_two) { return Bytes{round_down(n.rep, power_of_two.rep)}; }

// State that processes may share is plain data: it can be mapped, copied and left behind.
template <class T>
concept Shareable = std::is_standard_layout_v<T> && std::is_trivially_destructible_v<T> && !std::is_polymorphic_v<T>;

}  // namespace fastmem
