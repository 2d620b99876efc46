// GGUF: "GGUF", a version, the numbers of tensors and of keys; keys with typed values; for each tensor its name,
// dimensions (the fastest first), type and place; padding; the tensors' bytes, each padded.
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, and the checks of ggml's own reader (src/gguf.cpp).
//
// This reader refuses what ggml refuses: version 1, an alignment that is no power of two, an empty key or a key twice,
// a tensor's name twice, more than four dimensions, rows that are not whole blocks, tensors that do not follow each
// other in the order in which they are listed, padded and without gaps (so that two can never overlap). It differs in
// this:
//   - Big-endian files are read. Their version, the first number, shows its bytes the wrong way round; and so do all
//     numbers behind it, those within the tensors included (swapped_blocks.h).
//   - Names of up to 159 bytes pass, not 63: stable-diffusion.cpp builds ggml with a larger GGML_MAX_NAME, and its
//     files are about. A name with a NUL is refused, as ggml would read it up to there.
//   - The padding behind the last tensor may be missing: ggml wants it only where it reads all the data in one piece.
//   - Arrays in arrays, which the format's text allows and ggml refuses, are passed over, eight deep.
//   - There are at most 2^16 keys of at most 2^16 - 1 bytes (the format's text) and 2^18 tensors. A tensor takes
//     33 bytes in a file that is made to hurt, and five times that here; models have some thousands, and a hundred
//     keys.
//
// Values are passed over, arrays of numbers in one step, texts text by text: a tokenizer's 100,000 tokens cost nothing.
#include "strategies/checkpoint/gguf/gguf_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/gguf/ggml_types.h"
#include "strategies/checkpoint/gguf/gguf_walk.h"
#include "strategies/checkpoint/gguf/swapped_blocks.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr uint64_t kMaximumKeys = 1 << 16;
constexpr uint64_t kMaximumKeyBytes = (1 << 16) - 1;
constexpr uint64_t kMaximumTensors = 1 << 18;
constexpr uint64_t kMaximumNameBytes = 159;
constexpr uint64_t kMaximumRank = 4;
constexpr uint64_t kDefaultAlignment = 32;
constexpr unsigned kMaximumNesting = 8;
constexpr uint64_t kMaximumDimension = std::numeric_limits<int64_t>::max();  // ggml's are signed

struct ValueType {
  std::string_view name;
  unsigned bytes;  // of one; 0 where it has a length of its own
  bool integer;
};
// By their numbers: enum gguf_type.
constexpr std::array<ValueType, 13> kValueTypes{{{"u8", 1, true},
                                                 {"i8", 1, true},
                                                 {"u16", 2, true},
                                                 {"i16", 2, true},
                                                 {"u32", 4, true},
                                                 {"i32", 4, true},
                                                 {"f32", 4, false},
                                                 {"bool", 1, false},
                                                 {"string", 0, false},
                                                 {"array", 0, false},
                                                 {"u64", 8, true},
                                                 {"i64", 8, true},
                                                 {"f64", 8, false}}};
constexpr uint64_t kU32 = 4, kString = 8, kArray = 9;

std::optional<uint64_t> padded(uint64_t bytes, uint64_t alignment) {
  if (bytes > std::numeric_limits<uint64_t>::max() - (alignment - 1)) return std::nullopt;
  return (bytes + alignment - 1) / alignment * alignment;
}

class HeaderReader {
 public:
  HeaderReader(const File& file, uint32_t file_index, bool big_endian, std::vector<Tensor>& tensors)
      : file_(file),
        file_index_(file_index),
        big_endian_(big_endian),
        walk_(file, kMagic.size() + 4, big_endian),
        tensors_(tensors),
        first_(tensors.size()) {}

  GgufSplit read() {
    const uint64_t counts_at = walk_.position();
    const uint64_t tensors = walk_.number(8, {"the number of tensors"});
    const uint64_t keys = walk_.number(8, {"the number of keys"});
    if (tensors > kMaximumTensors - std::min<uint64_t>(first_, kMaximumTensors)) {
      walk_.fail(counts_at, fmt::format("{} tensors", tensors), fmt::format("at most {}", kMaximumTensors));
    }
    if (keys > kMaximumKeys) {
      walk_.fail(counts_at + 8, fmt::format("{} keys", keys), fmt::format("at most {}", kMaximumKeys));
    }
    for (uint64_t i = 0; i < keys; ++i) read_key();
    keys_.clear();
    for (uint64_t i = 0; i < tensors; ++i) read_tensor();
    place_tensors();
    return split_;
  }

