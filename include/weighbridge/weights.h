// Loaded weights: what the loaders of weighbridge/loader.h give.
//
//   weighbridge::Weights weights = weighbridge::ModelLoader("my_model.h5", "f32").get_weights();
//   for (const weighbridge::Weight& weight : weights) std::cout << weight.name() << '\n';
//   std::span<float> kernel = weights["layer1/kernel"].as<float>();
//
// A Weights owns its memory, and gives it back to the system, not to the allocator, as it is destroyed. Everything that
// is had from it (Weight, names, spans) is a view that lives as long as it does; moving a Weights leaves the views
// valid. Elements are in C order and little-endian; whatever can be written may be written by the owner.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weighbridge/dtype.h"
#include "weighbridge/error.h"

namespace weighbridge {

struct Tensor;
struct Layout;
class OpenModel;
class Kept;

// Which dtypes a C++ type can read. For a half-precision type of your own:
//   template <> struct weighbridge::ElementType<my::half> {
//     static constexpr weighbridge::Dtype of[] = {weighbridge::Dtype::f16};
//   };
template <class T>
struct ElementType;

class Weight {
 public:
  Weight(Weight&&) noexcept = default;
  Weight& operator=(Weight&&) noexcept = default;
  Weight(const Weight&) = delete;  // a view of the owner's: keep a reference, or the Weights
  Weight& operator=(const Weight&) = delete;

  std::string_view name() const;            // as the checkpoint has it; what an untrusted file says, unescaped
  Dtype dtype() const;                      // of the elements here
  Dtype stored_dtype() const;               // of the elements in the file
  std::span<const uint64_t> shape() const;  // empty for a scalar
  uint64_t elements() const;                // product of the shape

  // All its bytes: elements without gaps; for int8 the scales, then the codes; for quantised dtypes their blocks.
  std::span<const std::byte> bytes() const;
  std::span<std::byte> bytes();

  // The elements as T: float for f32, double for f64, [u]intN_t for the integers (uint8_t also for bool and the 8-bit
  // floats, uint16_t also for the bits of f16 and bf16), std::complex. Throws Error (usage) where the dtype is another,
  // or where the address is no multiple of T's alignment, as a mapped file may lay it: bytes() can then be copied.
  template <class T>
  std::span<const T> as() const {
    require(ElementType<T>::of, sizeof(T), alignof(T));
    return {reinterpret_cast<const T*>(bytes().data()), bytes().size() / sizeof(T)};
  }
  template <class T>
  std::span<T> as() {
    require(ElementType<T>::of, sizeof(T), alignof(T));
    return {reinterpret_cast<T*>(bytes().data()), bytes().size() / sizeof(T)};
  }

  // Of an int8 weight, apart: value = code x scale of its row, where a row is one index of the first dimension (a
  // scalar or vector is one row). codes().size() == elements(). Throw Error (usage) where the dtype is another.
  std::span<const float> scales() const;
  std::span<const int8_t> codes() const;

  // Whether the bytes are the file's own pages rather than a copy, and if not, why not: "compressed with deflate",
  // "converted from f32 to f16", "read into memory". Empty where mapped.
  bool mapped() const { return mapped_; }
  std::string why_not_mapped() const;

 private:
  friend class Loader;
  Weight(const Tensor& tensor, const Layout& layout, std::byte* address, bool mapped)
      : tensor_(&tensor), layout_(&layout), address_(address), mapped_(mapped) {}
  void require(std::span<const Dtype> dtypes, size_t size, size_t alignment) const;

  const Tensor* tensor_;
  const Layout* layout_;
  std::byte* address_;
  bool mapped_;
};

// Move-only. Iterated in the order in which the checkpoint has the tensors (files in order, then offset). Tensors that
// share their elements (tied weights) are two names with one address, counted and held once.
class Weights {
 public:
  Weights(Weights&&) noexcept = default;
  Weights& operator=(Weights&&) noexcept = default;
  Weights(const Weights&) = delete;
  Weights& operator=(const Weights&) = delete;

  size_t size() const { return weights_.size(); }
  bool empty() const { return weights_.empty(); }
  const Weight* begin() const { return weights_.data(); }
  const Weight* end() const { return weights_.data() + weights_.size(); }
  Weight* begin() { return weights_.data(); }
  Weight* end() { return weights_.data() + weights_.size(); }

  // By the name in the checkpoint. Throw Error: usage with the nearest name where there is none; bad_input where the
  // checkpoint has several tensors of that name, as it cannot be known which is meant (they are all there to iterate
  // over).
  const Weight& operator[](std::string_view name) const { return at(name); }
  Weight& operator[](std::string_view name) { return at(name); }
  const Weight& at(std::string_view name) const;
  Weight& at(std::string_view name);
  // The same, but nullptr where there is none.
  const Weight* find(std::string_view name) const;
  Weight* find(std::string_view name);
  bool contains(std::string_view name) const;

  uint64_t bytes() const;  // of all weights, mapped or not, those that share their elements counted once

  // Writes what was changed through a mapping with Write::through to the disk, and waits for it. Throws Error
  // (environment) where the disk refuses. There is nothing to do for any other Weights.
  void flush();

 private:
  friend class Loader;
  Weights(std::shared_ptr<const OpenModel> model, std::vector<Weight> weights, std::vector<std::shared_ptr<Kept>> kept);
  std::pair<size_t, size_t> named(std::string_view name) const;

  std::shared_ptr<const OpenModel> model_;   // names, shapes
  std::vector<std::shared_ptr<Kept>> kept_;  // the memory, each piece once
  std::vector<Weight> weights_;
  std::vector<uint32_t> by_name_;  // indices into weights_
};

template <>
struct ElementType<float> {
  static constexpr Dtype of[] = {Dtype::f32};
};
template <>
struct ElementType<double> {
  static constexpr Dtype of[] = {Dtype::f64};
};
template <>
struct ElementType<std::complex<float>> {
  static constexpr Dtype of[] = {Dtype::c64};
};
template <>
struct ElementType<std::complex<double>> {
  static constexpr Dtype of[] = {Dtype::c128};
};
template <>
struct ElementType<int8_t> {
  static constexpr Dtype of[] = {Dtype::i8};
};
template <>
struct ElementType<int16_t> {
  static constexpr Dtype of[] = {Dtype::i16};
};
template <>
struct ElementType<int32_t> {
  static constexpr Dtype of[] = {Dtype::i32};
};
template <>
struct ElementType<int64_t> {
  static constexpr Dtype of[] = {Dtype::i64};
};
template <>
struct ElementType<uint8_t> {
  static constexpr Dtype of[] = {Dtype::u8,          Dtype::boolean,     Dtype::f8_e4m3, Dtype::f8_e5m2,
                                 Dtype::f8_e4m3fnuz, Dtype::f8_e5m2fnuz, Dtype::f8_e8m0};
};
template <>
struct ElementType<uint16_t> {
  static constexpr Dtype of[] = {Dtype::u16, Dtype::f16, Dtype::bf16};
};
template <>
struct ElementType<uint32_t> {
  static constexpr Dtype of[] = {Dtype::u32};
};
template <>
struct ElementType<uint64_t> {
  static constexpr Dtype of[] = {Dtype::u64};
};

}  // namespace weighbridge
