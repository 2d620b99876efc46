// Whether every value of a tensor of floats fits a narrower float exactly: converted there and back, its bits are the
// same. What was trained in bf16 and saved as f32 is such a tensor, and half of its bytes say nothing.
//
// There and back goes by the kernels that load tensors (dtype/convert.h), so the answer is about them: a signalling
// NaN, which they make quiet, does not fit. f8 has no kernel to it everywhere; but whatever f8 holds, bf16 holds, so
// there are at most 256 patterns among the 65,536 of bf16 to be looked up.
//
// A dtype that failed once is not tried again: for ordinary weights the first piece is the last that costs anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "strategies/dtype/dtype.h"

namespace weighbridge {

class ExactFit {
 public:
  explicit ExactFit(Dtype stored);

  // The next values, as they are stored; at most kPieceElements.
  void add(const std::byte* values, size_t count);
  static constexpr size_t kPieceElements = size_t{1} << 14;

  // Of f32, bf16, f16, f8_e5m2, f8_e4m3 those that are narrower than what is stored and hold all values so far. Empty
  // for what is no float of 16 bits or more.
  std::vector<Dtype> fits() const;

 private:
  struct Candidate {
    Dtype dtype;
    bool fits = true;
  };
  bool any() const;
  bool holds(Dtype dtype, const std::byte* f32, size_t count);

  Dtype stored_;
  std::vector<Candidate> candidates_;
  std::vector<std::byte> f32_, there_, back_;  // a piece each
};

}  // namespace weighbridge