 private:
  void read_key() {
    const uint64_t at = walk_.position();
    std::string key = walk_.text(kMaximumKeyBytes, {"a key"});
    if (key.empty()) walk_.fail(at, "an empty key", "a key with a name");
    const auto [known, added] = keys_.insert(std::move(key));
    if (!added) walk_.fail(at, fmt::format("the key {} a second time", in_quotes(*known)), "each key once");
    const uint64_t type = read_value_type(*known);
    const uint64_t value_at = walk_.position();
    if (*known == "general.alignment") {
      if (type != kU32) {
        walk_.fail(value_at, fmt::format("\"general.alignment\" of type {}", kValueTypes[type].name), "a u32");
      }
      alignment_ = walk_.number(4, {"the value of", &*known});
      if (alignment_ == 0 || (alignment_ & (alignment_ - 1)) != 0) {
        walk_.fail(value_at, fmt::format("the alignment {}", alignment_), "a power of two");
      }
    } else if (*known == "split.no") {
      split_.number = read_integer(*known, type);
    } else if (*known == "split.count") {
      split_.at = value_at;
      split_.count = read_integer(*known, type);
    } else if (*known == "split.tensors.count") {
      split_.tensors = read_integer(*known, type);
    } else {
      skip_value(*known, type, 0);
    }
  }

  uint64_t read_value_type(const std::string& key) {
    const uint64_t at = walk_.position();
    const uint64_t type = walk_.number(4, {"the type of the value of", &key});
    if (type >= kValueTypes.size()) {
      walk_.fail(at, fmt::format("a value of type {} for the key {}", type, in_quotes(key)),
                 fmt::format("a type of GGUF (0 to {})", kValueTypes.size() - 1));
    }
    return type;
  }

  uint64_t read_integer(const std::string& key, uint64_t type) {
    const uint64_t at = walk_.position();
    const ValueType& known = kValueTypes[type];
    if (!known.integer) walk_.fail(at, fmt::format("{} of type {}", in_quotes(key), known.name), "an integer");
    const uint64_t value = walk_.number(known.bytes, {"the value of", &key});
    const bool negative = known.name[0] == 'i' && (value >> (8 * known.bytes - 1)) != 0;
    if (negative) walk_.fail(at, fmt::format("a negative {}", in_quotes(key)), "0 or more");
    return value;
  }

  void skip_value(const std::string& key, uint64_t type, unsigned depth) {
    if (type == kString) return walk_.skip(walk_.length(1, {"a text of", &key}));
    if (type != kArray) {
      walk_.number(kValueTypes[type].bytes, {"the value of", &key});
      return;
    }
    if (depth == kMaximumNesting) {
      walk_.fail(walk_.position(),
                 fmt::format("more than {} arrays in each other in {}", kMaximumNesting, in_quotes(key)), "fewer");
    }
    const uint64_t element = read_value_type(key);
    const unsigned bytes = kValueTypes[element].bytes;
    // An empty text takes the 8 bytes of its length, an empty array 12.
    const uint64_t least = bytes > 0 ? bytes : element == kString ? 8 : 12;
    const uint64_t count = walk_.length(least, {"an array of", &key});
    if (bytes > 0) return walk_.skip(count * bytes);
    for (uint64_t i = 0; i < count; ++i) skip_value(key, element, depth + 1);
  }

  void read_tensor() {
    const uint64_t at = walk_.position();
    Tensor tensor;
    tensor.name = walk_.text(kMaximumNameBytes, {"the name of a tensor"});
    const auto of = [&](std::string_view what) { return fmt::format("{} of tensor {}", what, in_quotes(tensor.name)); };
    if (tensor.name.find('\0') != std::string::npos) walk_.fail(at, of("the NUL in the name"), "a name without");

    const uint64_t rank_at = walk_.position();
    const uint64_t rank = walk_.number(4, {"the number of dimensions of tensor", &tensor.name});
    if (rank > kMaximumRank) {
      walk_.fail(rank_at, of(fmt::format("the {} dimensions", rank)), fmt::format("at most {}", kMaximumRank));
    }
    tensor.shape.resize(static_cast<size_t>(rank));
    for (auto dimension = tensor.shape.rbegin(); dimension != tensor.shape.rend(); ++dimension) {
      const uint64_t dimension_at = walk_.position();
      *dimension = walk_.number(8, {"a dimension of tensor", &tensor.name});
      if (*dimension > kMaximumDimension) {
        walk_.fail(dimension_at, of(fmt::format("the dimension {}", *dimension)), "0 to 2^63 - 1");
      }
    }
    read_type(tensor, of);

    const std::optional<uint64_t> elements = element_count(tensor.shape);
    const std::optional<uint64_t> bytes = elements ? packed_bytes(tensor.dtype, *elements) : std::nullopt;
    const std::optional<uint64_t> taken = bytes ? padded(*bytes, alignment_) : std::nullopt;
    if (!taken || *taken > std::numeric_limits<uint64_t>::max() - end_) {
      walk_.fail(rank_at, of(fmt::format("the {} dimensions [{}]", name(tensor.dtype), fmt::join(tensor.shape, ","))),
                 "fewer than 2^64 bytes in all");
    }
    const uint64_t offset_at = walk_.position();
    const uint64_t offset = walk_.number(8, {"the offset of tensor", &tensor.name});
    if (offset != end_) {
      walk_.fail(offset_at, of(fmt::format("the offset {}", offset)),
                 fmt::format("{}, where the tensor before it ends, padded to {} bytes", end_, alignment_));
    }
    tensor.extent = {file_index_, offset, *bytes};
    end_ += *taken;
    tensors_.push_back(std::move(tensor));
  }

