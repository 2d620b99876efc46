// What a plug-in says of itself: strategies by name, with their options. Plain values, checked, so that a process that
// has not loaded the library, and never will, can list its strategies and take them on the command line.
#pragma once

#include <string>
#include <vector>

#include "strategies/strategy.h"

namespace weighbridge {

struct PluginOption {
  std::string name, fallback, summary;
};

struct PluginStrategyInfo {
  std::string name, mechanism, cost;
  std::vector<PluginOption> options;
};

struct PluginInfo {
  std::string path;  // as it is loaded
  std::string name, version;
  std::string sha256;  // of the file
  std::vector<PluginStrategyInfo> strategies;
};

constexpr size_t kMostPluginStrategies = 64;
constexpr size_t kMostPluginOptions = 64;

// Throws Error (bad_input) that names the library: where a name is none that the command line can take, is a built-in
// strategy's, or is there twice; where a text is longer than 200 bytes or not printable.
void check(const PluginInfo& plugin);

// A strategy as it was declared. Its plan cannot be carried out, and has no prediction.
class DeclaredStrategy : public Strategy {
 public:
  explicit DeclaredStrategy(PluginStrategyInfo info);
  std::string_view name() const override { return info_.name; }
  std::string_view mechanism() const override { return info_.mechanism; }
  std::string_view cost() const override { return info_.cost; }
  std::span<const OptionInfo> options() const override { return options_; }
  void plan(const Request& request, Steps& steps) const override;

 private:
  const PluginStrategyInfo info_;
  std::vector<OptionInfo> options_;  // into info_
};

// Adds every strategy of a checked plug-in to the registry, as declared, for the life of the process. Throws Error
// (bad_input) where another plug-in has brought one of the same name.
void add_declared(const PluginInfo& plugin);

}  // namespace weighbridge
