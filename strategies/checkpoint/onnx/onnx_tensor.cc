#include "strategies/checkpoint/onnx/onnx_tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/onnx/onnx_external.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr size_t kMaximumRank = 64;  // as NumPy and PyTorch
constexpr uint64_t kString = 8;
constexpr size_t kMaximumLocation = 4096;  // PATH_MAX
constexpr size_t kMaximumValue = 64;       // more than any key or number of external_data

// Field numbers of TensorProto, those of data aside.
enum : uint32_t {
  kDims = 1,
  kDataType = 2,
  kSegment = 3,
  kName = 8,
  kExternalData = 13,
  kDataLocation = 14,
};

struct StoredType {
  std::string_view name;  // in TensorProto.DataType; empty for a number that is no type
  Dtype dtype;
  OnnxField field;  // the typed one that may hold it
};
// By their numbers in TensorProto.DataType. The names of what is not read are kept for the refusal.
constexpr std::array<StoredType, 27> kTypes{{
    {"UNDEFINED", Dtype::u8, OnnxField::none},
    {"FLOAT", Dtype::f32, OnnxField::float_data},
    {"UINT8", Dtype::u8, OnnxField::int32_data},
    {"INT8", Dtype::i8, OnnxField::int32_data},
    {"UINT16", Dtype::u16, OnnxField::int32_data},
    {"INT16", Dtype::i16, OnnxField::int32_data},
    {"INT32", Dtype::i32, OnnxField::int32_data},
    {"INT64", Dtype::i64, OnnxField::int64_data},
    {"STRING", Dtype::u8, OnnxField::string_data},
    {"BOOL", Dtype::boolean, OnnxField::int32_data},
    {"FLOAT16", Dtype::f16, OnnxField::int32_data},
    {"DOUBLE", Dtype::f64, OnnxField::double_data},
    {"UINT32", Dtype::u32, OnnxField::uint64_data},
    {"UINT64", Dtype::u64, OnnxField::uint64_data},
    {"COMPLEX64", Dtype::c64, OnnxField::float_data},
    {"COMPLEX128", Dtype::c128, OnnxField::double_data},
    {"BFLOAT16", Dtype::bf16, OnnxField::int32_data},
    {"FLOAT8E4M3FN", Dtype::f8_e4m3, OnnxField::int32_data},
    {"FLOAT8E4M3FNUZ", Dtype::f8_e4m3fnuz, OnnxField::int32_data},
    {"FLOAT8E5M2", Dtype::f8_e5m2, OnnxField::int32_data},
    {"FLOAT8E5M2FNUZ", Dtype::f8_e5m2fnuz, OnnxField::int32_data},
    {"UINT4", Dtype::u4, OnnxField::int32_data},
    {"INT4", Dtype::i4, OnnxField::int32_data},
    {"FLOAT4E2M1", Dtype::f4, OnnxField::int32_data},
    {"FLOAT8E8M0", Dtype::f8_e8m0, OnnxField::int32_data},
    {"UINT2", Dtype::u8, OnnxField::none},
    {"INT2", Dtype::u8, OnnxField::none},
}};

std::string_view name_of(OnnxField field) {
  switch (field) {
    case OnnxField::none:
      return "no field";
    case OnnxField::float_data:
      return "float_data";
    case OnnxField::int32_data:
      return "int32_data";
    case OnnxField::string_data:
      return "string_data";
    case OnnxField::int64_data:
      return "int64_data";
    case OnnxField::raw_data:
      return "raw_data";
    case OnnxField::double_data:
      return "double_data";
    case OnnxField::uint64_data:
      return "uint64_data";
  }
  return "";
}

class TensorProtoReader {
 public:
  explicit TensorProtoReader(WireMessage message) : message_(message), file_(message.cursor().file()) {
    tensor_.at = message.begin();
  }

  OnnxTensor read() {
    while (message_.next()) read_field();
    if (tensor_.name.empty()) fail("without a name", "a name for every initializer");
    if (tensor_.external.has_value() && !external_) tensor_.external.reset();
    if (external_) require_external();
    return std::move(tensor_);
  }

 private:
  void read_field() {
    switch (message_.field()) {
      case kDims:
        message_.numbers([&](uint64_t dimension) { add_dimension(dimension); });
        break;
      case kDataType:
        once("data_type");
        tensor_.data_type = message_.number();
        break;
      case kSegment:
        fail("in segments", "a whole tensor: no reader supports segments");
      case kName:
        once("name");
        tensor_.name = message_.text();
        break;
      case kDataLocation:
        once("data_location");
        if (message_.number() > 1) {
          fail(fmt::format("with the data_location {}", message_.number()),
               "0 (in the model) or 1 (in an external file)");
        }
        external_ = message_.number() == 1;
        break;
      case kExternalData:
        read_external_entry(message_.message());
        break;
      default:
        read_data(static_cast<OnnxField>(message_.field()));
    }
  }

