// How a tensor lies over a storage: where it begins, how far apart its elements are, which end of them comes first.
// What NumPy's Fortran order, PyTorch's strides and big-endian files of any format come down to.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/checkpoint/storage/storage.h"

namespace weighbridge {

struct View {
  uint64_t begin = 0;          // bytes of the storage before its elements
  uint64_t first_element = 0;  // counted from there
  // Elements from one to the next along each dimension; nullopt: C order without gaps. May be 0 (an expanded view).
  std::optional<std::vector<uint64_t>> strides = std::nullopt;
  bool big_endian = false;
};

std::vector<uint64_t> fortran_strides(const std::vector<uint64_t>& shape);  // of a shape whose product fits 64 bits

// Where in the file a tensor is described, for what is wrong with it: Error of format_error's form.
struct DescribedAt {
  const std::string& path;
  uint64_t offset;
};

// Lays tensors over storages. Two tensors that are the same view of the same bytes get the same Encoding object, so
// that open_checkpoint can tell them to be the same.
class TensorLayout {
 public:
  // Sets `extent`, and `encoding` unless the elements lie plainly, of a tensor whose name, dtype and shape are set.
  // Throws Error (bad_input, at `place`) where the view leaves the storage, its size overflows, or it cannot be read in
  // bounded memory and time: elements that overlap in a compressed storage of more than 16 MiB, expanded views that
  // together come to 64 MiB more than what the file stores.
  void lay(Tensor& tensor, const Storage& storage, const View& view, const DescribedAt& place);

 private:
  using Key = std::tuple<uint32_t, uint64_t, uint64_t, uint64_t, uint64_t, bool, Dtype, std::vector<uint64_t>,
                         std::vector<uint64_t>>;
  std::map<Key, std::shared_ptr<const Encoding>> encodings_;
  uint64_t expanded_ = 0;  // bytes of tensors beyond those they are a view of
};

}  // namespace weighbridge
