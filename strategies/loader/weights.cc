#include "weighbridge/weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "strategies/error.h"
#include "strategies/loader/kept.h"
#include "strategies/loader/model.h"

namespace weighbridge {

static_assert(std::endian::native == std::endian::little, "elements are little-endian, and handed out as they lie");

std::string_view Weight::name() const {
  return tensor_->name;
}
Dtype Weight::dtype() const {
  return layout_->loaded;
}
Dtype Weight::stored_dtype() const {
  return layout_->stored;
}
std::span<const uint64_t> Weight::shape() const {
  return tensor_->shape;
}
uint64_t Weight::elements() const {
  return layout_->elements;
}
std::span<const std::byte> Weight::bytes() const {
  return {address_, layout_->loaded_bytes};
}
std::span<std::byte> Weight::bytes() {
  return {address_, layout_->loaded_bytes};
}

std::span<const float> Weight::scales() const {
  static constexpr Dtype kInt8[] = {Dtype::int8};
  require(kInt8, block(Dtype::int8).bytes, alignof(float));
  return {reinterpret_cast<const float*>(address_), layout_->rows};
}

std::span<const int8_t> Weight::codes() const {
  const size_t scale_bytes = scales().size_bytes();
  return {reinterpret_cast<const int8_t*>(address_ + scale_bytes), layout_->loaded_bytes - scale_bytes};
}

std::string Weight::why_not_mapped() const {
  if (mapped_) return {};
  if (!tensor_->plain()) return tensor_->encoding->reason();
  if (layout_->converted())
    return fmt::format("converted from {} to {}", weighbridge::name(layout_->stored),
                       weighbridge::name(layout_->loaded));
  return "read into memory";
}

void Weight::require(std::span<const Dtype> dtypes, size_t size, size_t alignment) const {
  const Block unit = block(dtype());
  if (std::find(dtypes.begin(), dtypes.end(), dtype()) == dtypes.end() || unit.elements != 1 || unit.bytes != size) {
    std::vector<std::string_view> asked;
    for (const Dtype one : dtypes) asked.push_back(weighbridge::name(one));
    throw Error(ErrorKind::usage,
                fmt::format("weight \"{}\" has {} elements, and was asked for as {}", printable(name(), 80),
                            weighbridge::name(dtype()), fmt::join(asked, " or ")));
  }
  if (layout_->loaded_bytes > 0 && reinterpret_cast<uintptr_t>(address_) % alignment != 0) {
    throw Error(
        ErrorKind::usage,
        fmt::format("weight \"{}\" lies in its file, and so in the mapping, at an address that is no multiple of "
                    "{}; copy its bytes",
                    printable(name(), 80), alignment));
  }
}

Weights::Weights(std::shared_ptr<const OpenModel> model, std::vector<Weight> weights,
                 std::vector<std::shared_ptr<Kept>> kept)
    : model_(std::move(model)), kept_(std::move(kept)), weights_(std::move(weights)), by_name_(weights_.size()) {
  std::iota(by_name_.begin(), by_name_.end(), 0u);
  std::sort(by_name_.begin(), by_name_.end(),
            [&](uint32_t a, uint32_t b) { return weights_[a].name() < weights_[b].name(); });
}

// Those of that name: [first, last) of by_name_.
std::pair<size_t, size_t> Weights::named(std::string_view name) const {
  const auto before = [&](uint32_t index, std::string_view sought) { return weights_[index].name() < sought; };
  const auto first = std::lower_bound(by_name_.begin(), by_name_.end(), name, before);
  auto last = first;
  while (last != by_name_.end() && weights_[*last].name() == name) ++last;
  return {first - by_name_.begin(), last - by_name_.begin()};
}

bool Weights::contains(std::string_view name) const {
  const auto [first, last] = named(name);
  return first != last;
}

const Weight* Weights::find(std::string_view name) const {
  const auto [first, last] = named(name);
  if (last - first > 1) {
    throw Error(ErrorKind::bad_input,
                fmt::format("{}: found {} tensors named \"{}\", expected one", printable(model_->checkpoint.path),
                            last - first, printable(name, 80)));
  }
  return first == last ? nullptr : &weights_[by_name_[first]];
}

Weight* Weights::find(std::string_view name) {
  return const_cast<Weight*>(std::as_const(*this).find(name));
}

const Weight& Weights::at(std::string_view name) const {
  if (const Weight* found = find(name)) return *found;
  std::vector<std::string_view> names;
  for (const Weight& weight : weights_) names.push_back(weight.name());
  const std::string_view near = nearest(name, names);
  throw Error(ErrorKind::usage,
              fmt::format("no weight \"{}\" among the {} that were loaded{}", printable(name, 80), weights_.size(),
                          near.empty() ? "" : fmt::format(": did you mean {}?", printable(near, 80))));
}

Weight& Weights::at(std::string_view name) {
  return const_cast<Weight&>(std::as_const(*this).at(name));
}

uint64_t Weights::bytes() const {
  // Where two are the same elements they have the same address and size.
  std::vector<std::pair<const std::byte*, uint64_t>> pieces;
  pieces.reserve(weights_.size());
  for (const Weight& weight : weights_) pieces.emplace_back(weight.bytes().data(), weight.bytes().size());
  std::sort(pieces.begin(), pieces.end());
  pieces.erase(std::unique(pieces.begin(), pieces.end()), pieces.end());
  return std::accumulate(pieces.begin(), pieces.end(), uint64_t{0},
                         [](uint64_t sum, const auto& piece) { return sum + piece.second; });
}

void Weights::flush() {
  for (const auto& kept : kept_) kept->flush();
}

}  // namespace weighbridge
