// Files that nobody here wrote. The corpus is not part of the source: it is looked for in $WEIGHBRIDGE_CORPUS, then in
// shared/corpus beside the source folder, and without it there is nothing to test. Its manifest says of each file what
// a reader must make of it: exactly these tensors (parse-ok), a refusal in one line (must-reject, at the latest when
// the elements are read), or either of the two.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "strategies/checkpoint/digest.h"
#include "strategies/checkpoint/format.h"
#include "tests/strategies/checkpoint/fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

std::string corpus_folder() {
  const char* named = std::getenv("WEIGHBRIDGE_CORPUS");
  const std::string folder = named != nullptr ? named : WEIGHBRIDGE_SOURCE_DIR "/../shared/corpus";
  return std::filesystem::exists(folder + "/manifest.json") ? folder : std::string();
}

// As the manifest writes it: "F32", "BOOL".
std::string upper(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](unsigned char c) { return std::toupper(c); });
  return result;
}

void read_everything(const Checkpoint& checkpoint) {
  verify_checksums(checkpoint);
  TensorReader reader(checkpoint);
  for (uint32_t tensor = 0; tensor < checkpoint.tensors.size(); ++tensor) sha256_of(checkpoint, reader, tensor);
}

struct Counts {
  size_t listed = 0, refused = 0, either = 0, tensors = 0, digests = 0;
};

void expect_refusal(const std::string& path, bool when_read) {
  std::string said;
  try {
    const Checkpoint checkpoint = open_checkpoint(path);
    if (when_read) read_everything(checkpoint);
  } catch (const Error& error) {
    said = error.what();
    CHECK(error.kind() == ErrorKind::bad_input);
  }
  CHECK(!said.empty());
  CHECK(said.find('\n') == std::string::npos);
  CHECK_THAT(said, ContainsSubstring(std::filesystem::path(path).filename().string()));
}

void expect_tensors(const nlohmann::json& entry, const std::string& path, Counts& counts) {
  const Checkpoint checkpoint = open_checkpoint(path);
  const nlohmann::json& tensors = entry.at("tensors");
  const size_t count = entry.value("tensor_count", tensors.size());
  bool counted = checkpoint.tensors.size() == count;
  for (const nlohmann::json& other : entry.value("tensor_count_either", nlohmann::json::array())) {
    counted = counted || checkpoint.tensors.size() == other.get<size_t>();
  }
  CHECK(counted);
  std::multimap<std::string, uint32_t> by_name;
  for (uint32_t i = 0; i < checkpoint.tensors.size(); ++i) by_name.emplace(checkpoint.tensors[i].name, i);
  TensorReader reader(checkpoint);
  for (const nlohmann::json& expected : tensors) {
    const std::string name = expected.at("name");
    INFO("tensor " << name);
    bool found = false;
    const auto [first, last] = by_name.equal_range(name);
    CHECK(first != last);
    for (auto candidate = first; candidate != last && !found; ++candidate) {
      const Tensor& tensor = checkpoint.tensors[candidate->second];
      const std::string digest =
          expected.contains("sha256_16") ? sha256_of(checkpoint, reader, candidate->second).substr(0, 16) : "";
      const bool same = upper(weighbridge::name(tensor.dtype)) == expected.at("dtype").get<std::string>() &&
                        tensor.shape == expected.at("shape").get<std::vector<uint64_t>>() &&
                        (digest.empty() || digest == expected.at("sha256_16").get<std::string>());
      if (std::next(candidate) == last || same) {
        CHECK(upper(weighbridge::name(tensor.dtype)) == expected.at("dtype").get<std::string>());
        CHECK(tensor.shape == expected.at("shape").get<std::vector<uint64_t>>());
        CHECK(digest == expected.value("sha256_16", std::string()));
        counts.digests += digest.empty() ? 0 : 1;
        ++counts.tensors;
        found = true;
      }
    }
  }
  // What declares far more bytes than its file holds is listed; whether it can be read is the reader's affair.
  const bool huge = std::any_of(tensors.begin(), tensors.end(),
                                [](const nlohmann::json& tensor) { return tensor.contains("huge_bytes"); });
  if (!huge) CHECK_NOTHROW(read_everything(checkpoint));
}

}  // namespace

TEST_CASE("the files of the corpus are listed exactly, or refused in one line", "[corpus]") {
  const std::string corpus = corpus_folder();
  if (corpus.empty()) {
    std::cout << "skipped: no corpus (set WEIGHBRIDGE_CORPUS to its folder): files of other projects were not tested\n";
    return;
  }
  const nlohmann::json manifest = nlohmann::json::parse(content_of(corpus + "/manifest.json"));
  const auto known = formats();
  std::map<std::string, Counts> by_format;
  for (const nlohmann::json& entry : manifest.at("files")) {
    const std::string format = entry.at("format"), expected = entry.at("expected");
    if (std::none_of(known.begin(), known.end(), [&](const FormatInfo& info) { return info.name == format; })) continue;
    const std::string path = corpus + "/" + entry.at("file").get<std::string>();
    Counts& counts = by_format[format];
    INFO(path << ": " << expected << " " << entry.value("reason", ""));
    try {
      if (expected == "must-reject") {
        expect_refusal(path, entry.value("needs_data", false));
        ++counts.refused;
      } else if (expected == "parse-ok") {
        expect_tensors(entry, path, counts);
        ++counts.listed;
      } else {
        ++counts.either;
        try {
          read_everything(open_checkpoint(path));
        } catch (const Error& error) {
          CHECK(error.kind() == ErrorKind::bad_input);
          CHECK(std::string(error.what()).find('\n') == std::string::npos);
        }
      }
    } catch (const std::exception& error) {
      FAIL_CHECK("threw: " << error.what());
    }
  }
  CHECK(by_format.size() == known.size());
  for (const auto& [format, counts] : by_format) {
    std::cout << fmt::format("corpus: {}: {} files listed ({} tensors, {} digests compared), {} refused, {} either\n",
                             format, counts.listed, counts.tensors, counts.digests, counts.refused, counts.either);
  }
}

TEST_CASE("ONNX has no magic, and yet no file of the corpus is mistaken for a model, and no model missed", "[corpus]") {
  const std::string corpus = corpus_folder();
  if (corpus.empty()) {
    std::cout << "skipped: no corpus (set WEIGHBRIDGE_CORPUS to its folder): ONNX was not held against other formats\n";
    return;
  }
  const nlohmann::json manifest = nlohmann::json::parse(content_of(corpus + "/manifest.json"));
  for (const nlohmann::json& entry : manifest.at("files")) {
    if (entry.at("format") == "onnx" && entry.at("expected") != "parse-ok") continue;
    const std::string path = corpus + "/" + entry.at("file").get<std::string>();
    INFO(path);
    CHECK(kOnnx.recognises(File(path)) == (entry.at("format") == "onnx"));
  }
}
