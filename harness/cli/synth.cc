// weighbridge synth: a checkpoint of a known architecture with made-up weights.
#include "strategies/synth/synth.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/cli/console.h"
#include "harness/cli/progress.h"
#include "harness/cli/verb.h"
#include "harness/run/interrupt.h"
#include "strategies/error.h"

namespace weighbridge::cli {
namespace {

class Synth : public Verb {
 public:
  const char* name() const override { return "synth"; }
  const char* summary() const override { return "make a checkpoint with real names and shapes and made-up weights"; }
  const char* examples() const override {
    return "  weighbridge synth gpt2 --dtype f32 -o gpt2.safetensors\n"
           "  weighbridge synth llama-3-8b --dtype bf16 --layers 4 --shards 2 -o llama/model.safetensors";
  }
  void define(CLI::App& app) override {
    std::vector<std::string> names;
    for (const ArchitectureInfo& architecture : architectures()) names.emplace_back(architecture.name);
    app.add_option("ARCHITECTURE", request_.architecture, fmt::format("one of {}", fmt::join(names, ", ")))->required();
    app.add_option("--dtype", dtype_, "f64, f32, f16, bf16, f8_e4m3 or f8_e5m2")->capture_default_str();
    app.add_option("--layers", layers_, "only the first so many layers")->check(CLI::Range(1u, 10000u));
    app.add_option("--shards", request_.shards, "number of files")
        ->check(CLI::Range(1u, 99999u))
        ->capture_default_str();
    app.add_option("--seed", request_.seed, "of the weights")->capture_default_str();
    app.add_option("-o,--output", request_.output, "the file to write")->required();
  }
  int run() override {
    constexpr Dtype kFloats[] = {Dtype::f64, Dtype::f32, Dtype::f16, Dtype::bf16, Dtype::f8_e4m3, Dtype::f8_e5m2};
    const auto* found = std::find_if(std::begin(kFloats), std::end(kFloats),
                                     [&](Dtype dtype) { return weighbridge::name(dtype) == dtype_; });
    if (found == std::end(kFloats)) {
      throw Error(ErrorKind::usage,
                  "--dtype takes f64, f32, f16, bf16, f8_e4m3 or f8_e5m2, not '" + printable(dtype_) + "'");
    }
    request_.dtype = *found;
    request_.layers = layers_;
    Progress progress(Progress::Loudness::normal);
    catch_interrupts();
    request_.progress = [&](uint64_t done, uint64_t total) {
      if (interrupted()) throw Interrupted();  // the half-written file is removed on the way out
      progress.work("writing", done, total);
    };
    synthesise(request_);
    return kDone;
  }

 private:
  SynthRequest request_;
  std::string dtype_ = "f32";
  std::optional<unsigned> layers_;
};

}  // namespace

std::unique_ptr<Verb> make_synth() {
  return std::make_unique<Synth>();
}

}  // namespace weighbridge::cli
