// Everything in the library's tables is read once, with bounds, into values of our own, and checked there. A pointer
// that leads nowhere is a crash of this process, which was made for that.
#include "strategies/plugin/plugin_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "strategies/checkpoint/digest.h"
#include "strategies/checkpoint/reader.h"
#include "strategies/error.h"
#include "strategies/plugin/plugin_session.h"

namespace weighbridge {
namespace {

constexpr size_t kLongestRead = 256;  // one above what check() takes would do

Error refusal(const std::string& path, const std::string& what) {
  return {ErrorKind::bad_input, printable(path) + ": " + what};
}

std::string text_of(const char* text) {
  return text == nullptr ? std::string() : std::string(text, strnlen(text, kLongestRead));
}

PluginStrategyInfo read_strategy(const std::string& path, const weighbridge_strategy& strategy) {
  PluginStrategyInfo info{text_of(strategy.name), text_of(strategy.mechanism), text_of(strategy.cost), {}};
  if (strategy.load == nullptr || strategy.release == nullptr) {
    throw refusal(path, fmt::format("strategy {} has no {}, which every strategy needs", in_quotes(info.name),
                                    strategy.load == nullptr ? "load" : "release"));
  }
  if (strategy.option_count > kMostPluginOptions || (strategy.option_count > 0 && strategy.options == nullptr)) {
    throw refusal(path, fmt::format("strategy {} says that it has {} options, expected a table of at most {}",
                                    in_quotes(info.name), strategy.option_count, kMostPluginOptions));
  }
  for (size_t index = 0; index < strategy.option_count; ++index) {
    const weighbridge_option& option = strategy.options[index];
    info.options.push_back({text_of(option.name), text_of(option.fallback), text_of(option.summary)});
  }
  return info;
}

PluginInfo read_plugin(const std::string& path, const weighbridge_library* plugin) {
  if (plugin == nullptr) throw refusal(path, "its weighbridge_plugin() returned NULL, expected a description");
  if (plugin->abi != WEIGHBRIDGE_PLUGIN_ABI) {
    throw refusal(path,
                  fmt::format("it was built for version {} of the plug-in interface, this program has version {}: "
                              "build it against the weighbridge/plugin.h of this program",
                              plugin->abi, WEIGHBRIDGE_PLUGIN_ABI));
  }
  if (plugin->struct_size != sizeof(weighbridge_strategy)) {
    throw refusal(path, fmt::format("found a struct_size of {}, expected sizeof(struct weighbridge_strategy) = {}",
                                    plugin->struct_size, sizeof(weighbridge_strategy)));
  }
  if (plugin->strategy_count == 0 || plugin->strategy_count > kMostPluginStrategies || plugin->strategies == nullptr) {
    throw refusal(path, fmt::format("it says that it has {} strategies, expected a table of 1 to {}",
                                    plugin->strategy_count, kMostPluginStrategies));
  }
  PluginInfo info{path, text_of(plugin->name), text_of(plugin->version), sha256_of(File(path)), {}};
  for (size_t index = 0; index < plugin->strategy_count; ++index) {
    info.strategies.push_back(read_strategy(path, plugin->strategies[index]));
  }
  check(info);
  return info;
}

// The plan is opaque: what the library does is its own affair. Phases and the use of every tensor are as in any plan.
class PluginStrategy : public DeclaredStrategy {
 public:
  PluginStrategy(PluginStrategyInfo info, const weighbridge_strategy& strategy,
                 std::shared_ptr<const PluginWatch> watch)
      : DeclaredStrategy(std::move(info)), strategy_(strategy), watch_(std::move(watch)) {}

  void plan(const Request& request, Steps& steps) const override {
    std::unique_ptr<PluginSession> session;
    steps.opaque([&](Memory& memory) {
      session = std::make_unique<PluginSession>(strategy_, request, memory, *watch_);
      session->load();
    });
    steps.enter(Phase::use);
    steps.opaque([&](Memory&) {
      for (int pass = 0; pass < request.passes; ++pass) {
        for (uint32_t tensor = 0; tensor < request.layouts.size(); ++tensor) {
          session->use(tensor, [&](const std::byte* at) { steps.use_foreign(tensor, at); });
        }
      }
    });
    steps.enter(Phase::release);
    steps.opaque([&](Memory&) {
      session->release();
      session.reset();
    });
  }

 private:
  const weighbridge_strategy& strategy_;  // in the library
  const std::shared_ptr<const PluginWatch> watch_;
};

}  // namespace

PluginLibrary::PluginLibrary(const std::string& path, PluginWatch watch)
    : watch_(std::make_shared<const PluginWatch>(std::move(watch))) {
  { const File there(path); }  // dlopen's own words for a missing file, or a folder, are not ours
  using Entry = const weighbridge_library* (*)();
  const char* what = "the plug-in was loaded and described";
  (*watch_)(std::string("while ") + what);
  // All symbols now, so that a missing one is said here and not in the middle of a load; for this library alone.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    throw refusal(path, fmt::format("it could not be loaded as a shared library ({})",
                                    printable(why == nullptr ? "no reason given" : why)));
  }
  const auto entry = reinterpret_cast<Entry>(dlsym(library, "weighbridge_plugin"));
  if (entry == nullptr) {
    throw refusal(path, "it has no function weighbridge_plugin(): it is no plug-in for this program");
  }
  try {
    plugin_ = entry();
  } catch (...) {
    throw refusal(path, "its weighbridge_plugin() threw a C++ exception");
  }
  info_ = read_plugin(path, plugin_);
  (*watch_)({});
}

void PluginLibrary::add_strategies() const {
  for (size_t index = 0; index < info_.strategies.size(); ++index) {
    // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): for the process's life
    add_strategy(new PluginStrategy(info_.strategies[index], plugin_->strategies[index], watch_));
  }
}

}  // namespace weighbridge
