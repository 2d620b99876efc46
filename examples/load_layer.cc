// load_layer MODEL [LAYER [DTYPE]]: one layer in memory and nothing else; without LAYER, the names of the layers.
#include <weighbridge/loader.h>

#include <cstdio>

#include "need.h"

int main(int count, char** words) {
  if (count < 2 || count > 4) {
    std::fprintf(stderr, "usage: load_layer MODEL [LAYER [native|f32|f16|bf16|int8|q8_0|q4_0|f8_e4m3]]\n");
    return 2;
  }
  try {
    PeakWatch watch;
    const Memory before = memory_now();
    weighbridge::LazyModelLoader loader(words[1], count > 3 ? words[3] : "native");
    if (count == 2) {
      for (const std::string& layer : loader.layers()) std::printf("%s\n", weighbridge::printable(layer).c_str());
      return 0;
    }
    {
      const weighbridge::Weights weights = loader.get_layer_weights(words[2]);
      const Memory peak = watch.highest();
      const Memory loaded = memory_now();

      std::printf("%zu weights of layer %s: %.1f MiB\n", weights.size(), words[2], mib(weights.bytes()));
      print_heading();
      print_row("before", before);
      print_row("at the highest need, while loading", peak);
      print_row("loaded", loaded);
      loader.get_layer_weights(words[2]);
      print_row("asked for once more", memory_now());
    }
    loader.release(words[2]);
    print_row("released", memory_now());
    std::printf("predicted: %.1f MiB above what was needed before\n", mib(loader.need(words[2]).peak_bytes));
  } catch (const weighbridge::Error& error) {
    std::fprintf(stderr, "load_layer: %s\n", error.what());
    return 1;
  }
}
