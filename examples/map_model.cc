// map_model MODEL: every weight mapped from the file, all of them read, one of them written to (copy-on-write: the file
// stays as it is).
#include <weighbridge/loader.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "need.h"

int main(int count, char** words) {
  if (count != 2) {
    std::fprintf(stderr, "usage: map_model MODEL\n");
    return 2;
  }
  try {
    const Memory before = memory_now();
    const weighbridge::MemoryMappedModelLoader loader(words[1]);
    std::optional<weighbridge::Weights> weights = loader.get_weights();
    const Memory mapped = memory_now();

    unsigned sum = 0;  // as inference would: every byte is read
    for (const weighbridge::Weight& weight : *weights) {
      for (const std::byte byte : weight.bytes()) sum += std::to_integer<unsigned>(byte);
    }
    const Memory used = memory_now();

    const auto largest = std::max_element(weights->begin(), weights->end(), [](const auto& a, const auto& b) {
      return a.bytes().size() < b.bytes().size();
    });
    if (largest != weights->end()) std::ranges::fill(largest->bytes(), std::byte{0});
    const Memory written = memory_now();

    std::printf("%zu weights: %.1f MiB, their bytes sum up to %u modulo 2^32\n", weights->size(), mib(weights->bytes()),
                sum);
    for (const weighbridge::Weight& weight : *weights) {
      if (weight.mapped()) continue;
      std::printf("not mapped: %s is %s\n", weighbridge::printable(weight.name()).c_str(),
                  weight.why_not_mapped().c_str());
    }
    print_heading();
    print_row("before", before);
    print_row("mapped", mapped);
    print_row("every weight used", used);
    print_row("the largest weight written to", written);
    weights.reset();
    print_row("given back", memory_now());
    std::printf("predicted: %.1f MiB above what was needed before, until something is written\n",
                mib(loader.need().peak_bytes));
  } catch (const weighbridge::Error& error) {
    std::fprintf(stderr, "map_model: %s\n", error.what());
    return 1;
  }
}