  template <typename Of>
  void read_type(Tensor& tensor, const Of& of) {
    const uint64_t at = walk_.position();
    const uint64_t number = walk_.number(4, {"the type of tensor", &tensor.name});
    const GgmlType* const type = ggml_type(static_cast<uint32_t>(number));
    if (type == nullptr) {
      walk_.fail(at, of(fmt::format("the type {}", number)), "a type that ggml has (F32, F16, Q4_0, ...)");
    }
    if (!type->dtype) {
      walk_.fail(at, of(fmt::format("the type {} ({})", number, type->name)),
                 fmt::format("a type that ggml still has: convert the model again, to {}", type->instead));
    }
    tensor.dtype = *type->dtype;
    const uint64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
    if (row % block(tensor.dtype).elements != 0) {
      walk_.fail(at, of(fmt::format("{} elements in a row", row)),
                 fmt::format("whole blocks of {}, as {} has", block(tensor.dtype).elements, type->name));
    }
    if (!big_endian_) return;
    if (!type->fields_known) {
      walk_.fail(at, of(fmt::format("the type {} in a big-endian file", type->name)),
                 "it in a little-endian file: what it means in this one is not settled");
    }
    if (type->fields.empty()) return;
    auto& encoding = encodings_[type->number];
    if (encoding == nullptr) encoding = swapped_blocks(*type);
    tensor.encoding = encoding;
  }

  // From offsets within the data to offsets within the file.
  void place_tensors() {
    if (tensors_.size() == first_) return;
    const std::optional<uint64_t> data_at = padded(walk_.position(), alignment_);
    for (auto tensor = tensors_.begin() + static_cast<std::ptrdiff_t>(first_); tensor != tensors_.end(); ++tensor) {
      const uint64_t room = data_at && *data_at <= file_.bytes() ? file_.bytes() - *data_at : 0;
      const uint64_t begin = tensor->extent.offset;
      if (!data_at || *data_at > file_.bytes() || begin > room || tensor->extent.bytes > room - begin) {
        walk_.fail(file_.bytes(), "the end of the file",
                   fmt::format("tensor {}, {} bytes at byte {} of the data, which begin{}", in_quotes(tensor->name),
                               tensor->extent.bytes, begin,
                               data_at ? fmt::format(" at byte {}", *data_at) : " beyond any file"));
      }
      tensor->extent.offset += *data_at;
    }
  }

  const File& file_;
  const uint32_t file_index_;
  const bool big_endian_;
  GgufWalk walk_;
  std::vector<Tensor>& tensors_;
  const size_t first_;  // of this file's tensors
  GgufSplit split_;
  std::set<std::string> keys_;
  std::map<uint32_t, std::shared_ptr<const Encoding>> encodings_;  // by type
  uint64_t alignment_ = kDefaultAlignment;
  uint64_t end_ = 0;  // of the tensors so far, within the data
};

}  // namespace

GgufSplit read_gguf(const File& file, uint32_t file_index, std::vector<Tensor>& tensors) {
  const std::string magic = file.peek(0, kMagic.size());
  if (magic != kMagic) {
    throw format_error(file.path(), 0, magic.empty() ? "an empty file" : in_quotes(magic), in_quotes(kMagic));
  }
  GgufWalk start(file, kMagic.size(), false);
  uint64_t version = start.number(4, {"the version of GGUF"});
  // As ggml does: no version will ever reach 2^16.
  const bool big_endian = version != 0 && (version & 0xffff) == 0;
  if (big_endian) version = __builtin_bswap32(static_cast<uint32_t>(version));
  if (version == 1) {
    throw format_error(
        file.path(), kMagic.size(), "GGUF version 1",
        "version 2 or 3: version 1 lasted for weeks in 2023, and no tool reads it; convert the model again");
  }
  if (version != 2 && version != 3) {
    throw format_error(file.path(), kMagic.size(), fmt::format("GGUF version {}", version), "version 2 or 3");
  }
  return HeaderReader(file, file_index, big_endian, tensors).read();
}

}  // namespace weighbridge
