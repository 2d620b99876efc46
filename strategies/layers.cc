#include "strategies/layers.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "strategies/error.h"
#include "strategies/strategy.h"

namespace weighbridge {
namespace {

constexpr std::array<std::string_view, 3> kWrappers{"model_weights", "layers", "_layer_checkpoint_dependencies"};

bool separates(char c) {
  return c == '/' || c == '.';
}

// The length of the part at the front of `path`.
size_t part_length(std::string_view path) {
  return static_cast<size_t>(std::find_if(path.begin(), path.end(), separates) - path.begin());
}

bool is_number(std::string_view part) {
  return !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
}

// Whether the path at `begin` of `name` is `layer`, or goes on after it.
bool holds(std::string_view name, size_t begin, std::string_view layer) {
  const std::string_view path = name.substr(begin);
  return path.starts_with(layer) && (path.size() == layer.size() || separates(path[layer.size()]));
}

// What of a tensor's name is its layer's: up to `end`, and without the wrappers from `begin` on.
struct Stretch {
  size_t begin = 0;
  size_t end = 0;
};

Stretch layer_in(std::string_view name) {
  Stretch layer;
  for (;;) {  // wrappers, and the nothing before a leading '/'
    const std::string_view path = name.substr(layer.begin);
    const size_t length = part_length(path);
    const bool wraps =
        length == 0 || std::find(kWrappers.begin(), kWrappers.end(), path.substr(0, length)) != kWrappers.end();
    if (!wraps || length >= path.size() || path[length] != '/') break;
    layer.begin += length + 1;
  }
  size_t last = layer.begin;
  for (size_t at = layer.begin;;) {
    const size_t end = at + part_length(name.substr(at));
    last = at;
    if (end == name.size()) break;
    if (is_number(name.substr(at, end - at))) return {layer.begin, end};
    at = end + 1;
  }
  if (name.find('/') != std::string_view::npos) {
    layer.end = layer.begin + part_length(name.substr(layer.begin));
  } else {
    layer.end = last > layer.begin ? last - 1 : name.size();
  }
  return layer;
}

// Whether one of `sorted` goes on after `name`, or is `name`.
bool begins_one(const std::vector<std::string_view>& sorted, std::string_view name, bool or_is) {
  if (or_is && std::binary_search(sorted.begin(), sorted.end(), name)) return true;
  for (const char separator : {'.', '/'}) {
    const std::string longer = std::string(name) + separator;
    const auto next = std::lower_bound(sorted.begin(), sorted.end(), std::string_view(longer));
    if (next != sorted.end() && next->starts_with(longer)) return true;
  }
  return false;
}

std::vector<std::string_view> sorted_once(std::vector<std::string_view> names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace

Layers::Layers(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {
  const size_t count = checkpoint.tensors.size();
  std::vector<Stretch> stretches;
  std::vector<std::string_view> full;  // each tensor's layer, wrappers included
  stretches.reserve(count);
  full.reserve(count);
  for (const Tensor& tensor : checkpoint.tensors) {
    stretches.push_back(layer_in(tensor.name));
    full.push_back(std::string_view(tensor.name).substr(0, stretches.back().end));
  }
  std::vector<std::string_view> sorted = sorted_once(full);
  for (size_t tensor = 0; tensor < count; ++tensor) {
    if (begins_one(sorted, full[tensor], false)) full[tensor] = checkpoint.tensors[tensor].name;
  }
  sorted = sorted_once(full);

  std::unordered_map<std::string_view, uint32_t> ids;  // by full name
  std::vector<size_t> first;                           // tensor of each
  layer_of_.reserve(count);
  for (size_t tensor = 0; tensor < count; ++tensor) {
    const auto [known, is_new] = ids.emplace(full[tensor], static_cast<uint32_t>(first.size()));
    if (is_new) first.push_back(tensor);
    layer_of_.push_back(known->second);
  }
  std::unordered_map<std::string_view, uint32_t> times;  // that something is left when wrappers are left away
  const auto unwrapped = [&](size_t tensor) { return full[tensor].substr(stretches[tensor].begin); };
  for (const size_t tensor : first) ++times[unwrapped(tensor)];
  names_.reserve(first.size());
  for (const size_t tensor : first) {
    const std::string_view left = unwrapped(tensor);
    const bool plain = left.size() < full[tensor].size() && times[left] == 1 && !begins_one(sorted, left, true);
    names_.emplace_back(plain ? left : full[tensor]);
  }
  by_name_.reserve(names_.size());
  for (uint32_t id = 0; id < names_.size(); ++id) by_name_.emplace(names_[id], id);
}

std::vector<uint32_t> Layers::tensors_of(std::string_view layer) const {
  const auto listed = by_name_.find(layer);
  if (listed == by_name_.end()) return search(layer);
  std::vector<uint32_t> tensors;
  for (uint32_t tensor = 0; tensor < layer_of_.size(); ++tensor) {
    if (layer_of_[tensor] == listed->second) tensors.push_back(tensor);
  }
  return tensors;
}

std::vector<uint32_t> Layers::search(std::string_view layer) const {
  std::vector<uint32_t> found;
  size_t fewest = SIZE_MAX;           // parts left away
  std::string_view wrapper, another;  // what was left away
  for (uint32_t tensor = 0; !layer.empty() && tensor < checkpoint_.tensors.size(); ++tensor) {
    const std::string_view name = checkpoint_.tensors[tensor].name;
    size_t begin = 0;
    for (size_t left_away = 0; left_away <= fewest; ++left_away) {
      if (holds(name, begin, layer)) {
        if (left_away < fewest) {
          found.clear();
          another = {};
          fewest = left_away;
          wrapper = name.substr(0, begin);
        }
        if (name.substr(0, begin) != wrapper) another = name.substr(0, begin);
        found.push_back(tensor);
        break;
      }
      begin += part_length(name.substr(begin)) + 1;
      if (begin > name.size()) break;
    }
  }
  const auto refuse = [&](const std::string& why) {
    return Error(ErrorKind::usage,
                 fmt::format("{}: no layer \"{}\": {}", printable(checkpoint_.path), printable(layer, 80), why));
  };
  if (!another.empty()) {
    throw refuse(fmt::format("it could be {}{} or {}{}", printable(wrapper, 80), printable(layer, 80),
                             printable(another, 80), printable(layer, 80)));
  }
  if (!found.empty()) return found;
  const std::vector<std::string_view> known(names_.begin(), names_.end());
  if (const std::string_view near = nearest(layer, known); !near.empty()) {
    throw refuse(fmt::format("did you mean {}?", printable(near, 80)));
  }
  constexpr size_t kShown = 6;
  std::vector<std::string> shown;
  for (size_t i = 0; i < std::min(kShown, names_.size()); ++i) shown.push_back(printable(names_[i], 40));
  const size_t rest = names_.size() - shown.size();
  throw refuse(names_.empty() ? "it has no tensors"
                              : fmt::format("there are {}{}", fmt::join(shown, ", "),
                                            rest > 0 ? fmt::format(" and {} more", rest) : ""));
}

}  // namespace weighbridge
