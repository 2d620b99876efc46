// What `inspect` and `plan` say of a model's architecture and of its values, by the real program.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tests/support/safetensors_file.h"

namespace weighbridge::test {
namespace {

using nlohmann::json;

std::vector<float> weights(size_t count, uint32_t seed, uint32_t kept_bits = 0xffffffffu) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.02F);
  std::vector<float> values(count);
  for (float& value : values) {
    value = normal(random);
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    bits &= kept_bits;
    std::memcpy(&value, &bits, sizeof value);
  }
  return values;
}

// A small Llama in f32 whose head is a copy of its embedding; `kept_bits` of each value are kept.
SafetensorsFile llama(uint32_t layers, uint32_t kept_bits = 0xffffffffu) {
  SafetensorsFile file;
  const std::vector<float> embedding = weights(500 * 32, 1, kept_bits);
  file.floats("model.embed_tokens.weight", {500, 32}, embedding);
  for (uint32_t layer = 0; layer < layers; ++layer) {
    const std::string of = fmt::format("model.layers.{}.", layer);
    file.floats(of + "self_attn.q_proj.weight", {32, 32}, weights(32 * 32, 2 * layer + 2, kept_bits));
    file.floats(of + "mlp.up_proj.weight", {64, 32}, weights(64 * 32, 2 * layer + 3, kept_bits));
  }
  file.floats("lm_head.weight", {500, 32}, embedding);
  return file;
}

size_t longest_line(const std::string& text, const std::string& up_to = "") {
  std::istringstream lines(text.substr(0, up_to.empty() ? std::string::npos : text.find(up_to)));
  size_t longest = 0;
  for (std::string line; std::getline(lines, line);) longest = std::max(longest, line.size());
  return longest;
}

// Line breaks and indents are one space, so that a sentence can be looked for.
std::string unbroken(const std::string& text) {
  std::istringstream words(text);
  std::string line;
  for (std::string word; words >> word;) line += (line.empty() ? "" : " ") + word;
  return line;
}

json inspected(const std::string& path, std::vector<std::string> options = {}) {
  std::vector<std::string> words{weighbridge(), "inspect", path, "--json"};
  words.insert(words.end(), options.begin(), options.end());
  const Outcome outcome = run(words);
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  return json::parse(outcome.out);
}

const json* finding(const json& listed, const std::string& id) {
  for (const json& one : listed.at("values").at("findings")) {
    if (one.at("id") == id) return &one;
  }
  return nullptr;
}

TEST_CASE("inspect begins with roles and layers, within the terminal's columns") {
  const Scratch scratch;
  const std::string path = scratch / "model.safetensors";
  llama(12).write(path);
  for (const char* columns : {"80", "50"}) {
    const Outcome outcome = run({weighbridge(), "inspect", path}, {{"COLUMNS", columns}});
    CHECK(outcome.status == 0);
    CHECK(longest_line(outcome.out, "\nTENSOR ") <= std::stoul(columns));
    CHECK_THAT(unbroken(outcome.out), ContainsSubstring("12 layers of 12.0 KiB each"));
    CHECK_THAT(outcome.out, ContainsSubstring("model.layers.0-11"));
    CHECK_THAT(outcome.out, ContainsSubstring("token embedding"));
    CHECK(outcome.out.find("token embedding") < outcome.out.find("model.layers.0.self_attn.q_proj.weight"));
  }
}

TEST_CASE("inspect --json has every tensor's role and layer, and sums that are the totals") {
  const Scratch scratch;
  const std::string path = scratch / "model.safetensors";
  llama(3).write(path);
  const json listed = inspected(path);
  uint64_t by_role = 0, by_layer = 0, parameters = 0;
  for (const json& role : listed["roles"]) {
    by_role += role["bytes"].get<uint64_t>();
    parameters += role["parameters"].get<uint64_t>();
  }
  for (const json& kind : listed["layers"]) {
    by_layer += kind["count"].get<uint64_t>() * kind["each"]["bytes"].get<uint64_t>();
  }
  CHECK(by_role == listed["bytes"]);
  CHECK(by_layer == listed["bytes"]);
  CHECK(parameters == listed["parameters"]);
  CHECK(listed["layers"][1] == json::parse(R"({"name": "model.layers", "numbers": [[0, 2]], "count": 3,
                        "each": {"tensors": 2, "parameters": 3072, "bytes": 12288}})"));
  const json& query = listed["tensors"][1];
  CHECK(query["name"] == "model.layers.0.self_attn.q_proj.weight");
  CHECK(query["role"] == "attention");
  CHECK(query["part"] == "query");
  CHECK(query["layer"] == "model.layers.0");
  CHECK(listed["tensors"][0]["part"].is_null());
  CHECK_FALSE(listed.contains("values"));
}

