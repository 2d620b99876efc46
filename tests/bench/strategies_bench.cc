// Whole strategies, run by the executor on the worker's memory as in a trial, each against the least work that ends in
// the same bytes in the same memory.
//
// What a strategy is held against follows from what it does, not from its name:
//   native, read           read() into equally fresh memory, by the best of several piece sizes
//   native, mapped         a mapping and the same hash of each tensor by hand
//   native, `direct`       O_DIRECT by the best of all queues
//   converted              the slower of its halves: reading alone through a chunk, or the kernel alone into fresh
//   memory
// Timed are load and release, and `use` (a hash of every byte) too where nothing is read before it; the limit then
// hashes as well.
#include <fmt/format.h>

#include <atomic>
#include <memory>
#include <optional>

#include "reports/units.h"
#include "strategies/error.h"
#include "strategies/executor.h"
#include "strategies/predictor.h"
#include "strategies/strategy.h"
#include "tests/bench/by_hand.h"
#include "tests/bench/cases.h"
#include "tests/bench/direct_reads.h"
#include "tests/bench/rows.h"
#include "tests/bench/timing.h"

namespace weighbridge::bench {
namespace {

constexpr uint64_t kPieces[] = {uint64_t{256} << 10, uint64_t{1} << 20, uint64_t{8} << 20, uint64_t{64} << 20};

// Clocks the phases of one run.
class Phases : public Observer {
 public:
  void entering(Phase phase) override {
    if (phase == Phase::use) loaded_ = watch_.seconds();
    if (phase == Phase::release) used_ = watch_.seconds();
  }
  void read(uint64_t bytes) override { read_ += bytes; }

  double seconds(Use use) const { return watch_.seconds() - (use == Use::hash ? 0 : used_ - loaded_); }
  uint64_t bytes_read() const { return read_; }

 private:
  const WallWatch watch_;
  double loaded_ = 0, used_ = 0;
  std::atomic<uint64_t> read_ = 0;
};

// A strategy in its default options with what it works on. Made when its row is first run.
class Load {
 public:
  Load(const Strategy& strategy, Target target)
      : choice_(parse_choice(strategy.name())), request_(Ground::get().checkpoint(), target, 1, choice_.options) {}

  double run() const {
    Phases phases;
    {
      Executor executor(request_, Ground::get().memory(), phases);
      choice_.strategy->plan(request_, executor);
    }
    return phases.seconds(use_);
  }

  // Reads nothing before `use`: what it costs shows there only.
  bool reads_in_use() const {
    class Before : public Phases {
     public:
      void entering(Phase phase) override {
        if (phase == Phase::use) before_use = bytes_read();
      }
      uint64_t before_use = 0;
    } phases;
    Executor executor(request_, Ground::get().memory(), phases);
    choice_.strategy->plan(request_, executor);
    return phases.before_use < Ground::get().tensor_bytes();
  }

  void time(Use use) { use_ = use; }
  const Request& request() const { return request_; }
  std::optional<Prediction> prediction() const { return predict(*choice_.strategy, request_); }
  uint64_t chunk_bytes() const {
    const Choice stream = parse_choice("stream");
    return parse_bytes(stream.options.at("chunk"), "stream:chunk");
  }

 private:
  const Choice choice_;
  const Request request_;
  Use use_ = Use::none;
};

std::string hashed(Use use) {
  return use == Use::hash ? " and the hash" : "";
}

std::vector<Limit> read_limits(Use use) {
  std::vector<Limit> limits;
  for (const uint64_t piece : kPieces) {
    limits.push_back({fmt::format("read() of {} into fresh memory{}", reports::exact_bytes(piece), hashed(use)),
                      [=] { return read_into_fresh(piece, use); }});
  }
  return limits;
}

std::vector<Limit> direct_limits() {
  std::vector<Limit> limits;
  std::string left_out;
  for (const DirectQueue& queue : direct_queues(left_out)) {
    limits.push_back({"O_DIRECT by " + name(queue), [=] { return read_direct(queue); }});
  }
  return limits;
}

std::vector<Limit> halves(const std::shared_ptr<Load>& load, Use use) {
  constexpr uint64_t kInCache = uint64_t{256} << 10;  // the kernel's source: nothing is faster
  const uint64_t chunk = load->chunk_bytes();
  return {{fmt::format("reading alone through {}{}", reports::exact_bytes(chunk), hashed(Use::none)),
           [=] { return read_into_reused(chunk); }},
          {fmt::format("the kernel alone into fresh memory{}", hashed(use)),
           [=] { return convert_into_fresh(load->request(), kInCache, use); }}};
}

void choose_limits(Row& row, const std::shared_ptr<Load>& load, bool direct) {
  const Use use = load->reads_in_use() ? Use::hash : Use::none;
  load->time(use);
  const auto prediction = load->prediction();
  if (prediction) row.predicted_bytes = prediction->need;
  const bool mapped = prediction && prediction->reclaimable > Ground::get().tensor_bytes() / 2;
  if (load->request().target.dtype) {
    row.against = Row::Against::slowest;
    row.limits = halves(load, use);
  } else if (direct) {
    row.limits = direct_limits();
  } else if (mapped) {
    row.limits = {{"a mapping and the hash by hand", [] { return map_and(Touch::hash); }}};
  } else {
    row.limits = read_limits(use);
  }
}

std::optional<double> bar_of(std::string_view strategy, std::string_view target) {
  if (target == "native" && (strategy == "eager" || strategy == "mmap" || strategy == "direct")) return 0.95;
  if (strategy == "stream" && (target == "f16" || target == "bf16")) return 0.9;
  return std::nullopt;
}

void add_strategy_row(const Strategy& strategy, const TargetInfo& target) {
  const auto load = std::make_shared<std::shared_ptr<Load>>();
  Row row;
  row.name = fmt::format("strategy/{}/{}", strategy.name(), target.name);
  row.group = "Strategies";
  row.work = [load] { return (*load)->run(); };
  row.bar = bar_of(strategy.name(), target.name);
  row.weighs = row.reads_file = true;
  row.prepare = [load, &strategy, target = target.target](Row& self) {
    *load = std::make_shared<Load>(strategy, target);
    self.bytes = Ground::get().tensor_bytes();
    choose_limits(self, *load, strategy.name() == "direct");
  };
  add_row(std::move(row));
}

}  // namespace

void add_strategy_rows() {
  bool direct = false;
  for (const Strategy* strategy : strategies()) {
    direct = direct || strategy->name() == "direct";
    for (const TargetInfo& target : targets()) {
      // Every strategy once as stored and once converted; what streams, into every target.
      if (!target.target.dtype || target.target.dtype == Dtype::f16 ||
          (strategy->name() == "stream" && target.target.dtype != Dtype::f32)) {
        add_strategy_row(*strategy, target);
      }
    }
  }
  if (direct) return;
  Row row;
  row.name = "strategy/direct/native";
  row.group = "Strategies";
  row.bar = bar_of("direct", "native");
  row.outcome.error = "there is no strategy named direct in this build";
  add_row(std::move(row));
}

}  // namespace weighbridge::bench
