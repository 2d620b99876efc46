// weighbridge_bench: what this project does to bytes, held against the limits of the machine it runs on.
//
// Google Benchmark's own flags hold (--benchmark_filter, --benchmark_out, --benchmark_list_tests, ...), and beside
// them:
//   --pairs=N        pairs of each row [30]; with fewer than 6 there is no interval and no bar is decided
//   --bars           only the rows that have a bar
// Exit status: 0 no bar is missed, 1 one is, 2 usage, 4 this machine cannot run it.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <memory>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "strategies/error.h"
#include "tests/bench/cases.h"
#include "tests/bench/ground.h"
#include "tests/bench/heap_meter.h"
#include "tests/bench/json_file.h"
#include "tests/bench/progress.h"
#include "tests/bench/rows.h"
#include "tests/bench/table.h"

namespace {

using namespace weighbridge;

struct Arguments {
  int pairs = 30;
  bool bars = false;
  enum class Display : uint8_t { table, json, other } display = Display::table;  // of --benchmark_format
  bool json_file = false;                                                        // --benchmark_out, as JSON
  bool only_list = false;
  std::string filter = ".";
};

// Takes what is ours out of argv.
Arguments parse(std::vector<char*>& argv) {
  Arguments arguments;
  bool out = false, json = true;
  std::erase_if(argv, [&](char* text) {
    const std::string_view word = text;
    if (word == "--bars") return arguments.bars = true;
    if (word.starts_with("--benchmark_format=")) {
      arguments.display = word.ends_with("=json") ? Arguments::Display::json : Arguments::Display::other;
    }
    if (word.starts_with("--benchmark_out=")) out = true;
    if (word.starts_with("--benchmark_out_format=") && !word.ends_with("=json")) json = false;
    if (word.starts_with("--benchmark_filter=")) arguments.filter = word.substr(19);
    if (word.starts_with("--benchmark_list_tests")) arguments.only_list = true;
    if (!word.starts_with("--pairs=")) return false;
    const std::string_view number = word.substr(8);
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), arguments.pairs);
    if (error != std::errc() || end != number.data() + number.size() || arguments.pairs < 1) {
      throw Error(ErrorKind::usage, fmt::format("--pairs takes a number of at least 1, not '{}'", number));
    }
    return true;
  });
  arguments.json_file = out && json;
  return arguments;
}

// How many pairs the filter lets through, as Google Benchmark reads it.
void begin_progress(const Arguments& arguments) {
  const bool negated = arguments.filter.starts_with('-');
  const std::regex filter(negated ? arguments.filter.substr(1) : arguments.filter, std::regex::extended);
  size_t pairs = 0;
  for (const bench::Row* row : bench::rows()) {
    const std::string name = fmt::format("{}/iterations:1/repeats:{}/manual_time", row->name, arguments.pairs);
    if (std::regex_search(name, filter) != negated) pairs += static_cast<size_t>(arguments.pairs);
  }
  bench::begin_progress(pairs);
}

int run(std::vector<char*> argv) {
  const Arguments arguments = parse(argv);
  bench::add_strategy_rows();
  bench::add_kernel_rows();
  bench::add_limit_rows();
  if (arguments.bars) std::erase_if(bench::rows(), [](const bench::Row* row) { return !row->bar; });
  bench::register_rows(arguments.pairs);
  if (!arguments.bars) bench::add_conversions();

  int argc = static_cast<int>(argv.size());
  argv.push_back(nullptr);
  benchmark::Initialize(&argc, argv.data());
  if (benchmark::ReportUnrecognizedArguments(argc, argv.data())) return 2;

  std::string no_meter;
  const std::unique_ptr<bench::HeapMeter> meter = bench::make_heap_meter(no_meter);
  std::unique_ptr<bench::MeteredRuns> metered_runs;
  if (meter != nullptr) {
    metered_runs = std::make_unique<bench::MeteredRuns>(*meter);
    benchmark::RegisterMemoryManager(metered_runs.get());
  }
  if (arguments.only_list) {
    benchmark::RunSpecifiedBenchmarks();
    return 0;
  }
  benchmark::AddCustomContext("checkpoint", bench::Ground::get().description());
  benchmark::AddCustomContext("allocator", bench::Ground::get().allocator_version());
  benchmark::AddCustomContext("heap", no_meter.empty() ? "counted by jemalloc's hooks" : "not counted: " + no_meter);
  benchmark::AddCustomContext("transparent_huge_pages", "off, as in trials");

  begin_progress(arguments);
  bench::Table table;
  bench::JsonFile shown, written;
  benchmark::BenchmarkReporter* display = nullptr;  // Google Benchmark's own
  if (arguments.display == Arguments::Display::table) display = &table;
  if (arguments.display == Arguments::Display::json) display = &shown;
  const size_t matched = arguments.json_file ? benchmark::RunSpecifiedBenchmarks(display, &written)
                                             : benchmark::RunSpecifiedBenchmarks(display);
  benchmark::RegisterMemoryManager(nullptr);
  benchmark::Shutdown();
  if (matched == 0) return 2;  // it has said why
  return bench::print_verdict() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv, argv + argc});
  } catch (const std::regex_error& error) {
    fmt::print(stderr, "weighbridge_bench: the filter is no regular expression: {}\n", error.what());
    return 2;
  } catch (const Error& error) {
    fmt::print(stderr, "weighbridge_bench: {}\n", error.what());
    return error.kind() == ErrorKind::usage ? 2 : 4;
  }
}
