// What the globals that a checkpoint's pickle names mean to whoever wants its tensors: the few functions and classes
// that state dicts are made of, the classes of plain data that stand beside them, and everything else, which is code
// that the file asks to run.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "strategies/dtype/dtype.h"

namespace weighbridge {

enum class TorchGlobal : uint8_t {
  foreign,       // code that nothing is known of
  harmless,      // plain data, or an argument that means nothing here
  module_class,  // a part of torch.nn, as pickles of whole modules name them
  ordered_dict,
  rebuild_tensor,     // (storage, offset, size, stride, ...), in the storage's dtype: _rebuild_tensor and _v2
  rebuild_tensor_v3,  // the same with a dtype of its own as seventh argument
  rebuild_parameter,  // (tensor, ...)
  rebuild_from_type,  // (function, type, arguments, state): a subclass of Tensor, or one with attributes
  size,               // torch.Size
  storage,            // a storage class: with a dtype, or untyped (bytes)
  dtype,              // torch.float32
  load_from_bytes,    // (bytes): a storage as torch.save writes it, inside of the pickle
  left_out,           // makes a tensor, but not one with plain elements: see why
};

struct TorchMeaning {
  TorchGlobal what = TorchGlobal::foreign;
  std::optional<Dtype> dtype;  // of storage and dtype; nullopt: untyped, or one that no format here knows
  std::string_view why;        // of left_out: "quantised"; of storage and dtype without a Dtype: their name
};

// `called`: something is to be made with it, or changed in it; a class or function that is only named is an argument.
// `script`: the pickle is of a TorchScript archive, whose classes are its own.
TorchMeaning torch_meaning(std::string_view module, std::string_view name, bool called, bool script);

}  // namespace weighbridge
