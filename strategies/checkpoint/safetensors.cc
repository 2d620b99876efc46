// safetensors: eight bytes of header length (little-endian), a JSON header, then the tensors' bytes without gaps.
// https://huggingface.co/docs/safetensors, and the checks of the reference reader (safetensors/src/tensor.rs).
//
// Where the reference is laxer, this reader follows the format's text: a tensor's name twice, a key twice, or an
// unknown key in a tensor's object is refused (the reference keeps the last name and skips unknown keys, so that two
// readers can see two different checkpoints). Ranks above 64 are refused too: no framework holds such a tensor (PyTorch
// 64, NumPy 64), and a header of nothing but dimensions would cost four times its size. `"__metadata__": null` passes,
// as there.
//
// Cost: one Tensor per tensor. Metadata is checked and dropped, the header never held.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/json.h"
#include "strategies/checkpoint/safetensors.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaximumHeader = 100'000'000;  // the reference's own limit
constexpr size_t kMaximumRank = 64;
constexpr size_t kShown = 80;    // bytes of a shape in a message
constexpr size_t kKeyKept = 32;  // more than any key or dtype that the format knows

struct StoredName {
  std::string_view name;
  Dtype dtype;
};
// In the order of the reference's enumeration, which is that of alignment.
constexpr std::array<StoredName, 22> kDtypes{{
    {"BOOL", Dtype::boolean},
    {"F4", Dtype::f4},
    {"F6_E2M3", Dtype::f6_e2m3},
    {"F6_E3M2", Dtype::f6_e3m2},
    {"U8", Dtype::u8},
    {"I8", Dtype::i8},
    {"F8_E5M2", Dtype::f8_e5m2},
    {"F8_E4M3", Dtype::f8_e4m3},
    {"F8_E8M0", Dtype::f8_e8m0},
    {"F8_E4M3FNUZ", Dtype::f8_e4m3fnuz},
    {"F8_E5M2FNUZ", Dtype::f8_e5m2fnuz},
    {"I16", Dtype::i16},
    {"U16", Dtype::u16},
    {"F16", Dtype::f16},
    {"BF16", Dtype::bf16},
    {"I32", Dtype::i32},
    {"U32", Dtype::u32},
    {"F32", Dtype::f32},
    {"C64", Dtype::c64},
    {"F64", Dtype::f64},
    {"I64", Dtype::i64},
    {"U64", Dtype::u64},
}};

std::string text_of(std::span<const uint64_t> shape) {
  std::string text = "[";
  for (const uint64_t dimension : shape) {
    if (text.size() > kShown) return text + "...]";
    text += fmt::format("{}{}", text.size() > 1 ? "," : "", dimension);
  }
  return text + "]";
}

class HeaderReader {
 public:
  HeaderReader(const File& file, uint64_t header_bytes, std::vector<Tensor>& tensors)
      : json_(file, kLengthBytes, header_bytes),
        data_at_(kLengthBytes + header_bytes),
        data_bytes_(file.bytes() - data_at_),
        tensors_(tensors),
        first_(tensors.size()) {}

  // Afterwards the tensors from `first_` on are checked and in order, extent.file not yet set.
  void read() {
    json_.begin_object("a JSON object that names the tensors");
    std::string name;
    bool metadata = false;
    while (json_.next_member(name)) {
      if (name == "__metadata__") {
        if (metadata) json_.fail(json_.at(), "\"__metadata__\" a second time", "each name once");
        metadata = true;
        read_metadata();
      } else {
        read_tensor(std::move(name));
      }
    }
    json_.finish();
    require_unique_names();
    require_no_gaps();
  }

 private:
  void read_metadata() {
    if (json_.skip_null()) return;
    json_.begin_object("an object of texts for \"__metadata__\"");
    std::string key;
    while (json_.next_member(key, 0)) json_.read_string("a text in \"__metadata__\"", 0);
  }

