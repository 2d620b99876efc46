// A record as a real run leaves it: a 12.5 GiB bf16 checkpoint weighed against a container's 8 GiB, with ways that fit,
// ways that are killed, one that was interrupted and figures that could not be had.
#pragma once

#include <string>
#include <vector>

#include "reports/record.h"

namespace weighbridge::reports::sample {

inline constexpr Bytes kMiB = 1 << 20;
inline constexpr Bytes kGiB = 1 << 30;

struct Weight {  // of one trial's load phase
  Bytes need = 0, file = 0, weights = 0, staging = 0;
};

Machine machine();
Checkpoint checkpoint();

// Ended by itself as `fits`, in 3 phases; every figure known.
Trial trial(int number, const Weight& weight);
// Killed by the cage in `load`, when the need had reached `need`.
Trial killed(int number, Bytes need);

// With `trials` equal trials, aggregated.
Cell cell(const char* strategy, const char* dtype, Bytes predicted, const Weight& weight, int trials = 3);
Cell killed_cell(const char* strategy, const char* dtype, Bytes predicted, Bytes reached);

// A way that lives far below its useful limit, one that lives where it is useful, and one that nothing was enough for.
std::vector<Fit> fits();

Record record();
// The same without what was cut short, and without options: four ways, one of each fate.
Record four_ways();
// As `plan` leaves it: predicted, not run; the last way has no plan.
Record plan();

// Of a rendering.
std::vector<std::string> lines(const std::string& text);

}  // namespace weighbridge::reports::sample
