// Torch checkpoints piece by piece, so that a test can make one that torch would not write. Every piece is the opcodes
// that leave one value on the stack.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weighbridge::testing {

std::string text(std::string_view value);
std::string integer(int64_t value);
std::string tuple(const std::vector<std::string>& items);
std::string list(const std::vector<std::string>& items);
std::string dict(const std::vector<std::pair<std::string, std::string>>& pairs);
std::string numbers(const std::vector<int64_t>& values);  // a tuple of them
std::string global(std::string_view module, std::string_view name);
std::string call(const std::string& callee, const std::vector<std::string>& arguments);

// A storage's persistent id; `type` "FloatStorage".
std::string storage_id(std::string_view type, std::string_view key, int64_t elements, const std::string& part = {});
// A call to _rebuild_tensor_v2.
std::string tensor(const std::string& storage, int64_t offset, const std::vector<int64_t>& shape,
                   const std::vector<int64_t>& strides);
// A one-dimensional tensor that is all of a storage of `elements` floats.
std::string floats(std::string_view key, int64_t elements);

// Protocol 2's mark, the value, STOP.
std::string pickle(const std::string& value);

struct Stored {
  std::string key, content;
  int64_t elements = -1;  // in the old form: the number that stands before them
};
// archive/data.pkl, archive/data/KEY for each storage, then what else is wanted under archive/.
std::string torch_zip(const std::string& value, const std::vector<Stored>& storages,
                      const std::vector<std::pair<std::string, std::string>>& members = {}, bool deflated = false);
// The five pickles and the storages.
std::string torch_legacy(const std::string& value, const std::vector<Stored>& storages);
// What comes before the object's pickle.
std::string legacy_head();

// `count` bytes that count up from 0.
std::string counting(size_t count);

}  // namespace weighbridge::testing
