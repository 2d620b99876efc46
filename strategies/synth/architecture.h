// Internal to this folder: what each architecture's checkpoint holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strategies/dtype/dtype.h"

namespace weighbridge::synth {

// One tensor before it has bytes: values are mean + spread x N(0, 1).
struct Recipe {
  std::string name;
  std::vector<uint64_t> shape;
  double mean = 0;
  double spread = 0;
  std::optional<Dtype> dtype = std::nullopt;  // that it has whatever dtype was asked for
};

// In the order of the model's state dict. `layers` is within the architecture's own; nullopt for an unknown name.
std::optional<std::vector<Recipe>> recipes(std::string_view architecture, std::optional<unsigned> layers);

}  // namespace weighbridge::synth
