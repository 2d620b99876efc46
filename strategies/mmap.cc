// mmap: a private read-only mapping of each file.
//
// Mechanism: native tensors are views of the mapping, paged in when first touched and given up again without swap;
// converted ones are converted from the mapping into memory of their own. Views can be unaligned, as a header has any
// length. A tensor that is encoded (compressed, big-endian, strided) cannot be viewed: it is read as eager does.
// Need: 0 native, T converted. Reclaimable: S. It looks as heavy as eager in a resident set and is not; where less than
// S is free it does not fail, it gets slow, reading the same pages again on every pass.
//
// The advice is what a loader may tell the kernel: llama.cpp populates, others ask for sequential or random reading.
#include <array>

#include "strategies/builtin.h"
#include "strategies/error.h"
#include "strategies/mappings.h"
#include "strategies/tensor_steps.h"

namespace weighbridge {
namespace {

constexpr std::array<std::pair<std::string_view, std::optional<Advice>>, 6> kAdvice{{
    {"none", std::nullopt},
    {"populate", Advice::populate},
    {"willneed", Advice::willneed},
    {"sequential", Advice::sequential},
    {"random", Advice::random},
    {"hugepages", Advice::hugepages},
}};

std::optional<Advice> advice_of(const Options& options) {
  const std::string& wanted = options.find("advice")->second;
  for (const auto& [word, advice] : kAdvice) {
    if (word == wanted) return advice;
  }
  throw Error(ErrorKind::usage, "mmap:advice: '" + printable(wanted) +
                                    "' is none of none, populate, willneed, sequential, random, hugepages");
}

class Mmap : public Strategy {
 public:
  std::string_view name() const override { return "mmap"; }
  std::string_view mechanism() const override {
    return "private read-only mapping: views when native, else converted from it";
  }
  std::string_view cost() const override { return "0 native, T converted; S reclaimable"; }
  std::span<const OptionInfo> options() const override {
    static constexpr OptionInfo list[] = {
        {"advice", "none", "what the kernel is told: none, populate, willneed, sequential, random or hugepages"},
        kThreadsOption};
    return list;
  }
  void check(const Options& options) const override {
    advice_of(options);
    threads_of(options, name());
  }

  void plan(const Request& request, Steps& steps) const override {
    Mappings mappings(request, steps, advice_of(request.options));
    const MappedTensors mapped = load_from(mappings, request, steps, threads_of(request.options, name()), false);
    if (!mapped.views) mappings.unmap(steps);  // every tensor has memory of its own: the mapping has done its work
    use_and_release(request, steps, mapped.at);
    mappings.unmap(steps);
  }
};

}  // namespace

const Strategy* mmap_strategy() {
  static const Mmap strategy;
  return &strategy;
}

}  // namespace weighbridge
