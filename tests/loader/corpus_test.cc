// The loaders on files that nobody here wrote; where they are looked for: tests/strategies/checkpoint/corpus_test.cc.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "strategies/checkpoint/checkpoint.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tests/support/skip.h"
#include "weighbridge/loader.h"

namespace weighbridge::test {
namespace {

constexpr uint64_t kMostBytes = uint64_t{256} << 20;

bool same_bytes(const Weight& a, const Weight& b) {
  return a.name() == b.name() && std::ranges::equal(a.bytes(), b.bytes());
}

TEST_CASE("the three loaders agree on every file of the corpus, and layers have each tensor once", "[corpus]") {
  const char* named = std::getenv("WEIGHBRIDGE_CORPUS");
  const std::string corpus = named != nullptr ? named : WEIGHBRIDGE_SOURCE_DIR "/../shared/corpus";
  if (skip(std::filesystem::exists(corpus + "/manifest.json") ? ""
                                                              : "no corpus (WEIGHBRIDGE_CORPUS names its folder)")) {
    return;
  }
  const auto known = formats();
  size_t files = 0, tensors = 0, mapped = 0, too_large = 0;
  const nlohmann::json manifest = nlohmann::json::parse(read_file(corpus + "/manifest.json"));
  for (const nlohmann::json& entry : manifest.at("files")) {
    const std::string format = entry.at("format");
    if (entry.at("expected") != "parse-ok" ||
        std::none_of(known.begin(), known.end(), [&](const FormatInfo& info) { return info.name == format; })) {
      continue;
    }
    const std::string path = corpus + "/" + entry.at("file").get<std::string>();
    INFO(path);
    try {
      const ModelLoader loader(path);
      if (loader.need().peak_bytes > kMostBytes) {  // a dataset of which the file holds next to nothing
        ++too_large;
        continue;
      }
      const Weights eager = loader.get_weights();
      const Weights views = MemoryMappedModelLoader(path).get_weights();
      CHECK(std::equal(eager.begin(), eager.end(), views.begin(), views.end(), same_bytes));
      LazyModelLoader lazy(path);
      size_t in_layers = 0;
      for (const std::string& layer : lazy.layers()) {
        const Weights weights = lazy.get_layer_weights(layer);
        in_layers += weights.size();
        for (const Weight& weight : weights) {
          CHECK(
              std::any_of(eager.begin(), eager.end(), [&](const Weight& other) { return same_bytes(weight, other); }));
        }
        lazy.release(layer);
      }
      CHECK(in_layers == eager.size());
      for (const char* dtype : {"f16", "int8"}) CHECK(ModelLoader(path, dtype).get_weights().size() == eager.size());
      ++files;
      tensors += eager.size();
      mapped +=
          static_cast<size_t>(std::count_if(views.begin(), views.end(), [](const Weight& w) { return w.mapped(); }));
    } catch (const std::exception& error) {
      FAIL_CHECK("threw: " << error.what());
    }
  }
  std::puts(fmt::format("corpus: {} files, {} tensors, {} of them mapped; {} files would need more than {} MiB", files,
                        tensors, mapped, too_large, kMostBytes >> 20)
                .c_str());
}

}  // namespace
}  // namespace weighbridge::test
