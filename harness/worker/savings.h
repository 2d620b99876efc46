// What follows from a checkpoint's values: what could be left away, and what no weight should be. Each saving is taken
// alone; they do not add up.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "strategies/architecture/architecture.h"
#include "strategies/values/survey.h"

namespace weighbridge {

struct ValueFinding {
  std::string id;       // "not-a-number", "infinite", "narrower", "zeros", "duplicates", "constant"
  std::string text;     // one sentence without its full stop; what it quotes is printable already
  std::string remedy;   // likewise; empty where there is none
  std::string command;  // to paste; empty where there is none
  uint64_t tensors = 0;
  uint64_t saves_bytes = 0;  // 0: a danger
};

// Dangers first, then the largest saving first.
std::vector<ValueFinding> value_findings(const Checkpoint& checkpoint, const Roles& roles, const Survey& survey);

// Bytes of the tensor stored sparsely, where that is less than it takes now.
std::optional<SparseBytes> worth_sparse(const Tensor& tensor, const TensorValues& values);

}  // namespace weighbridge
