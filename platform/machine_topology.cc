// SPDX-License-Identifier: BSD-3-Clause
#include "platform/machine_topology.h"

#include <hwloc.h>
#include <sched.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <new>
#include <vector>

#include "platform/check.h"

namespace fastmem {
namespace {

constexpr unsigned kLocal = 10;   // ACPI's SLIT
constexpr unsigned kRemote = 20;  // where the machine does not tell

struct HwlocDeleter {
  void operator()(hwloc_topology* topology) const { hwloc_topology_destroy(topology); }
  void operator()(hwloc_bitmap_s* bitmap) const { hwloc_bitmap_free(bitmap); }
};
using HwlocTopology = std::unique_ptr<hwloc_topology, HwlocDeleter>;
using HwlocBitmap = std::unique_ptr<hwloc_bitmap_s, HwlocDeleter>;

// description == nullptr: this machine. Null when hwloc does not understand it.
HwlocTopology load(const char* description) {
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) return nullptr;
  HwlocTopology topology(raw);
  if (description != nullptr && hwloc_topology_set_synthetic(raw, description) != 0) return nullptr;
  // Without this, hwloc leaves out nodes that have no memory.
  hwloc_topology_set_flags(raw, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
  if (hwloc_topology_load(raw) != 0) return nullptr;
  return topology;
}

// What both topologies answer from, copied out of hwloc: constant once made.
class Shape {
 public:
  // topology == nullptr: one node with everything.
  explicit Shape(hwloc_topology_t topology) {
    if (topology != nullptr) read_nodes(topology);
    if (nodes_.empty()) assume_one_node();
    assume_memory();
    distances_.assign(nodes_.size() * nodes_.size(), kRemote);
    for (std::size_t i = 0; i < nodes_.size(); ++i) distances_[i * nodes_.size() + i] = kLocal;
    if (topology != nullptr) read_distances(topology);
  }

  std::span<const NodeInfo> nodes() const { return nodes_; }

  unsigned distance(NodeId from, NodeId to) const {
    const std::size_t i = index(from);
    const std::size_t j = index(to);
    FM_CHECK(i < nodes_.size() && j < nodes_.size());
    return distances_[i * nodes_.size() + j];
  }

  unsigned cpus() const {
    unsigned sum = 0;
    for (const NodeInfo& node : nodes_) sum += node.cpus;
    return std::max(sum, 1U);
  }

  // nodes().size() when there is no such node.
  std::size_t index(NodeId id) const {
    std::size_t i = 0;
    while (i < nodes_.size() && nodes_[i].id != id) ++i;
    return i;
  }

 private:
  // A node of which this process may use neither CPU nor memory is not there; one whose memory it may not use has none.
  void read_nodes(hwloc_topology_t topology) {
    hwloc_obj_t node = nullptr;
    while ((node = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, node)) != nullptr) {
      const unsigned os_index = node->os_index == HWLOC_UNKNOWN_INDEX ? 0 : node->os_index;
      NodeInfo info;
      info.id = NodeId{static_cast<std::uint16_t>(os_index)};
      info.cpus = count_allowed_cpus(topology, node);
      if (hwloc_bitmap_isset(hwloc_topology_get_allowed_nodeset(topology), os_index) != 0) {
        info.memory = Bytes{node->attr->numanode.local_memory};
      }
      if (info.cpus == 0 && info.memory.rep == 0) continue;
      nodes_.push_back(info);
    }
    std::sort(nodes_.begin(), nodes_.end(), [](const NodeInfo& a, const NodeInfo& b) { return a.id < b.id; });
    if (nodes_.size() > kMaxNodes) nodes_.resize(kMaxNodes);
  }

  static unsigned count_allowed_cpus(hwloc_topology_t topology, hwloc_obj_t node) {
    const HwlocBitmap cpus(hwloc_bitmap_alloc());
    if (cpus == nullptr || node->cpuset == nullptr) return 0;
    hwloc_bitmap_and(cpus.get(), node->cpuset, hwloc_topology_get_allowed_cpuset(topology));
    return static_cast<unsigned>(std::max(hwloc_bitmap_weight(cpus.get()), 0));
  }

  void assume_one_node() {
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    NodeInfo info;
    info.cpus = cpus > 0 ? static_cast<unsigned>(cpus) : 1;
    info.memory = memory_of_machine();
    nodes_.push_back(info);
  }

  // Where /sys and /proc cannot be read (no such mounts, no file left to open), hwloc finds nodes and no memory.
  void assume_memory() {
    const auto has_none = [](const NodeInfo& node) { return node.memory.rep == 0; };
    if (std::all_of(nodes_.begin(), nodes_.end(), has_none)) nodes_.front().memory = memory_of_machine();
  }

  static Bytes memory_of_machine() {
    struct sysinfo info = {};  // a system call: sysconf() would look into /proc
    if (sysinfo(&info) != 0 || info.totalram == 0) return kGiB;
    return Bytes{info.totalram * info.mem_unit};
  }

