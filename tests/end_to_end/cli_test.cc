// What people meet at the command line.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "tests/support/catch.h"
#include "tests/support/program.h"

namespace weighbridge::test {
namespace {

using nlohmann::json;

TEST_CASE("no arguments: a short help with two examples, exit 2") {
  const Outcome outcome = run({weighbridge()});
  CHECK(outcome.status == 2);
  CHECK(outcome.out.empty());
  CHECK_THAT(outcome.err, ContainsSubstring("weighbridge run model.safetensors"));
  CHECK_THAT(outcome.err, ContainsSubstring("weighbridge plan model.safetensors"));
}

TEST_CASE("--help of every verb ends with an example and exit 0") {
  for (const char* verb : {"run", "plan", "inspect", "report", "synth", "list", "doctor"}) {
    const Outcome outcome = run({weighbridge(), verb, "--help"});
    INFO(verb);
    CHECK(outcome.status == 0);
    CHECK_THAT(outcome.out, ContainsSubstring("Examples:"));
    CHECK_THAT(outcome.out, ContainsSubstring(std::string("weighbridge ") + verb));
  }
}

TEST_CASE("a misspelt verb, option, strategy, strategy option or dtype offers the nearest, exit 2") {
  const auto says = [](std::vector<std::string> words, const std::string& expected) {
    words.insert(words.begin(), weighbridge());
    const Outcome outcome = run(words);
    INFO(outcome.err);
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.err, ContainsSubstring(expected));
  };
  says({"rnu", "x"}, "did you mean run?");
  says({"inspekt", "x"}, "did you mean inspect?");
  says({"frobnicate"}, "--help");
  says({"run", small_gpt2(), "--strategi", "mmap"}, "did you mean --strategy?");
  says({"run", small_gpt2(), "--repeat=3", "--dtpye=f16"}, "did you mean --dtype?");
  says({"plan", small_gpt2(), "--strategy", "straem"}, "did you mean stream?");
  says({"plan", small_gpt2(), "--strategy", "stream:chnk=1MiB"}, "did you mean chunk?");
  says({"plan", small_gpt2(), "--strategy", "stream:chunk=many"}, "is not a size");
  says({"plan", small_gpt2(), "--strategy", "stream:chunk=0"}, "is not a size");
  says({"plan", small_gpt2(), "--strategy", "layerwise:chunk=1MiB"}, "takes no options");
  says({"plan", small_gpt2(), "--dtype", "fp16"}, "did you mean f16?");
  says({"plan", small_gpt2(), "--limit", "eight"}, "is not a size");
  says({"run", small_gpt2(), "--cache", "tepid"}, "warm");
  says({"run"}, "MODEL");
  says({"--hlep"}, "did you mean --help?");
  says({"run", small_gpt2(), "--timeout", "nan"}, "such as 30");
  says({"run", small_gpt2(), "--timeout", "1e300"}, "such as 30");
  says({"run", small_gpt2(), "--seed", "18446744073709551616"}, "below 2^64");
  says({"run", small_gpt2(), "--cache", ","}, "warm");
  says({"plan", small_gpt2(), "--strategy", ""}, "names no strategy");
}

TEST_CASE("inspect lists every tensor, and its JSON says where each lies") {
  const Outcome table = run({weighbridge(), "inspect", small_gpt2()});
  CHECK(table.status == 0);
  CHECK_THAT(table.out, ContainsSubstring("h.1.attn.c_attn.weight"));
  CHECK_THAT(table.out, ContainsSubstring("28 tensors"));
  const Outcome outcome = run({weighbridge(), "inspect", small_gpt2(), "--json"});
  const json listed = json::parse(outcome.out);
  CHECK(listed["format"] == "safetensors");
  REQUIRE(listed["tensors"].size() == 28);
  int64_t bytes = 0;
  for (const json& tensor : listed["tensors"]) {
    bytes += tensor["bytes"].get<int64_t>();
    CHECK(tensor["dtype"] == "f32");
    CHECK(tensor["offset"].get<int64_t>() > 8);
    CHECK(tensor["file"] == small_gpt2());
  }
  CHECK(listed["bytes"] == bytes);
  CHECK(listed["needs"]["f16"] == bytes / 2);
}

TEST_CASE("options may stand before the model, and lists may be given in one word or in several") {
  const auto cells = [](std::vector<std::string> words) {
    words.insert(words.begin(), {weighbridge(), "plan", "--json"});
    const Outcome outcome = run(words);
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    return json::parse(outcome.out)["cells"].size();
  };
  CHECK(cells({"--strategy", "mmap,stream:chunk=1MiB", "--dtype", "native", small_gpt2()}) == 2);
  CHECK(cells({small_gpt2(), "--strategy", "mmap", "--strategy", "eager", "--dtype=native", "--dtype=f16"}) == 4);
  CHECK(cells({small_gpt2(), "--strategy", "stream,stream:chunk=8MiB,stream", "--dtype", "native,native"}) == 1);
}

TEST_CASE("plan predicts without loading, against the limit that was asked for") {
  const Outcome outcome = run({weighbridge(), "plan", small_gpt2(), "--limit", "300MiB", "--json"});
  REQUIRE(outcome.status == 0);
  const json record = json::parse(outcome.out);
  CHECK(record["machine"]["limits"][0]["bytes"] == 300 << 20);
  for (const json& cell : record["cells"]) {
    CHECK(cell["predicted"]["need_bytes"].is_number());
    CHECK(cell["verdict"] == "not-run");
    CHECK(cell["trials"].empty());
  }
  const Outcome table = run({weighbridge(), "plan", small_gpt2(), "--limit", "300MiB"});
  CHECK_THAT(table.out, ContainsSubstring("300 MiB"));
  CHECK(run({weighbridge(), "plan", small_gpt2(), "--limit", "1KiB"}).status == 1);
}

TEST_CASE("a report is rendered again from its record, the same to the byte") {
  const Scratch scratch;
  REQUIRE(run({weighbridge(), "run", small_gpt2(), "--strategy", "eager,mmap", "--dtype", "native", "--repeat", "1",
               "--seed", "3", "--out", scratch / "out", "-q"})
              .status == 0);
  REQUIRE(run({weighbridge(), "report", scratch / "out/record.json", "--html", scratch / "again.html"}).status == 0);
  CHECK(read_file(scratch / "again.html") == read_file(scratch / "out/report.html"));
  CHECK_THAT(read_file(scratch / "again.html"), ContainsSubstring("fits"));
  write_file(scratch / "not.json", "{\"schema\": \"weighbridge/1\",");
  const Outcome bad = run({weighbridge(), "report", scratch / "not.json"});
  CHECK(bad.status == 3);
  CHECK(std::count(bad.err.begin(), bad.err.end(), '\n') == 1);
}

TEST_CASE("standard output is the result alone, and NO_COLOR and a pipe leave it without colour") {
  const Scratch scratch;
  const std::vector<std::string> words = {weighbridge(), "run",   small_gpt2(),    "--strategy", "mmap", "--dtype",
                                          "native",      "--out", scratch / "out", "--repeat",   "1"};
  const Outcome piped = run(words);
  CHECK(piped.out.find('\x1b') == std::string::npos);
  CHECK(piped.err.find('\r') == std::string::npos);
  CHECK_THAT(piped.err, ContainsSubstring("seed"));
  CHECK_THAT(piped.out, ContainsSubstring("record"));
  const Outcome coloured = run(words, {{"FORCE_COLOR", "1"}});
  CHECK(coloured.out.find('\x1b') != std::string::npos);
  const Outcome plain = run(words, {{"FORCE_COLOR", "1"}, {"NO_COLOR", "1"}});
  CHECK(plain.out.find('\x1b') == std::string::npos);
}

TEST_CASE("an output folder that cannot be written is said before anything is measured, exit 4") {
  const Scratch scratch;
  write_file(scratch / "file", "");
  const Outcome outcome = run({weighbridge(), "run", small_gpt2(), "--out", scratch / "file/out"});
  CHECK(outcome.status == 4);
  CHECK_THAT(outcome.err, ContainsSubstring("file/out"));
}

TEST_CASE("list and doctor say what there is") {
  const Outcome list = run({weighbridge(), "list"});
  CHECK(list.status == 0);
  for (const char* word : {"state-dict", "lazy", "stream:chunk=8MiB", "int8", "safetensors", "llama-3-8b"}) {
    CHECK_THAT(list.out, ContainsSubstring(word));
  }
  CHECK(json::parse(run({weighbridge(), "list", "--json"}).out)["strategies"].size() == 10);
  const Outcome doctor = run({weighbridge(), "doctor"});
  INFO(doctor.out << doctor.err);
  CHECK(doctor.status == 0);
  CHECK_THAT(doctor.out, ContainsSubstring("need_bytes"));
  CHECK_THAT(doctor.out, ContainsSubstring("this one bites"));
}

}  // namespace
}  // namespace weighbridge::test
