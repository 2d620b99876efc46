#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "strategies/builtin.h"
#include "strategies/error.h"
#include "strategies/strategy.h"

namespace weighbridge {
namespace {

std::vector<const Strategy*>& registry() {
  // Never destroyed: what was added for the process's life stays in reach until its end.
  static auto& list = *new std::vector<const Strategy*>{
      state_dict(), convert_after(), eager(),     stream(), mmap_strategy(),
      mmap_drop(),  lazy(),          layerwise(), direct(), cached_mmap(),
  };
  return list;
}

// ", did you mean X?" or the list of what there is.
std::string suggestion(std::string_view word, std::span<const std::string_view> known) {
  if (const auto near = nearest(word, known); !near.empty()) return fmt::format("did you mean {}?", near);
  return fmt::format("there {} {}", known.size() == 1 ? "is" : "are", fmt::join(known, ", "));
}

}  // namespace

std::vector<const Strategy*> strategies() {
  return registry();
}

void add_strategy(const Strategy* strategy) {
  registry().push_back(strategy);
}

Choice parse_choice(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view wanted = text.substr(0, colon);
  const auto found = std::find_if(registry().begin(), registry().end(),
                                  [&](const Strategy* strategy) { return strategy->name() == wanted; });
  if (found == registry().end()) {
    std::vector<std::string_view> names;
    for (const Strategy* strategy : registry()) names.push_back(strategy->name());
    throw Error(ErrorKind::usage,
                fmt::format("no strategy named '{}': {}", printable(wanted), suggestion(wanted, names)));
  }
  Choice choice{*found, {}};
  std::vector<std::string_view> known;
  for (const OptionInfo& option : choice.strategy->options()) {
    choice.options.emplace(option.name, option.fallback);
    known.push_back(option.name);
  }
  std::string_view rest = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
  while (!rest.empty()) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(item.size() + 1, rest.size()));
    const size_t equals = item.find('=');
    const std::string_view option = item.substr(0, equals);
    const auto slot = choice.options.find(option);
    if (slot == choice.options.end()) {
      throw Error(ErrorKind::usage,
                  known.empty() ? fmt::format("strategy {} takes no options, found '{}'", wanted, printable(item))
                                : fmt::format("strategy {} has no option '{}': {}", wanted, printable(option),
                                              suggestion(option, known)));
    }
    if (equals == std::string_view::npos || equals + 1 == item.size()) {
      throw Error(ErrorKind::usage, fmt::format("strategy {}: option {} needs a value, as in {}:{}={}", wanted, option,
                                                wanted, option, slot->second));
    }
    slot->second = item.substr(equals + 1);
  }
  choice.strategy->check(choice.options);
  return choice;
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> known) {
  std::string_view best;
  size_t best_distance = std::min<size_t>(4, word.size());
  for (const std::string_view candidate : known) {
    // No distance is below the difference in length: a list of many long names is not worked through for a short word.
    if (std::max(word.size(), candidate.size()) - std::min(word.size(), candidate.size()) >= best_distance) continue;
    // Optimal string alignment: insertions, deletions, substitutions, and swaps of neighbours count one each.
    std::vector<std::vector<size_t>> cost(word.size() + 1, std::vector<size_t>(candidate.size() + 1));
    for (size_t i = 0; i <= word.size(); ++i) cost[i][0] = i;
    for (size_t j = 0; j <= candidate.size(); ++j) cost[0][j] = j;
    for (size_t i = 1; i <= word.size(); ++i) {
      for (size_t j = 1; j <= candidate.size(); ++j) {
        cost[i][j] = std::min(
            {cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (word[i - 1] == candidate[j - 1] ? 0 : 1)});
        if (i > 1 && j > 1 && word[i - 1] == candidate[j - 2] && word[i - 2] == candidate[j - 1]) {
          cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
        }
      }
    }
    if (cost[word.size()][candidate.size()] < best_distance) {
      best_distance = cost[word.size()][candidate.size()];
      best = candidate;
    }
  }
  return best;
}

uint64_t parse_bytes(std::string_view text, std::string_view what) {
  const auto wrong = [&] {
    return Error(ErrorKind::usage, fmt::format("{}: '{}' is not a size; write a number of bytes or 512KiB, 8MiB, 4GiB",
                                               what, printable(text)));
  };
  size_t digits = 0;
  uint64_t number = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    if (__builtin_mul_overflow(number, 10u, &number) ||
        __builtin_add_overflow(number, static_cast<uint64_t>(text[digits] - '0'), &number)) {
      throw wrong();
    }
    ++digits;
  }
  if (digits == 0) throw wrong();
  std::string unit(text.substr(digits));
  std::transform(unit.begin(), unit.end(), unit.begin(), [](unsigned char c) { return std::tolower(c); });
  unsigned shift = 0;
  if (unit == "k" || unit == "kib") {
    shift = 10;
  } else if (unit == "m" || unit == "mib") {
    shift = 20;
  } else if (unit == "g" || unit == "gib") {
    shift = 30;
  } else if (unit == "t" || unit == "tib") {
    shift = 40;
  } else if (!unit.empty() && unit != "b") {
    throw wrong();
  }
  if (number == 0 || number > (UINT64_MAX >> shift)) throw wrong();
  return number << shift;
}

Request::Request(const Checkpoint& checkpoint_, Target target_, int passes_, const Options& options_)
    : checkpoint(checkpoint_), target(target_), passes(passes_), options(options_) {
  layouts.reserve(checkpoint.tensors.size());
  for (const Tensor& tensor : checkpoint.tensors) layouts.push_back(layout(tensor.dtype, tensor.shape, target));
}

Request::Request(const Checkpoint& checkpoint_, Target target_, int passes_, const Options& options_,
                 std::vector<Layout> layouts_)
    : checkpoint(checkpoint_), target(target_), layouts(std::move(layouts_)), passes(passes_), options(options_) {}

}  // namespace weighbridge
