// A plan is held to its word: what it says of a limit, and what the kernel does in that limit.
#include <fmt/format.h>

#include <fstream>
#include <string>
#include <vector>

#include "harness/cage/cage.h"
#include "tests/support/record.h"
#include "tests/support/skip.h"

namespace weighbridge::test {
namespace {

bool has_swap() {
  std::ifstream swaps("/proc/swaps");
  std::string heading, first;
  return std::getline(swaps, heading) && std::getline(swaps, first);
}

struct Way {
  const char *strategy, *dtype;
  bool maps;  // pages of the file while it loads
};

TEST_CASE("a way fits in the limit that plan says to ask for, and is killed in 1 MiB less than it must hold") {
  const Cages cages(true);
  if (skip(cages.possible() ? "" : "no cgroup can be made here: " + cages.reason())) return;
  for (const Way& way :
       {Way{"eager", "native", false}, Way{"eager", "f16", false}, Way{"state-dict", "native", false},
        Way{"convert-after", "f16", false}, Way{"stream", "native", false}, Way{"stream", "int8", false},
        Way{"lazy", "bf16", false}, Way{"mmap", "native", true}, Way{"mmap", "int8", true}}) {
    const std::vector<std::string> words{small_gpt2(), "--strategy", way.strategy, "--dtype", way.dtype};
    const auto with = [&](std::vector<std::string> first, const std::vector<std::string>& last) {
      first.insert(first.end(), words.begin(), words.end());
      first.insert(first.end(), last.begin(), last.end());
      return run(first);
    };
    const Outcome plan = with({weighbridge(), "plan"}, {"--json"});
    REQUIRE(plan.status == 0);
    const json predicted = json::parse(plan.out)["cells"][0]["predicted"];
    const int64_t holds = predicted["need_bytes"].get<int64_t>() + predicted["floor_bytes"].get<int64_t>() +
                          predicted["page_table_bytes"].get<int64_t>();
    const int64_t asks = predicted["limit_bytes"];
    CHECK(asks == holds + 2 * kMiB + (way.maps ? 32 * kMiB : 0));

    const std::vector<int64_t> above{asks, asks + asks / 50}, below{holds - kMiB, holds - holds / 20 - kMiB};
    std::string limits;
    for (const int64_t limit : above) limits += fmt::format("{},", limit);
    for (const int64_t limit : below) {
      if (limit >= kMiB) limits += fmt::format("{},", limit);
    }
    const Scratch scratch;
    std::vector<std::string> more{"--limit", limits, "--repeat", "2", "--out", scratch / "out", "-q"};
    if (way.maps) more.insert(more.end(), {"--timeout", "15"});
    if (has_swap()) more.insert(more.end(), {"--swap-limit", "0"});
    with({weighbridge(), "run"}, more);
    const json record = json::parse(read_file(scratch / "out/record.json"));
    for (const json& cell : record["cells"]) {
      const int64_t limit = cell["limit_bytes"];
      const std::string verdict = cell["verdict"];
      INFO(way.strategy << ' ' << way.dtype << " in " << limit << ", must hold " << holds << ", asks " << asks << ": "
                        << verdict << ": " << cell["reason"]);
      // Of a mapping that the limit has no room for plan says that it is read again; how long the machine then stands
      // still is the disk's affair and its neighbours'.
      const bool loads = verdict == "fits" || verdict == "fits-reclaiming" || (way.maps && verdict == "thrashed");
      CHECK(loads == (limit >= asks));
      // Where there are file pages to take, the kernel may take and read them for minutes before it gives up.
      const bool ended = verdict == "oom-killed" || (way.maps && verdict == "timed-out");
      CHECK(ended == (limit < holds));
      // And plan, asked about that limit, says the same; its floor varies by some pages.
      const int64_t near = limit >= asks ? limit + 64 * 1024 : limit;
      const Outcome asked = with({weighbridge(), "plan"}, {"--limit", std::to_string(near)});
      CHECK(asked.status == (limit >= asks ? 0 : 1));
      if (limit != asks) continue;
      const int64_t floor = cell["floor_bytes"], need = cell["need_bytes"];
      fmt::print(
          "{} {}: floor {} KiB predicted, {} measured; need with it {} KiB predicted, {} measured; page tables "
          "{} KiB predicted, {} seen\n",
          way.strategy, way.dtype, predicted["floor_bytes"].get<int64_t>() / 1024, floor / 1024,
          (predicted["need_bytes"].get<int64_t>() + predicted["floor_bytes"].get<int64_t>()) / 1024, need / 1024,
          predicted["page_table_bytes"].get<int64_t>() / 1024, cell["page_table_bytes"].get<int64_t>() / 1024);
    }
  }
}

}  // namespace
}  // namespace weighbridge::test
