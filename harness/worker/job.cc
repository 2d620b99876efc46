#include "harness/worker/job.h"

#include <nlohmann/json.hpp>

namespace weighbridge {

std::string encode(const Job& job) {
  nlohmann::json cells = nlohmann::json::array();
  for (const JobCell& cell : job.cells) cells.push_back({{"strategy", cell.strategy}, {"dtype", cell.dtype}});
  const nlohmann::json json = {{"mode", job.mode},       {"model", job.model},    {"cells", cells},
                               {"targets", job.targets}, {"passes", job.passes},  {"json", job.json},
                               {"metered", job.metered}, {"sha256", job.sha256},  {"tensors", job.tensors},
                               {"values", job.values},   {"columns", job.columns}};
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
  job.tensors = json.at("tensors");
  job.values = json.at("values");
  job.columns = json.at("columns");
  return job;
}

}  // namespace weighbridge