TEST_CASE("plan says what makes a checkpoint larger than thought") {
  const Scratch scratch;
  const std::string untied = scratch / "untied.safetensors", training = scratch / "training.safetensors",
                    experts = scratch / "experts.safetensors";
  llama(1).write(untied);
  SafetensorsFile()
      .floats("w", {4}, {1, 2, 3, 4})
      .floats("optimizer.state.0.exp_avg", {4}, {1, 2, 3, 4})
      .floats("optimizer.state.0.exp_avg_sq", {4}, {1, 2, 3, 4})
      .write(training);
  SafetensorsFile()
      .floats("model.layers.0.mlp.experts.0.up_proj.weight", {2, 2}, {1, 2, 3, 4})
      .floats("model.layers.0.mlp.gate.weight", {2, 2}, {1, 2, 3, 4})
      .write(experts);
  const auto plan = [](const std::string& path) {
    const Outcome outcome =
        run({weighbridge(), "plan", path, "--strategy", "eager", "--dtype", "native"}, {{"COLUMNS", "200"}});
    INFO(outcome.err);
    CHECK(outcome.status == 0);
    return outcome.out.substr(std::min(outcome.out.size(), outcome.out.find("Of this checkpoint:")));
  };
  CHECK_THAT(plan(untied), ContainsSubstring("\"model.embed_tokens.weight\" and \"lm_head.weight\"") &&
                               ContainsSubstring("inspect --values says whether"));
  CHECK_THAT(plan(training), ContainsSubstring("2 tensors, 32 B, 67 % of all bytes, are an optimizer's state"));
  CHECK_THAT(plan(experts), ContainsSubstring("a mixture of experts: they hold 16 B, 50 % of all bytes"));
  // What a model is made of is no warning of a run.
  const Outcome outcome = run({weighbridge(), "run", untied, "--strategy", "mmap", "--dtype", "native", "--repeat", "1",
                               "--out", scratch / "out"});
  CHECK(outcome.status == 0);
  CHECK(outcome.out.find("lm_head.weight") == std::string::npos);
}

TEST_CASE("f32 that was bf16, and a head that is the embedding: said first, with a command that works") {
  const Scratch scratch;
  const std::string path = scratch / "model one.safetensors";
  llama(2, 0xffff0000u).write(path);
  const json listed = inspected(path, {"--values"});
  const json* narrower = finding(listed, "narrower");
  const json* duplicates = finding(listed, "duplicates");
  REQUIRE(narrower != nullptr);
  REQUIRE(duplicates != nullptr);
  CHECK((*narrower)["saves_bytes"].get<uint64_t>() * 2 == listed["bytes"].get<uint64_t>());
  CHECK((*duplicates)["saves_bytes"] == 500 * 32 * 4);
  CHECK(listed["values"]["findings"][0]["id"] == "narrower");
  CHECK(listed["tensors"].back()["values"]["duplicate_of"] == "model.embed_tokens.weight");
  CHECK(listed["tensors"][0]["values"]["fits"] == json::array({"bf16"}));

  const Outcome text = run({weighbridge(), "inspect", path, "--values"}, {{"COLUMNS", "80"}});
  CHECK(text.status == 0);
  CHECK(longest_line(text.out) <= std::max<size_t>(80, path.size() + 60));  // a command is not broken
  CHECK_THAT(unbroken(text.out),
             Catch::Matchers::StartsWith("- Stored as f32, but every value fits bf16 exactly: half the bytes, nothing "
                                         "lost. Saves 74.5 KiB."));
  CHECK_THAT(unbroken(text.out), ContainsSubstring("tied, stored twice. Saves 62.5 KiB."));
  CHECK_THAT(text.out, ContainsSubstring("fits bf16"));
  CHECK(text.out.find("says whether they are the same") == std::string::npos);  // it was just said
  const std::string command = (*narrower)["command"];
  CHECK_THAT(text.out, ContainsSubstring("try   " + command));
  REQUIRE(command.starts_with("weighbridge "));
  CHECK(run({"/bin/sh", "-c", weighbridge() + command.substr(strlen("weighbridge"))}).status == 0);

  llama(2).write(path);
  CHECK(finding(inspected(path, {"--values"}), "narrower") == nullptr);
}

