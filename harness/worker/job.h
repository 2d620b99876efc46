// What a worker is asked to do. One CBOR object in a memfd; written by the parent, read by the worker. CBOR and not
// JSON text, since a path may hold bytes that are not UTF-8.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "strategies/plugin/plugin_info.h"

namespace weighbridge {

struct JobCell {
  std::string strategy;  // as on the command line: "stream:chunk=8MiB"
  std::string dtype;     // "native", "f16"
};

struct Job {
  std::string mode;                  // describe, reference, trial, inspect, plugin
  std::string model;                 // plugin: the library to describe
  std::vector<JobCell> cells;        // describe: to predict; trial: the one to run
  std::vector<std::string> targets;  // reference: the dtypes; trial: the same list, to find the hashes by
  std::vector<PluginInfo> plugins;   // describe: what was declared, nothing of it is loaded
  std::string plugin;                // trial: the library that the cell's strategy is of; empty: it is built in
  int passes = 1;
  bool json = false;      // inspect
  bool sha256 = false;    // inspect: a digest of each tensor's elements
  bool tensors = false;   // inspect: every tensor's row, however many there are
  bool values = false;    // inspect: read the values
  unsigned columns = 80;  // inspect: of the terminal
  bool metered = true;    // trial: false leaves the readings before releases out, to measure what they cost
};

std::string encode(const Job& job);
Job decode_job(const std::string& bytes);

void to_json(nlohmann::json& json, const PluginInfo& plugin);
void from_json(const nlohmann::json& json, PluginInfo& plugin);

}  // namespace weighbridge
