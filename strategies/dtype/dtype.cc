#include "strategies/dtype/dtype.h"

#include <fmt/format.h>

#include <array>
#include <limits>

#include "strategies/error.h"

namespace weighbridge {
namespace {

struct Description {
  Dtype dtype;
  std::string_view name;
  Block block;
  bool convertible;
};

// In the order of the enumeration, so that a Dtype is its index.
constexpr std::array kDescriptions = {
    Description{Dtype::boolean, "bool", {1, 1}, false},
    Description{Dtype::u8, "u8", {1, 1}, false},
    Description{Dtype::i8, "i8", {1, 1}, false},
    Description{Dtype::u16, "u16", {1, 2}, false},
    Description{Dtype::i16, "i16", {1, 2}, false},
    Description{Dtype::u32, "u32", {1, 4}, false},
    Description{Dtype::i32, "i32", {1, 4}, false},
    Description{Dtype::u64, "u64", {1, 8}, false},
    Description{Dtype::i64, "i64", {1, 8}, false},
    Description{Dtype::f4, "f4", {2, 1}, false},
    Description{Dtype::f6_e2m3, "f6_e2m3", {4, 3}, false},
    Description{Dtype::f6_e3m2, "f6_e3m2", {4, 3}, false},
    Description{Dtype::f8_e4m3, "f8_e4m3", {1, 1}, true},
    Description{Dtype::f8_e5m2, "f8_e5m2", {1, 1}, true},
    Description{Dtype::f8_e4m3fnuz, "f8_e4m3fnuz", {1, 1}, true},
    Description{Dtype::f8_e5m2fnuz, "f8_e5m2fnuz", {1, 1}, true},
    Description{Dtype::f8_e8m0, "f8_e8m0", {1, 1}, false},
    Description{Dtype::f16, "f16", {1, 2}, true},
    Description{Dtype::bf16, "bf16", {1, 2}, true},
    Description{Dtype::f32, "f32", {1, 4}, true},
    Description{Dtype::f64, "f64", {1, 8}, true},
    Description{Dtype::i4, "i4", {2, 1}, false},
    Description{Dtype::u4, "u4", {2, 1}, false},
    Description{Dtype::c32, "c32", {1, 4}, false},
    Description{Dtype::c64, "c64", {1, 8}, false},
    Description{Dtype::c128, "c128", {1, 16}, false},
    Description{Dtype::q4_0, "q4_0", {32, 18}, true},
    Description{Dtype::q4_1, "q4_1", {32, 20}, true},
    Description{Dtype::q5_0, "q5_0", {32, 22}, true},
    Description{Dtype::q5_1, "q5_1", {32, 24}, true},
    Description{Dtype::q8_0, "q8_0", {32, 34}, true},
    Description{Dtype::q8_1, "q8_1", {32, 36}, false},
    Description{Dtype::q2_k, "q2_k", {256, 84}, true},
    Description{Dtype::q3_k, "q3_k", {256, 110}, true},
    Description{Dtype::q4_k, "q4_k", {256, 144}, true},
    Description{Dtype::q5_k, "q5_k", {256, 176}, true},
    Description{Dtype::q6_k, "q6_k", {256, 210}, true},
    Description{Dtype::q8_k, "q8_k", {256, 292}, false},
    Description{Dtype::iq1_s, "iq1_s", {256, 50}, false},
    Description{Dtype::iq1_m, "iq1_m", {256, 56}, false},
    Description{Dtype::iq2_xxs, "iq2_xxs", {256, 66}, false},
    Description{Dtype::iq2_xs, "iq2_xs", {256, 74}, false},
    Description{Dtype::iq2_s, "iq2_s", {256, 82}, false},
    Description{Dtype::iq3_xxs, "iq3_xxs", {256, 98}, false},
    Description{Dtype::iq3_s, "iq3_s", {256, 110}, false},
    Description{Dtype::iq4_nl, "iq4_nl", {32, 18}, false},
    Description{Dtype::iq4_xs, "iq4_xs", {256, 136}, false},
    Description{Dtype::tq1_0, "tq1_0", {256, 54}, false},
    Description{Dtype::tq2_0, "tq2_0", {256, 66}, false},
    Description{Dtype::mxfp4, "mxfp4", {32, 17}, false},
    Description{Dtype::nvfp4, "nvfp4", {64, 36}, false},
    Description{Dtype::q1_0, "q1_0", {128, 18}, false},
    Description{Dtype::q2_0, "q2_0", {64, 18}, false},
    Description{Dtype::int8, "int8", {1, 1}, false},
};

constexpr bool in_order() {
  for (size_t i = 0; i < kDescriptions.size(); ++i) {
    if (kDescriptions[i].dtype != static_cast<Dtype>(i)) return false;
  }
  return true;
}
static_assert(in_order() && kDescriptions.size() == static_cast<size_t>(Dtype::int8) + 1);

constexpr const Description& describe(Dtype dtype) {
  return kDescriptions[static_cast<size_t>(dtype)];
}

constexpr std::array kTargets = {
    TargetInfo{"native", {}, "every tensor as it is stored"},
    TargetInfo{"f32", {Dtype::f32}, "32-bit float; exact from every narrower float"},
    TargetInfo{"f16", {Dtype::f16}, "16-bit float: 11 bits of precision, overflows above 65504"},
    TargetInfo{"bf16", {Dtype::bf16}, "16-bit float: 8 bits of precision, the range of f32"},
    TargetInfo{"int8", {Dtype::int8}, "8-bit codes, symmetric, one f32 scale per output row"},
    TargetInfo{"q8_0", {Dtype::q8_0}, "ggml's 8-bit codes, one f16 scale per 32 elements"},
    TargetInfo{"q4_0", {Dtype::q4_0}, "ggml's 4-bit codes, one f16 scale per 32 elements"},
    TargetInfo{"f8_e4m3", {Dtype::f8_e4m3}, "8-bit float: 4 bits of precision, NaN above 464"},
};

std::optional<uint64_t> product(uint64_t a, uint64_t b) {
  if (b != 0 && a > std::numeric_limits<uint64_t>::max() / b) return std::nullopt;
  return a * b;
}

std::optional<uint64_t> sum(uint64_t a, uint64_t b) {
  if (a > std::numeric_limits<uint64_t>::max() - b) return std::nullopt;
  return a + b;
}

// Whether a tensor of this shape divides into the target's blocks, as ggml would have them.
bool has_form(std::span<const uint64_t> shape, Dtype target) {
  const uint32_t elements = block(target).elements;
  return elements == 1 || (shape.size() > 1 && shape.back() % elements == 0);
}

std::optional<uint64_t> int8_bytes(uint64_t rows, uint64_t elements) {
  const auto scales = product(rows, sizeof(float));
  return scales ? sum(*scales, elements) : std::nullopt;
}

}  // namespace

std::string_view name(Dtype dtype) {
  return describe(dtype).name;
}

Block block(Dtype dtype) {
  return describe(dtype).block;
}

bool convertible(Dtype stored) {
  return describe(stored).convertible;
}

std::optional<uint64_t> packed_bytes(Dtype dtype, uint64_t elements) {
  const Block unit = block(dtype);
  if (elements % unit.elements != 0) return std::nullopt;
  return product(elements / unit.elements, unit.bytes);
}

std::optional<uint64_t> element_count(std::span<const uint64_t> shape) {
  // A dimension of 0 makes the product 0 wherever it stands, also behind dimensions that would overflow.
  for (const uint64_t dimension : shape) {
    if (dimension == 0) return 0;
  }
  std::optional<uint64_t> count = 1;
  for (const uint64_t dimension : shape) {
    count = product(*count, dimension);
    if (!count) return std::nullopt;
  }
  return count;
}

std::span<const TargetInfo> targets() {
  return kTargets;
}

std::string_view name(Target target) {
  return target.dtype ? name(*target.dtype) : kTargets[0].name;
}

std::optional<Target> parse_target(std::string_view name) {
  for (const TargetInfo& info : kTargets) {
    if (info.name == name) return info.target;
  }
  return std::nullopt;
}

Layout layout(Dtype stored, std::span<const uint64_t> shape, Target target) {
  const auto elements = element_count(shape);
  const auto stored_bytes = elements ? packed_bytes(stored, *elements) : std::nullopt;
  if (!stored_bytes) {
    throw Error(ErrorKind::bad_input,
                fmt::format("a tensor of dtype {} and shape [{}] has no size in whole bytes below "
                            "2^64, expected one that fits its file",
                            name(stored), fmt::join(shape, ", ")));
  }
  Layout result{stored, stored, *elements, 1, *elements, *stored_bytes, *stored_bytes};
  if (!target.dtype || *target.dtype == stored || *elements == 0 || !convertible(stored)) return result;
  if (!has_form(shape, *target.dtype)) return result;

  result.loaded = *target.dtype;
  if (result.loaded == Dtype::int8 && shape.size() > 1) {
    result.rows = shape[0];
    result.row_elements = *elements / result.rows;
  }
  const auto loaded_bytes = result.loaded == Dtype::int8 ? int8_bytes(result.rows, result.elements)
                                                         : packed_bytes(result.loaded, result.elements);
  if (!loaded_bytes) {
    throw Error(ErrorKind::bad_input,
                fmt::format("a tensor of dtype {} and shape [{}] as {} takes 2^64 bytes or more, expected fewer",
                            name(stored), fmt::join(shape, ", "), name(result.loaded)));
  }
  result.loaded_bytes = *loaded_bytes;
  return result;
}

}  // namespace weighbridge
