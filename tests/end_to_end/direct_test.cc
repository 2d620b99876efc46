// direct in the real program: the page cache stays as it was, and what the kernel refuses is said.
#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tests/support/skip.h"

namespace weighbridge::test {
namespace {

using nlohmann::json;

constexpr int64_t kMiB = 1 << 20;

// The remarks of the first trial of a record's first cell: "id: text".
std::vector<std::string> remarks_of(const json& record) {
  std::vector<std::string> said;
  for (const json& remark : record["cells"][0]["trials"][0]["remarks"]) {
    said.push_back(remark["id"].get<std::string>() + ": " + remark["text"].get<std::string>());
  }
  return said;
}

std::string without_io_uring() {
  return std::string(WEIGHBRIDGE_BIN_DIR) + "/without_io_uring";
}

TEST_CASE("direct leaves the page cache as it was: of the checkpoint, only what its header's reading brought") {
  const Scratch scratch;
  const Outcome outcome = run({weighbridge(), "run", small_gpt2(), "--strategy", "direct,stream", "--dtype",
                               "native,f16", "--repeat", "1", "--cache", "cold", "--out", scratch / "out", "--json"});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const json record = json::parse(outcome.out);
  int direct = 0;
  for (const json& cell : record["cells"]) {
    const json& trial = cell["trials"][0];
    INFO(cell["strategy"] << "/" << cell["dtype"] << " " << trial["remarks"].dump());
    CHECK(cell["verdict"] == "fits");
    if (skip(trial["cached_after_bytes"].is_null() || trial["cached_before_bytes"] >= kMiB
                 ? "the page cache cannot be asked here, or not be emptied"
                 : "")) {
      return;
    }
    const int64_t cached = trial["cached_after_bytes"];
    if (cell["strategy"] == "stream") {
      CHECK(cached > 100 * kMiB);
      continue;
    }
    if (skip(trial["remarks"].size() > 1 ? trial["remarks"][1]["text"].get<std::string>() : "")) return;
    CHECK(cached < kMiB);
#ifndef WEIGHBRIDGE_SANITIZE  // whose runtime is read in as it is used
    CHECK(cell["reclaimable_bytes"] < kMiB);
#endif
    ++direct;
  }
  CHECK(direct == 2);
}

TEST_CASE("in a container that refuses io_uring, threads read, and record and table say so") {
  const Scratch scratch;
  const Outcome outcome = run({without_io_uring(), weighbridge(), "run", small_gpt2(), "--strategy", "direct",
                               "--dtype", "native", "--repeat", "1", "--out", scratch / "out"});
  if (skip(outcome.status == 125 ? outcome.err : "")) return;
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const std::string said = "io_uring was refused (Operation not permitted), so it was read by 8 threads";
  const auto remarks = remarks_of(json::parse(read_file(scratch / "out/record.json")));
  REQUIRE(remarks.size() >= 2);
  CHECK(remarks[0] == "read-by: read by 8 threads");
  CHECK(remarks[1] == "no-io_uring: " + said);
  CHECK_THAT(read_file(scratch / "out/report.html"), ContainsSubstring(said));
  std::string text = outcome.out;  // wrapped at the terminal's width
  std::replace(text.begin(), text.end(), '\n', ' ');
  CHECK_THAT(text, ContainsSubstring("direct: io_uring was refused (Operation not permitted)"));

  const Outcome asked =
      run({without_io_uring(), weighbridge(), "run", small_gpt2(), "--strategy", "direct:engine=io_uring", "--dtype",
           "native", "--repeat", "1", "--out", scratch / "asked", "--json"});
  const json cell = json::parse(asked.out)["cells"][0];
  CHECK(cell["verdict"] == "failed");
  CHECK_THAT(cell["reason"].get<std::string>(), ContainsSubstring("io_uring was refused (Operation not permitted)"));
}

TEST_CASE("on a file system without O_DIRECT the page cache is read through, and the record says so") {
  const Scratch scratch;
  // ramfs has none, and whoever may have namespaces of his own may mount one there.
  const std::string made =
      "mount -t ramfs none " + scratch.path() + " && cp " + small_gpt2() + " " + scratch / "model.safetensors" + " && ";
  const std::string command = made + weighbridge() + " run " + scratch / "model.safetensors" +
                              " --strategy direct --dtype native --repeat 1 --json --out " + scratch / "out";
  const auto in_namespace = [](const std::string& script) {
    return run({"/usr/bin/unshare", "--user", "--map-root-user", "--mount", "/bin/sh", "-c", script});
  };
  if (skip(in_namespace(made + "true").status != 0 ? "no namespace of one's own, or no ramfs" : "")) return;
  const Outcome outcome = in_namespace(command);
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const json record = json::parse(outcome.out);
  CHECK(record["cells"][0]["verdict"] == "fits");
  CHECK(remarks_of(record).back() == "no-o_direct: O_DIRECT was refused for " + scratch / "model.safetensors" +
                                         " (Invalid argument), so it was read through the page cache, which then holds "
                                         "it too");
}

}  // namespace
}  // namespace weighbridge::test
