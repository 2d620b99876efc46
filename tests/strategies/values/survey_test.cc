#include "strategies/values/survey.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <random>

#include "strategies/checkpoint/tensor_reader.h"
#include "strategies/dtype/scalar.h"
#include "tests/strategies/checkpoint/fixture.h"
#include "tests/strategies/plans/made_checkpoint.h"
#include "tests/support/catch.h"
#include "tests/support/safetensors_file.h"

namespace weighbridge::test {
namespace {

using namespace testing;

Checkpoint opened(const TemporaryFolder& folder, const SafetensorsFile& file) {
  file.write(folder / "model.safetensors");
  return open_checkpoint(folder / "model.safetensors");
}

Survey survey(const Checkpoint& checkpoint) {
  uint64_t done = 0, total = 0;
  const Survey result = survey_values(checkpoint, [&](uint64_t now, uint64_t of) {
    CHECK(now >= done);
    CHECK(now <= of);
    done = now;
    total = of;
  });
  CHECK(done == total);
  CHECK(result.tensors.size() == checkpoint.tensors.size());
  return result;
}

std::map<std::string, TensorValues> by_name(const Checkpoint& checkpoint) {
  const Survey all = survey(checkpoint);
  std::map<std::string, TensorValues> values;
  for (size_t i = 0; i < all.tensors.size(); ++i) values[checkpoint.tensors[i].name] = all.tensors[i];
  return values;
}

std::map<std::string, TensorValues> by_name(const SafetensorsFile& file) {
  const TemporaryFolder folder;
  return by_name(opened(folder, file));
}

std::vector<float> weights(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.02F);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

constexpr size_t kLong = 700'000;  // f32 elements of more than two chunks

TEST_CASE("planted zeros are counted, -0.0 among them, and rows of zeros are found across chunks") {
  std::vector<float> pruned = weights(kLong, 1);
  uint64_t zeros = 0, negative = 0;
  for (size_t i = 0; i < pruned.size(); i += 3) {
    pruned[i] = i % 2 == 0 ? 0.0F : -0.0F;
    ++zeros;
    negative += i % 2;
  }
  const size_t columns = 1000;
  for (const size_t row : {0u, 261u, 262u, 263u, 524u, 699u}) {  // chunks end in rows 262 and 524
    for (size_t i = 0; i < columns; ++i) {
      float& value = pruned[row * columns + i];
      zeros += value == 0 ? 0 : 1;
      value = std::signbit(value) && value == 0 ? value : 0.0F;
    }
  }
  const auto values = by_name(SafetensorsFile()
                                  .floats("pruned", {700, 1000}, pruned)
                                  .floats("dense", {700, 1000}, weights(kLong, 2))
                                  .floats("narrow", {4, 1}, {0, 1, -0.0F, 2})
                                  .floats("vector", {3}, {0, 0, 0})
                                  .floats("scalar", {}, {0})
                                  .floats("cube", {2, 2, 2}, {0, 0, 0, 0, 0, 0, 0, 1}));
  CHECK(values.at("pruned").numbers.zeros == zeros);
  CHECK(values.at("pruned").numbers.negative_zeros == negative);
  CHECK(values.at("pruned").zero_rows == 6);
  CHECK(values.at("dense").numbers.zeros == 0);
  CHECK(values.at("dense").zero_rows == 0);
  CHECK(values.at("narrow").numbers.zeros == 2);
  CHECK(values.at("narrow").zero_rows == 2);
  CHECK(values.at("vector").zero_rows == 1);
  CHECK(values.at("scalar").zero_rows == 1);
  CHECK(values.at("cube").zero_rows == 1);
}

TEST_CASE("a row of zeros is found whatever its length and place, against a plain count") {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    const size_t rows = 1 + random() % 40, columns = 1 + random() % 3000;
    std::vector<float> values(rows * columns, 1);
    uint64_t expected = 0;
    for (size_t row = 0; row < rows; ++row) {
      const bool zero = random() % 3 == 0;
      for (size_t i = 0; i < columns; ++i) {
        if (zero || random() % 4 == 0) values[row * columns + i] = 0;
      }
      bool all = true;
      for (size_t i = 0; i < columns; ++i) all = all && values[row * columns + i] == 0;
      expected += all ? 1 : 0;
    }
    INFO(rows << " x " << columns);
    const auto found = by_name(SafetensorsFile().floats("w", {rows, columns}, values));
    CHECK(found.at("w").zero_rows == expected);
  }
}

TEST_CASE("NaN, infinities and bounds of every float, and of none") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  std::vector<float> ill = weights(kLong, 3);
  ill[5] = ill[600'000] = nan;
  ill[6] = -infinity;
  ill[400'000] = 7;
  ill[699'999] = -9;
  const auto values = by_name(SafetensorsFile()
                                  .floats("ill", {700000}, ill)
                                  .floats("nothing", {2}, {nan, infinity})
                                  .floats("empty", {0, 4}, {})
                                  .add<double>("f64", "F64", {3}, {-1e300, 0, 2.5})
                                  .add<uint16_t>("f16", "F16", {3}, {0x3c00, 0xfc00, 0x8000})
                                  .add<uint16_t>("bf16", "BF16", {3}, {0x3f80, 0x7fc0, 0xc000})
                                  .add<uint8_t>("f8", "F8_E4M3", {4}, {0x7f, 0x7e, 0x00, 0x80}));
  CHECK(values.at("ill").numbers.nans == 2);
  CHECK(values.at("ill").numbers.infinities == 1);
  CHECK(values.at("ill").numbers.min == -9);
  CHECK(values.at("ill").numbers.max == 7);
  CHECK_FALSE(values.at("nothing").numbers.any_finite());
  CHECK_FALSE(values.at("empty").numbers.any_finite());
  CHECK(values.at("empty").fits.empty());
  CHECK_FALSE(values.at("empty").constant);
  CHECK(values.at("f64").numbers.min == -1e300);
  CHECK(values.at("f64").numbers.zeros == 1);
  CHECK(values.at("f16").numbers.infinities == 1);
  CHECK(values.at("f16").numbers.negative_zeros == 1);
  CHECK(values.at("bf16").numbers.nans == 1);
  CHECK(values.at("bf16").numbers.min == -2);
  CHECK(values.at("f8").numbers.nans == 1);
  CHECK(values.at("f8").numbers.max == 448);
  CHECK(values.at("f8").numbers.zeros == 2);
}

TEST_CASE("f32 whose values all fit bf16 is found, and one value off breaks it") {
  std::vector<float> truncated = weights(kLong, 4);
  for (float& value : truncated) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    bits &= 0xffff0000u;
    std::memcpy(&value, &bits, sizeof bits);
  }
  std::vector<float> off = truncated;
  off.back() = std::nextafter(off.back(), 1.0F);
  const auto values =
      by_name(SafetensorsFile().floats("truncated", {700, 1000}, truncated).floats("off", {700, 1000}, off));
  CHECK(values.at("truncated").fits == std::vector<Dtype>{Dtype::bf16});
  CHECK(values.at("off").fits.empty());
}

TEST_CASE("duplicates have the same dtype, shape and every byte; a constant is no duplicate") {
  const std::vector<float> original = weights(kLong, 6);
  std::vector<float> changed = original;
  changed.back() = std::nextafter(changed.back(), 1.0F);
  const TemporaryFolder folder;
  SafetensorsFile file;
  file.floats("a", {700, 1000}, original)
      .floats("changed", {700, 1000}, changed)
      .floats("turned", {1000, 700}, original)
      .floats("b", {700, 1000}, original)
      .add<float>("words", "I32", {700, 1000}, original)
      .floats("c", {700, 1000}, original)
      .floats("ones", {3}, {1, 1, 1})
      .floats("ones too", {3}, {1, 1, 1})
      .add<int64_t>("i", "I64", {2}, {1, 2})
      .add<int64_t>("j", "I64", {2}, {1, 2});
  const Checkpoint checkpoint = opened(folder, file);
  const auto values = by_name(checkpoint);
  const auto twin = [&](const char* name) {
    const uint32_t index = values.at(name).duplicate_of;
    return index == Tensor::kItself ? std::string("-") : checkpoint.tensors[index].name;
  };
  CHECK(twin("a") == "-");
  CHECK(twin("changed") == "-");
  CHECK(twin("turned") == "-");
  CHECK(twin("words") == "-");
  CHECK(twin("b") == "a");
  CHECK(twin("c") == "a");
  CHECK(twin("ones too") == "-");
  CHECK(twin("j") == "i");
  CHECK(values.at("ones").constant);
  CHECK_FALSE(values.at("a").constant);
  CHECK(survey(checkpoint).bytes_read == checkpoint.stored_bytes() + 2 * (2 * kLong * 4 + 16));
}

TEST_CASE("a tensor is constant only where every element has the bits of the first, across chunks") {
  std::vector<float> constant(kLong, 0.5F), last = constant;
  last.back() = 0.25F;
  const auto values = by_name(SafetensorsFile()
                                  .floats("constant", {700000}, constant)
                                  .floats("last", {700000}, last)
                                  .floats("signs", {2}, {0, -0.0F})
                                  .floats("one", {1}, {3})
                                  .add<uint8_t>("bytes", "U8", {3}, {7, 7, 7}));
  CHECK(values.at("constant").constant);
  CHECK_FALSE(values.at("last").constant);
  CHECK_FALSE(values.at("signs").constant);
  CHECK_FALSE(values.at("one").constant);
  CHECK(values.at("bytes").constant);
}

TEST_CASE("of integers zeros are counted, of codes without a scale nothing") {
  const TemporaryFolder folder;
  SafetensorsFile file;
  file.add<int8_t>("i8", "I8", {4}, {0, 1, 0, -128})
      .add<int16_t>("i16", "I16", {2}, {0, 256})
      .add<int64_t>("i64", "I64", {2}, {0, int64_t{1} << 40})
      .add<uint8_t>("bool", "BOOL", {3}, {0, 1, 0})
      .add<uint8_t>("f4", "F4", {4}, {0, 0});
  const Checkpoint checkpoint = opened(folder, file);
  const auto values = by_name(checkpoint);
  CHECK(values.at("i8").numbers.zeros == 2);
  CHECK(values.at("i16").numbers.zeros == 1);
  CHECK(values.at("i64").numbers.zeros == 1);
  CHECK(values.at("bool").numbers.zeros == 2);
  CHECK(values.at("f4").numbers.zeros == 0);
  CHECK(value_kind(Dtype::f4) == ValueKind::unknown);
  CHECK(value_kind(Dtype::c64) == ValueKind::unknown);
  CHECK(value_kind(Dtype::q4_k) == ValueKind::numbers);
  for (const Tensor& tensor : checkpoint.tensors) CHECK_FALSE(sparse_bytes_of(tensor, values.at(tensor.name)));
}

TEST_CASE("what a tensor would take sparsely follows from its zeros, in its own dtype") {
  const TemporaryFolder folder;
  SafetensorsFile file;
  file.floats("f32", {2, 4}, {0, 1, 0, 0, 0, 0, -0.0F, 2})
      .add<uint16_t>("f16", "F16", {8}, {0, 1, 0, 0, 0, 0, 0x8000, 2});
  const Checkpoint checkpoint = opened(folder, file);
  const auto values = by_name(checkpoint);
  for (const Tensor& tensor : checkpoint.tensors) {
    const auto sparse = sparse_bytes_of(tensor, values.at(tensor.name));
    const uint64_t value = tensor.dtype == Dtype::f32 ? 4 : 2, rows = tensor.dtype == Dtype::f32 ? 2 : 1;
    REQUIRE(sparse);
    CHECK(sparse->csr == 2 * (value + 4) + (rows + 1) * 4);
    CHECK(sparse->bitmap == 2 * value + 1);
  }
}

// The plainest reading of a tensor's values: scalar, all at once.
Numbers plainly(const Tensor& tensor, const std::vector<std::byte>& bytes) {
  const Layout to_f32 = layout(tensor.dtype, tensor.shape, Target{Dtype::f32});
  std::vector<double> values(to_f32.elements);
  std::vector<float> f32(to_f32.elements);
  if (bytes.empty()) return {};
  if (tensor.dtype == Dtype::f64) {
    std::memcpy(values.data(), bytes.data(), bytes.size());
  } else {
    if (to_f32.converted()) {
      scalar::convert(to_f32, 0, to_f32.elements, bytes.data(), reinterpret_cast<std::byte*>(f32.data()), nullptr);
    } else {
      std::memcpy(f32.data(), bytes.data(), bytes.size());
    }
    std::copy(f32.begin(), f32.end(), values.begin());
  }
  Numbers numbers;
  for (const double value : values) {
    numbers.zeros += value == 0 ? 1 : 0;
    numbers.nans += std::isnan(value) ? 1 : 0;
    numbers.infinities += std::isinf(value) ? 1 : 0;
    if (!std::isfinite(value)) continue;
    numbers.min = std::min(numbers.min, value);
    numbers.max = std::max(numbers.max, value);
  }
  return numbers;
}

TEST_CASE("of random checkpoints, encoded tensors and blocks among them, all is as a plain reading has it") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const Scratch scratch;
    const Checkpoint checkpoint = make_checkpoint(scratch, seed);
    const Survey all = survey(checkpoint);
    TensorReader reader(checkpoint);
    std::vector<std::vector<std::byte>> bytes;
    std::vector<bool> compared;
    for (uint32_t i = 0; i < checkpoint.tensors.size(); ++i) {
      const Tensor& tensor = checkpoint.tensors[i];
      const TensorValues& values = all.tensors[i];
      INFO("seed " << seed << ": " << tensor.name << " " << name(tensor.dtype) << " of " << tensor.bytes() << " bytes");
      bytes.emplace_back(tensor.bytes());
      reader.read(i, 0, bytes.back().data(), bytes.back().size());
      if (value_kind(tensor.dtype) == ValueKind::numbers) {
        const Numbers expected = plainly(tensor, bytes.back());
        CHECK(values.numbers.zeros == expected.zeros);
        CHECK(values.numbers.nans == expected.nans);
        CHECK(values.numbers.infinities == expected.infinities);
        CHECK(values.numbers.min == expected.min);
        CHECK(values.numbers.max == expected.max);
      }
      const size_t unit = block(tensor.dtype).bytes;
      const uint64_t elements = element_count(tensor.shape).value();
      bool constant = block(tensor.dtype).elements == 1 && elements > 1;
      for (size_t at = 0; constant && at < bytes[i].size(); at += unit) {
        constant = std::memcmp(bytes[i].data(), bytes[i].data() + at, unit) == 0;
      }
      CHECK(values.constant == constant);
      compared.push_back(tensor.same_as == Tensor::kItself && elements > 1 && !constant);
      uint32_t twin = Tensor::kItself;
      for (uint32_t j = 0; j < i && compared[i] && twin == Tensor::kItself; ++j) {
        const Tensor& other = checkpoint.tensors[j];
        if (compared[j] && other.dtype == tensor.dtype && other.shape == tensor.shape && bytes[j] == bytes[i]) twin = j;
      }
      if (tensor.same_as == Tensor::kItself) CHECK(values.duplicate_of == twin);
    }
  }
}

