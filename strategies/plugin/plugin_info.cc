#include "strategies/plugin/plugin_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr size_t kLongestName = 64, kLongestText = 200;

Error refusal(const PluginInfo& plugin, const std::string& what) {
  return {ErrorKind::bad_input, fmt::format("{}: {}", printable(plugin.path), what)};
}

// What --strategy can take apart: no comma, colon or equals sign, no space.
bool is_word(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

void check_word(const PluginInfo& plugin, std::string_view what, std::string_view name) {
  if (is_word(name)) return;
  throw refusal(plugin, fmt::format("found {} for a name of {}, expected at most {} letters, digits, - and _",
                                    in_quotes(name), what, kLongestName));
}

void check_text(const PluginInfo& plugin, std::string_view what, const std::string& text) {
  if (text.size() <= kLongestText && printable(text) == text) return;
  throw refusal(plugin, fmt::format("found {} for {}, expected one printable line of at most {} bytes", in_quotes(text),
                                    what, kLongestText));
}

void check_known(const PluginInfo& plugin, std::string_view name) {
  const auto all = strategies();
  if (std::none_of(all.begin(), all.end(), [&](const Strategy* other) { return other->name() == name; })) return;
  throw refusal(plugin, fmt::format("its strategy {} has the name of one that is there already: rename it", name));
}

void check_strategy(const PluginInfo& plugin, const PluginStrategyInfo& strategy) {
  check_word(plugin, "a strategy", strategy.name);
  check_text(plugin, strategy.name + "'s mechanism", strategy.mechanism);
  check_text(plugin, strategy.name + "'s cost", strategy.cost);
  std::vector<std::string_view> seen;
  for (const PluginOption& option : strategy.options) {
    check_word(plugin, "an option of " + strategy.name, option.name);
    check_text(plugin, strategy.name + ":" + option.name + "'s value", option.fallback);
    check_text(plugin, strategy.name + ":" + option.name + "'s summary", option.summary);
    if (option.fallback.empty() || option.fallback.find(',') != std::string::npos) {
      throw refusal(plugin, fmt::format("found {} for the value of {}:{}, expected some text without a comma",
                                        in_quotes(option.fallback), strategy.name, option.name));
    }
    if (std::find(seen.begin(), seen.end(), option.name) != seen.end()) {
      throw refusal(plugin, fmt::format("strategy {} has the option {} twice", strategy.name, option.name));
    }
    seen.push_back(option.name);
  }
}

}  // namespace

void check(const PluginInfo& plugin) {
  check_word(plugin, "the plug-in", plugin.name);
  check_text(plugin, "its version", plugin.version);
  std::vector<std::string_view> seen;
  for (const PluginStrategyInfo& strategy : plugin.strategies) {
    check_strategy(plugin, strategy);
    check_known(plugin, strategy.name);
    if (std::find(seen.begin(), seen.end(), strategy.name) != seen.end()) {
      throw refusal(plugin, fmt::format("it has the strategy {} twice", strategy.name));
    }
    seen.push_back(strategy.name);
  }
}

DeclaredStrategy::DeclaredStrategy(PluginStrategyInfo info) : info_(std::move(info)) {
  for (const PluginOption& option : info_.options) options_.push_back({option.name, option.fallback, option.summary});
}

void DeclaredStrategy::plan(const Request&, Steps& steps) const {
  steps.opaque([this](Memory&) {
    throw Error(ErrorKind::environment, fmt::format("the library of strategy {} is not loaded", info_.name));
  });
}

void add_declared(const PluginInfo& plugin) {
  for (const PluginStrategyInfo& strategy : plugin.strategies) {
    check_known(plugin, strategy.name);
    add_strategy(new DeclaredStrategy(strategy));  // NOLINT(cppcoreguidelines-owning-memory): for the process's life
  }
}

}  // namespace weighbridge
