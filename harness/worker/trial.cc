// One trial: a plan, phase by phase, each boundary agreed with the parent.
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "harness/probe/clocks.h"
#include "harness/worker/protocol.h"
#include "harness/worker/worker.h"
#include "strategies/error.h"
#include "strategies/executor.h"
#include "strategies/strategy.h"

namespace weighbridge {
namespace {

// Live bytes by purpose, and their peaks in the current phase.
class PageCounts : public AllocationCounts {
 public:
  explicit PageCounts(SharedPage& page) : page_(page) {}

  void grew(Purpose purpose, uint64_t bytes) override {
    const uint64_t now = live(purpose).fetch_add(bytes, std::memory_order_relaxed) + bytes;
    std::atomic<uint64_t>& peak = peak_of(purpose);
    for (uint64_t seen = peak.load(std::memory_order_relaxed);
         now > seen && !peak.compare_exchange_weak(seen, now, std::memory_order_relaxed);) {
    }
  }
  void shrank(Purpose purpose, uint64_t bytes) override { live(purpose).fetch_sub(bytes, std::memory_order_relaxed); }

  void begin_phase() {
    for (const Purpose purpose : {Purpose::weights, Purpose::staging}) peak_of(purpose) = live(purpose).load();
  }

 private:
  std::atomic<uint64_t>& live(Purpose purpose) { return purpose == Purpose::weights ? page_.weights : page_.staging; }
  std::atomic<uint64_t>& peak_of(Purpose purpose) {
    PhasePage& phase = page_.phases[std::min<uint32_t>(page_.phase.load(std::memory_order_relaxed), kPhases - 1)];
    return purpose == Purpose::weights ? phase.weights_peak : phase.staging_peak;
  }
  SharedPage& page_;
};

class PhaseClock {
 public:
  PhaseClock(WorkerContext& context, PageCounts& counts) : context_(context), counts_(counts) {}

  void begin(Phase phase) {
    PhasePage& page = context_.page->phases[static_cast<size_t>(phase)];
    context_.page->phase.store(static_cast<uint32_t>(phase), std::memory_order_relaxed);
    counts_.begin_phase();
    page.begin_cpu_ns = process_cpu_ns();
    page.begin_wall_ns = monotonic_ns();
  }
  void end(Phase phase) {
    PhasePage& page = context_.page->phases[static_cast<size_t>(phase)];
    page.end_wall_ns = monotonic_ns();
    page.end_cpu_ns = process_cpu_ns();
    context_.meter.read();
    page.arenas = context_.allocator.figures();
    handshake(Message::Kind::phase_end, phase);
  }

 private:
  WorkerContext& context_;
  PageCounts& counts_;
};

class TrialObserver : public Observer {
 public:
  TrialObserver(WorkerContext& context, PhaseClock& clock, const Request& request, size_t target)
      : page_(*context.page), clock_(clock), request_(request), target_(target) {}

  void entering(Phase phase) override {
    clock_.end(phase_);
    phase_ = phase;
    clock_.begin(phase_);
    if (phase == Phase::release) settle();
  }

  void read(uint64_t bytes) override { page_.bytes_read.fetch_add(bytes, std::memory_order_relaxed); }

  void remark(const Remark& remark) override {
    const uint32_t count = page_.remark_count.load(std::memory_order_relaxed);
    if (count == page_.remarks.size()) return;
    PageRemark& kept = page_.remarks[count];
    remark.id.copy(kept.id.data(), kept.id.size() - 1);
    printable(remark.text, kept.text.size() - 8).copy(kept.text.data(), kept.text.size() - 1);
    kept.bytes = remark.bytes;
    page_.remark_count.store(count + 1, std::memory_order_release);
  }

  void used(uint32_t tensor, uint64_t hash) override {
    const size_t tensors = request_.checkpoint.tensors.size();
    uint64_t expected = 0;
    const auto offset = static_cast<off_t>((target_ * tensors + tensor) * sizeof(expected));
    if (pread(kReferenceDescriptor, &expected, sizeof(expected), offset) != sizeof(expected)) {
      throw Error(ErrorKind::environment, "the reference hashes could not be read");
    }
    if (hash != expected) {
      throw Error(ErrorKind::wrong_bytes, "tensor '" + printable(request_.checkpoint.tensors[tensor].name) +
                                              "' arrived with other bytes than a plain read of the checkpoint gives");
    }
    page_.bytes_used.fetch_add(request_.layouts[tensor].loaded_bytes, std::memory_order_relaxed);
    if (used_++ < tensors) checksum_ += hash;
  }

 private:
  // Before `release`: every tensor must have been used in every pass.
  void settle() {
    const size_t expected = request_.checkpoint.tensors.size() * static_cast<size_t>(request_.passes);
    if (used_ != expected) return;
    page_.checksum = checksum_;
    page_.checksum_known = 1;
  }

  SharedPage& page_;
  PhaseClock& clock_;
  const Request& request_;
  const size_t target_;
  Phase phase_ = Phase::load;
  uint64_t checksum_ = 0;
  size_t used_ = 0;
};

}  // namespace

void trial(WorkerContext& context) {
  const auto target = parse_target(context.job.cells.at(0).dtype);
  const auto wanted = std::find(context.job.targets.begin(), context.job.targets.end(), context.job.cells.at(0).dtype);
  if (!target || wanted == context.job.targets.end())
    throw Error(ErrorKind::environment, "the job's dtype is not known");
  context.meter.watch_releases(context.job.metered);
  PageCounts counts(*context.page);
  CountedMemory memory(context.allocator.memory(), counts, context.meter);
  PhaseClock clock(context, counts);

  handshake(Message::Kind::ready, Phase::open);
  clock.begin(Phase::open);
  // A plug-in's library, with all that it is linked with and does when it is loaded, is what loading this way takes.
  if (!context.job.plugin.empty()) add_plugin(context, context.job.plugin);
  const Choice choice = parse_choice(context.job.cells.at(0).strategy);
  const Checkpoint checkpoint = open_checkpoint(context.job.model);
  const Request request(checkpoint, *target, context.job.passes, choice.options);
  uint64_t delivered = 0;
  for (const Layout& layout : request.layouts) delivered += layout.loaded_bytes;
  context.page->bytes_to_use = delivered * static_cast<uint64_t>(context.job.passes);
  clock.end(Phase::open);

  clock.begin(Phase::load);
  TrialObserver observer(context, clock, request, static_cast<size_t>(wanted - context.job.targets.begin()));
  {
    Executor executor(request, memory, observer);
    choice.strategy->plan(request, executor);
  }
  clock.end(Phase::release);
}

}  // namespace weighbridge