  void read_distances(hwloc_topology_t topology) {
    constexpr unsigned long kKind = HWLOC_DISTANCES_KIND_MEANS_LATENCY;
    unsigned count = 1;
    hwloc_distances_s* matrix = nullptr;
    if (hwloc_distances_get_by_type(topology, HWLOC_OBJ_NUMANODE, &count, &matrix, kKind, 0) != 0 || count == 0) return;
    for (unsigned i = 0; i < matrix->nbobjs; ++i) {
      for (unsigned j = 0; j < matrix->nbobjs; ++j) {
        const std::size_t from = index(NodeId{static_cast<std::uint16_t>(matrix->objs[i]->os_index)});
        const std::size_t to = index(NodeId{static_cast<std::uint16_t>(matrix->objs[j]->os_index)});
        if (from >= nodes_.size() || to >= nodes_.size()) continue;
        distances_[from * nodes_.size() + to] = static_cast<unsigned>(matrix->values[i * matrix->nbobjs + j]);
      }
    }
    hwloc_distances_release(topology, matrix);
  }

  std::vector<NodeInfo> nodes_;
  std::vector<unsigned> distances_;  // row by row, "from" by "to"
};

// ---- this machine

class MachineTopology final : public Topology {
 public:
  MachineTopology() : MachineTopology(load(nullptr)) {}

  std::span<const NodeInfo> nodes() const override { return shape_.nodes(); }
  unsigned distance(NodeId from, NodeId to) const override { return shape_.distance(from, to); }
  unsigned cpus() const override { return cpus_; }

  // glibc reads the CPU from the thread's rseq area, or from the vDSO.
  NodeId current_node() const override {
    const auto cpu = static_cast<unsigned>(sched_getcpu());
    return cpu < node_of_cpu_.size() ? node_of_cpu_[cpu] : shape_.nodes().front().id;
  }

 private:
  explicit MachineTopology(const HwlocTopology& topology) : shape_(topology.get()), cpus_(shape_.cpus()) {
    if (topology == nullptr) return;
    fill_node_of_cpu(topology.get());
    count_cpus(topology.get());
  }

  // The complete set: a CPU that is forbidden now may be allowed later.
  void fill_node_of_cpu(hwloc_topology_t topology) {
    const int last = hwloc_bitmap_last(hwloc_topology_get_complete_cpuset(topology));
    if (last < 0) return;
    node_of_cpu_.assign(static_cast<std::size_t>(last) + 1, shape_.nodes().front().id);
    hwloc_obj_t node = nullptr;
    while ((node = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, node)) != nullptr) {
      const NodeId id{static_cast<std::uint16_t>(node->os_index)};
      if (node->complete_cpuset == nullptr || shape_.index(id) == shape_.nodes().size()) continue;
      for (int cpu = hwloc_bitmap_first(node->complete_cpuset); cpu >= 0 && cpu <= last;
           cpu = hwloc_bitmap_next(node->complete_cpuset, cpu)) {
        node_of_cpu_[static_cast<std::size_t>(cpu)] = id;
      }
    }
  }

  // Of all threads together: a pinned thread may be the first to ask.
  void count_cpus(hwloc_topology_t topology) {
    const HwlocBitmap bound(hwloc_bitmap_alloc());
    if (bound == nullptr || hwloc_get_cpubind(topology, bound.get(), HWLOC_CPUBIND_PROCESS) != 0) return;
    hwloc_bitmap_and(bound.get(), bound.get(), hwloc_topology_get_allowed_cpuset(topology));
    const int count = hwloc_bitmap_weight(bound.get());
    if (count > 0) cpus_ = static_cast<unsigned>(count);
  }

  Shape shape_;
  unsigned cpus_;
  std::vector<NodeId> node_of_cpu_;
};

// ---- a described one

// What set_current_node() said, per thread and topology. Ids count up, so the last kRemembered topologies never
// collide.
struct Said {
  std::uint64_t topology = 0;  // 0: none
  NodeId node;
};
constexpr std::size_t kRemembered = 16;
thread_local std::array<Said, kRemembered> t_said;

std::atomic<std::uint64_t> g_last_id{0};  // relaxed: only uniqueness matters

class HwlocSyntheticTopology final : public SyntheticTopology {
 public:
  explicit HwlocSyntheticTopology(hwloc_topology_t topology)
      : shape_(topology), id_(g_last_id.fetch_add(1, std::memory_order_relaxed) + 1) {}

  std::span<const NodeInfo> nodes() const override { return shape_.nodes(); }
  unsigned distance(NodeId from, NodeId to) const override { return shape_.distance(from, to); }
  unsigned cpus() const override { return shape_.cpus(); }

  NodeId current_node() const override {
    const Said& said = t_said[id_ % kRemembered];
    return said.topology == id_ ? said.node : shape_.nodes().front().id;
  }

  void set_current_node(NodeId node) override {
    FM_CHECK(shape_.index(node) < shape_.nodes().size());
    t_said[id_ % kRemembered] = {id_, node};
  }

 private:
  const Shape shape_;
  const std::uint64_t id_;
};

}  // namespace

const Topology& machine_topology() {
  // Never destroyed: threads that outlive main() may still ask.
  alignas(MachineTopology) static std::byte storage[sizeof(MachineTopology)];
  static const MachineTopology* const topology = ::new (static_cast<void*>(storage)) MachineTopology;
  return *topology;
}

Result<std::unique_ptr<SyntheticTopology>> make_synthetic_topology(const char* description) {
  if (description == nullptr) return make_error(ErrorCode::kInvalid, "no description of a topology");
  const HwlocTopology topology = load(description);
  if (topology == nullptr) {
    return make_error(ErrorCode::kInvalid,
                      "hwloc does not understand the topology \"%s\"; \"numa:4 core:2 pu:1\" is one", description);
  }
  return std::unique_ptr<SyntheticTopology>(new HwlocSyntheticTopology(topology.get()));
}

}  // namespace fastmem
