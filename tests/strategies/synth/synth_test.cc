// The checkpoints that synthesise writes: the published names and shapes, the reference writers' layout, and what is
// left behind when writing fails.
#include "strategies/synth/synth.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <utility>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/checkpoint/reader.h"
#include "strategies/checkpoint/safetensors.h"
#include "strategies/synth/architecture.h"
#include "tests/strategies/checkpoint/fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace fs = std::filesystem;

namespace {

SynthRequest small(const std::string& output, Dtype dtype = Dtype::f16) {
  SynthRequest request;  // 8.6 MB at two bytes an element, mostly the last layer
  request.architecture = "resnet-50";
  request.layers = 1;
  request.dtype = dtype;
  request.seed = 11;
  request.output = output;
  return request;
}

std::map<std::string, std::string> bytes_by_name(const std::string& path) {
  const Checkpoint checkpoint = open_checkpoint(path);
  std::map<std::string, std::string> bytes;
  for (const Tensor& tensor : checkpoint.tensors) {
    const File file(checkpoint.files.at(tensor.extent.file).path);
    bytes[tensor.name] = file.peek(tensor.extent.offset, tensor.extent.bytes);
  }
  return bytes;
}

std::set<std::string> entries_of(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

std::string usage_error(const SynthRequest& request) {
  try {
    synthesise(request);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::usage);
    return error.what();
  }
  return "no error";
}

std::string header_of(const std::string& path) {
  const File file(path);
  return file.peek(8, file.read_u64(0));
}

struct Totals {
  size_t tensors = 0;
  uint64_t elements = 0;
  std::map<std::string, std::vector<uint64_t>> shapes;
};

Totals totals(std::string_view architecture, std::optional<unsigned> layers = std::nullopt) {
  Totals sum;
  const std::vector<synth::Recipe> recipes = synth::recipes(architecture, layers).value();
  for (const synth::Recipe& recipe : recipes) {
    ++sum.tensors;
    sum.elements += element_count(recipe.shape).value();
    CHECK(sum.shapes.emplace(recipe.name, recipe.shape).second);
  }
  return sum;
}

using Shape = std::vector<uint64_t>;

}  // namespace

