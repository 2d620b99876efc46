// Decoders: one vector of a stored float type, from any address, to as many f32 lanes. Every value of the narrow types
// is exact in f32; f64 comes in two ways, see below. NaN leaves a decoder quiet, but for f32, which leaves as it came.
//
// Narrow floats are decoded in integer lanes: shift exponent and mantissa to their place, add the difference of the
// biases to the exponent, and replace what does not follow that rule: subnormals (the mantissa as an integer, times
// the value of its last place) and the patterns that mean NaN or infinity. A table of the 256 f8 values would need
// gathers, which are slow on many processors and not there on others. f16 has an instruction where it counts.
//
// Included once per Highway target, hence the guard.
#if defined(WEIGHBRIDGE_STRATEGIES_DTYPE_DECODE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WEIGHBRIDGE_STRATEGIES_DTYPE_DECODE_INL_H_
#undef WEIGHBRIDGE_STRATEGIES_DTYPE_DECODE_INL_H_
#else
#define WEIGHBRIDGE_STRATEGIES_DTYPE_DECODE_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

// Highway's own conversions between f16 and f32 are exact where they are an instruction; its emulation rounds some
// values otherwise and loses infinity and NaN.
#undef WEIGHBRIDGE_NATIVE_F16
#if (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2 && !defined(HWY_DISABLE_F16C)) || HWY_ARCH_ARM_A64
#define WEIGHBRIDGE_NATIVE_F16 1
#else
#define WEIGHBRIDGE_NATIVE_F16 0
#endif

