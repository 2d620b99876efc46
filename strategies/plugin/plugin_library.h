// A plug-in's shared library, loaded: its strategies, to be run.
//
// To load one is to run its code with the rights of this process. So only a worker does, and only one that was started
// for it: to describe the library, or to run one trial of one of its strategies.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "strategies/plugin/plugin_info.h"
#include "weighbridge/plugin.h"

namespace weighbridge {

// Told what the library is about to do ("while the plug-in's load() ran"), and an empty text once it has done it: where
// the process ends in between, that is what it was at. Must not throw.
using PluginWatch = std::function<void(std::string_view)>;

class PluginLibrary {
 public:
  // dlopen by this very path (with a slash in it, so that no search path is looked through). Throws Error (bad_input)
  // where it is no shared object, no plug-in, one of another version, or describes itself in a way that cannot be.
  PluginLibrary(const std::string& path, PluginWatch watch);
  const PluginInfo& info() const { return info_; }
  // Adds its strategies to the registry for the life of the process, for which the library stays loaded, too.
  void add_strategies() const;

 private:
  std::shared_ptr<const PluginWatch> watch_;
  const weighbridge_library* plugin_ = nullptr;
  PluginInfo info_;
};

}  // namespace weighbridge
