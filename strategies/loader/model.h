// Internal to the loader library: what a loader has opened, shared by it and by everything that it gave.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/dtype/dtype.h"
#include "strategies/strategy.h"
#include "weighbridge/loader.h"

namespace weighbridge {

// Throw Error (usage) where weights cannot be had in that dtype.
Target target_of(std::string_view dtype);
Target target_of(Dtype dtype);

// A checkpoint's table, the way it will be loaded, and how each tensor will lie in memory. Immutable.
class OpenModel {
 public:
  // Throws Error (usage), as parse_choice does.
  OpenModel(Checkpoint opened, Target target, std::string_view strategy);
  OpenModel(const OpenModel&) = delete;  // request refers to the members before it
  OpenModel& operator=(const OpenModel&) = delete;

  const Checkpoint checkpoint;
  const Choice choice;
  const Request request;
};

// What the plan will need. Throws Error (usage) for a strategy that has no prediction.
Need need_of(const Strategy& strategy, const Request& request);

}  // namespace weighbridge