HWY_BEFORE_NAMESPACE();
namespace weighbridge {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The f32 vector that everything passes through. Capped so that a vector's worth of bytes has a place on the stack.
constexpr size_t kMaxLanes = 64;
using F32 = hn::CappedTag<float, kMaxLanes>;

// A vector of `d` from unaligned bytes; a typed pointer to them would be undefined where they are not aligned.
template <class D>
HWY_INLINE hn::Vec<D> LoadBytes(D d, const uint8_t* source) {
  return hn::BitCast(d, hn::LoadU(hn::Repartition<uint8_t, D>(), source));
}

// The same, held in a register. GCC otherwise folds the load into each of its uses, and four loads that straddle a
// cache line each, as most unaligned ones do, cost a third of the speed at which f32 from memory becomes bf16.
template <class D>
HWY_INLINE hn::Vec<D> LoadBytesOnce(D d, const uint8_t* source) {
  auto value = LoadBytes(d, source);
#if HWY_ARCH_X86 && (HWY_COMPILER_GCC || HWY_COMPILER_CLANG)
  asm("" : "+v"(value.raw));
#endif
  return value;
}

// `bits` where the lane's magnitude (its bits without the sign) is no NaN, else with the quiet bit set.
template <class DI>
HWY_INLINE hn::Vec<DI> QuietNan(DI d, hn::Vec<DI> bits, hn::Vec<DI> magnitude) {
  const auto is_nan = hn::VecFromMask(d, hn::Gt(magnitude, hn::Set(d, 0x7f800000)));
  return hn::Or(bits, hn::And(is_nan, hn::Set(d, 0x00400000)));
}

// What the largest exponent field holds: as in scalar.cc.
enum class Specials { ieee, fn, fnuz };

// A float of 1 + kExponentBits + kMantissaBits bits in the low bits of each lane.
template <int kExponentBits, int kMantissaBits, int kBias, Specials kSpecials>
HWY_INLINE hn::Vec<F32> Widen(F32 d, hn::Vec<hn::RebindToSigned<F32>> bits) {
  const hn::RebindToSigned<F32> di;
  constexpr int kMagnitudeBits = kExponentBits + kMantissaBits;
  constexpr int kShift = 23 - kMantissaBits;
  constexpr int32_t kAllOnes = (1 << kMagnitudeBits) - 1;
  constexpr int32_t kInfinity = 0x7f800000;
  // 2^(1 - bias - mantissa bits), the last place of a subnormal.
  constexpr float kLastPlace = 1.0F / static_cast<float>(1 << (kBias - 1)) / static_cast<float>(1 << kMantissaBits);

  const auto magnitude = hn::And(bits, hn::Set(di, kAllOnes));
  const auto sign = hn::ShiftLeft<31>(hn::ShiftRight<kMagnitudeBits>(bits));
  const auto shifted = hn::ShiftLeft<kShift>(magnitude);
  const auto normal = hn::Add(shifted, hn::Set(di, (127 - kBias) << 23));
  const auto subnormal = hn::BitCast(di, hn::Mul(hn::ConvertTo(d, magnitude), hn::Set(d, kLastPlace)));
  auto result = hn::IfThenElse(hn::Lt(magnitude, hn::Set(di, 1 << kMantissaBits)), subnormal, normal);
  if constexpr (kSpecials == Specials::ieee) {
    const auto unquiet = hn::Or(shifted, hn::Set(di, kInfinity));
    const auto special = QuietNan(di, unquiet, unquiet);
    const auto largest_finite = hn::Set(di, kAllOnes - (1 << kMantissaBits));
    result = hn::IfThenElse(hn::Gt(magnitude, largest_finite), special, result);
  } else if constexpr (kSpecials == Specials::fn) {
    const auto nan = hn::Set(di, kInfinity | (((1 << kMantissaBits) - 1) << kShift));
    result = hn::IfThenElse(hn::Eq(magnitude, hn::Set(di, kAllOnes)), nan, result);
  } else {
    const auto nan = hn::Set(di, kInfinity | 0x00400000);
    result = hn::IfThenElse(hn::Eq(bits, hn::Set(di, kAllOnes + 1)), nan, result);
  }
  return hn::BitCast(d, hn::Or(result, sign));
}

struct FromF32 {
  static constexpr size_t kBytes = 4;
  static HWY_INLINE hn::Vec<F32> Load(F32 d, const uint8_t* source) { return LoadBytesOnce(d, source); }
};

struct FromBf16 {
  static constexpr size_t kBytes = 2;
  static HWY_INLINE hn::Vec<F32> Load(F32 d, const uint8_t* source) {
    const hn::RebindToSigned<F32> di;
    const auto half = LoadBytes(hn::Rebind<uint16_t, F32>(), source);
    const auto bits = hn::ShiftLeft<16>(hn::PromoteTo(di, half));
    return hn::BitCast(d, QuietNan(di, bits, hn::And(bits, hn::Set(di, 0x7fffffff))));
  }
};

struct FromF16 {
  static constexpr size_t kBytes = 2;
  static HWY_INLINE hn::Vec<F32> Load(F32 d, const uint8_t* source) {
#if WEIGHBRIDGE_NATIVE_F16
    return hn::PromoteTo(d, LoadBytes(hn::Rebind<hwy::float16_t, F32>(), source));
#else
    const auto half = LoadBytes(hn::Rebind<uint16_t, F32>(), source);
    return Widen<5, 10, 15, Specials::ieee>(d, hn::PromoteTo(hn::RebindToSigned<F32>(), half));
#endif
  }
};

template <int kExponentBits, int kMantissaBits, int kBias, Specials kSpecials>
struct FromF8 {
  static constexpr size_t kBytes = 1;
  static HWY_INLINE hn::Vec<F32> Load(F32 d, const uint8_t* source) {
    const auto quarter = hn::LoadU(hn::Rebind<uint8_t, F32>(), source);
    return Widen<kExponentBits, kMantissaBits, kBias, kSpecials>(d, hn::PromoteTo(hn::RebindToSigned<F32>(), quarter));
  }
};

using FromF8E4m3 = FromF8<4, 3, 7, Specials::fn>;
using FromF8E5m2 = FromF8<5, 2, 15, Specials::ieee>;
using FromF8E4m3fnuz = FromF8<4, 3, 8, Specials::fnuz>;
using FromF8E5m2fnuz = FromF8<5, 2, 16, Specials::fnuz>;

#if HWY_HAVE_FLOAT64

// The two halves of a vector, each by `narrow` from its f64 lanes.
template <class Narrow>
HWY_INLINE hn::Vec<F32> LoadF64(F32 d, const uint8_t* source, Narrow narrow) {
  const hn::Half<F32> dh;
  const hn::Rebind<double, hn::Half<F32>> d64;
  const auto low = narrow(dh, LoadBytesOnce(d64, source));
  const auto high = narrow(dh, LoadBytesOnce(d64, source + hn::Lanes(d64) * sizeof(double)));
  return hn::Combine(d, high, low);
}

// Rounded to nearest: for f32 itself, and for what is defined on f32 (int8).
struct FromF64 {
  static constexpr size_t kBytes = 8;
  struct Nearest {
    template <class V64>
    HWY_INLINE hn::Vec<hn::Half<F32>> operator()(hn::Half<F32> dh, V64 value) const {
      return hn::DemoteTo(dh, value);
    }
  };
  static HWY_INLINE hn::Vec<F32> Load(F32 d, const uint8_t* source) { return LoadF64(d, source, Nearest()); }
};

// Rounded to odd: for f16 and bf16, so that they round once. Rounding to nearest twice errs where the first rounding
// lands on the middle between two values of the second. Truncating and setting the last bit if anything was lost never
// lands there: the odd last bit says "a little more", and f32 has at least two bits more than f16 and bf16 to say it
// in, also where f32 and bf16 are both subnormal. (Boldo and Melquiond, "When double rounding is odd", 2005.)
struct FromF64Odd {
  static constexpr size_t kBytes = 8;
  struct Odd {
    template <class V64>
    HWY_INLINE hn::Vec<hn::Half<F32>> operator()(hn::Half<F32> dh, V64 value) const {
      const hn::RebindToUnsigned<hn::Half<F32>> du32;
      const hn::Rebind<double, hn::Half<F32>> d64;
      const hn::RebindToUnsigned<decltype(d64)> du64;
      const auto nearest = hn::DemoteTo(dh, value);
      const auto back = hn::PromoteTo(d64, nearest);
      const auto above = hn::VecFromMask(d64, hn::Gt(hn::Abs(back), hn::Abs(value)));
      const auto below = hn::VecFromMask(d64, hn::Lt(hn::Abs(back), hn::Abs(value)));
      // All ones is -1: one place towards zero, which from infinity is the largest finite value.
      const auto step = hn::TruncateTo(du32, hn::BitCast(du64, above));
      const auto lost = hn::TruncateTo(du32, hn::BitCast(du64, hn::Or(above, below)));
      const auto truncated = hn::Add(hn::BitCast(du32, nearest), step);
      return hn::BitCast(dh, hn::Or(truncated, hn::And(lost, hn::Set(du32, 1))));
    }
  };
  static HWY_INLINE hn::Vec<F32> Load(F32 d, const uint8_t* source) { return LoadF64(d, source, Odd()); }
};

#endif  // HWY_HAVE_FLOAT64

}  // namespace HWY_NAMESPACE
}  // namespace weighbridge
HWY_AFTER_NAMESPACE();

#endif  // WEIGHBRIDGE_STRATEGIES_DTYPE_DECODE_INL_H_
