// SPDX-License-Identifier: BSD-3-Clause
// core/heap_maintain.cc -- floor 2 (core). One round of maintenance: who sleeps until something is due, how it is called,
// how a node grows ahead of need, and who is told of marks.
#include <algorithm>

#include "core/heap.h"
#include "platform/address_space.h"
#include "platform/clock.h"
#include "platform/wake_event.h"

namespace fastmem::core {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;  // ns
constexpr std::uint64_t kStillThere = kSecond;    // who maintained a moment ago comes again
constexpr std::uint64_t kNoGrowthFor = kSecond;   // where there was nothing to be had ahead of need
constexpr std::uint64_t kShortestNap = 5'000'000, kLongestNap = kSecond;
constexpr Bytes kPopulateStep = kMiB * 4;

constinit thread_local bool t_answering = false;

Bytes bytes_of(std::size_t granules) { return granules == Watermarks::kNone ? kUnlimited : Bytes{granules * kGranule}; }

Bytes ahead_of(const NodeState& n) { return Bytes{n.ahead.load(std::memory_order_relaxed)}; }

}  // namespace

Answering::Answering() { t_answering = true; }
Answering::~Answering() { t_answering = false; }
bool Answering::is_going_on() { return t_answering; }
Error Answering::refusal() {
  return make_error(ErrorCode::kReentered, "called from a watermark or pressure callback; return from it first");
}

// ---- what users ask for ----------------------------------------------------------------------------------------------

Error Heap::set_watermarks(Bytes low, Bytes high, NodeId node) {
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  const Place asked = node == kAnyNode ? Place{-1, false} : place(node);
  const int only = asked.first;
  if (node != kAnyNode && only < 0) return no_place(node);
  // In granules they must differ, too.
  if (high < kUnlimited && high.rep / kGranule <= low.rep / kGranule + (low.rep % kGranule != 0)) {
    return make_error(ErrorCode::kInvalid, "the high watermark, %zu KiB, must be above the low one, %zu KiB, by 64 KiB",
                      high / kKiB, low / kKiB);
  }
  if (low >= backing_->window().size()) {
    return make_error(ErrorCode::kInvalid, "%zu MiB free asked, the heap has address space for %zu MiB", low / kMiB,
                      backing_->window().size() / kMiB);
  }
  {
    const LockGuard guard(admin_);
    for (unsigned n = 0; n < node_count_; ++n) {
      if (only >= 0 && n != static_cast<unsigned>(only) && !(asked.whole_kind && akin(n, node))) continue;
      NodeState& its = state_->nodes[n];
      its.ahead.store(0, std::memory_order_relaxed);
      its.marks_are_new = true;
      its.no_growth_ahead_before.store(0, std::memory_order_relaxed);
      its.pages.set_watermarks(low, high);
    }
  }
  if (state_->account.attention.load(std::memory_order_relaxed) == Account::kWanted) attend_slow();
  return {};
}

void Heap::on_watermark(WatermarkCallback callback, void* context) {
  if (refuse_in_callback() != ErrorCode::kOk) return;
  const LockGuard guard(maintenance_.mutex);
  maintenance_.on_watermark = {callback, context};
}

Error Heap::maintain(std::uint64_t timeout) {
  if (t_answering) return Answering::refusal();
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  if (lost_) return make_error(ErrorCode::kNotReady, "this heap's memory is not inherited by fork");
  if (const Error error = open_wake_event(); !error.ok()) return error;
  open_triggers();
  maintenance_.inside.fetch_add(1);
  const std::uint64_t now = monotonic_ns();
  const std::uint64_t due = next_due(now);
  const bool called = state_->account.attention.load() != Account::kQuiet;
  const std::uint64_t nap = called || due <= now ? 0 : std::min(timeout, due == kForever ? kForever : due - now);
  const unsigned urgent = sleep(nap);
  // Of two that slept the other one may have been meant.
  if (maintenance_.stop.load()) signal_wake_event(maintenance_.wake_event.load());
  if (urgent != 0) pressure((urgent & 2) != 0 ? kFullPressure : kSomePressure);
  do_what_is_due(monotonic_ns());
  maintenance_.left.store(monotonic_ns());
  unsigned inside = maintenance_.inside.load();
  // 0: the child of a fork that a callback made.
  while (inside != 0 && !maintenance_.inside.compare_exchange_weak(inside, inside - 1)) {
  }
  return {};
}