  void read_tensor(std::string name) {
    // Until the table is checked, extent.file holds where in the file the tensor's name stands: below 2^27, as the
    // header ends before. A table of its own would cost a hostile header of two million tensors 8 MB more.
    const uint64_t name_at = json_.at();
    Tensor tensor;
    tensor.extent.file = static_cast<uint32_t>(name_at);
    bool has_dtype = false, has_shape = false, has_offsets = false;
    uint64_t begin = 0, end = 0;

    const auto of = [&](std::string_view what) { return fmt::format("{} of tensor {}", what, in_quotes(name)); };
    // The name may be 99 MB long: it is held once, and texts are made of its beginning only when something is wrong.
    json_.begin_object("an object with dtype, shape and data_offsets");
    std::string key;
    while (json_.next_member(key, kKeyKept)) {
      bool* const seen = key == "dtype"          ? &has_dtype
                         : key == "shape"        ? &has_shape
                         : key == "data_offsets" ? &has_offsets
                                                 : nullptr;
      if (seen == nullptr) {
        json_.fail(json_.at(), of(fmt::format("the key {}", in_quotes(key))), "only dtype, shape and data_offsets");
      }
      if (*seen) json_.fail(json_.at(), of(fmt::format("a second {}", key)), "each key once");
      *seen = true;
      if (seen == &has_dtype) {
        read_dtype(tensor, of);
      } else if (seen == &has_shape) {
        read_shape(tensor, of);
      } else {
        json_.begin_array("an array of two byte offsets");
        begin = read_offset(of);
        end = read_offset(of);
        if (json_.next_element()) json_.fail(json_.at(), of("more than two data_offsets"), "two byte offsets");
        if (begin > end) {
          json_.fail(json_.at(), of(fmt::format("data_offsets [{},{}]", begin, end)),
                     "an end that is not before the beginning");
        }
        if (end > data_bytes_) {
          json_.fail(json_.at(), of(fmt::format("data_offsets [{},{}]", begin, end)),
                     fmt::format("an end within the {} bytes of data that the file holds", data_bytes_));
        }
      }
    }
    if (!has_dtype || !has_shape || !has_offsets) {
      json_.fail(name_at,
                 fmt::format("tensor {} without {}", in_quotes(name),
                             !has_dtype   ? "dtype"
                             : !has_shape ? "shape"
                                          : "data_offsets"),
                 "dtype, shape and data_offsets");
    }

    const std::optional<uint64_t> elements = element_count(tensor.shape);
    const std::optional<uint64_t> bytes = elements ? packed_bytes(tensor.dtype, *elements) : std::nullopt;
    if (!bytes) {
      json_.fail(
          name_at,
          fmt::format("tensor {} of {} {}", in_quotes(name), safetensors_name(tensor.dtype), text_of(tensor.shape)),
          "a whole number of bytes below 2^64");
    }
    if (*bytes != end - begin) {
      json_.fail(name_at,
                 fmt::format("tensor {} of {} {} in {} bytes", in_quotes(name), safetensors_name(tensor.dtype),
                             text_of(tensor.shape), end - begin),
                 fmt::format("{} bytes", *bytes));
    }
    tensor.name = std::move(name);
    tensor.extent.offset = data_at_ + begin;
    tensor.extent.bytes = *bytes;
    tensors_.push_back(std::move(tensor));
  }

  template <typename Of>
  void read_dtype(Tensor& tensor, const Of& of) {
    const std::string stored = json_.read_string("a dtype in double quotes", kKeyKept);
    const std::optional<Dtype> known = dtype_of_safetensors(stored);
    if (!known) {
      json_.fail(json_.at(), of(fmt::format("the dtype {}", in_quotes(stored))),
                 "a dtype of safetensors (BOOL, U8, ... F32, U64)");
    }
    tensor.dtype = *known;
  }

  template <typename Of>
  void read_shape(Tensor& tensor, const Of& of) {
    std::array<uint64_t, kMaximumRank> shape;
    size_t rank = 0;
    json_.begin_array("an array of dimensions");
    while (json_.next_element()) {
      const uint64_t dimension = json_.read_unsigned("a dimension: a whole number, 0 or more");
      if (rank == kMaximumRank) {
        json_.fail(json_.at(), of(fmt::format("more than {} dimensions", kMaximumRank)),
                   fmt::format("at most {}", kMaximumRank));
      }
      shape[rank++] = dimension;
    }
    tensor.shape.assign(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(rank));
  }

  template <typename Of>
  uint64_t read_offset(const Of& of) {
    if (!json_.next_element()) json_.fail(json_.at(), of("fewer than two data_offsets"), "two byte offsets");
    return json_.read_unsigned("a byte offset: a whole number, 0 or more");
  }

