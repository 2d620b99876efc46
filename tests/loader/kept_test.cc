// Plans that are kept, on checkpoints drawn at random, with tensors that share their elements and encoded ones.
#include "strategies/loader/kept.h"

#include "harness/probe/status.h"
#include "strategies/error.h"
#include "strategies/hash.h"
#include "strategies/reference.h"
#include "tests/strategies/plans/made_checkpoint.h"
#include "tests/support/catch.h"

namespace weighbridge::test {
namespace {

uint64_t vm_size() {
  return StatusFile(0).read_vm_size().value();
}

TEST_CASE("what a plan used stays, with the reference's bytes, at one address for each thing") {
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    const Scratch scratch;
    const Checkpoint checkpoint = make_checkpoint(scratch, seed);
    for (const TargetInfo& target : targets()) {
      std::vector<uint64_t> expected(checkpoint.tensors.size());
      make_reference(
          checkpoint, std::span(&target.target, 1),
          [&](size_t, uint32_t tensor, uint64_t hash) { expected[tensor] = hash; }, [](uint64_t) {});
      for (const char* strategy :
           {"state-dict", "convert-after", "eager", "stream", "stream:chunk=1000", "mmap", "lazy", "lazy:budget=1"}) {
        INFO("seed " << seed << ", " << target.name << ", " << strategy);
        const auto model = std::make_shared<OpenModel>(checkpoint, target.target, strategy);
        const Kept kept(model, *model->choice.strategy);
        REQUIRE(kept.delivered().size() == checkpoint.tensors.size());
        for (const Delivered& at : kept.delivered()) {
          const Tensor& tensor = checkpoint.tensors[at.tensor];
          const Layout& layout = model->request.layouts[at.tensor];
          CHECK(tensor_hash(tensor.name, layout, at.address) == expected[at.tensor]);
          CHECK(at.mapped == (std::string(strategy) == "mmap" && tensor.plain() && !layout.converted()));
          if (tensor.same_as != Tensor::kItself && std::string(strategy) != "lazy:budget=1") {
            CHECK(at.address == kept.delivered()[tensor.same_as].address);
          }
        }
      }
    }
  }
}

TEST_CASE("several tensors of one name are all there, and none of them is had by that name") {
  struct Gather : Loader {
    using Loader::gather;
  };
  const Scratch scratch;
  Checkpoint checkpoint = make_checkpoint(scratch, 1);
  REQUIRE(checkpoint.tensors.size() > 3);
  checkpoint.path = "made";
  checkpoint.tensors[1].name = checkpoint.tensors[3].name = "twice";
  const auto model = std::make_shared<OpenModel>(checkpoint, Target{}, "eager");
  auto kept = std::make_shared<Kept>(model, *model->choice.strategy);
  const Weights weights = Gather::gather(model, kept->delivered(), {kept});
  CHECK(weights.size() == checkpoint.tensors.size());
  CHECK(weights.contains("twice"));
  CHECK_THROWS_WITH(weights["twice"], "made: found 2 tensors named \"twice\", expected one");
  CHECK_THROWS_AS(weights.find("twice"), Error);
}

TEST_CASE("the need of a plan that stays counts what the strategy alone would have evicted") {
  const Scratch scratch;
  const auto model = std::make_shared<OpenModel>(make_checkpoint(scratch, 3), Target{Dtype::f32}, "lazy:budget=1");
  const Kept kept(model, *model->choice.strategy);
  uint64_t held = 0;  // a tensor's second name loads it anew: its first was evicted, as the plan believes
  for (const Delivered& at : kept.delivered()) {
    const bool again = std::any_of(kept.delivered().begin(), kept.delivered().begin() + (&at - kept.delivered().data()),
                                   [&](const Delivered& other) { return other.address == at.address; });
    if (!again) held += page_rounded(model->request.layouts[at.tensor].loaded_bytes);
  }
  CHECK(held > 0);
  CHECK(need_of(*model->choice.strategy, model->request).peak_bytes >= held);
}

TEST_CASE("all of it goes when it is destroyed, and when the plan throws") {
  const Scratch scratch;
  const auto model = std::make_shared<OpenModel>(make_checkpoint(scratch, 3), Target{Dtype::f32}, "eager");
  class Throws : public Strategy {
   public:
    std::string_view name() const override { return "throws"; }
    std::string_view mechanism() const override { return ""; }
    std::string_view cost() const override { return ""; }
    void plan(const Request&, Steps& steps) const override {
      const Place buffer = steps.allocate(Purpose::weights, 64 << 20);
      steps.map(0);
      steps.use(0, {buffer});
      throw Error(ErrorKind::refused, "no more");
    }
  };
  const auto exercise = [&] {
    const Kept kept(model, *model->choice.strategy);
    CHECK_THROWS_AS(Kept(model, Throws()), Error);
  };
  exercise();
  const uint64_t before = vm_size();
  for (int i = 0; i < 20; ++i) exercise();
  CHECK(vm_size() <= before + (1 << 20));
}

}  // namespace
}  // namespace weighbridge::test