TEST_CASE("every architecture has the published number of tensors and elements") {
  const auto check = [](std::string_view name, size_t tensors, uint64_t elements) {
    INFO(name);
    const Totals sum = totals(name);
    CHECK(sum.tensors == tensors);
    CHECK(sum.elements == elements);
  };
  check("gpt2", 148, 124'439'808);
  check("gpt2-medium", 292, 354'823'168);
  check("gpt2-large", 436, 774'030'080);
  check("gpt2-xl", 580, 1'557'611'200);
  check("bert-base", 206, 110'106'428);
  check("llama-3-8b", 291, 8'030'261'248);
  check("resnet-50", 320, 25'557'032 + 2 * 26'560 + 53);  // parameters, running means and variances, counters
  CHECK(architectures().size() == 7);
  for (const ArchitectureInfo& info : architectures()) {
    CHECK_FALSE(info.summary.empty());
    CHECK(totals(info.name).tensors == totals(info.name, info.layers).tensors);
    CHECK(totals(info.name, 1).tensors < totals(info.name).tensors);
  }
}

TEST_CASE("names and shapes are those of the published files") {
  auto gpt2 = totals("gpt2").shapes;
  CHECK(gpt2.at("wte.weight") == Shape{50257, 768});
  CHECK(gpt2.at("h.11.attn.c_attn.weight") == Shape{768, 2304});
  CHECK(gpt2.at("h.0.mlp.c_proj.weight") == Shape{3072, 768});
  CHECK(gpt2.at("ln_f.bias") == Shape{768});
  CHECK_FALSE(gpt2.contains("h.0.attn.bias"));
  auto bert = totals("bert-base").shapes;
  CHECK(bert.at("bert.embeddings.LayerNorm.gamma") == Shape{768});
  CHECK(bert.at("bert.encoder.layer.11.intermediate.dense.weight") == Shape{3072, 768});
  CHECK(bert.at("cls.predictions.bias") == Shape{30522});
  CHECK(bert.at("cls.seq_relationship.weight") == Shape{2, 768});
  CHECK_FALSE(bert.contains("cls.predictions.decoder.weight"));
  auto llama = totals("llama-3-8b").shapes;
  CHECK(llama.at("model.layers.31.self_attn.k_proj.weight") == Shape{1024, 4096});
  CHECK(llama.at("model.layers.0.mlp.down_proj.weight") == Shape{4096, 14336});
  CHECK(llama.at("lm_head.weight") == Shape{128256, 4096});
  auto resnet = totals("resnet-50").shapes;
  CHECK(resnet.at("conv1.weight") == Shape{64, 3, 7, 7});
  CHECK(resnet.at("layer1.0.downsample.0.weight") == Shape{256, 64, 1, 1});
  CHECK(resnet.at("layer4.2.bn3.running_var") == Shape{2048});
  CHECK(resnet.at("layer4.0.conv1.weight") == Shape{512, 1024, 1, 1});
  CHECK(resnet.at("bn1.num_batches_tracked").empty());
}

TEST_CASE("bert-base has a header as long as the published file's, so a file as long") {
  // 440,449,768 bytes. The header's text is made here from the recipes alone; that synthesise writes such a text is for
  // the test of the layout.
  std::map<std::string, Shape> sorted = totals("bert-base").shapes;
  std::string header = R"({"__metadata__":{"format":"pt"})";
  uint64_t offset = 0;
  for (const auto& [name, shape] : sorted) {
    const uint64_t end = offset + 4 * element_count(shape).value();
    header += fmt::format(R"(,"{}":{{"dtype":"F32","shape":[{}],"data_offsets":[{},{}]}})", name, fmt::join(shape, ","),
                          offset, end);
    offset = end;
  }
  header += "}";
  CHECK(8 + (header.size() + 7) / 8 * 8 + offset == 440'449'768);
}

TEST_CASE("a file is laid out as the reference writer does: metadata, wide dtypes first, then by name, padded to 8") {
  TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  synthesise(small(path));
  CHECK(entries_of(folder.path()) == std::set<std::string>{"model.safetensors"});
  const std::string header = header_of(path);
  CHECK(header.size() % 8 == 0);
  CHECK(header.find_last_not_of(' ') + 8 >= header.size());
  CHECK_THAT(
      header,
      Catch::Matchers::StartsWith(
          R"({"__metadata__":{"format":"pt"},"bn1.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"));
  CHECK_THAT(header, ContainsSubstring(R"("conv1.weight":{"dtype":"F16","shape":[64,3,7,7],"data_offsets":[)"));

  const Checkpoint checkpoint = open_checkpoint(path);
  CHECK(checkpoint.tensors.size() == totals("resnet-50", 1).tensors);
  for (size_t i = 1; i < checkpoint.tensors.size(); ++i) {
    const Tensor& left = checkpoint.tensors[i - 1];
    const Tensor& right = checkpoint.tensors[i];
    const unsigned left_rank = safetensors_rank(left.dtype), right_rank = safetensors_rank(right.dtype);
    CHECK((left_rank > right_rank || (left_rank == right_rank && left.name < right.name)));
    // The header names them in the same order.
    CHECK(header.find("\"" + left.name + "\"") < header.find("\"" + right.name + "\""));
  }
}

TEST_CASE("the same request makes the same file, another seed another") {
  TemporaryFolder folder;
  synthesise(small(folder / "a"));
  synthesise(small(folder / "b"));
  CHECK(content_of(folder / "a") == content_of(folder / "b"));
  SynthRequest other = small(folder / "c");
  other.seed = 12;
  synthesise(other);
  CHECK(content_of(folder / "a") != content_of(folder / "c"));
  CHECK(header_of(folder / "a") == header_of(folder / "c"));
}

TEST_CASE("a tensor is the same with more layers, in another file, and but for rounding in another dtype") {
  TemporaryFolder folder;
  synthesise(small(folder / "one"));
  SynthRequest deeper = small(folder / "two");
  deeper.layers = 2;
  deeper.shards = 3;
  synthesise(deeper);
  const auto one = bytes_by_name(folder / "one");
  const auto two = bytes_by_name(folder / "two");
  CHECK(two.size() > one.size());
  for (const auto& [name, bytes] : one) CHECK(two.at(name) == bytes);

  synthesise(small(folder / "f32", Dtype::f32));
  synthesise(small(folder / "bf16", Dtype::bf16));
  const auto f32 = bytes_by_name(folder / "f32"), bf16 = bytes_by_name(folder / "bf16");
  const std::string &wide = f32.at("conv1.weight"), &narrow = bf16.at("conv1.weight");
  REQUIRE(wide.size() == 2 * narrow.size());
  size_t near = 0;
  for (size_t i = 0; i < narrow.size() / 2; ++i) {
    uint16_t upper = 0, rounded = 0;
    std::memcpy(&upper, wide.data() + 4 * i + 2, 2);
    std::memcpy(&rounded, narrow.data() + 2 * i, 2);
    near += rounded == upper || rounded == upper + 1 ? 1 : 0;
  }
  CHECK(near == narrow.size() / 2);
}

TEST_CASE("every dtype that can be asked for is stored under its name, counters stay integers") {
  TemporaryFolder folder;
  for (const Dtype dtype : {Dtype::f64, Dtype::f32, Dtype::f16, Dtype::bf16, Dtype::f8_e4m3, Dtype::f8_e5m2}) {
    synthesise(small(folder / "model", dtype));
    const Checkpoint checkpoint = open_checkpoint(folder / "model");
    size_t counters = 0;
    for (const Tensor& tensor : checkpoint.tensors) {
      const bool counter = tensor.name.ends_with("num_batches_tracked");
      CHECK(tensor.dtype == (counter ? Dtype::i64 : dtype));
      counters += counter ? 1 : 0;
    }
    CHECK(counters == 5);
  }
}

TEST_CASE("weights spread as their family is initialised, norms lie around 1") {
  TemporaryFolder folder;
  synthesise(small(folder / "model", Dtype::f64));
  const auto bytes = bytes_by_name(folder / "model");
  const auto moments = [&](const std::string& name) {
    std::vector<double> values(bytes.at(name).size() / 8);
    std::memcpy(values.data(), bytes.at(name).data(), 8 * values.size());
    const double mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
    double square = 0;
    for (const double value : values) square += (value - mean) * (value - mean);
    return std::pair(mean, std::sqrt(square / static_cast<double>(values.size())));
  };
  CHECK(moments("fc.weight").first == Approx(0).margin(0.0001));
  CHECK(moments("fc.weight").second == Approx(0.01276).epsilon(0.01));
  CHECK(moments("layer1.0.conv2.weight").second == Approx(std::sqrt(2.0 / (64 * 9))).epsilon(0.03));
  CHECK(moments("bn1.weight").first == Approx(1).margin(0.02));
  CHECK(moments("bn1.running_var").first == Approx(1).margin(0.02));
  CHECK(moments("bn1.bias").first == Approx(0).margin(0.002));
}

TEST_CASE("shards hold the same tensors as one file, about equally, with transformers' index") {
  TemporaryFolder folder;
  synthesise(small(folder / "single.safetensors"));
  SynthRequest request = small(folder / "sharded");
  request.layers = 1;
  request.shards = 3;
  synthesise(request);
  CHECK(entries_of(folder / "sharded") ==
        std::set<std::string>{"model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors",
                              "model-00003-of-00003.safetensors", "model.safetensors.index.json"});
  CHECK(bytes_by_name(folder / "sharded") == bytes_by_name(folder / "single.safetensors"));

  const std::string text = content_of(folder / "sharded/model.safetensors.index.json");
  const nlohmann::json index = nlohmann::json::parse(text);
  CHECK(text == index.dump(2) + "\n");  // sorted keys, two spaces
  CHECK(index.at("metadata").at("total_size") == open_checkpoint(folder / "single.safetensors").stored_bytes());
  CHECK(index.at("weight_map").size() == totals("resnet-50", 1).tensors);
  CHECK(index.at("weight_map").at("conv1.weight") == "model-00001-of-00003.safetensors");
}

TEST_CASE("the bytes are cut into shards of about equal size") {
  TemporaryFolder folder;
  SynthRequest request;
  request.architecture = "resnet-50";
  request.dtype = Dtype::f8_e5m2;
  request.layers = 16;
  request.shards = 4;
  request.output = folder.path();
  synthesise(request);
  for (unsigned shard = 1; shard <= 4; ++shard) {
    const auto bytes = fs::file_size(folder / fmt::format("model-{:05}-of-00004.safetensors", shard));
    CHECK(bytes > 4'500'000);
    CHECK(bytes < 9'000'000);
  }
}

TEST_CASE("a name given for shards becomes their pattern") {
  TemporaryFolder folder;
  SynthRequest request = small(folder / "deep/down/tiny.safetensors", Dtype::f8_e5m2);
  request.shards = 2;
  synthesise(request);
  CHECK(entries_of(folder / "deep/down") == std::set<std::string>{"tiny-00001-of-00002.safetensors",
                                                                  "tiny-00002-of-00002.safetensors",
                                                                  "tiny.safetensors.index.json"});
  CHECK(open_checkpoint(folder / "deep/down").tensors.size() == totals("resnet-50", 1).tensors);
}

TEST_CASE("there can be a shard for each tensor and none more") {
  TemporaryFolder folder;
  SynthRequest request = small(folder / "each", Dtype::f8_e5m2);
  const auto tensors = static_cast<unsigned>(totals("resnet-50", 1).tensors);
  request.shards = tensors;
  synthesise(request);
  CHECK(open_checkpoint(folder / "each").files.size() == tensors);
  request.shards = tensors + 1;
  CHECK(usage_error(request) ==
        fmt::format("found {} shards for {} tensors, expected 1 to {}", tensors + 1, tensors, tensors));
  request.shards = 0;
  CHECK(usage_error(request) == fmt::format("found 0 shards for {} tensors, expected 1 to {}", tensors, tensors));
}

TEST_CASE("what cannot be made is said, with what can") {
  TemporaryFolder folder;
  SynthRequest request = small(folder / "x");
  request.architecture = "gpt5";
  CHECK(usage_error(request) ==
        "found architecture \"gpt5\", expected one of gpt2, gpt2-medium, gpt2-large, gpt2-xl, "
        "bert-base, llama-3-8b, resnet-50");
  request = small(folder / "x");
  request.layers = 0;
  CHECK(usage_error(request) == "found 0 layers for resnet-50, expected 1 to 16");
  request.layers = 17;
  CHECK(usage_error(request) == "found 17 layers for resnet-50, expected 1 to 16");
  CHECK_THAT(usage_error(small(folder / "x", Dtype::i8)),
             ContainsSubstring("expected f64, f32, f16, bf16, f8_e4m3 or f8_e5m2"));
  CHECK(usage_error(small("")) == "found no output, expected the name of a file");
  CHECK(entries_of(folder.path()).empty());
}

TEST_CASE("a file is replaced, anything else that has its name is left alone") {
  TemporaryFolder folder;
  const std::string path = folder.write("model.safetensors", "old");
  synthesise(small(path, Dtype::f8_e5m2));
  CHECK(open_checkpoint(path).tensors.size() > 0);
  fs::create_directory(folder / "folder");
  CHECK(usage_error(small(folder / "folder")) ==
        folder / "folder: found a folder, expected a file to replace or nothing");
  fs::create_symlink(path, folder / "link");
  CHECK(usage_error(small(folder / "link")) == folder / "link: found a symlink, expected a file to replace or nothing");
  CHECK(usage_error(small("/dev/null")) ==
        "/dev/null: found something that is no regular file, expected a file to replace or nothing");
  CHECK(entries_of(folder.path()) == std::set<std::string>{"folder", "link", "model.safetensors"});
}

TEST_CASE("a disk that refuses leaves nothing half written and the old file as it was") {
  TemporaryFolder folder;
  const std::string path = folder.write("model.safetensors", "old");
  // A file size limit fails as a full disk does, at the same calls.
  peak_growth([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1 << 20, 1 << 20};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) throw std::runtime_error("setrlimit");
    for (const unsigned shards : {1u, 2u}) {
      SynthRequest request = small(shards == 1 ? path : folder / "sharded");
      request.shards = shards;
      try {
        synthesise(request);
        throw std::runtime_error("no error");
      } catch (const Error& error) {
        const std::string message = error.what();
        if (error.kind() != ErrorKind::environment || !message.ends_with("File too large")) throw;
      }
    }
  });
  CHECK(content_of(path) == "old");
  CHECK(entries_of(folder.path()) == std::set<std::string>{"model.safetensors", "sharded"});
  CHECK(entries_of(folder / "sharded").empty());
}

TEST_CASE("a folder that is missing is named") {
  TemporaryFolder folder;
  try {
    synthesise(small(folder / "gone/model.safetensors"));
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::bad_input);
    CHECK_THAT(error.what(), Catch::Matchers::StartsWith("open " + folder.path() + "/gone/model.safetensors."));
    CHECK_THAT(error.what(), ContainsSubstring("No such file or directory"));
  }
}

TEST_CASE("progress counts every byte of weights up to the total") {
  TemporaryFolder folder;
  SynthRequest request = small(folder / "sharded");
  request.shards = 2;
  uint64_t last = 0, all = 0;
  request.progress = [&](uint64_t done, uint64_t total) {
    CHECK(done > last);
    CHECK((all == 0 || all == total));
    last = done;
    all = total;
  };
  synthesise(request);
  CHECK(last == all);
  CHECK(all == open_checkpoint(folder / "sharded").stored_bytes());
}

#if !defined(__SANITIZE_ADDRESS__)
TEST_CASE("writing takes a few MiB, whatever the size of a tensor") {
  TemporaryFolder folder;
  SynthRequest request = small(folder / "model", Dtype::f64);  // its largest tensor has 16 MB
  CHECK(peak_growth([&] { synthesise(request); }) < 4 << 20);
}
#endif
