// How torch describes a tensor in a pickle: a call to one of its rebuild functions, with a storage (a persistent id:
// "storage", its class, a key, a device, a number of elements), an offset, a size and strides. Here that call becomes
// a plain description; nothing is looked up in the file yet.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strategies/checkpoint/pytorch/pickle_stream.h"
#include "strategies/checkpoint/pytorch/pickle_values.h"
#include "strategies/checkpoint/pytorch/torch_globals.h"

namespace weighbridge {

// A storage as its id names it.
struct StorageId {
  std::string_view key;     // within the checkpoint
  Dtype dtype = Dtype::u8;  // u8 for an untyped one, which counts bytes
  uint64_t elements = 0;    // of the whole storage
  // Of an id that means a part of the storage (legacy files): that part, in elements.
  uint64_t part_begin = 0, part_elements = 0;
  bool meta = false;  // on the device "meta": no bytes are stored
};

struct TorchTensor {
  PickleRef storage = PickleValues::kNone;  // a persistent value, or a call to load_from_bytes
  std::optional<Dtype> dtype;               // nullopt: the storage's
  uint64_t first_element = 0;
  std::vector<uint64_t> shape, strides;
  uint64_t at = 0;  // of the call, in the pickle's stream
};

// A pickle's values with torch's eyes.
class TorchValues {
 public:
  // All arguments must outlive it. `script`: of a TorchScript archive.
  TorchValues(const PickleStream& stream, const PickleValues& values, bool script);

  const PickleStream& stream() const { return stream_; }
  const PickleValues& values() const { return values_; }

  const TorchMeaning& meaning(uint32_t global) const { return meanings_[global]; }
  // The global that an object is to be made with; null: there is no such thing (the callee is itself made by a call).
  const TorchMeaning* callee(PickleRef object) const;
  // That global as a value, through the ('module', class, ...) ids of old pickles of whole modules.
  PickleRef callee_global(PickleRef object) const;
  // "torch.nn.modules.linear.Linear", printable.
  std::string name_of(const PickleValues::Global& global) const;

  enum class What : uint8_t { other, tensor, storage, left_out };
  struct Leaf {
    What what = What::other;
    PickleRef call = PickleValues::kNone;  // the call, or the storage, behind the parameters around it
    PickleRef function = PickleValues::kNone, args = PickleValues::kNone;  // of a tensor
    uint64_t at = 0;
    std::string_view why;  // left out
  };
  // Whether a value is a tensor, through the calls that only wrap one.
  Leaf leaf(PickleRef value) const;

  // The call's arguments, checked for what they are; `name` is for what is wrong. Throws Error (bad_input).
  TorchTensor tensor(const Leaf& leaf, const std::string& name) const;
  // A persistent value's id; nullopt: it is not the id of a storage. `what` it is of: "tensor "w"".
  std::optional<StorageId> storage_id(PickleRef persistent, const std::string& what) const;

 private:
  std::vector<uint64_t> numbers(PickleRef sequence, uint64_t at, std::string_view of, const std::string& name) const;

  const PickleStream& stream_;
  const PickleValues& values_;
  std::vector<TorchMeaning> meanings_;  // by the globals' index
};

}  // namespace weighbridge
