// The kernels, compiled once for each instruction set that Highway knows on this architecture, and chosen when the
// program runs. decode-inl.h, encode-inl.h, quantise-inl.h, blocks-inl.h and dequantise-inl.h hold them; here they are
// put together.
//
// Bit-exactness over all instruction sets is what makes a checksum comparable between machines, so nothing is left to
// Highway's conversions where they differ between targets: see WEIGHBRIDGE_NATIVE_F16.
#include "strategies/dtype/convert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "strategies/dtype/convert.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "strategies/dtype/scalar.h"

// Targets without vectors: the scalar twin is as fast as an emulation and exact. (EMU128 clamps f64 to f32.)
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
HWY_BEFORE_NAMESPACE();
namespace weighbridge {
namespace HWY_NAMESPACE {
void Convert(const Layout& layout, uint64_t first, uint64_t count, const std::byte* source, std::byte* tensor) {
  scalar::convert(layout, first, count, source, tensor, nullptr);
}
}  // namespace HWY_NAMESPACE
}  // namespace weighbridge
HWY_AFTER_NAMESPACE();
#else

#include "strategies/dtype/blocks-inl.h"
#include "strategies/dtype/decode-inl.h"
#include "strategies/dtype/dequantise-inl.h"
#include "strategies/dtype/encode-inl.h"
#include "strategies/dtype/quantise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace weighbridge {
namespace HWY_NAMESPACE {

template <class From, class To>
HWY_NOINLINE void ConvertRun(const uint8_t* source, uint64_t count, uint8_t* target) {
  Transform<From>(source, count, target, To());
}

// `FromRoundedOnce` differs from `From` for f64 alone.
template <class From, class FromRoundedOnce = From>
void ConvertFrom(const Layout& layout, uint64_t first, uint64_t count, const uint8_t* source, uint8_t* tensor) {
  switch (layout.loaded) {
    case Dtype::f32:
      return ConvertRun<From, ToF32>(source, count, tensor + first * ToF32::kBytes);
    case Dtype::f16:
      return ConvertRun<FromRoundedOnce, ToF16>(source, count, tensor + first * ToF16::kBytes);
    case Dtype::bf16:
      return ConvertRun<FromRoundedOnce, ToBf16>(source, count, tensor + first * ToBf16::kBytes);
    case Dtype::f8_e4m3:
      return ConvertRun<FromRoundedOnce, ToF8E4m3>(source, count, tensor + first * ToF8E4m3::kBytes);
    case Dtype::q8_0:
      return QuantiseBlocks<From, ToQ8>(source, count, tensor + first / kQuantised * ToQ8::kBytes);
    case Dtype::q4_0:
      return QuantiseBlocks<From, ToQ4>(source, count, tensor + first / kQuantised * ToQ4::kBytes);
    case Dtype::int8: {
      const uint64_t row = first / layout.row_elements;
      uint8_t* codes = tensor + layout.rows * sizeof(float) + first;
      return QuantiseRows<From>(source, count / layout.row_elements, layout.row_elements, tensor + row * sizeof(float),
                                codes);
    }
    default:
      HWY_ABORT("convert: dtype %d is no target", static_cast<int>(layout.loaded));
  }
}

// As ConvertFrom, for the types whose elements come in blocks.
void ConvertFromBlocks(const Layout& layout, uint64_t first, uint64_t count, const uint8_t* source, uint8_t* tensor) {
  switch (layout.loaded) {
    case Dtype::f32:
      return ConvertBlocks<ToF32>(layout.stored, source, count, tensor + first * ToF32::kBytes);
    case Dtype::f16:
      return ConvertBlocks<ToF16>(layout.stored, source, count, tensor + first * ToF16::kBytes);
    case Dtype::bf16:
      return ConvertBlocks<ToBf16>(layout.stored, source, count, tensor + first * ToBf16::kBytes);
    case Dtype::f8_e4m3:
      return ConvertBlocks<ToF8E4m3>(layout.stored, source, count, tensor + first * ToF8E4m3::kBytes);
    case Dtype::q8_0:
      return RequantiseBlocks<ToQ8>(layout.stored, source, count, tensor + first / kQuantised * ToQ8::kBytes);
    case Dtype::q4_0:
      return RequantiseBlocks<ToQ4>(layout.stored, source, count, tensor + first / kQuantised * ToQ4::kBytes);
    case Dtype::int8: {
      const uint64_t row = first / layout.row_elements;
      uint8_t* codes = tensor + layout.rows * sizeof(float) + first;
      return QuantiseBlockRows(layout.stored, source, count / layout.row_elements, layout.row_elements,
                               tensor + row * sizeof(float), codes);
    }
    default:
      HWY_ABORT("convert: dtype %d is no target", static_cast<int>(layout.loaded));
  }
}

void Convert(const Layout& layout, uint64_t first, uint64_t count, const std::byte* source_bytes,
             std::byte* tensor_bytes) {
  const auto* source = reinterpret_cast<const uint8_t*>(source_bytes);
  auto* tensor = reinterpret_cast<uint8_t*>(tensor_bytes);
  switch (layout.stored) {
    case Dtype::f32:
      return ConvertFrom<FromF32>(layout, first, count, source, tensor);
    case Dtype::f16:
      return ConvertFrom<FromF16>(layout, first, count, source, tensor);
    case Dtype::bf16:
      return ConvertFrom<FromBf16>(layout, first, count, source, tensor);
    case Dtype::f64:
#if HWY_HAVE_FLOAT64
      return ConvertFrom<FromF64, FromF64Odd>(layout, first, count, source, tensor);
#else
      return scalar::convert(layout, first, count, source_bytes, tensor_bytes, nullptr);
#endif
    case Dtype::f8_e4m3:
      return ConvertFrom<FromF8E4m3>(layout, first, count, source, tensor);
    case Dtype::f8_e5m2:
      return ConvertFrom<FromF8E5m2>(layout, first, count, source, tensor);
    case Dtype::f8_e4m3fnuz:
      return ConvertFrom<FromF8E4m3fnuz>(layout, first, count, source, tensor);
    case Dtype::f8_e5m2fnuz:
      return ConvertFrom<FromF8E5m2fnuz>(layout, first, count, source, tensor);
    default:
      return ConvertFromBlocks(layout, first, count, source, tensor);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace weighbridge
HWY_AFTER_NAMESPACE();

#endif  // a target with vectors

#if HWY_ONCE
namespace weighbridge {

HWY_EXPORT(Convert);

void convert(const Layout& layout, uint64_t first, uint64_t count, const std::byte* source, std::byte* tensor) {
  HWY_DYNAMIC_DISPATCH(Convert)(layout, first, count, source, tensor);
}

}  // namespace weighbridge
#endif  // HWY_ONCE
