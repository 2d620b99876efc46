#include <thread>

#include "tests/loader/made_model.h"
#include "tests/support/catch.h"
#include "weighbridge/loader.h"

namespace weighbridge::test {
namespace {

constexpr uint64_t kConvBytes = (432 + 16) * 4, kDenseBytes = (4320 + 10) * 4 + 8;

TEST_CASE("a layer is loaded and nothing else") {
  for (const std::string& path : small_model().paths()) {
    INFO(path);
    LazyModelLoader loader(path);
    CHECK(loader.layers() == std::vector<std::string>{"conv1", "dense", "norm", "last"});
    CHECK(loader.loaded_bytes() == 0);
    const Weights weights = loader.get_layer_weights("conv1");
    CHECK(loader.loaded_bytes() == kConvBytes);
    REQUIRE(weights.size() == 2);
    CHECK(weights.begin()[0].name() == "conv1/kernel");
    CHECK_FALSE(weights.contains("dense/kernel"));
    for (size_t i = 0; i < 16; ++i) CHECK(weights["conv1/bias"].as<float>()[i] == static_cast<float>(made_value(1, i)));
    CHECK(loader.get_layer_weights("norm").begin()->name() == "model_weights/norm/norm/gamma");
  }
}

TEST_CASE("what is loaded is loaded once, however it is asked for, and stays as long as somebody has it") {
  for (const std::string& path : small_model().paths()) {
    LazyModelLoader loader(path);
    Weights first = loader.get_layer_weights("conv1");
    first["conv1/bias"].as<float>()[0] = 42;
    const Weights second = loader.get_layer_weights("conv1"), part = loader.get_layer_weights("conv1/bias");
    CHECK(second["conv1/bias"].bytes().data() == first["conv1/bias"].bytes().data());
    CHECK(part["conv1/bias"].as<float>()[0] == 42);
    CHECK(loader.loaded_bytes() == kConvBytes);

    loader.release("conv1");
    CHECK(loader.loaded_bytes() == kConvBytes);  // `first` has it
    CHECK(loader.get_layer_weights("conv1")["conv1/bias"].as<float>()[0] == 42);
  }
}

TEST_CASE("what was released, and nobody has, is given back and read anew when it is asked for again") {
  for (const std::string& path : small_model().paths()) {
    LazyModelLoader loader(path);
    loader.get_layer_weights("conv1")["conv1/bias"].as<float>()[0] = 42;
    loader.get_layer_weights("dense");
    CHECK(loader.loaded_bytes() == kConvBytes + kDenseBytes);
    loader.release("conv1/kernel");
    CHECK(loader.loaded_bytes() == 16 * 4 + kDenseBytes);
    loader.release("conv1");
    loader.release("conv1");
    CHECK(loader.loaded_bytes() == kDenseBytes);
    loader.release_all();
    CHECK(loader.loaded_bytes() == 0);
    CHECK(loader.get_layer_weights("conv1")["conv1/bias"].as<float>()[0] == static_cast<float>(made_value(1, 0)));
  }
}

TEST_CASE("weights that two layers share are loaded once") {
  const std::string path = small_model().other("tied.h5");
  if (path.empty()) return;  // said by MadeModel
  for (const char* dtype : {"native", "f16"}) {
    LazyModelLoader loader(path, dtype);
    const Weights second = loader.get_layer_weights("second"), first = loader.get_layer_weights("first");
    CHECK(first["first/kernel"].bytes().data() == second["second/kernel"].bytes().data());
    CHECK(loader.loaded_bytes() == first.bytes() + second["second/bias"].bytes().size());
    loader.release("first");
    loader.release("second");
    CHECK(loader.loaded_bytes() == first.bytes() + second["second/bias"].bytes().size());
  }
  LazyModelLoader alone(path);
  const Weights second = alone.get_layer_weights("second");
  CHECK(second.size() == 2);
  CHECK(second["second/kernel"].as<float>()[999] == static_cast<float>(made_value(0, 999)));
}

TEST_CASE("a checksum that guards a layer is checked, and that of another layer is not") {
  const Scratch scratch;
  std::string bytes = read_file(small_model().other("guarded.npz"));
  bytes[1000] ^= 1;  // in the middle of `first`
  write_file(scratch / "changed.npz", bytes);
  LazyModelLoader loader(scratch / "changed.npz");
  CHECK(loader.get_layer_weights("second")["second"].as<float>()[0] == static_cast<float>(made_value(1, 0)));
  CHECK_THROWS_WITH(loader.get_layer_weights("first"), ContainsSubstring("its bytes were changed"));
  CHECK(loader.loaded_bytes() == 400);
  CHECK_THROWS_WITH(ModelLoader(scratch / "changed.npz").get_weights(), ContainsSubstring("its bytes were changed"));
}

TEST_CASE("a layer outlives its loader, and comes in the dtype asked for") {
  for (const std::string& path : small_model().paths()) {
    const Weights weights = LazyModelLoader(path, "f16").get_layer_weights("dense");
    CHECK(weights["dense/kernel"].dtype() == Dtype::f16);
    CHECK(weights["dense/steps"].as<int64_t>()[0] == 11);
    const Weights same = LazyModelLoader(path, Dtype::f16).get_layer_weights("dense");
    CHECK(same["dense/kernel"].as<uint16_t>()[7] == weights["dense/kernel"].as<uint16_t>()[7]);
  }
}

TEST_CASE("a loader can be moved with what it has loaded") {
  LazyModelLoader loader(small_model().paths().front());
  const Weights weights = loader.get_layer_weights("conv1");
  LazyModelLoader moved = std::move(loader);
  CHECK(moved.loaded_bytes() == kConvBytes);
  CHECK(moved.layers().size() == 4);
}

TEST_CASE("a layer's need is its own, and that of the whole where all is one layer") {
  LazyModelLoader native(small_model().paths().front()), half(small_model().paths().front(), "f16");
  CHECK(native.need("dense").peak_bytes - native.need("conv1/bias").peak_bytes > 4 * 4096);
  CHECK(half.need("conv1").peak_bytes > half.need("conv1/bias").peak_bytes);
  CHECK(native.need("conv1").reclaimable_bytes == 0);
}

TEST_CASE("threads that ask for the same layers get the same memory") {
  LazyModelLoader loader(small_model().paths().front());
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 200; ++round) {
        const std::string& layer = loader.layers()[static_cast<size_t>(round + t) % 4];
        const Weights mine = loader.get_layer_weights(layer);
        if (loader.get_layer_weights(layer).begin()->bytes().data() != mine.begin()->bytes().data()) ++wrong;
        loader.release(layer);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  loader.release_all();
  CHECK(loader.loaded_bytes() == 0);
}

TEST_CASE("a layer that is not there is refused, and nothing is loaded") {
  LazyModelLoader loader(small_model().paths().front());
  CHECK_THROWS_WITH(loader.get_layer_weights("conv2"), ContainsSubstring("no layer \"conv2\": did you mean conv1?"));
  CHECK_THROWS_AS(loader.release("conv2"), Error);
  CHECK(loader.loaded_bytes() == 0);
}

TEST_CASE("a layer that cannot be read leaves nothing behind") {
  const Scratch scratch;
  const std::string path = scratch / "model.safetensors";
  write_file(path, read_file(small_model().paths().front()));
  LazyModelLoader loader(path);
  write_file(path, "short");
  CHECK_THROWS_AS(loader.get_layer_weights("conv1"), Error);
  CHECK(loader.loaded_bytes() == 0);
}

}  // namespace
}  // namespace weighbridge::test
