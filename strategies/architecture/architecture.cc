#include "strategies/architecture/architecture.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <tuple>

namespace weighbridge {

void Holding::add(const Tensor& tensor) {
  ++tensors;
  if (tensor.same_as != Tensor::kItself) return;
  parameters += element_count(tensor.shape).value_or(0);
  bytes += tensor.bytes();
}

void Holding::add(const Holding& other) {
  tensors += other.tensors;
  parameters += other.parameters;
  bytes += other.bytes;
}

namespace {

bool is_matrix_of(const Roles& roles, const Checkpoint& checkpoint, uint32_t tensor, Role role) {
  const RoleRow& row = roles.of(tensor);
  return row.role == role && row.part.empty() && checkpoint.tensors[tensor].shape.size() == 2;
}

// The largest embedding, and the first head that could be it.
std::optional<PerhapsTied> perhaps_tied(const Checkpoint& checkpoint, const Roles& roles) {
  const auto& tensors = checkpoint.tensors;
  std::optional<uint32_t> embedding;
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    if (is_matrix_of(roles, checkpoint, i, Role::token_embedding) &&
        (!embedding || tensors[i].bytes() > tensors[*embedding].bytes())) {
      embedding = i;
    }
  }
  if (!embedding || tensors[*embedding].bytes() == 0) return std::nullopt;
  const auto itself = [&](uint32_t i) { return tensors[i].same_as == Tensor::kItself ? i : tensors[i].same_as; };
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    if (is_matrix_of(roles, checkpoint, i, Role::output_head) && tensors[i].dtype == tensors[*embedding].dtype &&
        tensors[i].shape == tensors[*embedding].shape && itself(i) != itself(*embedding)) {
      return PerhapsTied{*embedding, i, tensors[i].bytes()};
    }
  }
  return std::nullopt;
}

constexpr auto kMostBytesFirst = [](const auto& left, const auto& right) {
  return std::tie(left.all.bytes, left.all.tensors) > std::tie(right.all.bytes, right.all.tensors);
};

}  // namespace

Holding Roles::of(Role role) const {
  for (const RoleHolding& holding : holdings) {
    if (holding.role == role) return holding.all;
  }
  return {};
}

Roles find_roles(const Checkpoint& checkpoint) {
  Roles roles;
  RoleFinder finder;
  std::array<std::map<std::string_view, Holding>, kRoles> parts;
  roles.rows.reserve(checkpoint.tensors.size());
  for (const Tensor& tensor : checkpoint.tensors) {
    roles.rows.push_back(finder.row_of(tensor.name, tensor.shape.size()));
    const RoleRow& row = role_rows()[roles.rows.back()];
    parts[static_cast<size_t>(row.role)][row.part].add(tensor);
    roles.all.add(tensor);
    if (tensor.same_as != Tensor::kItself) {
      ++roles.tied.tensors;
      roles.tied.parameters += element_count(tensor.shape).value_or(0);
      roles.tied.bytes += tensor.bytes();
    }
  }
  for (size_t role = 0; role < kRoles; ++role) {
    if (parts[role].empty()) continue;
    RoleHolding holding{static_cast<Role>(role), {}, {}};
    for (const auto& [part, all] : parts[role]) {
      holding.all.add(all);
      if (parts[role].size() > 1) holding.parts.push_back({part, all});
    }
    if (parts[role].size() == 1 && !parts[role].begin()->first.empty()) {
      holding.parts.push_back({parts[role].begin()->first, holding.all});
    }
    std::stable_sort(holding.parts.begin(), holding.parts.end(), kMostBytesFirst);
    roles.holdings.push_back(std::move(holding));
  }
  std::stable_sort(roles.holdings.begin(), roles.holdings.end(), kMostBytesFirst);
  roles.perhaps_tied = perhaps_tied(checkpoint, roles);
  return roles;
}

namespace {

// "model.layers" and 12 of "model.layers.12".
std::pair<std::string_view, std::optional<uint32_t>> numbered(std::string_view layer) {
  const size_t separator = layer.find_last_of("./");
  const size_t begin = separator == std::string_view::npos ? 0 : separator + 1;
  const std::string_view last = layer.substr(begin);
  uint32_t number = 0;
  const auto [end, failed] = std::from_chars(last.data(), last.data() + last.size(), number);
  const bool plain = failed == std::errc() && end == last.data() + last.size() && (last.size() == 1 || last[0] != '0');
  if (!plain) return {layer, std::nullopt};
  return {layer.substr(0, begin == 0 ? 0 : begin - 1), number};
}

std::vector<std::pair<uint32_t, uint32_t>> ranges_of(std::vector<uint32_t> numbers) {
  std::sort(numbers.begin(), numbers.end());
  std::vector<std::pair<uint32_t, uint32_t>> ranges;
  for (const uint32_t number : numbers) {
    if (!ranges.empty() && uint64_t{ranges.back().second} + 1 == number) {
      ranges.back().second = number;
    } else {
      ranges.emplace_back(number, number);
    }
  }
  return ranges;
}

}  // namespace

std::vector<LayerKind> fold_layers(const Checkpoint& checkpoint, const Layers& layers) {
  const auto& names = layers.names();
  std::vector<Holding> holdings(names.size());
  for (uint32_t i = 0; i < checkpoint.tensors.size(); ++i) holdings[layers.layer_of(i)].add(checkpoint.tensors[i]);

  std::vector<LayerKind> kinds;
  std::vector<std::vector<uint32_t>> numbers;  // of each kind
  std::map<std::tuple<std::string_view, uint64_t, uint64_t, uint64_t>, size_t> known;
  for (size_t layer = 0; layer < names.size(); ++layer) {
    const auto [name, number] = numbered(names[layer]);
    const Holding& each = holdings[layer];
    if (number) {
      const auto [kind, is_new] =
          known.emplace(std::tuple(name, each.tensors, each.parameters, each.bytes), kinds.size());
      if (!is_new) {
        ++kinds[kind->second].count;
        numbers[kind->second].push_back(*number);
        continue;
      }
    }
    kinds.push_back({std::string(name), {}, 1, each});
    numbers.emplace_back();
    if (number) numbers.back().push_back(*number);
  }
  for (size_t kind = 0; kind < kinds.size(); ++kind) kinds[kind].numbers = ranges_of(std::move(numbers[kind]));
  return kinds;
}

}  // namespace weighbridge