// ---- from the slow paths of threads that allocate --------------------------------------------------------------------

// A mark was crossed: whoever maintains is called; where nobody does, this thread tells, and gives some surplus back.
void Heap::attend_slow() {
  if (t_answering || is_absent() || lost_) return;
  if (is_maintained(monotonic_ns())) {
    call_maintainer();
    return;
  }
  state_->account.attention.store(Account::kQuiet, std::memory_order_relaxed);
  for (unsigned n = 0; n < node_count_; ++n) answer_marks(n, kMostInline, false);
}

bool Heap::is_maintained(std::uint64_t now) const {
  if (maintenance_.inside.load() != 0) return true;
  const std::uint64_t left = maintenance_.left.load();
  return left != 0 && now < left + kStillThere;
}

// Where all are between two rounds, the next one begins at once: it looks before it sleeps.
void Heap::call_maintainer() {
  std::uint32_t wanted = Account::kWanted;
  if (maintenance_.inside.load() == 0 || !state_->account.attention.compare_exchange_strong(wanted, Account::kCalled)) {
    return;
  }
  signal_wake_event(maintenance_.wake_event.load(std::memory_order_acquire));
}

// ---- one round ---------------------------------------------------------------------------------------------------------

// Monotonic ns; kForever: nothing, unless somebody calls.
std::uint64_t Heap::next_due(std::uint64_t now) {
  const std::uint64_t constant = maintenance_.decay_ns.load(std::memory_order_relaxed);
  const std::uint64_t calm = maintenance_.calm_until.load(std::memory_order_relaxed);
  std::uint64_t due = kForever;
  for (unsigned k = 0; k < node_count_; ++k) {
    const NodeState& n = state_->nodes[k];
    const Watermarks marks = n.pages.watermarks();
    const bool marked = marks.low() != 0 || marks.high() != Watermarks::kNone;
    if (marked || constant != 0) due = std::min(due, state_->tend_round_ends.load(std::memory_order_relaxed));
    const bool may_go = n.pages.free() > kept_free(n) && n.pages.held().rep > n.floor.load(std::memory_order_relaxed);
    if (constant != 0 && may_go) {
      due = std::min(due, now + std::clamp(constant / Decay::kTicks * Decay::kLeastStep, kShortestNap, kLongestNap));
    }
    const std::uint64_t again = std::max(n.no_growth_ahead_before.load(std::memory_order_relaxed), calm);
    if (marks.low() != 0 && n.pages.free() < bytes_of(marks.low()) + ahead_of(n))
      due = std::min(due, std::max(again, now));
  }
  return due;
}

unsigned Heap::sleep(std::uint64_t ns) {
  const int event = maintenance_.wake_event.load(std::memory_order_acquire);
  if (maintenance_.trigger_taken.exchange(true)) return sleep_until_woken(event, {}, ns);
  const unsigned urgent = sleep_until_woken(event, maintenance_.triggers, ns);
  maintenance_.trigger_taken.store(false);
  return urgent;
}

void Heap::do_what_is_due(std::uint64_t now) {
  state_->account.attention.store(Account::kQuiet);  // before the look: what comes after it calls again
  for (unsigned n = 0; n < node_count_; ++n) grow_ahead(n, now);
  for (unsigned n = 0; n < node_count_; ++n) answer_marks(n, kUnlimited, true);
  const bool decays = maintenance_.decay_ns.load(std::memory_order_relaxed) != 0;
  for (unsigned n = 0; n < node_count_ && decays; ++n) decay(n, now, kUnlimited, true);
  tend_all(now);
}

void Heap::answer_marks(unsigned node, Bytes most, bool may_wait) {
  NodeState& n = state_->nodes[node];
  const Watermarks::Seen seen = n.pages.take_crossings();
  if (seen.low && !seen.low_last) tell(n, kBelowLow, seen.free_at_low);
  if (seen.high) tell(n, kAboveHigh, seen.free_at_high);
  if (seen.low && seen.low_last) tell(n, kBelowLow, seen.free_at_low);
  const Bytes high = bytes_of(n.pages.watermarks().high());
  if (n.pages.free() <= high) return;
  const Bytes gone = give_back_surplus(node, most, may_wait);
  // What is left goes with the next miss.
  if (gone == most) state_->account.want_attention();
}