TEST_CASE("pruned zeros are said with what they would need sparsely; NaN is said before any saving") {
  const Scratch scratch;
  const std::string path = scratch / "pruned.safetensors";
  std::vector<float> pruned = weights(200 * 300, 1), ill = weights(100, 2);
  for (size_t i = 0; i < pruned.size(); ++i) pruned[i] *= i % 10 == 0 ? 1.0F : 0.0F;  // -0.0 too
  ill[7] = std::numeric_limits<float>::quiet_NaN();
  SafetensorsFile().floats("pruned", {200, 300}, pruned).floats("ill", {100}, ill).write(path);
  const json listed = inspected(path, {"--values"});
  const json& values = listed["tensors"][0]["values"];
  CHECK(values["zeros"] == 54000);
  CHECK(values["negative_zeros"] > 20000);
  CHECK(values["csr_bytes"] == 6000 * 8 + 201 * 4);
  CHECK(values["bitmap_bytes"] == 6000 * 4 + 7500);
  CHECK(listed["values"]["findings"][0]["id"] == "not-a-number");
  CHECK(listed["values"]["findings"][0]["saves_bytes"].is_null());
  CHECK((*finding(listed, "zeros"))["saves_bytes"] == 240000 - 31500);
  CHECK(listed["tensors"][1]["values"]["nan"] == 1);
  CHECK_THAT(run({weighbridge(), "inspect", path, "--values"}).out,
             Catch::Matchers::StartsWith(" - 1 value is NaN in 1 tensor (\"ill\")"));
}

TEST_CASE("names that no model has: escaped, cut, counted as other, in lines that keep to the terminal") {
  const Scratch scratch;
  const std::string path = scratch / "hostile.safetensors";
  SafetensorsFile file;
  file.floats("\x1b[2J\x07", {2}, {0, 1})
      .floats("", {1}, {1})
      .floats(
          "\xe2\x80\xae"
          "abc.weight",
          {1}, {1});
  file.floats(std::string(50'000, '.'), {2}, {0, 1}).floats(std::string(9000, 'x') + ".q_proj.weight", {2}, {0, 1});
  std::string wide;
  for (int i = 0; i < 300; ++i) wide += "\xe2\x82\xac";
  file.floats(wide, {2}, {0, 3}).floats("99999999999999999999.7", {1}, {2}).floats("*#^$", {1}, {2});
  file.write(path);
  const std::vector<std::vector<std::string>> asked{{}, {"--values"}, {"--values", "--tensors"}};
  for (const std::vector<std::string>& options : asked) {
    std::vector<std::string> words{weighbridge(), "inspect", path};
    words.insert(words.end(), options.begin(), options.end());
    const Outcome outcome = run(words, {{"COLUMNS", "80"}});
    CHECK(outcome.status == 0);
    for (const char c : outcome.out) CHECK((c == '\n' || static_cast<unsigned char>(c) >= 0x20));
    CHECK(outcome.out.find("\xe2\x80\xae") == std::string::npos);
    std::istringstream lines(outcome.out.substr(0, outcome.out.find("OFFSET")));
    for (std::string line; std::getline(lines, line);) {
      const auto columns = std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; });
      const bool to_paste = line.find("weighbridge plan ") != std::string::npos;  // whole, however long the path
      if (line.find("DTYPE") == std::string::npos && !to_paste) CHECK(columns <= 80);
    }
  }
  const json described = inspected(path, {"--values"});
  for (const json& role : described["roles"]) CHECK(role["role"] == "other");
}

TEST_CASE("many tensors are summed up, and listed where that is asked for") {
  const Scratch scratch;
  const std::string path = scratch / "model.safetensors";
  llama(60).write(path);
  const std::string row = "model.layers.59.mlp.up_proj.weight";
  const Outcome summed = run({weighbridge(), "inspect", path});
  CHECK(summed.out.find(row) == std::string::npos);
  CHECK_THAT(summed.out, ContainsSubstring("122 tensors") && ContainsSubstring("--tensors lists every tensor"));
  CHECK_THAT(run({weighbridge(), "inspect", path, "--tensors"}).out, ContainsSubstring(row));
  CHECK_THAT(run({weighbridge(), "inspect", path, "--sha256"}).out, ContainsSubstring(row));
  CHECK(run({weighbridge(), "inspect", path, "--values"}).out.find(row) == std::string::npos);
  CHECK_THAT(run({weighbridge(), "inspect", path, "--values", "--tensors"}).out, ContainsSubstring(row));
  CHECK(inspected(path)["tensors"].size() == 122);
}

TEST_CASE("inspect --values ends as other verbs do: 3 for what is no checkpoint, nothing printed before") {
  const Scratch scratch;
  const std::string path = scratch / "cut.safetensors";
  llama(1).write(path);
  const std::string whole = read_file(path);
  write_file(path, whole.substr(0, whole.size() - 1));
  const Outcome outcome = run({weighbridge(), "inspect", path, "--values"});
  CHECK(outcome.status == 3);
  CHECK(outcome.out.empty());
  CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  CHECK(run({weighbridge(), "inspect", scratch / "missing", "--values"}).status == 3);
  CHECK(run({weighbridge(), "inspect", "--values"}).status == 2);
}

}  // namespace
}  // namespace weighbridge::test
