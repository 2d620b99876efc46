// loader_need LOADER MODEL DTYPE [LAYER]: loads in one way and prints what this process needed for it, in bytes.
//
// Above the need before: `peak`, `loaded` (every weight read once), `written` (mapped: the largest weight filled),
// `released`; and `file`, by how much the file pages had grown when all was read, `predicted`, what the loader had
// said. The peak is the high-water mark of the resident set less its file pages, exact as long as these stay the same
// while weights are loaded; where the file is mapped nothing is given back on the way, so what is needed at the end is
// the peak.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>

#include "harness/probe/status.h"
#include "weighbridge/loader.h"

namespace {

using weighbridge::Weights;

weighbridge::Status status() {
  static const weighbridge::StatusFile file(0);
  const auto now = file.read();
  if (!now || !now->complete) throw std::runtime_error("/proc/self/status has no split of the resident set");
  return *now;
}

void forget_high_water() {
  const int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  if (file < 0 || write(file, "5", 1) != 1) throw std::runtime_error("/proc/self/clear_refs cannot be written");
  close(file);
}

void read_all(const Weights& weights) {
  static volatile unsigned sum = 0;
  for (const weighbridge::Weight& weight : weights) {
    for (size_t at = 0; at < weight.bytes().size(); at += 64) sum = sum + std::to_integer<unsigned>(weight.bytes()[at]);
  }
}

}  // namespace

int main(int count, char** words) {
  if (count < 4) return 2;
  const std::string way = words[1], model = words[2], dtype = words[3], layer = count > 4 ? words[4] : "";
  std::optional<weighbridge::LazyModelLoader> lazy;
  std::optional<Weights> weights;
  weighbridge::Need predicted;
  status();
  forget_high_water();
  const weighbridge::Status before = status();
  if (way == "model") {
    const weighbridge::ModelLoader loader(model, dtype);
    predicted = loader.need();
    weights = loader.get_weights();
  } else if (way == "lazy") {
    lazy.emplace(model, dtype);
    predicted = lazy->need(layer);
    weights = lazy->get_layer_weights(layer);
  } else {
    const weighbridge::MemoryMappedModelLoader loader(model, dtype);
    predicted = loader.need();
    weights = loader.get_weights();
  }
  const weighbridge::Status loaded = status();
  read_all(*weights);
  const weighbridge::Status used = status();
  const uint64_t peak = way == "mapped" ? used.need() : std::max(loaded.high_water - loaded.file, used.need());
  if (way == "mapped") {
    const auto by_size = [](const auto& a, const auto& b) { return a.bytes().size() < b.bytes().size(); };
    std::ranges::fill(std::max_element(weights->begin(), weights->end(), by_size)->bytes(), std::byte{1});
  }
  const weighbridge::Status written = status();
  weights.reset();
  if (lazy) lazy->release(layer);
  const weighbridge::Status released = status();
  const auto above = [&](uint64_t bytes) {
    return static_cast<long long>(bytes) - static_cast<long long>(before.need());
  };
  std::printf("peak %lld loaded %lld written %lld released %lld file %lld predicted %lld\n", above(peak),
              above(used.need()), above(written.need()), above(released.need()),
              static_cast<long long>(used.file) - static_cast<long long>(before.file),
              static_cast<long long>(predicted.peak_bytes));
  return 0;
}
