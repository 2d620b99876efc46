// Files that nobody here wrote. The corpus is not part of the source: it is looked for in $WEIGHBRIDGE_CORPUS, then in
// shared/corpus beside the source folder, and without it there is nothing to test. Its manifest says of each file what
// a reader must make of it.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "strategies/checkpoint/reader.h"
#include "strategies/checkpoint/safetensors.h"
#include "tests/strategies/checkpoint/fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

std::string corpus_folder() {
  const char* named = std::getenv("WEIGHBRIDGE_CORPUS");
  const std::string folder = named != nullptr ? named : WEIGHBRIDGE_SOURCE_DIR "/../shared/corpus";
  return std::filesystem::exists(folder + "/manifest.json") ? folder : std::string();
}

// The first 16 hexadecimal digits of the SHA-256 of a tensor's bytes; empty where sha256sum is missing.
std::string digest_of(const Checkpoint& checkpoint, const Tensor& tensor, const TemporaryFolder& folder) {
  std::string bytes(tensor.extent.bytes, '\0');
  const File file(checkpoint.files.at(tensor.extent.file).path);
  file.read(tensor.extent.offset, bytes.data(), bytes.size());
  const std::string path = folder.write("tensor", bytes);
  FILE* const pipe = ::popen(fmt::format("sha256sum '{}' 2>/dev/null", path).c_str(), "r");
  if (pipe == nullptr) return {};
  char digits[17] = {};
  const size_t got = std::fread(digits, 1, 16, pipe);
  ::pclose(pipe);
  return std::string(digits, got);
}

}  // namespace

TEST_CASE("the safetensors files of the corpus are listed exactly, or refused in one line") {
  const std::string corpus = corpus_folder();
  if (corpus.empty()) {
    std::cout << "no corpus (set WEIGHBRIDGE_CORPUS to its folder): files of other projects were not tested\n";
    return;
  }
  TemporaryFolder folder;
  const nlohmann::json manifest = nlohmann::json::parse(content_of(corpus + "/manifest.json"));
  size_t listed = 0, refused = 0, tensors = 0, digests = 0;
  for (const nlohmann::json& entry : manifest.at("files")) {
    if (entry.at("format") != "safetensors") continue;
    const std::string path = corpus + "/" + entry.at("file").get<std::string>();
    INFO(path);
    if (entry.at("expected") == "must-reject") {
      CHECK_THAT(refusal(path), Catch::Matchers::StartsWith(path + ": byte "));
      ++refused;
      continue;
    }
    REQUIRE(entry.at("expected") == "parse-ok");
    const Checkpoint checkpoint = open_checkpoint(path);
    REQUIRE(checkpoint.tensors.size() == entry.at("tensor_count").get<size_t>());
    std::map<std::string, const Tensor*> by_name;
    for (const Tensor& tensor : checkpoint.tensors) by_name[tensor.name] = &tensor;
    std::set<std::string> expected;
    for (const nlohmann::json& one : entry.at("tensors")) {
      const std::string name = one.at("name");
      expected.insert(name);
      REQUIRE(by_name.contains(name));
      const Tensor& tensor = *by_name.at(name);
      CHECK(safetensors_name(tensor.dtype) == one.at("dtype").get<std::string>());
      CHECK(tensor.shape == one.at("shape").get<std::vector<uint64_t>>());
      const std::string digest = digest_of(checkpoint, tensor, folder);
      if (!digest.empty()) {
        CHECK(digest == one.at("sha256_16").get<std::string>());
        ++digests;
      }
      ++tensors;
    }
    CHECK(expected.size() == checkpoint.tensors.size());
    ++listed;
  }
  CHECK(listed > 0);
  CHECK(refused > 0);
  std::cout << fmt::format("corpus: {} safetensors files listed ({} tensors, {} digests compared), {} refused\n",
                           listed, tensors, digests, refused);
}
