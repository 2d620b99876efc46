// stream: through a bounded chunk, converted on the way.
//
// Mechanism: one staging chunk for the whole load; read a chunk, put it (converted) into the tensor's final buffer,
// read the next; within a chunk reading and converting overlap. What a loader over a network or a decompressor does,
// and the cheapest way to a converted copy. Need: T + C, a chunk for each of several threads. A chunk is whole units:
// it grows to one row where a dtype has a scale per row (int8) and the row is longer than the chunk.
#include <algorithm>

#include "strategies/builtin.h"
#include "strategies/tensor_steps.h"

namespace weighbridge {
namespace {

class Stream : public Strategy {
 public:
  std::string_view name() const override { return "stream"; }
  std::string_view mechanism() const override { return "through a bounded chunk, converted on the way"; }
  std::string_view cost() const override { return "T + C"; }
  std::span<const OptionInfo> options() const override {
    static constexpr OptionInfo list[] = {{"chunk", "8MiB", "bytes read at a time"}, kThreadsOption};
    return list;
  }
  void check(const Options& options) const override {
    chunk(options);
    threads_of(options, name());
  }

  void plan(const Request& request, Steps& steps) const override {
    const uint64_t wanted = chunk(request.options);
    const auto load = [&](uint32_t tensor, Place chunk) {
      const Place buffer = steps.allocate(Purpose::weights, request.layouts[tensor].loaded_bytes);
      load_through(request, steps, tensor, wanted, chunk, {buffer});
      return Spot{buffer};
    };
    const uint64_t bytes = chunk_bytes(request, wanted, [](uint32_t) { return true; });
    const std::vector<Spot> weights = load_each(request, steps, threads_of(request.options, name()), bytes, load);
    use_and_release(request, steps, weights);
  }

 private:
  static uint64_t chunk(const Options& options) { return parse_bytes(options.find("chunk")->second, "stream:chunk"); }
};

}  // namespace

const Strategy* stream() {
  static const Stream strategy;
  return &strategy;
}

}  // namespace weighbridge
