#include "harness/run/describe.h"

#include <map>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "harness/probe/clocks.h"
#include "harness/probe/page_cache.h"
#include "reports/forecast.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

nlohmann::json decode(const std::string& bytes) {
  auto json = nlohmann::json::from_cbor(bytes, true, false);
  if (json.is_discarded()) throw Error(ErrorKind::environment, "the worker's answer could not be understood");
  return json;
}

std::optional<double> number_or_null(const nlohmann::json& value) {
  return value.is_null() ? std::nullopt : std::optional<double>(value.get<double>());
}

reports::Accuracy accuracy_of(const nlohmann::json& json) {
  return {json.at("elements"),     json.at("overflowed"),
          json.at("flushed"),      json.at("clipped"),
          json.at("nan_lost"),     json.at("max_abs_error"),
          json.at("rmse"),         number_or_null(json.at("sqnr_db")),
          json.at("worst_tensor"), number_or_null(json.at("worst_sqnr_db"))};
}

// The library that a strategy is of; empty: it is built in.
std::string plugin_of(const std::vector<PluginInfo>& plugins, std::string_view strategy) {
  for (const PluginInfo& plugin : plugins) {
    for (const PluginStrategyInfo& own : plugin.strategies) {
      if (own.name == strategy) return plugin.path;
    }
  }
  return {};
}

PluginInfo describe_plugin(const std::string& path, uint64_t timeout_ns, const WorkerSettings& settings) {
  Job job;
  job.mode = "plugin";
  job.model = path;
  const uint64_t until = monotonic_ns() + timeout_ns;
  const auto answer = nlohmann::json::from_cbor(
      run_job(job, settings,
              [&](const SharedPage&) {
                if (monotonic_ns() < until) return;
                throw Error(ErrorKind::bad_input, fmt::format("{}: the plug-in did not describe itself within {:.3g} s",
                                                              printable(path), static_cast<double>(timeout_ns) / 1e9));
              }),
      true, false);
  PluginInfo plugin;
  try {
    plugin = answer.get<PluginInfo>();
  } catch (const nlohmann::json::exception&) {  // it ended the process, or wrote into what is not its own
    throw Error(ErrorKind::bad_input, printable(path) + ": the plug-in ended the process that it was loaded into");
  }
  check(plugin);
  return plugin;
}

reports::Prediction prediction_of(const nlohmann::json& predicted, const nlohmann::json& floor) {
  reports::Prediction made{predicted.at("need"), predicted.at("reclaimable"), predicted.at("weights"),
                           predicted.at("staging"), predicted.at("overhead")};
  if (predicted.at("least_need") != predicted.at("need")) made.least_need_bytes = predicted.at("least_need");
  made.disk_bytes = predicted.at("disk");
  made.most_weights_bytes = predicted.at("most_weights");
  reports::Bytes tables = predicted.at("page_tables");
  if (!floor.is_null()) {
    made.floor_bytes = floor.at("need").get<reports::Bytes>();
    tables += floor.at("page_tables").get<reports::Bytes>();
  }
  made.page_table_bytes = tables;
  made.limit_bytes = reports::limit_to_ask_for(made);
  return made;
}

}  // namespace

std::vector<PluginInfo> describe_plugins(const std::vector<std::string>& paths, uint64_t timeout_ns,
                                         const WorkerSettings& settings) {
  std::vector<PluginInfo> plugins;
  for (const std::string& path : paths) {
    plugins.push_back(describe_plugin(path, timeout_ns, settings));
    for (const PluginStrategyInfo& strategy : plugins.back().strategies) {
      const std::string first = plugin_of(plugins, strategy.name);
      if (first == path) continue;
      throw Error(ErrorKind::bad_input, fmt::format("{}: its strategy {} has the name of one in {}: rename one of them",
                                                    printable(path), strategy.name, printable(first)));
    }
  }
  return plugins;
}

