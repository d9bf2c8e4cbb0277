// SPDX-License-Identifier: BSD-3-Clause
// bench/scale_model/patterns.cc -- Q: what do the model's programs allocate and free next?
#include <utility>

#include "bench/scale_model/replay_body.h"
#include "bench/size_mix.h"

namespace bench::scale {
namespace {

constexpr double kPointersPerLine = 8;

}  // namespace

bool Replay::piece(CoreIndex c, bool allocating, unsigned bin, unsigned objects) {
  cores_[c].allocating = allocating;
  cores_[c].bin = bin;
  cores_[c].left = objects;
  return true;
}

bool Replay::next_piece(CoreIndex c) {
  switch (workload_.pattern) {
    case Pattern::kChurn:
      return next_of_churn(c);
    case Pattern::kPairs:
      return next_of_pair(c);
    case Pattern::kRemote:
      return next_of_remote(c);
    case Pattern::kSets:
      return next_of_sets(c);
  }
  return false;
}

bool Replay::next_of_churn(CoreIndex c) {
  Core& core = cores_[c];
  const unsigned bin = bin_of(engine_.node_of(c), kObjectSize);
  switch (core.stage++ % 3) {
    case 0:
      return piece(c, true, bin, workload_.burst);
    case 1:
      freed_ += workload_.burst;
      return piece(c, false, bin, workload_.burst);
    default:
      freed_ += workload_.calm / 2;
      engine_.run(c, workload_.calm * costs_.hit);
      return false;
  }
}

// Even cores fill batches, odd ones empty them. Each side fetches the batch's lines that the other had.
bool Replay::next_of_pair(CoreIndex c) {
  Core& core = cores_[c];
  const CoreIndex producer = c & ~1u;
  Pipe& pipe = pipes_[producer];
  const unsigned bin = bin_of(engine_.node_of(producer), kObjectSize);
  const auto crossing = [&] { return fetch(workload_.burst / kPointersPerLine, c, c ^ 1u) + fetch_line(c, c ^ 1u); };
  const auto wake_other = [&] {
    if (pipe.parked != kNobody) engine_.wake(std::exchange(pipe.parked, kNobody));
  };
  if (c == producer) {
    if (core.batch.objects != 0) {
      if (pipe.full.size() == kBatchesBetween) return pipe.parked = c, false;
      pipe.full.push_back(std::exchange(core.batch, {}));
      wake_other();
    }
    core.batch = {c, workload_.burst};
    core.after += crossing();
    return piece(c, true, bin, workload_.burst);
  }
  if (pipe.full.empty()) return pipe.parked = c, false;
  pipe.full.pop_front();
  wake_other();
  freed_ += workload_.burst;
  core.after += crossing();
  return piece(c, false, bin, workload_.burst);
}

// A batch goes to anybody's mailbox, what lay there is freed.
bool Replay::next_of_remote(CoreIndex c) {
  Core& core = cores_[c];
  if (core.stage++ % 2 == 0) return piece(c, true, bin_of(engine_.node_of(c), kObjectSize), workload_.burst);
  const Batch got = std::exchange(mail_[random_.below(shape_.cores)], Batch{c, workload_.burst});
  if (got.objects == 0) return next_of_remote(c);
  freed_ += got.objects;
  core.after += fetch(got.objects / kPointersPerLine, c, got.from) + fetch_line(c, got.from);
  return piece(c, false, bin_of(engine_.node_of(got.from), kObjectSize), got.objects);
}

bool Replay::next_of_sets(CoreIndex c) {
  const bool allocating = cores_[c].stage++ % 2 == 1;
  if (!allocating) ++freed_;
  return piece(c, allocating, bin_of(engine_.node_of(c), SizeMix(Mix::kUniform).draw(random_)), 1);
}

}  // namespace bench::scale