void Heap::tell(const NodeState& n, int event, std::size_t free_granules) {
  Callback<WatermarkCallback> callback;
  {
    const LockGuard guard(maintenance_.mutex);
    callback = maintenance_.on_watermark;
  }
  if (callback.function == nullptr) return;
  const Answering answering;
  callback.function(event, n.id.rep, free_granules * kGranule, callback.context);
}

// ---- growth ahead of need ----------------------------------------------------------------------------------------------

// What decay leaves alone, and growth ahead of need goes for: the low mark, what is used while memory comes, and a
// quarter, lest every granule that is taken calls for more.
Bytes Heap::kept_free(const NodeState& n) const {
  const Watermarks marks = n.pages.watermarks();
  const Bytes low = bytes_of(marks.low());
  return low.rep == 0 ? low : std::min(bytes_of(marks.high()), low + ahead_of(n) + std::max(low / 4, Bytes{kGranule}));
}

void Heap::grow_ahead(unsigned node, std::uint64_t now) {
  NodeState& n = state_->nodes[node];
  const std::uint64_t not_before = std::max(maintenance_.calm_until.load(std::memory_order_relaxed),
                                            n.no_growth_ahead_before.load(std::memory_order_relaxed));
  if (n.pages.watermarks().low() == 0 || now < not_before) return;
  const LockGuard guard(admin_);  // nothing goes back meanwhile
  const Watermarks marks = n.pages.watermarks();
  const Bytes low = bytes_of(marks.low());
  const Bytes asked_below = low + ahead_of(n);
  const Bytes free_before = n.pages.free();
  const Bytes used_before = n.pages.used();
  if (free_before >= asked_below) {
    n.marks_are_new = false;
    n.pages.ask_for_growth_below(marks.low() != 0 ? asked_below : Bytes{});
    return;
  }
  while (n.pages.free() < kept_free(n)) {
    if (grow_step(node, kept_free(n) - n.pages.free(), marks).ok()) continue;
    n.no_growth_ahead_before.store(now + kNoGrowthFor, std::memory_order_relaxed);
    return;
  }
  // What was used from the question on is what must be free when the next one is asked; twice that, as rates vary.
  if (!n.marks_are_new) {
    const Bytes meanwhile = asked_below - free_before + (n.pages.used() - std::min(n.pages.used(), used_before));
    Bytes ahead = std::min(std::max(meanwhile * 2, ahead_of(n) - ahead_of(n) / 8), config_.region_size);
    if (marks.high() != Watermarks::kNone) ahead = std::min(ahead, (bytes_of(marks.high()) - low) / 2);
    n.ahead.store(ahead.rep, std::memory_order_relaxed);
  }
  n.marks_are_new = false;
  n.pages.ask_for_growth_below(low + ahead_of(n));
}

// Once a round of tending: a burst is not remembered for ever.
void Heap::forget_some_use() {
  const LockGuard guard(admin_);
  for (unsigned k = 0; k < node_count_; ++k) {
    NodeState& n = state_->nodes[k];
    const Bytes ahead = ahead_of(n);
    if (ahead.rep == 0) continue;
    n.ahead.store(ahead.rep < kGranule ? 0 : ahead.rep - ahead.rep / 16, std::memory_order_relaxed);
    n.pages.ask_for_growth_below(bytes_of(n.pages.watermarks().low()) + ahead_of(n));
  }
}

// A region or pages, and then their pages, piece by piece: who runs out meanwhile need not wait for all of them.
Error Heap::grow_step(unsigned node, Bytes missing, const Watermarks& marks) {
  NodeState& n = state_->nodes[node];
  const Bytes high = bytes_of(marks.high());
  const Bytes room = high - std::min(high, n.pages.free());
  const Bytes wanted = std::clamp(std::max(missing, n.pages.held() / 8), config_.first_region, config_.region_size);
  std::byte* at = nullptr;
  Bytes size;
  {
    const LockGuard growing(n.growth);
    const Error error = grow_by(node, std::min(wanted, std::max(room, missing)), {.granules = 1});
    n.say_why_not(error);
    if (!error.ok()) return error;
    n.forget_refusals();
    at = static_cast<std::byte*>(n.came_at);
    size = n.came;
  }
  for (Bytes done; at != nullptr && done < size; done += kPopulateStep) {
    populate(at + done.rep, std::min(kPopulateStep, size - done));
  }
  return {};
}

}  // namespace fastmem::core