Description describe_checkpoint(const std::string& model, const std::vector<PluginInfo>& plugins,
                                const std::vector<JobCell>& cells, int passes, const WorkerSettings& settings) {
  Job job;
  job.plugins = plugins;
  job.mode = "describe";
  job.model = model;
  job.cells = cells;
  job.passes = passes;
  const auto json = decode(run_job(job, settings, {}));
  Description description;
  reports::Checkpoint& checkpoint = description.checkpoint;
  checkpoint.path = json.at("path");
  checkpoint.format = json.at("format");
  checkpoint.filesystem = filesystem_of(model);
  checkpoint.bytes = json.at("bytes");
  checkpoint.file_bytes = json.at("file_bytes");
  checkpoint.files = json.at("files").size();
  checkpoint.tensors = json.at("tensors");
  checkpoint.parameters = json.at("parameters");
  checkpoint.largest_tensor_bytes = json.at("largest_tensor_bytes");
  checkpoint.tied_bytes = json.at("tied_bytes");
  if (const auto& layer = json.at("largest_layer"); !layer.is_null()) {
    checkpoint.largest_layer = layer.at("name");
    checkpoint.largest_layer_bytes = layer.at("bytes");
  }
  checkpoint.dtypes = json.at("dtypes").get<std::map<std::string, reports::Bytes>>();
  checkpoint.encodings = json.at("encodings").get<std::map<std::string, reports::Bytes>>();
  for (const auto& remark : json.at("remarks"))
    checkpoint.remarks.push_back({remark.at("id"), remark.at("text"), remark.at("bytes")});
  for (const auto& file : json.at("files")) description.files.push_back(file.at("path"));
  description.allocator = json.at("allocator");
  if (const auto& lag = json.at("counter_lag_bytes"); !lag.is_null())
    description.counter_lag_bytes = lag.get<uint64_t>();
  for (size_t index = 0; index < cells.size(); ++index) {
    const auto& described = json.at("cells").at(index);
    reports::Cell cell;
    cell.strategy = described.at("strategy");
    cell.plugin = plugin_of(plugins, cell.strategy);
    cell.options = described.at("options").get<std::map<std::string, std::string>>();
    cell.dtype = cells[index].dtype;
    cell.fallen_back = described.at("fallen_back").get<std::map<std::string, reports::Bytes>>();
    if (const auto& predicted = described.at("predicted"); !predicted.is_null()) {
      cell.predicted = prediction_of(predicted, json.at("floor"));
      if (!cell.predicted->floor_bytes) {
        cell.unavailable["predicted.floor_bytes"] = "the worker could not read /proc/self/status";
      }
    } else {
      cell.unavailable["predicted"] = cell.plugin.empty() ? "this strategy has no plan that could be counted"
                                                          : "a plug-in has no plan that could be counted";
    }
    description.cells.push_back(std::move(cell));
    description.same_as_native.push_back(described.at("same_as_native"));
  }
  return description;
}

std::vector<ReferenceAnswer> make_references(const std::string& model, const std::vector<std::string>& dtypes,
                                             const WorkerSettings& settings,
                                             const std::function<void(uint64_t, uint64_t)>& tick) {
  Job job;
  job.mode = "reference";
  job.model = model;
  job.targets = dtypes;
  const auto json = decode(run_job(job, settings, [&](const SharedPage& page) {
    if (tick) tick(page.bytes_used, page.bytes_to_use);
  }));
  std::vector<ReferenceAnswer> answers;
  for (const auto& made : json) {
    ReferenceAnswer answer;
    answer.checksum = fmt::format("{:016x}", made.at("checksum").get<uint64_t>());
    if (!made.at("accuracy").is_null()) answer.accuracy = accuracy_of(made.at("accuracy"));
    answer.kept_native = made.at("kept_native");
    answers.push_back(std::move(answer));
  }
  return answers;
}

}  // namespace weighbridge
