// The options that say which cells a matrix has; `run` and `plan` share them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "harness/run/matrix.h"

namespace weighbridge::cli {

struct MatrixOptions {
  std::string model;
  std::vector<std::string> strategies, dtypes, plugins;
  int passes = 1;
  std::string thp = "off";

  void define(CLI::App& app);
  // Throws Error(usage).
  MatrixRequest request() const;
};

// "a,stream:chunk=1MiB,x=2,b" -> a | stream:chunk=1MiB,x=2 | b: an item that is NAME=VALUE belongs to the strategy
// before.
std::vector<std::string> split_strategies(const std::vector<std::string>& words);
std::vector<std::string> split_list(const std::vector<std::string>& words);

// --plugin, repeated; and the paths that it gave. A name without a slash is a file of the current folder, and nothing
// that is searched for.
void define_plugins(CLI::App& app, std::vector<std::string>& plugins);
std::vector<std::string> plugin_paths(const std::vector<std::string>& plugins);

// weighbridge-worker beside this program, or what WEIGHBRIDGE_WORKER names.
std::string worker_program();

}  // namespace weighbridge::cli