  void require_unique_names() const {
    std::vector<uint32_t> order(tensors_.size() - first_);
    std::iota(order.begin(), order.end(), 0);
    const auto at = [&](uint32_t index) -> const Tensor& { return tensors_[first_ + index]; };
    std::sort(order.begin(), order.end(), [&](uint32_t left, uint32_t right) {
      const int compared = at(left).name.compare(at(right).name);
      return compared != 0 ? compared < 0 : left < right;  // the second of two comes second in the header too
    });
    const auto twice = std::adjacent_find(
        order.begin(), order.end(), [&](uint32_t left, uint32_t right) { return at(left).name == at(right).name; });
    if (twice == order.end()) return;
    const Tensor& second = at(*(twice + 1));
    json_.fail(second.extent.file, fmt::format("tensor {} a second time", in_quotes(second.name)), "each name once");
  }

  void require_no_gaps() {
    const auto before = [](const Tensor& left, const Tensor& right) {
      return std::tie(left.extent.offset, left.extent.bytes, left.name) <
             std::tie(right.extent.offset, right.extent.bytes, right.name);
    };
    const auto begin = tensors_.begin() + static_cast<std::ptrdiff_t>(first_);
    if (!std::is_sorted(begin, tensors_.end(), before)) std::sort(begin, tensors_.end(), before);
    uint64_t reached = data_at_;
    for (auto tensor = begin; tensor != tensors_.end(); ++tensor) {
      if (tensor->extent.offset != reached) {
        json_.fail(
            tensor->extent.file,
            fmt::format("tensor {} at byte {} of the data", in_quotes(tensor->name), tensor->extent.offset - data_at_),
            fmt::format("byte {}, where the tensor before it ends: no holes, no overlaps", reached - data_at_));
      }
      reached += tensor->extent.bytes;  // cannot overflow: each end was held against the file
    }
    if (reached != data_at_ + data_bytes_) {
      json_.fail(reached, fmt::format("{} bytes after the last tensor", data_at_ + data_bytes_ - reached),
                 "the end of the file");
    }
  }

  JsonReader json_;
  const uint64_t data_at_, data_bytes_;
  std::vector<Tensor>& tensors_;
  const size_t first_;  // of this file's tensors in `tensors_`
};

bool recognises(const File& file) {
  if (file.bytes() < kLengthBytes + 2) return false;
  const uint64_t header_bytes = file.read_u64(0);
  if (header_bytes > kMaximumHeader || header_bytes > file.bytes() - kLengthBytes) return false;
  const std::string start = file.peek(kLengthBytes, static_cast<size_t>(std::min<uint64_t>(header_bytes, 4096)));
  const size_t first = start.find_first_not_of(" \t\r\n");
  return first != std::string::npos && start[first] == '{';
}

void read(const File& file, Checkpoint& checkpoint) {
  if (file.bytes() < kLengthBytes) {
    throw format_error(file.path(), 0, fmt::format("a file of {} bytes", file.bytes()),
                       "at least 8: the length of the header");
  }
  const uint64_t header_bytes = file.read_u64(0);
  if (header_bytes > kMaximumHeader) {
    throw format_error(file.path(), 0, fmt::format("a header of {} bytes", header_bytes),
                       fmt::format("at most {}, as in every safetensors file", kMaximumHeader));
  }
  if (header_bytes > file.bytes() - kLengthBytes) {
    throw format_error(file.path(), 0, fmt::format("a header of {} bytes", header_bytes),
                       fmt::format("at most the {} bytes that follow in the file", file.bytes() - kLengthBytes));
  }
  const size_t first = checkpoint.tensors.size();
  HeaderReader(file, header_bytes, checkpoint.tensors).read();
  const auto index = static_cast<uint32_t>(checkpoint.files.size() - 1);
  for (size_t i = first; i < checkpoint.tensors.size(); ++i) checkpoint.tensors[i].extent.file = index;
}

}  // namespace

std::string_view safetensors_name(Dtype dtype) {
  for (const StoredName& known : kDtypes) {
    if (known.dtype == dtype) return known.name;
  }
  return {};
}

std::optional<Dtype> dtype_of_safetensors(std::string_view name) {
  for (const StoredName& known : kDtypes) {
    if (known.name == name) return known.dtype;
  }
  return std::nullopt;
}

unsigned safetensors_rank(Dtype dtype) {
  unsigned rank = 0;
  while (rank < kDtypes.size() && kDtypes[rank].dtype != dtype) ++rank;
  return rank;
}

constexpr std::string_view kSuffixes[] = {".safetensors"};

const Format kSafetensors{
    .info = {"safetensors", "one file, a set of shards through its index, or a Hugging Face folder"},
    .suffixes = kSuffixes,
    .recognises = recognises,
    .read = read,
};

}  // namespace weighbridge
