// The model that write_model.py writes: as .safetensors always, as .h5 where h5py and the reader of HDF5 are there.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/program.h"

namespace weighbridge::test {

class MadeModel {
 public:
  // "small" or "large", in a folder of its own that is removed with it.
  explicit MadeModel(const std::string& size);

  // The same tensors in each of these files, which this build can read. What is left out is said on the way ("skipped:
  // ").
  const std::vector<std::string>& paths() const { return paths_; }
  // One of the other files that write_model.py wrote ("tied.h5"); empty where this build cannot read it, which was
  // said.
  std::string other(const std::string& name) const;
  std::string operator/(const std::string& name) const { return scratch_ / name; }

 private:
  Scratch scratch_;
  std::vector<std::string> paths_;
  std::vector<std::string> others_;
};

// The small one, made once for the test program's life. Nobody writes to it.
const MadeModel& small_model();

struct MadeTensor {
  std::string_view name;
  size_t elements;
};
constexpr MadeTensor kSmall[] = {
    {"conv1/kernel", 432},      {"conv1/bias", 16}, {"dense/kernel", 4320},
    {"dense/bias", 10},         {"dense/steps", 1}, {"model_weights/norm/norm/gamma", 10},
    {"layers/last/vars/0", 15},
};
constexpr size_t kSteps = 4;  // an i64, which no dtype changes
constexpr size_t kLast = 6;   // an f64

// Element i of tensor k: exact in f16.
constexpr double made_value(size_t k, size_t i) {
  return (static_cast<double>(i % 251) - 125) / 8 + static_cast<double>(k);
}

}  // namespace weighbridge::test
