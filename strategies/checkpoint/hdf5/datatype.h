// Datatype messages: which of them is a plain number of ours. Format specification 3.0, IV.A.2.d.
#pragma once

#include <optional>
#include <string>

#include "strategies/checkpoint/hdf5/source.h"
#include "strategies/dtype/dtype.h"

namespace weighbridge::hdf5 {

// A plain number as the file stores it.
struct ElementType {
  Dtype dtype = Dtype::f32;
  bool big_endian = false;
  // Of integers that use a part of their bits; otherwise 0 and all of them.
  uint16_t bit_offset = 0, precision = 0;

  size_t bytes() const { return block(dtype).bytes; }
  bool whole() const { return bit_offset == 0 && precision == 8 * bytes(); }
};

struct TypeOrNot {
  std::optional<ElementType> type;
  std::string other;          // no number: what it is, in the plural, for people
  bool opaque_pairs = false;  // two bytes that the file calls nothing: how Keras 3 stores bfloat16
};

// Integers of 1, 2, 4 or 8 bytes, IEEE floats of 2, 4 or 8, bfloat16, and the enumeration {FALSE, TRUE} that h5py
// writes for booleans. Throws Error (bad_input) where the message ends early.
TypeOrNot read_type(Cursor message);

// The text that an attribute of the name "dtype" holds; nullopt for any other attribute. Keras writes it beside opaque
// pairs, as a string of variable length in a global heap.
std::optional<std::string> read_dtype_attribute(Source& source, Cursor message);

}  // namespace weighbridge::hdf5
