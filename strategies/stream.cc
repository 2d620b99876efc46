// stream: through a bounded chunk, converted on the way.
//
// Mechanism: one staging chunk for the whole load; read a chunk, put it (converted) into the tensor's final buffer,
// read the next; within a chunk reading and converting overlap. What a loader over a network or a decompressor does,
// and the cheapest way to a converted copy. Need: T + C. The chunk grows to one row where a dtype has a scale per row
// (int8) and the row is longer than the chunk.
#include <algorithm>

#include "strategies/builtin.h"
#include "strategies/tensor_steps.h"

namespace weighbridge {
namespace {

// Bytes of the smallest piece of a tensor that can be delivered apart from the rest.
uint64_t unit_bytes(const Layout& layout) {
  return layout.converted() ? layout.unit_bytes() : 1;
}

class Stream : public Strategy {
 public:
  std::string_view name() const override { return "stream"; }
  std::string_view mechanism() const override { return "through a bounded chunk, converted on the way"; }
  std::string_view cost() const override { return "T + C"; }
  std::span<const OptionInfo> options() const override {
    static constexpr OptionInfo list[] = {{"chunk", "8MiB", "bytes read at a time"}};
    return list;
  }
  void check(const Options& options) const override { chunk(options); }

  void plan(const Request& request, Steps& steps) const override {
    const auto& tensors = request.checkpoint.tensors;
    const uint64_t wanted = chunk(request.options);
    uint64_t chunk_bytes = 0;
    for (const Layout& layout : request.layouts) {
      const uint64_t unit = unit_bytes(layout);
      const uint64_t whole_units = std::max(wanted / unit, uint64_t{1}) * unit;
      chunk_bytes = std::max(chunk_bytes, std::min(whole_units, layout.stored_bytes));
    }
    const Place staging = steps.allocate(Purpose::staging, chunk_bytes);
    std::vector<Spot> weights;
    weights.reserve(tensors.size());
    for (uint32_t tensor = 0; tensor < tensors.size(); ++tensor) {
      const Layout& layout = request.layouts[tensor];
      if (const uint32_t from = holder(request, tensor); from != tensor) {
        weights.push_back(weights[from]);
        continue;
      }
      const Place buffer = steps.allocate(Purpose::weights, layout.loaded_bytes);
      weights.push_back({buffer});
      const uint64_t unit = unit_bytes(layout);
      const uint64_t step = std::max(wanted / unit, uint64_t{1}) * unit;
      for (uint64_t begin = 0; begin < layout.stored_bytes; begin += step) {
        const uint64_t size = std::min(step, layout.stored_bytes - begin);
        steps.read_and_deliver(tensor, begin, size, {staging}, buffer);
      }
    }
    steps.free(staging);
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
