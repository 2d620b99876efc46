// Which tensors are a layer's: told from their names, as no format says it in a way that another would understand.
//
// Names are paths whose parts stand between '/' or '.'. Frameworks put the layer at the front of the path, and some put
// a wrapper before it:
//   conv1.weight, h.0.attn.c_attn.weight, model.layers.0.mlp.up_proj.weight    PyTorch, safetensors, GGUF (blk.0)
//   conv1/conv1/kernel:0                                                       Keras, save_weights
//   model_weights/conv1/conv1/kernel:0                                         Keras, save
//   layers/dense/vars/0, _layer_checkpoint_dependencies/dense/vars/0           Keras 3
// So a listed layer's name ends
//   - after the first part that is a number and not the last (h.0, model.layers.0, encoder.layer.3), else
//   - in a name with '/', after its first part that is no wrapper of Keras' (conv1, dense), else
//   - before the last part (fc1 of fc1.weight), or with the name where that has one part.
// A tensor that lies beside layers, under the same name (model.scale beside model.layers.0), is a layer of its own.
// Keras' wrappers are left away where no other layer's name begins with what is left.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "strategies/checkpoint/checkpoint.h"

namespace weighbridge {

class Layers {
 public:
  explicit Layers(const Checkpoint& checkpoint);  // which must outlive it

  // In the order of their first tensors; every tensor is in exactly one of them.
  const std::vector<std::string>& names() const { return names_; }

  // Of a tensor: index into names().
  uint32_t layer_of(uint32_t tensor) const { return layer_of_[tensor]; }

  // Ascending. Of a listed name exactly its tensors. Of any other those whose name is `layer` or goes on after it with
  // a separator; where there is none, those for which that holds with as few first parts left away as it takes. Throws
  // Error (usage): with the nearest listed name where there is none either, and with two of them where what is left
  // away is not the same, as for "layers.0" beside "encoder.layers.0" and "decoder.layers.0".
  std::vector<uint32_t> tensors_of(std::string_view layer) const;

 private:
  std::vector<uint32_t> search(std::string_view layer) const;

  const Checkpoint& checkpoint_;
  std::vector<std::string> names_;
  std::unordered_map<std::string_view, uint32_t> by_name_;  // indices into names_
  std::vector<uint32_t> layer_of_;                          // of each tensor: the same
};

}  // namespace weighbridge
