#include "strategies/loader/model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>
#include <vector>

#include "strategies/error.h"
#include "strategies/loader/keep_used.h"
#include "strategies/predictor.h"

namespace weighbridge {
namespace {

constexpr int kPasses = 1;

std::vector<std::string_view> target_names() {
  std::vector<std::string_view> names;
  for (const TargetInfo& info : targets()) names.push_back(info.name);
  return names;
}

// A strategy's plan as a loader carries it out.
class Keeping : public Strategy {
 public:
  explicit Keeping(const Strategy& strategy) : strategy_(strategy) {}
  std::string_view name() const override { return strategy_.name(); }
  std::string_view mechanism() const override { return strategy_.mechanism(); }
  std::string_view cost() const override { return strategy_.cost(); }
  void plan(const Request& request, Steps& steps) const override {
    KeepUsed keep(steps);
    strategy_.plan(request, keep);
  }

 private:
  const Strategy& strategy_;
};

}  // namespace

Target target_of(std::string_view dtype) {
  if (const auto target = parse_target(dtype)) return *target;
  const auto known = target_names();
  const std::string_view near = nearest(dtype, known);
  throw Error(ErrorKind::usage, fmt::format("weights cannot be had as '{}': {}", printable(dtype, 80),
                                            near.empty() ? fmt::format("there are {}", fmt::join(known, ", "))
                                                         : fmt::format("did you mean {}?", near)));
}

Target target_of(Dtype dtype) {
  return target_of(name(dtype));
}

OpenModel::OpenModel(Checkpoint opened, Target target, std::string_view strategy)
    : checkpoint(std::move(opened)),
      choice(parse_choice(strategy)),
      request(checkpoint, target, kPasses, choice.options) {}

Need need_of(const Strategy& strategy, const Request& request) {
  const auto prediction = predict(Keeping(strategy), request);
  if (!prediction) {
    throw Error(ErrorKind::usage, fmt::format("what strategy {} needs cannot be predicted", strategy.name()));
  }
  return {prediction->need, prediction->reclaimable};
}

}  // namespace weighbridge
