#include "harness/worker/job.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace weighbridge {

std::string encode(const Job& job) {
  nlohmann::json cells = nlohmann::json::array();
  for (const JobCell& cell : job.cells) cells.push_back({{"strategy", cell.strategy}, {"dtype", cell.dtype}});
  const nlohmann::json json = {{"mode", job.mode},       {"model", job.model},     {"cells", cells},
                               {"targets", job.targets}, {"passes", job.passes},   {"json", job.json},
                               {"metered", job.metered}, {"sha256", job.sha256},   {"tensors", job.tensors},
                               {"values", job.values},   {"columns", job.columns}, {"plugins", job.plugins},
                               {"plugin", job.plugin}};
  std::string bytes;
  nlohmann::json::to_cbor(json, bytes);
  return bytes;
}

Job decode_job(const std::string& bytes) {
  const auto json = nlohmann::json::from_cbor(bytes);
  Job job;
  job.mode = json.at("mode");
  job.model = json.at("model");
  for (const auto& cell : json.at("cells")) job.cells.push_back({cell.at("strategy"), cell.at("dtype")});
  job.targets = json.at("targets").get<std::vector<std::string>>();
  job.passes = json.at("passes");
  job.metered = json.at("metered");
  job.json = json.at("json");
  job.sha256 = json.at("sha256");
  job.plugins = json.at("plugins").get<std::vector<PluginInfo>>();
  job.plugin = json.at("plugin");
  job.tensors = json.at("tensors");
  job.values = json.at("values");
  job.columns = json.at("columns");
  return job;
}

void to_json(nlohmann::json& json, const PluginInfo& plugin) {
  auto strategies = nlohmann::json::array();
  for (const PluginStrategyInfo& strategy : plugin.strategies) {
    auto options = nlohmann::json::array();
    for (const PluginOption& option : strategy.options) {
      options.push_back({{"name", option.name}, {"fallback", option.fallback}, {"summary", option.summary}});
    }
    strategies.push_back(
        {{"name", strategy.name}, {"mechanism", strategy.mechanism}, {"cost", strategy.cost}, {"options", options}});
  }
  json = {{"path", plugin.path},
          {"name", plugin.name},
          {"version", plugin.version},
          {"sha256", plugin.sha256},
          {"strategies", strategies}};
}

void from_json(const nlohmann::json& json, PluginInfo& plugin) {
  plugin = {json.at("path"), json.at("name"), json.at("version"), json.at("sha256"), {}};
  for (const auto& strategy : json.at("strategies")) {
    PluginStrategyInfo info{strategy.at("name"), strategy.at("mechanism"), strategy.at("cost"), {}};
    for (const auto& option : strategy.at("options")) {
      info.options.push_back({option.at("name"), option.at("fallback"), option.at("summary")});
    }
    plugin.strategies.push_back(std::move(info));
  }
}

}  // namespace weighbridge
