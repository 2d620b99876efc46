// lazy: a tensor is loaded when it is first used, and kept.
//
// Mechanism: `load` does nothing; `use` loads each tensor as eager would, right before its first use. With a budget the
// least recently used tensors are evicted first, and loaded again when used again.
// Need: T and one tensor's staging; with a budget B, max(B, largest tensor) and one staging. With a budget below T
// every further pass reads the checkpoint again: memory is paid with time.
#include <algorithm>
#include <list>
#include <optional>

#include "strategies/builtin.h"
#include "strategies/tensor_steps.h"

namespace weighbridge {
namespace {

class Lazy : public Strategy {
 public:
  std::string_view name() const override { return "lazy"; }
  std::string_view mechanism() const override {
    return "each tensor when first used, then kept; least recently used out over the budget";
  }
  std::string_view cost() const override { return "T, or max(B, L) with a budget, + staging"; }
  std::span<const OptionInfo> options() const override {
    static constexpr OptionInfo list[] = {{"budget", "none", "most bytes of weights kept at a time, or none"}};
    return list;
  }
  void check(const Options& options) const override { budget(options); }

  void plan(const Request& request, Steps& steps) const override {
    const uint64_t limit = budget(request.options).value_or(UINT64_MAX);
    const auto count = static_cast<uint32_t>(request.layouts.size());
    struct Kept {
      Place buffer;
      std::list<uint32_t>::iterator turn;
    };
    std::vector<std::optional<Kept>> kept(count);
    std::list<uint32_t> turns;  // least recently used first
    uint64_t kept_bytes = 0;

    const auto evict = [&](uint32_t tensor) {
      steps.free(kept[tensor]->buffer);
      kept_bytes -= page_rounded(request.layouts[tensor].loaded_bytes);
      turns.erase(kept[tensor]->turn);
      kept[tensor].reset();
    };

    steps.enter(Phase::use);
    for (int pass = 0; pass < request.passes; ++pass) {
      for (uint32_t tensor = 0; tensor < count; ++tensor) {
        const uint32_t from = holder(request, tensor);
        if (kept[from]) {
          turns.splice(turns.end(), turns, kept[from]->turn);
        } else {
          const uint64_t bytes = page_rounded(request.layouts[from].loaded_bytes);
          while (!turns.empty() && (bytes > limit || kept_bytes > limit - bytes)) evict(turns.front());
          const Place buffer = load_tensor(request, steps, from);
          kept_bytes += bytes;
          kept[from] = Kept{buffer, turns.insert(turns.end(), from)};
        }
        steps.use(tensor, {kept[from]->buffer});
      }
    }
    steps.enter(Phase::release);
    while (!turns.empty()) evict(turns.front());
  }

 private:
  static std::optional<uint64_t> budget(const Options& options) {
    const std::string& text = options.find("budget")->second;
    if (text == "none") return std::nullopt;
    return parse_bytes(text, "lazy:budget");
  }
};

}  // namespace

const Strategy* lazy() {
  static const Lazy strategy;
  return &strategy;
}

}  // namespace weighbridge
