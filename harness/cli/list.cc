// weighbridge list: strategies, dtypes, formats and architectures.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "harness/cli/console.h"
#include "harness/cli/matrix_options.h"
#include "harness/cli/verb.h"
#include "harness/run/describe.h"
#include "strategies/checkpoint/checkpoint.h"
#include "strategies/strategy.h"
#include "strategies/synth/synth.h"

namespace weighbridge::cli {
namespace {

class List : public Verb {
 public:
  const char* name() const override { return "list"; }
  const char* summary() const override { return "strategies, dtypes, formats, and architectures for synth"; }
  const char* examples() const override { return "  weighbridge list\n  weighbridge list --json"; }
  void define(CLI::App& app) override {
    define_plugins(app, plugins_);
    app.add_flag("--json", json_, "print JSON");
  }
  int run() override {
    if (!plugins_.empty()) {
      WorkerSettings settings;
      settings.program = worker_program();
      for (const PluginInfo& plugin : describe_plugins(plugin_paths(plugins_), kPluginTimeoutNs, settings)) {
        add_declared(plugin);
      }
    }
    print(json_ ? json() : text());
    return kDone;
  }

 private:
  static std::string text() {
    std::string out =
        "STRATEGIES                  (need at the peak: S stored bytes, T bytes as loaded, L largest\n"
        "                             tensor's staging, C chunk, B budget)\n";
    for (const Strategy* strategy : strategies()) {
      out += fmt::format("  {:<14} {}\n  {:<14}   need {}\n", strategy->name(), strategy->mechanism(), "",
                         strategy->cost());
      for (const OptionInfo& option : strategy->options()) {
        out += fmt::format("  {:<14}   {}:{}={}   {}\n", "", strategy->name(), option.name, option.fallback,
                           option.summary);
      }
    }
    out += "\nDTYPES\n";
    for (const TargetInfo& target : targets()) out += fmt::format("  {:<14} {}\n", target.name, target.summary);
    out += "\nFORMATS\n";
    for (const FormatInfo& format : formats()) out += fmt::format("  {:<14} {}\n", format.name, format.summary);
    out += "\nARCHITECTURES (synth)\n";
    for (const ArchitectureInfo& architecture : architectures()) {
      out += fmt::format("  {:<14} {}\n", architecture.name, architecture.summary);
    }
    return out;
  }

  static std::string json() {
    nlohmann::ordered_json all;
    all["strategies"] = nlohmann::ordered_json::array();
    for (const Strategy* strategy : strategies()) {
      nlohmann::ordered_json one = {
          {"name", strategy->name()}, {"mechanism", strategy->mechanism()}, {"cost", strategy->cost()}};
      one["options"] = nlohmann::ordered_json::array();
      for (const OptionInfo& option : strategy->options()) {
        one["options"].push_back({{"name", option.name}, {"default", option.fallback}, {"summary", option.summary}});
      }
      all["strategies"].push_back(one);
    }
    const auto listed = [&](const char* what, const auto& items) {
      all[what] = nlohmann::ordered_json::array();
      for (const auto& item : items) all[what].push_back({{"name", item.name}, {"summary", item.summary}});
    };
    listed("dtypes", targets());
    listed("formats", formats());
    listed("architectures", architectures());
    return all.dump(2) + "\n";
  }

  std::vector<std::string> plugins_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_list() {
  return std::make_unique<List>();
}

}  // namespace weighbridge::cli
