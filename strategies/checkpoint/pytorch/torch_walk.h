// Finds the tensors in what a pickle holds, and names each by its path: keys and indices joined with ".", as a state
// dict would if it were flat. The parts of a module that was pickled whole (_parameters, _buffers, _modules) are passed
// through without a name of theirs, so that its tensors are called as its state_dict() would call them.
//
// Values may share each other (pickle_values.h), so that a walk could go on for as good as ever: ten lists that each
// hold the one before ten times have 10^10 paths. The rules that bound it: what was found to hold no tensor is not
// entered again; a value within itself is not entered; no path has more than 512 levels or 64 KiB; and all steps
// together are at most 16 for each item of the pickle, and a million. A checkpoint that holds one state dict under
// several names, or one layer's weights under the names of 24, stays far below.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "strategies/checkpoint/pytorch/torch_tensor.h"

namespace weighbridge {

class TorchVisitor {
 public:
  virtual ~TorchVisitor() = default;
  // A tensor, a storage by itself, or what is left out, with its path. `optimizer`: within an optimizer's state.
  virtual void leaf(const TorchValues::Leaf& leaf, const std::string& name, bool optimizer) = 0;
  // A module that was pickled whole, before what is in it.
  virtual void module(PickleRef object) = 0;
  // Heap that the walk is about to take, and has given back; the visitor throws where it is too much.
  virtual void charge(uint64_t bytes) = 0;
  virtual void refund(uint64_t bytes) = 0;
};

// Throws Error (bad_input) where a rule does not hold, and whatever the visitor throws. `values` is the one that
// `torch` looks at; its marks are used up.
void walk(const TorchValues& torch, PickleValues& values, PickleRef root, TorchVisitor& visitor);

}  // namespace weighbridge
