#include "strategies/tensor_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "strategies/error.h"

namespace weighbridge {

Place load_tensor(const Request& request, Steps& steps, uint32_t tensor) {
  const Layout& layout = request.layouts[tensor];
  const Place weights = steps.allocate(Purpose::weights, layout.loaded_bytes);
  if (!layout.converted()) {
    steps.read(tensor, 0, layout.stored_bytes, {weights});
    return weights;
  }
  const Place staging = steps.allocate(Purpose::staging, layout.stored_bytes);
  steps.read_and_deliver(tensor, 0, layout.stored_bytes, {staging}, {weights});
  steps.free(staging);
  return weights;
}

unsigned threads_of(const Options& options, std::string_view strategy) {
  constexpr unsigned kMost = 256;
  const std::string& text = options.find("threads")->second;
  unsigned threads = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), threads);
  if (error != std::errc() || end != text.data() + text.size() || threads < 1 || threads > kMost) {
    throw Error(ErrorKind::usage,
                fmt::format("{}:threads: '{}' is not a number from 1 to {}", strategy, printable(text), kMost));
  }
  return threads;
}

std::vector<Spot> load_each(const Request& request, Steps& steps, unsigned threads, uint64_t scratch_bytes,
                            const std::function<Spot(uint32_t, Place)>& load) {
  const auto count = static_cast<uint32_t>(request.layouts.size());
  std::vector<Spot> at(count);
  steps.each(count, threads, scratch_bytes, [&](uint32_t tensor, Place scratch) {
    if (holder(request, tensor) == tensor) at[tensor] = load(tensor, scratch);
  });
  for (uint32_t tensor = 0; tensor < count; ++tensor) at[tensor] = at[holder(request, tensor)];
  return at;
}

namespace {

// How much of a tensor goes through a chunk at a time.
uint64_t step_bytes(const Layout& layout, uint64_t wanted) {
  const uint64_t unit = layout.converted() ? layout.unit_bytes() : 1;
  return std::min(std::max(wanted / unit, uint64_t{1}) * unit, layout.stored_bytes);
}

}  // namespace

uint64_t chunk_bytes(const Request& request, uint64_t wanted, const std::function<bool(uint32_t)>& through) {
  uint64_t most = 0;
  for (uint32_t tensor = 0; tensor < request.layouts.size(); ++tensor) {
    if (through(tensor)) most = std::max(most, step_bytes(request.layouts[tensor], wanted));
  }
  return most;
}

void load_through(const Request& request, Steps& steps, uint32_t tensor, uint64_t wanted, Place chunk, Spot to) {
  const Layout& layout = request.layouts[tensor];
  const uint64_t step = step_bytes(layout, wanted);
  for (uint64_t begin = 0; begin < layout.stored_bytes; begin += step) {
    const uint64_t size = std::min(step, layout.stored_bytes - begin);
    steps.read_and_deliver(tensor, begin, size, {chunk}, to);
  }
}

void use_and_release(const Request& request, Steps& steps, const std::vector<Spot>& at) {
  steps.enter(Phase::use);
  for (int pass = 0; pass < request.passes; ++pass) {
    for (uint32_t tensor = 0; tensor < at.size(); ++tensor) steps.use(tensor, at[tensor]);
  }
  release(request, steps, at);
}

void release(const Request& request, Steps& steps, const std::vector<Spot>& at) {
  steps.enter(Phase::release);
  for (uint32_t tensor = 0; tensor < at.size(); ++tensor) {
    if (at[tensor].place.kind == Place::Kind::buffer && holder(request, tensor) == tensor) steps.free(at[tensor].place);
  }
}

}  // namespace weighbridge