// A file of zeros that takes no room: what it costs to look at is what it would cost with values in it.
Checkpoint sparse_file(const TemporaryFolder& folder, uint64_t elements) {
  const std::string header =
      fmt::format(R"({{"w":{{"dtype":"F32","shape":[{}],"data_offsets":[0,{}]}}}})", elements, elements * 4);
  const std::string file = safetensors(header, 0);
  const std::string path = folder.write(fmt::format("{}.safetensors", elements), file);
  std::filesystem::resize_file(path, file.size() + elements * 4);
  return open_checkpoint(path);
}

TEST_CASE("memory does not grow with the size of a tensor") {
  if (kSanitized) return;
  const TemporaryFolder folder;
  const auto growth = [&](uint64_t elements) {
    const Checkpoint checkpoint = sparse_file(folder, elements);
    return peak_growth([&] {
      const Survey result = survey_values(checkpoint, [](uint64_t, uint64_t) {});
      if (result.tensors[0].numbers.zeros != elements || !result.tensors[0].constant) std::abort();
    });
  };
  const uint64_t small = growth(1u << 20), large = growth(128u << 20);
  fmt::print("values of 4 MiB were read in {} KiB, of 512 MiB in {} KiB\n", small / 1024, large / 1024);
  // The chunk, the pieces, and pages of the program that were not touched before.
  CHECK(large < kSurveyChunkBytes + (3u << 20));
  CHECK(large < small + (256u << 10));
}

}  // namespace
}  // namespace weighbridge::test
