// SPDX-License-Identifier: BSD-3-Clause
#include "api/kinds.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "api/default_heap.h"
#include "backends/caller/caller_backing.h"

namespace fastmem {
namespace {

// What one heap has once, the kinds cannot share: the first one begins at the base address, and each has files of its own.
Result<std::unique_ptr<Backing>> make_one(const Kind& kind, bool first, const Config& config, const Topology& machine) {
  if (kind.brought) return make_caller_backing();
  Config its = config;
  its.pages = kind.pages;
  its.locked = kind.locked;
  if (!first) its.base_address = 0;
  char prefix[80];
  std::snprintf(prefix, sizeof(prefix), "%s_%s", config.file_prefix != nullptr ? config.file_prefix : "fastmem",
                kind.tag);
  if (its.files == FileKind::kHugetlbfs || its.files == FileKind::kHugetlbfsList) its.file_prefix = prefix;
  return make_backing(its, machine);
}

Error with_tag(const char* tag, const Error& error) {
  return make_error(error.code, "kind %s: %.300s", tag, error.text);
}

}  // namespace

Result<std::unique_ptr<KindsBacking>> make_kinds(const Config& config, const Topology& machine) {
  std::array<KindOfMemory, kMostKinds> made;
  if (config.kinds.size() > made.size()) {
    return make_error(ErrorCode::kInvalid, "%zu kinds of memory; 1 to %zu are served", config.kinds.size(),
                      made.size());
  }
  for (std::size_t k = 0; k < config.kinds.size(); ++k) {
    const Kind& kind = config.kinds[k];
    const std::size_t length = kind.tag != nullptr ? strnlen(kind.tag, kLongestTag + 1) : 0;
    if (length == 0 || length > kLongestTag) {
      return make_error(ErrorCode::kInvalid, "kind %zu of memory: a tag has 1 to %u characters", k, kLongestTag);
    }
    auto backing = make_one(kind, k == 0, config, machine);
    if (!backing.ok()) return with_tag(kind.tag, backing.error());
    std::memcpy(made[k].tag, kind.tag, length);
    made[k].backing = std::move(backing.value());
    made[k].only_when_named = kind.only_when_named;
    if (kind.node != kAnyNode) made[k].only_node = kind.node;
  }
  return KindsBacking::create({made.data(), config.kinds.size()}, machine);
}

void limit_kinds(core::Heap& heap, const Config& config) {
  for (unsigned k = 0; k < config.kinds.size(); ++k) {
    if (config.kinds[k].limit != kUnlimited) heap.set_limit(config.kinds[k].limit, place_of(k, kCallersNode));
  }
}

}  // namespace fastmem