  void read_data(OnnxField field) {
    switch (field) {
      case OnnxField::float_data:
        add_fixed(field, WireType::fixed32, 4);
        break;
      case OnnxField::double_data:
        add_fixed(field, WireType::fixed64, 8);
        break;
      case OnnxField::int32_data:
      case OnnxField::int64_data:
      case OnnxField::uint64_data:
        add_varints(field);
        break;
      case OnnxField::string_data:
        message_.require(WireType::bytes);
        add_data(field, 1);
        break;
      case OnnxField::raw_data:
        once("raw_data");
        message_.require(WireType::bytes);
        add_data(field, message_.content_bytes());
        break;
      default:  // documentation, metadata, fields from the future
        break;
    }
  }

  // The name, which a complaint needs, may stand behind what is wrong.
  [[noreturn]] void fail(std::string_view found, std::string_view expected) {
    WireMessage again(message_.cursor(), message_.begin(), message_.end() - message_.begin());
    while (tensor_.name.empty() && again.next()) {
      if (again.field() == kName) tensor_.name = again.text();
    }
    refuse(tensor_, file_, found, expected);
  }

  // Protobuf would take the last of two; which of them a writer meant nobody knows.
  void once(std::string_view what) {
    const uint32_t bit = 1u << message_.field();
    if (seen_ & bit) fail(fmt::format("with a second {}", what), "each field once");
    seen_ |= bit;
  }

  void add_dimension(uint64_t dimension) {
    if (static_cast<int64_t>(dimension) < 0) {
      fail(fmt::format("with the dimension {}", static_cast<int64_t>(dimension)), "0 or more");
    }
    if (tensor_.shape.size() == kMaximumRank) {
      fail(fmt::format("of more than {} dimensions", kMaximumRank), fmt::format("at most {}", kMaximumRank));
    }
    tensor_.shape.push_back(dimension);
  }

  void add_fixed(OnnxField field, WireType single, unsigned width) {
    if (message_.type() == single) return add_data(field, 1);
    message_.require(WireType::bytes);
    if (message_.content_bytes() % width != 0) {
      fail(fmt::format("with {} bytes of {}", message_.content_bytes(), name_of(field)),
           fmt::format("a multiple of {}", width));
    }
    add_data(field, message_.content_bytes() / width);
  }

  void add_varints(OnnxField field) {
    if (message_.type() == WireType::varint) return add_data(field, 1);
    message_.require(WireType::bytes);
    message_.cursor().seek(message_.content_at());
    add_data(field, message_.cursor().count_varints(message_.after()));
  }

  void add_data(OnnxField field, uint64_t values) {
    if (values == 0) return;  // an empty field is as good as none: onnx's checker counts so too
    if (tensor_.field == OnnxField::none) {
      tensor_.field = field;
      tensor_.begin = message_.at();
    } else if (tensor_.field != field) {
      fail(fmt::format("with both {} and {}", name_of(tensor_.field), name_of(field)), "one field with its elements");
    }
    tensor_.values += values;
    ++tensor_.runs;
    tensor_.end = message_.after();
    tensor_.content_at = message_.content_at();
  }

  // StringStringEntryProto: key 1, value 2. Keys that are not known (basepath, checksum) change nothing here.
  void read_external_entry(WireMessage entry) {
    std::string key, value;
    bool too_long = false;
    while (entry.next()) {
      if (entry.field() == 1) key = entry.text(kMaximumValue);
      if (entry.field() == 2) {
        value = entry.text(kMaximumLocation);
        too_long = entry.content_bytes() > kMaximumLocation;
      }
    }
    if (!tensor_.external) tensor_.external.emplace();
    OnnxExternalData& data = *tensor_.external;
    const unsigned which = key == "location" ? 1 : key == "offset" ? 2 : key == "length" ? 4 : 0;
    if (which == 0) return;
    if (external_seen_ & which) {
      fail(fmt::format("with a second {} of its external data", key), "each key once");
    }
    external_seen_ |= which;
    if (which == 1) {
      if (too_long) {
        fail(fmt::format("in the external file {}", in_quotes(value)),
             fmt::format("a path of at most {} bytes", kMaximumLocation));
      }
      data.location = std::move(value);
      return;
    }
    uint64_t number = 0;
    const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (failed != std::errc() || end != value.data() + value.size()) {
      fail(fmt::format("with the {} {} of its external data", key, in_quotes(value)),
           "a whole number, 0 or more, below 2^64");
    }
    if (which == 2) {
      data.offset = number;
    } else {
      data.length = number;
    }
  }

