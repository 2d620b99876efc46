#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "tests/loader/made_model.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"
#include "weighbridge/loader.h"

namespace weighbridge::test {
namespace {

// A copy of one of the small models, to be written to.
class Copy {
 public:
  explicit Copy(const std::string& path) : path_(scratch_ / path.substr(path.rfind('/') + 1)) {
    write_file(path_, read_file(path));
  }
  const std::string& path() const { return path_; }

 private:
  Scratch scratch_;
  std::string path_;
};

void check_values(const Weights& weights) {
  REQUIRE(weights.size() == std::size(kSmall));
  for (const size_t k : {0, 1, 2, 3, 5}) {
    const auto values = weights[kSmall[k].name].as<float>();
    REQUIRE(values.size() == kSmall[k].elements);
    for (size_t i = 0; i < values.size(); ++i) CHECK(values[i] == static_cast<float>(made_value(k, i)));
  }
}

TEST_CASE("mapped weights are the file's values, and outlive their loader") {
  for (const std::string& path : small_model().paths()) {
    INFO(path);
    const Weights weights = MemoryMappedModelLoader(path).get_weights();
    check_values(weights);
    for (const Weight& weight : weights) {
      CHECK(weight.mapped());
      CHECK(weight.why_not_mapped().empty());
    }
  }
}

TEST_CASE("what is written copy-on-write shows in that mapping alone, even where the file may not be written") {
  for (const std::string& path : small_model().paths()) {
    INFO(path);
    const Copy copy(path);
    const std::string before = read_file(copy.path());
    chmod(copy.path().c_str(), 0400);
    const MemoryMappedModelLoader loader(copy.path());
    Weights weights = loader.get_weights();
    std::ranges::fill(weights["dense/kernel"].as<float>(), 7.0f);
    weights.flush();
    CHECK(weights["dense/kernel"].as<float>()[4319] == 7);
    check_values(loader.get_weights());
    CHECK(read_file(copy.path()) == before);
  }
}

TEST_CASE("what is written through is in the file") {
  for (const std::string& path : small_model().paths()) {
    INFO(path);
    const Copy copy(path);
    {
      Weights weights = MemoryMappedModelLoader(copy.path(), Write::through).get_weights();
      check_values(weights);
      std::ranges::fill(weights["dense/kernel"].as<float>(), 7.0f);
      weights.flush();
      CHECK(ModelLoader(copy.path()).get_weights()["dense/kernel"].as<float>()[0] == 7);
    }
    const Weights again = ModelLoader(copy.path()).get_weights();
    for (const float value : again["dense/kernel"].as<float>()) CHECK(value == 7);
    CHECK(again["conv1/bias"].as<float>()[3] == static_cast<float>(made_value(1, 3)));
  }
}

TEST_CASE(
    "writing through is refused where a weight would have to be converted, and where the file may not be written") {
  for (const std::string& path : small_model().paths()) {
    INFO(path);
    CHECK_THROWS_WITH(MemoryMappedModelLoader(path, "f16", Write::through),
                      path +
                          ": writing through to \"conv1/kernel\" is not possible, as it is stored as f32 and was asked "
                          "for as f16; map it copy-on-write, and changes stay in memory");
    const Copy copy(path);
    chmod(copy.path().c_str(), 0400);
    if (geteuid() == 0) {
      skip("root may write to every file");
      continue;
    }
    CHECK_THROWS_WITH(MemoryMappedModelLoader(copy.path(), Write::through).get_weights(),
                      ContainsSubstring("open for writing " + copy.path()));
  }
}

TEST_CASE("weights that are asked for in another dtype are converted from the mapping, and say so") {
  for (const std::string& path : small_model().paths()) {
    const Weights weights = MemoryMappedModelLoader(path, Dtype::f32).get_weights();
    CHECK(weights["dense/kernel"].mapped());
    const Weight& last = weights["layers/last/vars/0"];
    CHECK_FALSE(last.mapped());
    CHECK(last.why_not_mapped() == "converted from f64 to f32");
    for (size_t i = 0; i < 15; ++i) CHECK(last.as<float>()[i] == static_cast<float>(made_value(kLast, i)));
  }
}

TEST_CASE("weights that do not lie plainly are decoded into memory, say why, and are not written through") {
  const std::string path = small_model().other("packed.h5");
  if (path.empty()) return;  // said by MadeModel
  Weights weights = MemoryMappedModelLoader(path).get_weights();
  check_values(weights);
  Weight& kernel = weights["dense/kernel"];
  CHECK_FALSE(kernel.mapped());
  CHECK_THAT(kernel.why_not_mapped(), ContainsSubstring("deflate"));
  kernel.as<float>()[0] = 7;
  CHECK_THROWS_WITH(MemoryMappedModelLoader(path, Write::through),
                    ContainsSubstring("is not possible, as it is " + kernel.why_not_mapped()));
  check_values(ModelLoader(path).get_weights());
  check_values(MemoryMappedModelLoader(path).get_weights());
  CHECK(LazyModelLoader(path).get_layer_weights("dense")["dense/steps"].as<int64_t>()[0] == 11);
}

TEST_CASE("a file that holds a checksum of its weights is mapped, and not written through") {
  const std::string path = small_model().other("guarded.npz");
  const Weights weights = MemoryMappedModelLoader(path).get_weights();
  CHECK(weights["second"].mapped());
  CHECK_THROWS_WITH(MemoryMappedModelLoader(path, Write::through),
                    path +
                        ": writing through is not possible, as the file holds a checksum of its member \"first.npy\"; "
                        "map it copy-on-write, and changes stay in memory");
}

TEST_CASE("a weight that lies unaligned is handed out as bytes, not as numbers") {
  const Scratch scratch;
  std::string header = R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  while (header.size() % 4 != 1) header += ' ';
  std::string file{static_cast<char>(header.size()), 0, 0, 0, 0, 0, 0, 0};
  file += header + std::string("\0\0\x80\x3f\0\0\0\x40", 8);
  write_file(scratch / "odd.safetensors", file);
  const Weights weights = MemoryMappedModelLoader(scratch / "odd.safetensors").get_weights();
  CHECK_THROWS_WITH(weights["x"].as<float>(),
                    "weight \"x\" lies in its file, and so in the mapping, at an address that "
                    "is no multiple of 4; copy its bytes");
  CHECK(weights["x"].bytes().size() == 8);
  CHECK(ModelLoader(scratch / "odd.safetensors").get_weights()["x"].as<float>()[1] == 2);
}

}  // namespace
}  // namespace weighbridge::test
