// The functions are those of torch/_utils.py, torch/_tensor.py and torch/storage.py, 0.1 to 2.9, as
// Tensor.__reduce_ex__ and Storage.__reduce__ name them. What is called harmless makes an object of plain data out of
// its arguments and has no way to run, read or write anything; a class or function is only put there when that is
// plain. getattr, for one, is not: it leads from anything to everything.
#include "strategies/checkpoint/pytorch/torch_globals.h"

#include <algorithm>
#include <array>

namespace weighbridge {
namespace {

struct Named {
  std::string_view name;
  std::optional<Dtype> dtype;
};

// torch.<name>; a storage class of that dtype is torch.<class>, torch.cuda.<class>.
constexpr std::array<Named, 30> kDtypes{{
    {"float32", Dtype::f32},
    {"float", Dtype::f32},
    {"float64", Dtype::f64},
    {"double", Dtype::f64},
    {"float16", Dtype::f16},
    {"half", Dtype::f16},
    {"bfloat16", Dtype::bf16},
    {"uint8", Dtype::u8},
    {"int8", Dtype::i8},
    {"int16", Dtype::i16},
    {"short", Dtype::i16},
    {"int32", Dtype::i32},
    {"int", Dtype::i32},
    {"int64", Dtype::i64},
    {"long", Dtype::i64},
    {"uint16", Dtype::u16},
    {"uint32", Dtype::u32},
    {"uint64", Dtype::u64},
    {"bool", Dtype::boolean},
    {"complex32", Dtype::c32},
    {"chalf", Dtype::c32},
    {"complex64", Dtype::c64},
    {"cfloat", Dtype::c64},
    {"complex128", Dtype::c128},
    {"cdouble", Dtype::c128},
    {"float8_e4m3fn", Dtype::f8_e4m3},
    {"float8_e5m2", Dtype::f8_e5m2},
    {"float8_e4m3fnuz", Dtype::f8_e4m3fnuz},
    {"float8_e5m2fnuz", Dtype::f8_e5m2fnuz},
    {"float8_e8m0fnu", Dtype::f8_e8m0},
}};

// Types whose elements are codes that need a scale, or share bytes in a way of torch's own.
constexpr std::array<std::string_view, 12> kOpaqueDtypes{"qint8",    "quint8",  "qint32",           "quint4x2",
                                                         "quint2x4", "bits8",   "bits16",           "bits1x8",
                                                         "bits2x4",  "bits4x2", "float4_e2m1fn_x2", "uint4"};

constexpr std::array<Named, 20> kStorages{{
    {"FloatStorage", Dtype::f32},     {"DoubleStorage", Dtype::f64},       {"HalfStorage", Dtype::f16},
    {"BFloat16Storage", Dtype::bf16}, {"ByteStorage", Dtype::u8},          {"CharStorage", Dtype::i8},
    {"ShortStorage", Dtype::i16},     {"IntStorage", Dtype::i32},          {"LongStorage", Dtype::i64},
    {"BoolStorage", Dtype::boolean},  {"ComplexFloatStorage", Dtype::c64}, {"ComplexDoubleStorage", Dtype::c128},
    {"UntypedStorage", std::nullopt}, {"_UntypedStorage", std::nullopt},   {"QInt8Storage", Dtype::i8},
    {"QUInt8Storage", Dtype::u8},     {"QInt32Storage", Dtype::i32},       {"QUInt4x2Storage", Dtype::u8},
    {"QUInt2x4Storage", Dtype::u8},   {"ComplexHalfStorage", Dtype::c32},
}};

struct Function {
  std::string_view module, name;
  TorchGlobal what;
  std::string_view why;
};

using enum TorchGlobal;

constexpr std::array<Function, 34> kFunctions{{
    {"collections", "OrderedDict", ordered_dict, {}},
    {"torch._utils", "_rebuild_tensor_v2", rebuild_tensor, {}},
    {"torch._utils", "_rebuild_tensor", rebuild_tensor, {}},
    {"torch._utils", "_rebuild_tensor_v3", rebuild_tensor_v3, {}},
    {"torch._utils", "_rebuild_parameter", rebuild_parameter, {}},
    {"torch._utils", "_rebuild_parameter_with_state", rebuild_parameter, {}},
    {"torch._utils", "_rebuild_device_tensor_from_cpu_tensor", rebuild_parameter, {}},
    {"torch.nn.parameter", "Parameter", rebuild_parameter, {}},
    {"torch.nn.parameter", "Buffer", rebuild_parameter, {}},
    {"torch.autograd.variable", "Variable", rebuild_parameter, {}},
    {"torch._tensor", "_rebuild_from_type_v2", rebuild_from_type, {}},
    {"torch._tensor", "_rebuild_from_type", rebuild_from_type, {}},
    {"torch.tensor", "_rebuild_from_type", rebuild_from_type, {}},
    {"torch", "Size", size, {}},
    {"torch.storage", "_load_from_bytes", load_from_bytes, {}},
    {"torch._utils", "_rebuild_qtensor", left_out, "quantised"},
    {"torch._utils", "_rebuild_sparse_tensor", left_out, "sparse"},
    {"torch._utils", "_rebuild_sparse_csr_tensor", left_out, "sparse"},
    {"torch._utils", "_rebuild_nested_tensor", left_out, "nested"},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", left_out, "meta"},
    {"torch._utils", "_rebuild_wrapper_subclass", left_out, "wrapped"},
    {"torch._utils", "_rebuild_device_tensor_from_numpy", left_out, "NumPy"},
    {"torch._utils", "_rebuild_xla_tensor", left_out, "NumPy"},
    {"torch._utils", "_rebuild_mlc_tensor", left_out, "NumPy"},
    {"numpy.core.multiarray", "_reconstruct", left_out, "NumPy"},
    {"numpy._core.multiarray", "_reconstruct", left_out, "NumPy"},
    {"numpy.core.numeric", "_frombuffer", left_out, "NumPy"},
    {"numpy._core.numeric", "_frombuffer", left_out, "NumPy"},
    {"torch", "Tensor", harmless, {}},
    {"torch", "device", harmless, {}},
    {"torch.torch_version", "TorchVersion", harmless, {}},
    {"torch.serialization", "_get_layout", harmless, {}},
    {"torch.utils.hooks", "RemovableHandle", harmless, {}},
    {"torch.utils.hooks", "unserializable_hook", harmless, {}},
}};

struct Harmless {
  std::string_view module;
  std::array<std::string_view, 20> names;
};
constexpr std::array<std::string_view, 2> kBuiltins{"builtins", "__builtin__"};
constexpr std::array<std::string_view, 18> kPlainBuiltins{
    "set", "frozenset", "dict",  "list",    "tuple", "int",   "long",   "float",  "bool",
    "str", "unicode",   "bytes", "complex", "slice", "range", "xrange", "object", "bytearray"};
constexpr std::array<Harmless, 14> kHarmless{{
    {"collections", {"defaultdict", "Counter", "deque"}},
    {"copyreg", {"_reconstructor"}},
    {"copy_reg", {"_reconstructor"}},
    {"_codecs", {"encode"}},
    {"argparse", {"Namespace"}},
    {"types", {"SimpleNamespace"}},
    {"pathlib", {"Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath"}},
    {"datetime", {"datetime", "date", "time", "timedelta", "timezone"}},
    {"decimal", {"Decimal"}},
    {"fractions", {"Fraction"}},
    {"uuid", {"UUID"}},
    {"numpy.core.multiarray", {"scalar"}},
    {"numpy._core.multiarray", {"scalar"}},
    {"numpy",
     {"dtype", "ndarray", "bool_", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
      "float16", "float32", "float64", "complex64", "complex128"}},
}};

// Arguments of torch's own: memory formats, layouts, quantisation schemes.
constexpr std::array<std::string_view, 14> kTorchConstants{
    "strided",           "sparse_coo",         "sparse_csr",           "sparse_csc",           "sparse_bsr",
    "sparse_bsc",        "contiguous_format",  "channels_last",        "channels_last_3d",     "preserve_format",
    "per_tensor_affine", "per_channel_affine", "per_tensor_symmetric", "per_channel_symmetric"};

template <size_t N>
bool has(const std::array<std::string_view, N>& names, std::string_view name) {
  return !name.empty() && std::find(names.begin(), names.end(), name) != names.end();
}

bool is_storage_module(std::string_view module) {
  return module == "torch" || module == "torch.storage" || module == "torch.cuda";
}

bool in_module_part(std::string_view module, std::string_view name, bool called) {
  if (module == "torch._C._nn") return !called;
  if (!module.starts_with("torch.nn.")) return false;
  return !called || (!name.empty() && name[0] >= 'A' && name[0] <= 'Z');  // a class, by the naming that torch keeps to
}

}  // namespace

TorchMeaning torch_meaning(std::string_view module, std::string_view name, bool called, bool script) {
  for (const Function& known : kFunctions) {
    if (known.module == module && known.name == name) return {known.what, std::nullopt, known.why};
  }
  if (is_storage_module(module)) {
    for (const Named& known : kStorages) {
      if (known.name == name) return {storage, known.dtype, known.name};
    }
  }
  if (module == "torch" && !called) {
    for (const Named& known : kDtypes) {
      if (known.name == name) return {dtype, known.dtype, known.name};
    }
    for (const std::string_view known : kOpaqueDtypes) {
      if (known == name) return {dtype, std::nullopt, known};
    }
    if (has(kTorchConstants, name)) return {harmless, std::nullopt, {}};
  }
  if (has(kBuiltins, module) && has(kPlainBuiltins, name)) return {harmless, std::nullopt, {}};
  for (const Harmless& known : kHarmless) {
    if (known.module == module && has(known.names, name)) return {harmless, std::nullopt, {}};
  }
  if (script && (module.starts_with("__torch__") || module.starts_with("torch.jit")))
    return {harmless, std::nullopt, {}};
  if (in_module_part(module, name, called)) return {module_class, std::nullopt, {}};
  return {foreign, std::nullopt, {}};
}

}  // namespace weighbridge
