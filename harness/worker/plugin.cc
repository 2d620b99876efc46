// The worker's dealings with plug-ins: it alone loads them, and each worker at most one.
#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "harness/worker/release_calls.h"
#include "harness/worker/worker.h"
#include "strategies/plugin/plugin_library.h"

namespace weighbridge {
namespace {

PluginLibrary load(WorkerContext& context, const std::string& path) {
  // Standard output belongs to the record or the table: what a library prints is for a person.
  dup2(STDERR_FILENO, STDOUT_FILENO);
  auto& doing = context.page->doing;
  return {path, [&doing](std::string_view what) {
            doing[what.copy(doing.data(), doing.size() - 1)] = '\0';
          }};
}

}  // namespace

void add_plugin(WorkerContext& context, const std::string& path) {
  watch_release_calls(context.meter);
  load(context, path).add_strategies();
}

void describe_plugin(WorkerContext& context) {
  reply(load(context, context.job.model).info());
}

}  // namespace weighbridge
