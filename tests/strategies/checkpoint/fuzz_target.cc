// libFuzzer's entry to one format's reader, WEIGHBRIDGE_FUZZ_FORMAT, or ("any") to whatever open_checkpoint takes the
// bytes for. scripts/fuzz builds and runs the targets:
//
//   ./scripts/fuzz --seconds 60 onnx
#include <fmt/format.h>

#include <cstdlib>
#include <string_view>

#include "tests/strategies/checkpoint/fuzz.h"

#ifndef WEIGHBRIDGE_FUZZ_FORMAT
#define WEIGHBRIDGE_FUZZ_FORMAT "any"
#endif

namespace {

const weighbridge::Format* wanted() {
  constexpr std::string_view kName = WEIGHBRIDGE_FUZZ_FORMAT;
  if (kName == "any") return nullptr;
  for (const weighbridge::Format* format : weighbridge::all_formats()) {
    if (format->info.name == kName) return format;
  }
  fmt::print(stderr, "found no format {} in the registry, expected one\n", kName);
  std::exit(2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const weighbridge::Format* const format = wanted();
  weighbridge::testing::check_input(format, {data, size});
  return 0;
}
