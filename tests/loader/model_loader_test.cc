#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <optional>
#include <stdexcept>

#include "strategies/hash.h"
#include "strategies/reference.h"
#include "strategies/strategy.h"
#include "tests/loader/made_model.h"
#include "tests/support/catch.h"
#include "weighbridge/loader.h"

namespace weighbridge::test {
struct Half {
  uint16_t bits;
};
}  // namespace weighbridge::test

template <>
struct weighbridge::ElementType<weighbridge::test::Half> {
  static constexpr Dtype of[] = {Dtype::f16};
};

namespace weighbridge::test {
namespace {

// An f16 as its exact value; the made values are normal numbers and zero.
double half_value(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const double magnitude =
      exponent == 0 ? std::ldexp(bits & 1023, -24) : std::ldexp(1024 + (bits & 1023), exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

ErrorKind kind_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.kind();
  }
  throw std::runtime_error("nothing was thrown");
}

TEST_CASE("native weights are the file's, by name and with types") {
  for (const std::string& path : small_model().paths()) {
    INFO(path);
    const Weights weights = ModelLoader(path).get_weights();
    REQUIRE(weights.size() == std::size(kSmall));
    for (size_t k = 0; k < std::size(kSmall); ++k) {
      const Weight& weight = weights[kSmall[k].name];
      INFO(weight.name());
      CHECK(weight.name() == kSmall[k].name);
      CHECK(weight.elements() == kSmall[k].elements);
      CHECK(weights.find(kSmall[k].name) == &weight);
      CHECK(weights.contains(kSmall[k].name));
      CHECK(weight.dtype() == weight.stored_dtype());
      CHECK_FALSE(weight.mapped());
      CHECK(weight.why_not_mapped() == "read into memory");
      if (k == kSteps) {
        CHECK(weight.as<int64_t>()[0] == 11);
        CHECK(weight.shape().empty());
      } else if (k == kLast) {
        for (size_t i = 0; i < weight.elements(); ++i) CHECK(weight.as<double>()[i] == made_value(k, i));
      } else {
        REQUIRE(weight.as<float>().size() == weight.elements());
        for (size_t i = 0; i < weight.elements(); ++i)
          CHECK(weight.as<float>()[i] == static_cast<float>(made_value(k, i)));
      }
    }
    CHECK(std::vector(weights["conv1/kernel"].shape().begin(), weights["conv1/kernel"].shape().end()) ==
          std::vector<uint64_t>{16, 3, 3, 3});
    CHECK(weights.bytes() == (432 + 16 + 4320 + 10 + 10) * 4 + 8 + 15 * 8);
  }
}

TEST_CASE("weights are iterated in the file's order") {
  const Weights weights = ModelLoader(small_model().paths().front()).get_weights();
  CHECK(std::ranges::equal(weights, kSmall, {}, &Weight::name, &MadeTensor::name));
}

TEST_CASE("weights arrive in the dtype asked for, by text or by name; what has no value to convert stays") {
  for (const std::string& path : small_model().paths()) {
    INFO(path);
    const Weights by_text = ModelLoader(path, "f16").get_weights();
    const Weights by_name = ModelLoader(path, Dtype::f16).get_weights();
    for (size_t k = 0; k < std::size(kSmall); ++k) {
      const Weight& weight = by_text[kSmall[k].name];
      const auto other = by_name[kSmall[k].name].bytes();
      CHECK(std::equal(weight.bytes().begin(), weight.bytes().end(), other.begin(), other.end()));
      if (k == kSteps) {
        CHECK(weight.dtype() == Dtype::i64);
        continue;
      }
      CHECK(weight.dtype() == Dtype::f16);
      CHECK(weight.why_not_mapped() == (k == kLast ? "converted from f64 to f16" : "converted from f32 to f16"));
      const auto bits = weight.as<uint16_t>();
      REQUIRE(bits.size() == kSmall[k].elements);
      for (size_t i = 0; i < bits.size(); ++i) CHECK(half_value(bits[i]) == made_value(k, i));
    }
  }
}

TEST_CASE("int8 comes as scales and codes, apart") {
  for (const std::string& path : small_model().paths()) {
    const Weights weights = ModelLoader(path, "int8").get_weights();
    const Weight& kernel = weights["dense/kernel"];
    REQUIRE(kernel.scales().size() == 432);
    REQUIRE(kernel.codes().size() == 4320);
    for (size_t i = 0; i < 4320; ++i) {
      const float scale = kernel.scales()[i / 10];
      CHECK(std::abs(kernel.codes()[i] * scale - static_cast<float>(made_value(2, i))) <= scale * 0.51f);
    }
    CHECK(weights["dense/bias"].scales().size() == 1);
    CHECK(kind_of([&] { kernel.as<int8_t>(); }) == ErrorKind::usage);
    CHECK_THROWS_WITH(weights["dense/steps"].codes(),
                      "weight \"dense/steps\" has i64 elements, and was asked for as int8");
  }
}

TEST_CASE("every strategy delivers the same bytes as the reference, in every dtype") {
  const Scratch cache;
  setenv("XDG_CACHE_HOME", cache.path().c_str(), 1);  // where cached-mmap leaves its files
  for (const std::string& path : small_model().paths()) {
    const Checkpoint checkpoint = open_checkpoint(path);
    for (const TargetInfo& target : targets()) {
      std::vector<uint64_t> expected(checkpoint.tensors.size());
      make_reference(
          checkpoint, std::span(&target.target, 1),
          [&](size_t, uint32_t tensor, uint64_t hash) { expected[tensor] = hash; }, [](uint64_t) {});
      for (const Strategy* strategy : strategies()) {
        INFO(path << ", " << target.name << ", " << strategy->name());
        const Weights weights = ModelLoader(path, target.name, strategy->name()).get_weights();
        REQUIRE(weights.size() == checkpoint.tensors.size());
        for (uint32_t tensor = 0; tensor < weights.size(); ++tensor) {
          const Tensor& read = checkpoint.tensors[tensor];
          const Weight& weight = weights.begin()[tensor];
          CHECK(tensor_hash(weight.name(), layout(read.dtype, read.shape, target.target), weight.bytes().data()) ==
                expected[tensor]);
        }
      }
    }
  }
}

TEST_CASE("weights that share their elements are two names with one address, counted once") {
  const std::string path = small_model().other("tied.h5");
  if (path.empty()) return;  // said by MadeModel
  const Scratch cache;
  setenv("XDG_CACHE_HOME", cache.path().c_str(), 1);
  for (const Strategy* strategy : strategies()) {
    if (strategy->name() == "layerwise") continue;  // loads what layers share for each of them
    INFO(strategy->name());
    const Weights weights = ModelLoader(path, "native", strategy->name()).get_weights();
    REQUIRE(weights.size() == 3);
    CHECK(weights["first/kernel"].bytes().data() == weights["second/kernel"].bytes().data());
    CHECK(weights.bytes() == 1010 * 4);
  }
}

TEST_CASE("weights may be written to, moved, and loaded anew; a Weights needs no loader") {
  for (const std::string& path : small_model().paths()) {
    std::optional<ModelLoader> loader(path);
    Weights first = loader->get_weights();
    const Weights second = loader->get_weights();
    loader.reset();
    const std::byte* address = first["conv1/bias"].bytes().data();
    first["conv1/bias"].as<float>()[3] = 42;
    const Weights moved = std::move(first);
    CHECK(moved["conv1/bias"].bytes().data() == address);
    CHECK(moved["conv1/bias"].as<float>()[3] == 42);
    CHECK(second["conv1/bias"].as<float>()[3] == static_cast<float>(made_value(1, 3)));
  }
}

TEST_CASE("what is asked wrongly is refused with what would be right") {
  const std::string& path = small_model().paths().front();
  CHECK_THROWS_WITH(ModelLoader(path, "fp16"), "weights cannot be had as 'fp16': did you mean f16?");
  CHECK_THROWS_WITH(ModelLoader(path, Dtype::mxfp4),
                    "weights cannot be had as 'mxfp4': there are native, f32, f16, bf16, int8, q8_0, q4_0, f8_e4m3");
  CHECK_THROWS_WITH(ModelLoader(path, "f16", "eagre"), "no strategy named 'eagre': did you mean eager?");
  const Weights weights = ModelLoader(path).get_weights();
  CHECK_THROWS_WITH(weights["conv1/kernal"],
                    "no weight \"conv1/kernal\" among the 7 that were loaded: did you mean conv1/kernel?");
  CHECK_THROWS_WITH(weights["conv1/kernel"].as<double>(),
                    "weight \"conv1/kernel\" has f32 elements, and was asked for as f64");
  CHECK(weights.find("nothing") == nullptr);
  CHECK_FALSE(weights.contains("nothing"));
  CHECK(kind_of([&] { weights.at("nothing"); }) == ErrorKind::usage);
  CHECK(kind_of([] { ModelLoader("/nowhere/model.h5"); }) == ErrorKind::bad_input);
}

TEST_CASE("a file that has changed since the loader opened it is refused as it is loaded") {
  const Scratch scratch;
  const std::string path = scratch / "model.safetensors";
  write_file(path, read_file(small_model().paths().front()));
  const ModelLoader loader(path);
  write_file(path, "short");
  CHECK_THROWS_WITH(loader.get_weights(), ContainsSubstring("as when it was opened first"));
}

TEST_CASE("an empty tensor is there, with no bytes") {
  const Scratch scratch;
  const std::string header = R"({"none":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]}})";
  write_file(scratch / "empty.safetensors",
             std::string{static_cast<char>(header.size()), 0, 0, 0, 0, 0, 0, 0} + header);
  for (const char* dtype : {"native", "f16", "int8"}) {
    const Weights weights = ModelLoader(scratch / "empty.safetensors", dtype).get_weights();
    CHECK(weights["none"].bytes().empty());
    CHECK(weights["none"].as<float>().empty());
    CHECK(MemoryMappedModelLoader(scratch / "empty.safetensors", dtype).get_weights()["none"].bytes().empty());
    CHECK(LazyModelLoader(scratch / "empty.safetensors", dtype).get_layer_weights("none")["none"].bytes().empty());
  }
}

TEST_CASE("a type of one's own reads the dtypes that it names") {
  const Weights weights = ModelLoader(small_model().paths().front(), "f16").get_weights();
  CHECK(half_value(weights["conv1/bias"].as<Half>()[3].bits) == made_value(1, 3));
  CHECK_THROWS_WITH(weights["dense/steps"].as<Half>(),
                    "weight \"dense/steps\" has i64 elements, and was asked for as f16");
}

}  // namespace
}  // namespace weighbridge::test
