// What it costs to look at every value of a checkpoint (strategies/values/survey.h), beside reading the same file of
// 256 MiB into memory that is reused. Of weights no narrower dtype holds, which is found at once; of weights that were
// bf16 all are converted there and back; pruned ones make every row be looked at.
#include <benchmark/benchmark.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "strategies/checkpoint/tensor_reader.h"
#include "strategies/values/survey.h"

namespace weighbridge {
namespace {

constexpr size_t kElements = size_t{64} << 20;

enum class Kind { weights, bf16, pruned };

// A safetensors file of one tensor [4096, 16384], in the page cache.
class WeightsFile {
 public:
  explicit WeightsFile(Kind kind) {
    const char* folder = std::getenv("TMPDIR");
    path_ = std::string(folder != nullptr ? folder : "/tmp") + "/weighbridge-bench-XXXXXX";
    const int descriptor = mkstemp(path_.data());
    if (descriptor >= 0) close(descriptor);
    const std::string header = R"({"w":{"dtype":"F32","shape":[4096,16384],"data_offsets":[0,268435456]}})";
    const uint64_t length = header.size();
    std::ofstream file(path_, std::ios::binary);
    file.write(reinterpret_cast<const char*>(&length), sizeof length);
    file << header;
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, 0.02F);
    std::vector<float> block(size_t{1} << 20);
    for (float& value : block) {
      value = normal(random);
      if (kind == Kind::pruned && random() % 2 == 0) value *= 0;
      if (kind == Kind::bf16) {
        uint32_t bits;
        std::memcpy(&bits, &value, sizeof bits);
        bits &= 0xffff0000u;
        std::memcpy(&value, &bits, sizeof value);
      }
    }
    for (size_t done = 0; done < kElements; done += block.size()) {
      file.write(reinterpret_cast<const char*>(block.data()),
                 static_cast<std::streamsize>(block.size() * sizeof(float)));
    }
  }
  WeightsFile(const WeightsFile&) = delete;
  WeightsFile& operator=(const WeightsFile&) = delete;
  ~WeightsFile() { unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void read_alone(benchmark::State& state) {
  const WeightsFile file(Kind::weights);
  const Checkpoint checkpoint = open_checkpoint(file.path());
  std::vector<char> chunk(kSurveyChunkBytes);
  for (auto _ : state) {
    TensorReader reader(checkpoint);
    for (uint64_t begin = 0; begin < kElements * 4; begin += chunk.size()) {
      reader.read(0, begin, chunk.data(), chunk.size());
      benchmark::DoNotOptimize(chunk.data());
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kElements * 4));
}
BENCHMARK(read_alone)->Name("values/read")->UseRealTime()->Unit(benchmark::kMillisecond);

void survey(benchmark::State& state, Kind kind) {
  const WeightsFile file(kind);
  const Checkpoint checkpoint = open_checkpoint(file.path());
  for (auto _ : state) benchmark::DoNotOptimize(survey_values(checkpoint, [](uint64_t, uint64_t) {}));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kElements * 4));
}
BENCHMARK_CAPTURE(survey, weights, Kind::weights)->Name("values/weights")->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(survey, bf16, Kind::bf16)->Name("values/bf16")->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(survey, pruned, Kind::pruned)->Name("values/pruned")->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace weighbridge