  void require_external() {
    if (tensor_.field != OnnxField::none) {
      fail(fmt::format("with external data and {} too", name_of(tensor_.field)), "its elements in one place");
    }
    if (!(external_seen_ & 1)) {
      fail("with external data but no location", "the file that holds it");
    }
  }

  WireMessage message_;
  const File& file_;
  OnnxTensor tensor_;
  bool external_ = false;
  uint32_t seen_ = 0;           // a bit for each field that may come once
  unsigned external_seen_ = 0;  // location 1, offset 2, length 4
};

const StoredType* stored_type(const OnnxTensor& tensor) {
  return tensor.data_type < kTypes.size() ? &kTypes[tensor.data_type] : nullptr;
}

std::string text_of(const OnnxTensor& tensor) {
  return fmt::format("of {} [{}]", stored_type(tensor)->name,
                     printable(fmt::format("{}", fmt::join(tensor.shape, ",")), 80));
}

}  // namespace

OnnxTensor read_onnx_tensor(WireMessage message) {
  return TensorProtoReader(message).read();
}

OnnxLeftOut left_out(const OnnxTensor& tensor) {
  if (tensor.data_type == kString) return OnnxLeftOut::text;
  const StoredType* const type = stored_type(tensor);
  const std::optional<uint64_t> elements = element_count(tensor.shape);
  const bool odd =
      type != nullptr && type->field != OnnxField::none && elements && *elements % block(type->dtype).elements != 0;
  return odd ? OnnxLeftOut::half_byte : OnnxLeftOut::no;
}

Tensor place_onnx_tensor(OnnxTensor tensor, const File& file, uint32_t model, OnnxExternalFiles& external) {
  const StoredType* const type = stored_type(tensor);
  if (type == nullptr || type->field == OnnxField::none) {
    refuse(tensor, file,
           type == nullptr ? fmt::format("of the data_type {}", tensor.data_type)
                           : fmt::format("of the type {}", type->name),
           "a type of 4 bits or more that ONNX names (FLOAT, ... FLOAT8E8M0)");
  }
  const std::optional<uint64_t> elements = element_count(tensor.shape);
  const std::optional<uint64_t> bytes = elements ? packed_bytes(type->dtype, *elements) : std::nullopt;
  if (!bytes) refuse(tensor, file, text_of(tensor), "fewer than 2^64 bytes");

  Tensor placed;
  placed.dtype = type->dtype;
  if (tensor.external) {
    placed.extent = external.extent(tensor, *bytes);
  } else {
    if (tensor.field != OnnxField::none && tensor.field != OnnxField::raw_data && tensor.field != type->field) {
      refuse(tensor, file, fmt::format("of {} in {}", type->name, name_of(tensor.field)),
             fmt::format("raw_data or {}", name_of(type->field)));
    }
    const bool raw = tensor.field == OnnxField::raw_data;
    const unsigned width = raw ? 1 : bytes_a_number(type->field, type->dtype);
    if (tensor.values != *bytes / width) {
      refuse(tensor, file,
             fmt::format("{} in {} {} of {}", text_of(tensor), tensor.values, raw ? "bytes" : "numbers",
                         name_of(raw ? OnnxField::raw_data : type->field)),
             fmt::format("{}", *bytes / width));
    }
    const bool in_place = raw || type->field == OnnxField::float_data || type->field == OnnxField::double_data;
    if (*bytes == 0) {
      placed.extent = {model, tensor.at, 0};
    } else if (in_place && tensor.runs == 1 && tensor.end - tensor.content_at == *bytes) {
      placed.extent = {model, tensor.content_at, *bytes};
    } else {
      placed.extent = {model, tensor.begin, tensor.end - tensor.begin};
      placed.encoding = onnx_encoding(tensor.field);
    }
  }
  placed.name = std::move(tensor.name);
  placed.shape = std::move(tensor.shape);
  return placed;
}

void refuse(const OnnxTensor& tensor, const File& file, std::string_view found, std::string_view expected) {
  throw format_error(file.path(), tensor.at, fmt::format("tensor {} {}", in_quotes(tensor.name), found), expected);
}

}  // namespace weighbridge
