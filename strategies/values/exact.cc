#include "strategies/values/exact.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "strategies/dtype/convert.h"
#include "strategies/dtype/scalar.h"

namespace weighbridge {
namespace {

Layout layout_of(Dtype from, Dtype to, size_t count) {
  const std::array<uint64_t, 1> shape{count};
  return layout(from, shape, Target{to});
}

void convert_all(Dtype from, Dtype to, size_t count, const std::byte* source, std::byte* target) {
  convert(layout_of(from, to, count), 0, count, source, target);
}

// Of each pattern of bf16, whether f8_e4m3 (bit 0) and f8_e5m2 (bit 1) have that value.
const std::vector<uint8_t>& f8_patterns() {
  static const std::vector<uint8_t> patterns = [] {
    std::vector<uint8_t> made(size_t{1} << 16);
    for (unsigned bits = 0; bits < 256; ++bits) {
      for (const auto& [dtype, flag] : {std::pair(Dtype::f8_e4m3, 1), std::pair(Dtype::f8_e5m2, 2)}) {
        const float value = scalar::f32_from_f8(dtype, static_cast<uint8_t>(bits));
        uint32_t pattern;
        std::memcpy(&pattern, &value, sizeof pattern);
        made[pattern >> 16] |= static_cast<uint8_t>(flag);
      }
    }
    return made;
  }();
  return patterns;
}

bool all_in_f8(const std::byte* f32, size_t count, uint8_t flag) {
  const std::vector<uint8_t>& patterns = f8_patterns();
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, f32 + i * sizeof bits, sizeof bits);
    if ((bits & 0xffffu) != 0 || (patterns[bits >> 16] & flag) == 0) return false;
  }
  return true;
}

bool same_as_f32(const std::byte* f64, const std::byte* f32, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    float narrow;
    std::memcpy(&narrow, f32 + i * sizeof narrow, sizeof narrow);
    const double wide = narrow;
    if (std::memcmp(&wide, f64 + i * sizeof wide, sizeof wide) != 0) return false;
  }
  return true;
}

}  // namespace

ExactFit::ExactFit(Dtype stored) : stored_(stored) {
  if (stored != Dtype::f64 && stored != Dtype::f32 && stored != Dtype::f16 && stored != Dtype::bf16) return;
  const uint32_t bytes = block(stored).bytes;
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16, Dtype::f16, Dtype::f8_e5m2, Dtype::f8_e4m3}) {
    if (block(dtype).bytes < bytes) candidates_.push_back({dtype});
  }
}

bool ExactFit::any() const {
  return std::any_of(candidates_.begin(), candidates_.end(), [](const Candidate& one) { return one.fits; });
}

bool ExactFit::holds(Dtype dtype, const std::byte* f32, size_t count) {
  if (dtype == Dtype::f8_e4m3 || dtype == Dtype::f8_e5m2) return all_in_f8(f32, count, dtype == Dtype::f8_e4m3 ? 1 : 2);
  there_.resize(kPieceElements * 2);
  back_.resize(kPieceElements * sizeof(float));
  convert_all(Dtype::f32, dtype, count, f32, there_.data());
  convert_all(dtype, Dtype::f32, count, there_.data(), back_.data());
  return std::memcmp(back_.data(), f32, count * sizeof(float)) == 0;
}

void ExactFit::add(const std::byte* values, size_t count) {
  if (count == 0 || !any()) return;
  const std::byte* f32 = values;
  if (stored_ != Dtype::f32) {
    f32_.resize(kPieceElements * sizeof(float));
    convert_all(stored_, Dtype::f32, count, values, f32_.data());
    f32 = f32_.data();
    // What is no f32 is nothing narrower either. A NaN of 16 bits that f32 makes quiet is not the same any more.
    if (stored_ == Dtype::f64 && !same_as_f32(values, f32, count)) return candidates_.clear();
  }
  for (Candidate& candidate : candidates_) {
    if (candidate.fits && candidate.dtype != Dtype::f32) candidate.fits = holds(candidate.dtype, f32, count);
  }
}

std::vector<Dtype> ExactFit::fits() const {
  std::vector<Dtype> fitting;
  for (const Candidate& candidate : candidates_) {
    if (candidate.fits) fitting.push_back(candidate.dtype);
  }
  return fitting;
}

}  // namespace weighbridge
