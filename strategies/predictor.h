// Runs a plan on a counter: what the load will need, without loading anything.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "strategies/plan.h"
#include "strategies/strategy.h"

namespace weighbridge {

// Above the floor of a worker that has loaded nothing, in bytes, page-rounded as a Memory rounds.
struct Prediction {
  uint64_t need = 0;  // the largest sum of weights, staging and overhead at one instant
  // Below `need` where several threads load at once: the order in which they come to their items decides, and the
  // largest sum lies between the two.
  uint64_t least_need = 0;
  uint64_t weights = 0;  // of it, at that instant
  uint64_t staging = 0;
  uint64_t overhead = 0;     // the checkpoint's tensor table, and what each live buffer costs beside its pages
  uint64_t reclaimable = 0;  // the largest sum of touched pages of file mappings at one instant
  // What page tables add to the need where both together are highest: they are no part of it, and count in a limit.
  uint64_t page_tables = 0;
  uint64_t most_weights = 0;  // the largest sum of weights at one instant, which may be another than the need's
  uint64_t disk = 0;          // of files that the load leaves behind
  // Encoded tensors that the strategy cannot treat in its own way, and why (Encoding::reason): bytes by reason.
  std::map<std::string, uint64_t> fallen_back;
};

// nullopt for a plan with an opaque step.
std::optional<Prediction> predict(const Strategy& strategy, const Request& request);

}  // namespace weighbridge
