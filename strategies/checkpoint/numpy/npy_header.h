// Internal to numpy.cc: the header of a .npy array, the text of a Python dict of three keys. Only what NumPy itself
// writes is read (quotes of either kind, Python 2's "3L", any order), by a parser of that one form: nothing is
// evaluated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strategies/dtype/dtype.h"
#include "strategies/error.h"

namespace weighbridge {

struct NpyHeader {
  std::optional<Dtype> dtype;  // nullopt: the elements are no numbers that can be loaded
  std::string foreign;         // what they are instead: "text"
  std::vector<uint64_t> shape;
  bool fortran = false;
  bool big_endian = false;
};

// Makes the Error for what was found at byte `at` of the header, and expected.
using NpyError = std::function<Error(size_t at, const std::string& found, const std::string& expected)>;

NpyHeader read_npy_header(std::string_view text, const NpyError& error);

}  // namespace weighbridge
