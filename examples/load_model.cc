// load_model MODEL [DTYPE [STRATEGY]]: every weight in memory, in the dtype asked for.
//
//   load_model my_model.h5 f16          each tensor through a staging copy of itself: T + L at the peak
//   load_model my_model.h5 f16 stream   through a chunk of 8 MiB
#include <weighbridge/loader.h>

#include <cstdio>
#include <optional>

#include "need.h"

int main(int count, char** words) {
  if (count < 2 || count > 4) {
    std::fprintf(stderr, "usage: load_model MODEL [native|f32|f16|bf16|int8|q8_0|q4_0|f8_e4m3 [STRATEGY]]\n");
    return 2;
  }
  const char* dtype = count > 2 ? words[2] : "native";
  const char* strategy = count > 3 ? words[3] : "eager";
  try {
    PeakWatch watch;
    const Memory before = memory_now();
    const weighbridge::ModelLoader loader(words[1], dtype, strategy);
    std::optional<weighbridge::Weights> weights = loader.get_weights();
    const Memory peak = watch.highest();
    const Memory loaded = memory_now();

    std::printf("%zu weights as %s by %s: %.1f MiB\n", weights->size(), dtype, strategy, mib(weights->bytes()));
    print_heading();
    print_row("before", before);
    print_row("at the highest need, while loading", peak);
    print_row("loaded", loaded);
    weights.reset();
    print_row("given back", memory_now());
    std::printf("predicted: %.1f MiB above what was needed before\n", mib(loader.need().peak_bytes));
  } catch (const weighbridge::Error& error) {
    std::fprintf(stderr, "load_model: %s\n", error.what());
    return 1;
  }
}
