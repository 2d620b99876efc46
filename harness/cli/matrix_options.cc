#include "harness/cli/matrix_options.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "strategies/error.h"

namespace weighbridge::cli {

void MatrixOptions::define(CLI::App& app) {
  app.add_option("MODEL", model, "a checkpoint file of any format (see list), the index of a sharded set, or a folder")
      ->required();
  app.add_option("--strategy", strategies, "strategies, comma-separated, with options: stream:chunk=1MiB [all]")
      ->type_name("A,B")
      ->allow_extra_args(false);
  app.add_option("--dtype", dtypes, "dtypes, comma-separated (see list) [native,f32,f16,int8, less what equals native]")
      ->type_name("X,Y")
      ->allow_extra_args(false);
  define_plugins(app, plugins);
  app.add_option("--passes", passes, "times that `use` reads all weights")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
}

std::vector<std::string> split_list(const std::vector<std::string>& words) {
  std::vector<std::string> items;
  for (const std::string& word : words) {
    for (size_t at = 0; at <= word.size();) {
      const size_t comma = std::min(word.find(',', at), word.size());
      if (comma > at) items.push_back(word.substr(at, comma - at));
      at = comma + 1;
    }
  }
  return items;
}

std::vector<std::string> split_strategies(const std::vector<std::string>& words) {
  std::vector<std::string> items;
  for (const std::string& item : split_list(words)) {
    const bool option = item.find('=') < item.find(':');
    if (option && !items.empty()) {
      items.back() += "," + item;
    } else {
      items.push_back(item);
    }
  }
  return items;
}

void define_plugins(CLI::App& app, std::vector<std::string>& plugins) {
  app.add_option("--plugin", plugins, "a shared library whose strategies are added; may be given several times")
      ->type_name("./LIB.so")
      ->allow_extra_args(false);
}

std::vector<std::string> plugin_paths(const std::vector<std::string>& plugins) {
  std::vector<std::string> paths;
  for (const std::string& plugin : plugins) {
    if (plugin.empty()) throw Error(ErrorKind::usage, "--plugin names no file");
    paths.push_back(plugin.find('/') == std::string::npos ? "./" + plugin : plugin);
  }
  return paths;
}

std::string worker_program() {
  if (const char* named = std::getenv("WEIGHBRIDGE_WORKER"); named != nullptr && *named != '\0') return named;
  std::array<char, 4096> path;
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  if (length <= 0) throw Error(ErrorKind::environment, "readlink /proc/self/exe failed: is /proc mounted?");
  std::string program(path.data(), static_cast<size_t>(length));
  program.resize(program.rfind('/') + 1);
  return program + "weighbridge-worker";
}

MatrixRequest MatrixOptions::request() const {
  MatrixRequest request;
  request.model = model;
  request.strategies = split_strategies(strategies);
  request.dtypes = split_list(dtypes);
  // An empty word is more likely an unset variable than a wish to measure everything.
  if (!strategies.empty() && request.strategies.empty()) throw Error(ErrorKind::usage, "--strategy names no strategy");
  if (!dtypes.empty() && request.dtypes.empty()) throw Error(ErrorKind::usage, "--dtype names no dtype");
  request.plugins = plugin_paths(plugins);
  request.passes = passes;
  request.worker.program = worker_program();
  request.worker.thp_off = thp == "off";
  return request;
}

}  // namespace weighbridge::cli
