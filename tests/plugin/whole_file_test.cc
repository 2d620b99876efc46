// The example, as a user's own loader: in the same run as the built-in strategies, and with what its comment says.
#include <chrono>
#include <filesystem>
#include <map>
#include <thread>

#include "tests/plugin/built_plugin.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tests/support/record.h"

namespace weighbridge::test {
namespace {

const std::string& example() {
  static const std::string path = built_plugin("examples/plugin/whole_file.c");
  return path;
}

json run_example(const Scratch& scratch, const std::string& model, const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {
      weighbridge(), "run",        model,      "--plugin", example(), "--strategy",   "eager,whole-file,mmap",
      "--dtype",     "native,f16", "--repeat", "1",        "--out",   scratch / "out"};
  words.insert(words.end(), more.begin(), more.end());
  const Outcome outcome = run(words);
  INFO(outcome.out << outcome.err);
  REQUIRE(outcome.status == 0);
  return valid_record(scratch / "out/record.json");
}

TEST_CASE("the example's weights are those of the built-in strategies, in every dtype asked for") {
  const Scratch scratch;
  const json record = run_example(scratch, small_gpt2(), {"--passes", "2"});
  REQUIRE(record["cells"].size() == 6);
  std::map<std::string, std::string> checksums;
  for (const json& cell : record["cells"]) {
    CHECK(cell["verdict"] == "fits");
    const std::string checksum = cell["checksum"];
    REQUIRE(checksum.size() == 16);
    const auto [same, first] = checksums.emplace(cell["dtype"], checksum);
    CHECK(same->second == checksum);
  }
  CHECK(checksums["native"] != checksums["f16"]);
}

TEST_CASE("the example's need is what its formula says: S, and S + T where it converts; nothing comes back late") {
#ifdef WEIGHBRIDGE_SANITIZE
  return;  // a sanitizer's shadow is no size of ours
#else
  const Scratch scratch;
  const json record = run_example(scratch, small_gpt2());
  const int64_t stored = record["checkpoint"]["file_bytes"];
  for (const json& cell : record["cells"]) {
    if (cell["strategy"] != "whole-file") continue;
    const int64_t loaded = cell["dtype"] == "f16" ? record["checkpoint"]["parameters"].get<int64_t>() * 2 : 0;
    const int64_t expected = stored + loaded,
                  need = cell["need_bytes"].get<int64_t>() - cell["floor_bytes"].get<int64_t>();
    INFO(cell["dtype"] << ": need " << need << ", expected " << expected);
    CHECK(need >= expected);
    CHECK(need < expected + kMiB);
    // malloc is the worker's own: it is all overhead, in arena 0, and nothing of it is left. But a thread's cache takes
    // ten blocks of a small size at once, and counts them as allocated: 128,000 bytes for the biases in f16.
    CHECK(cell["at_peak"]["weights"] == 0);
    CHECK(cell["at_peak"]["overhead"].get<int64_t>() >= expected);
    const json& phases = cell["trials"][0]["phases"];
    REQUIRE(phases.size() == 4);
    const auto allocated = [&](size_t phase) {
      return phases[phase]["allocator"]["overhead"]["allocated"].get<int64_t>();
    };
    CHECK(allocated(1) - allocated(0) >= expected);
    CHECK(allocated(3) - allocated(0) < 256 * 1024);
  }
#endif
}

TEST_CASE("a plug-in's cell has no prediction, and the record names the library") {
  const Scratch scratch;
  const Outcome planned =
      run({weighbridge(), "plan", small_gpt2(), "--plugin", example(), "--dtype", "native", "--json"});
  REQUIRE(planned.status == 0);
  const json record = json::parse(planned.out);
  const json& cell = cell_of(record, "whole-file");
  CHECK(cell["predicted"].is_null());
  CHECK(cell["unavailable"]["predicted"] == "a plug-in has no plan that could be counted");
  CHECK(cell["plugin"] == example());
  CHECK(cell["options"].empty());
  CHECK(cell_of(record, "eager")["plugin"] == "");
  CHECK_FALSE(cell_of(record, "eager")["predicted"].is_null());
  const json& library = record["settings"]["plugins"].at(0);
  CHECK(library["path"] == example());
  CHECK(library["name"] == "whole-file-example");
  CHECK(library["version"] == "1.0");
  const Outcome digest = run({"/usr/bin/sha256sum", example()});
  CHECK(digest.out.substr(0, 64) == library["sha256"]);
}

TEST_CASE("options of a plug-in are words of the command line as any other's") {
  const Scratch scratch;
  const auto status = [&](const std::string& strategy, const std::string& expected) {
    const Outcome outcome = run({weighbridge(), "run", small_gpt2(), "--plugin", example(), "--strategy", strategy,
                                 "--dtype", "native", "--repeat", "1", "--out", scratch / "out"});
    INFO(outcome.out << outcome.err);
    CHECK_THAT(outcome.err + outcome.out, ContainsSubstring(expected));
    return outcome.status;
  };
  CHECK(status("whole-file:read=64KiB", "whole-file:read=64KiB") == 0);
  const json cell = valid_record(scratch / "out/record.json")["cells"][0];
  CHECK(cell["options"]["read"] == "64KiB");
  CHECK(status("whole-file:raed=1MiB", "did you mean read?") == 2);
  CHECK(status("whole-fil", "did you mean whole-file?") == 2);
  // A value is the library's to judge: it has no sense in this cell.
  CHECK(status("whole-file:read=much", "'much' is not a size") == 1);
  CHECK(valid_record(scratch / "out/record.json")["cells"][0]["verdict"] == "failed");
}

TEST_CASE("list shows a plug-in's strategies; a bare name is a file of the current folder") {
  const std::string folder = std::filesystem::path(example()).parent_path(),
                    name = std::filesystem::path(example()).filename();
  const Outcome text =
      run({"/bin/sh", "-c", "cd \"$1\" && exec \"$2\" list --plugin \"$3\"", "sh", folder, weighbridge(), name});
  CHECK(text.status == 0);
  CHECK_THAT(text.out, ContainsSubstring("each file read whole into one malloc'ed block"));
  CHECK_THAT(text.out, ContainsSubstring("whole-file:read=8MiB"));
  const json listed = json::parse(run({weighbridge(), "list", "--json", "--plugin", example()}).out);
  CHECK(listed["strategies"].back()["name"] == "whole-file");
  const Outcome searched = run({"/bin/sh", "-c", "cd / && LD_LIBRARY_PATH=\"$1\" exec \"$2\" list --plugin \"$3\"",
                                "sh", folder, weighbridge(), name});
  CHECK(searched.status == 3);
  CHECK_THAT(searched.err, ContainsSubstring("./" + name));
}

TEST_CASE("a run is not resumed with a library that was built anew") {
  const Scratch scratch;
  const std::string library = scratch / "libmine.so";
  std::filesystem::copy_file(example(), library);
  std::vector<std::string> words = {weighbridge(), "run",        small_gpt2(),   "--plugin", library,
                                    "--strategy",  "whole-file", "--dtype",      "native",   "--repeat",
                                    "200",         "--out",      scratch / "out"};
  {
    Program program(words);
    for (int tries = 0; tries < 500 && read_file(scratch / "out/journal.jsonl").find("\"ended\"") == std::string::npos;
         ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }  // killed
  words.emplace_back("--resume");
  std::filesystem::remove(library);
  std::filesystem::copy_file(built_plugin("examples/plugin/whole_file.c", {"-O1"}), library);
  const Outcome outcome = run(words);
  CHECK(outcome.status == 2);
  CHECK_THAT(outcome.err, ContainsSubstring("--plugin was"));
}

}  // namespace
}  // namespace weighbridge::test
