// A plug-in that misbehaves is a failed cell that says how, and nothing more: the cell beside it is measured.
#include <chrono>
#include <cstdlib>

#include "tests/plugin/built_plugin.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tests/support/record.h"

namespace weighbridge::test {
namespace {

std::string faulty() {
  return built_plugin("tests/plugin/faulty.c");
}

std::vector<std::string> words_for(const Scratch& scratch, const std::string& strategy, const std::string& library) {
  return {weighbridge(), "run",    small_gpt2(), "--plugin", library, "--strategy",   strategy + ",eager",
          "--dtype",     "native", "--repeat",   "1",        "--out", scratch / "out"};
}

// The plug-in's cell of a run beside `eager`, which always fits.
json faulty_cell(const std::string& strategy, const std::vector<std::string>& more = {},
                 const std::string& library = faulty()) {
  const Scratch scratch;
  std::vector<std::string> words = words_for(scratch, strategy, library);
  words.insert(words.end(), more.begin(), more.end());
  const Outcome outcome = run(words);
  INFO(strategy << "\n" << outcome.out << outcome.err);
  CHECK(outcome.status == 0);
  const json record = valid_record(scratch / "out/record.json");
  CHECK(cell_of(record, "eager")["verdict"] == "fits");
  return cell_of(record, strategy.substr(0, strategy.find(':')).c_str());
}

void expect(const std::string& strategy, const std::string& verdict, const std::string& reason,
            const std::string& library = faulty()) {
  const json cell = faulty_cell(strategy, {}, library);
  INFO(strategy << ": " << cell["reason"]);
  CHECK(cell["verdict"] == verdict);
  CHECK_THAT(cell["reason"].get<std::string>(), ContainsSubstring(reason));
}

std::string tensor_name(size_t index) {
  static const json listed = json::parse(run({weighbridge(), "inspect", small_gpt2(), "--json"}).out);
  return listed["tensors"][index]["name"];
}

TEST_CASE("what is right is measured: all at once, one at a time, through a mapping, by threads") {
  for (const char* strategy : {"faulty", "faulty-lazy", "faulty-map", "faulty-threads"}) {
    const json cell = faulty_cell(strategy, {"--passes", "2"});
    INFO(strategy << ": " << cell["reason"]);
    CHECK(cell["verdict"] == "fits");
    CHECK(cell["checksum"].get<std::string>().size() == 16);
#ifndef WEIGHBRIDGE_SANITIZE
    const int64_t need = cell["need_bytes"].get<int64_t>() - cell["floor_bytes"].get<int64_t>();
    const std::string which = strategy;
    if (which == "faulty-map") CHECK(need < kMiB);
    if (which == "faulty-lazy") CHECK(cell["at_peak"]["weights"] == cell["at_peak"]["staging"]);
    if (which == "faulty") CHECK(cell["trials"][0]["phases"][1]["heap_peak_bytes"]["weights"] > 0);
#endif
  }
}

TEST_CASE("a library's own pages and tables are weighed in open, not in the floor") {
  const json cell = faulty_cell("faulty");
  CHECK(cell["trials"][0]["phases"][0]["name"] == "open");
#ifndef WEIGHBRIDGE_SANITIZE
  CHECK(cell["trials"][0]["phases"][0]["file_peak_bytes"] > cell["trials"][0]["floor_file_bytes"]);
#endif
}

TEST_CASE("wrong bytes are a failed cell that names the tensor") {
  expect("faulty:fault=wrong,tensor=5", "failed", tensor_name(5));
  expect("faulty:fault=short,tensor=5", "failed", tensor_name(5));
  expect("faulty:fault=null,tensor=5", "failed", "\"" + tensor_name(5) + "\" at a null pointer");
  expect("faulty:fault=undelivered,tensor=5", "failed", "\"" + tensor_name(5) + "\" was never delivered");
  expect("faulty-lazy:fault=undelivered,tensor=5", "failed", "\"" + tensor_name(5) + "\" was never delivered");
}

TEST_CASE("a tensor that is delivered twice lies where it was delivered last") {
  expect("faulty:fault=twice,tensor=5", "fits", "");
}

TEST_CASE("what the host's functions refuse fails the trial with a message") {
  expect("faulty:fault=beyond,tensor=5", "failed", "faulty: load(): it asked for bytes");
  expect("faulty:fault=release-twice", "failed", "which went back before");
  expect("faulty:fault=release-foreign", "failed", "which allocate() has not given it");
#ifndef WEIGHBRIDGE_SANITIZE  // whose allocator ends the process instead
  expect("faulty:fault=refused", "refused", "allocating 1152921504606846976 bytes for weights was refused");
#endif
}

TEST_CASE("a callback that fails is reported in its own words, made printable") {
  expect("faulty:fault=fail", "failed", "plug-in strategy faulty: load(): the coffee is out\\x0a\\x1b[2J");
  expect("faulty:fault=fail,at=release", "failed", "release(): the coffee is out");
  expect("faulty-lazy:fault=fail,at=fetch,tensor=3", "failed", "fetch(): the coffee is out");
  expect("faulty-lazy:fault=fail,at=done,tensor=3", "failed", "done(): the coffee is out");
  expect("faulty:fault=silent", "failed", "load(): returned 7 without a message");
}

TEST_CASE("a C++ exception ends at the border") {
  const std::string library = built_plugin("tests/plugin/throwing.cc");
  expect("throwing", "failed", "load(): threw a C++ exception: there is no more of it", library);
  expect("throwing:what=int", "failed", "load(): threw a C++ exception", library);
  expect("throwing:what=bad_alloc", "failed", "std::bad_alloc", library);
}

TEST_CASE("a crash says what the plug-in was at") {
  expect("faulty:fault=abort", "failed", "in phase load, while the plug-in's load() ran");
#ifndef WEIGHBRIDGE_SANITIZE  // a sanitizer turns the signal into an exit status
  expect("faulty:fault=crash", "failed",
         "crashed with signal 11 (Segmentation fault) in phase load, while the plug-in's load() ran");
  expect("faulty:fault=crash,at=release", "failed", "in phase release, while the plug-in's release() ran");
  expect("faulty-lazy:fault=crash,at=fetch,tensor=3", "failed", "in phase use, while the plug-in's fetch() ran");
  const std::string read =
      "in phase use, while tensor \"" + tensor_name(5) + "\" was read where the plug-in had delivered it";
  expect("faulty:fault=unmapped,tensor=5", "failed", read);
  expect("faulty:fault=small,tensor=5", "failed", read);
#endif
}

TEST_CASE("an exit in a callback is no success") {
  expect("faulty:fault=exit", "failed", "ended with status 0 in phase load, while the plug-in's load() ran");
  expect("faulty:fault=exit,at=release", "failed",
         "ended with status 0 in phase release, while the plug-in's release() ran");
}

TEST_CASE("a plug-in that hangs is timed out where it hung") {
  for (const std::string at : {"load", "release"}) {
    const json cell = faulty_cell("faulty:fault=hang,at=" + at, {"--timeout", "8"});
    INFO(cell["reason"]);
    CHECK(cell["verdict"] == "timed-out");
    CHECK_THAT(cell["reason"].get<std::string>(), ContainsSubstring("while the plug-in's " + at + "() ran"));
    CHECK(cell["trials"][0]["reached"] == at);
  }
}

TEST_CASE("a process that a plug-in leaves behind holds nobody up") {
  const auto start = std::chrono::steady_clock::now();
  CHECK(faulty_cell("faulty:fault=fork")["verdict"] == "fits");
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(15));
}

TEST_CASE("what a plug-in does not give back is need at the end of release, and the allocator calls it allocated") {
  for (const std::string at : {"load", "release"}) {
    const json cell = faulty_cell("faulty:fault=leak,at=" + at);
#ifndef WEIGHBRIDGE_SANITIZE
    CHECK(cell["verdict"] == "fits");
    const json& phases = cell["trials"][0]["phases"];
    const int64_t kept = phases[3]["need_end_bytes"].get<int64_t>() - cell["floor_bytes"].get<int64_t>();
    INFO("kept at the end " << kept);
    CHECK(kept >= 8 * kMiB);
    CHECK(kept < 9 * kMiB);
    const int64_t leaked = phases[3]["allocator"]["overhead"]["allocated"].get<int64_t>() -
                           phases[0]["allocator"]["overhead"]["allocated"].get<int64_t>();
    CHECK(std::abs(leaked - 8 * kMiB) < 64 * 1024);  // the load's own tables come and go beside it
    CHECK(phases[3]["allocator"]["weights"]["allocated"] == 0);
#endif
  }
}

TEST_CASE("memory that a plug-in maps and unmaps itself is in the need's peak without any sample") {
  const json cell = faulty_cell("faulty-lazy:fault=spike", {"--sample-rate", "0"});
  CHECK(cell["verdict"] == "fits");
#ifndef WEIGHBRIDGE_SANITIZE
  const int64_t need =
      cell["trials"][0]["phases"][1]["need_peak_bytes"].get<int64_t>() - cell["floor_bytes"].get<int64_t>();
  INFO("need in load " << need);
  CHECK(need >= 96 * kMiB);
  CHECK(need < 97 * kMiB);
#endif
}

TEST_CASE("what a plug-in prints does not reach the record on standard output") {
  const Scratch scratch;
  std::vector<std::string> words = words_for(scratch, "faulty:fault=print", faulty());
  words.emplace_back("--json");
  const Outcome outcome = run(words);
  CHECK(outcome.status == 0);
  CHECK(json::parse(outcome.out)["cells"].size() == 2);
  CHECK_THAT(outcome.err, ContainsSubstring("printed by the plug-in"));
}

}  // namespace
}  // namespace weighbridge::test
