#include "strategies/dtype/dtype.h"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <numeric>

#include "strategies/error.h"

namespace weighbridge {
namespace {

struct Description {
  Dtype dtype;
  std::string_view name;
  unsigned bits;
  bool convertible;
};

// In the order of the enumeration, so that a Dtype is its index.
constexpr std::array kDescriptions = {
    Description{Dtype::boolean, "bool", 8, false},
    Description{Dtype::u8, "u8", 8, false},
    Description{Dtype::i8, "i8", 8, false},
    Description{Dtype::u16, "u16", 16, false},
    Description{Dtype::i16, "i16", 16, false},
    Description{Dtype::u32, "u32", 32, false},
    Description{Dtype::i32, "i32", 32, false},
    Description{Dtype::u64, "u64", 64, false},
    Description{Dtype::i64, "i64", 64, false},
    Description{Dtype::f4, "f4", 4, false},
    Description{Dtype::f6_e2m3, "f6_e2m3", 6, false},
    Description{Dtype::f6_e3m2, "f6_e3m2", 6, false},
    Description{Dtype::f8_e4m3, "f8_e4m3", 8, true},
    Description{Dtype::f8_e5m2, "f8_e5m2", 8, true},
    Description{Dtype::f8_e4m3fnuz, "f8_e4m3fnuz", 8, true},
    Description{Dtype::f8_e5m2fnuz, "f8_e5m2fnuz", 8, true},
    Description{Dtype::f8_e8m0, "f8_e8m0", 8, false},
    Description{Dtype::f16, "f16", 16, true},
    Description{Dtype::bf16, "bf16", 16, true},
    Description{Dtype::f32, "f32", 32, true},
    Description{Dtype::f64, "f64", 64, true},
    Description{Dtype::c64, "c64", 64, false},
    Description{Dtype::int8, "int8", 8, false},
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
};

std::optional<uint64_t> product(uint64_t a, uint64_t b) {
  if (b != 0 && a > std::numeric_limits<uint64_t>::max() / b) return std::nullopt;
  return a * b;
}

std::optional<uint64_t> sum(uint64_t a, uint64_t b) {
  if (a > std::numeric_limits<uint64_t>::max() - b) return std::nullopt;
  return a + b;
}

std::optional<uint64_t> int8_bytes(uint64_t rows, uint64_t elements) {
  const auto scales = product(rows, sizeof(float));
  return scales ? sum(*scales, elements) : std::nullopt;
}

}  // namespace

std::string_view name(Dtype dtype) {
  return describe(dtype).name;
}

unsigned bits(Dtype dtype) {
  return describe(dtype).bits;
}

bool convertible(Dtype stored) {
  return describe(stored).convertible;
}

std::optional<uint64_t> packed_bytes(Dtype dtype, uint64_t elements) {
  // The smallest group of elements that fills whole bytes: one for most types, 2 f4 in 1 byte, 4 f6 in 3.
  const uint64_t common = std::gcd(bits(dtype), 8U);
  const uint64_t group_elements = 8 / common;
  const uint64_t group_bytes = bits(dtype) / common;
  if (elements % group_elements != 0) return std::nullopt;
  return product(elements / group_elements, group_bytes);
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
