#include "strategies/predictor.h"

#include <functional>

#include "tests/support/catch.h"

namespace weighbridge::test {
namespace {

// A strategy of whatever steps a test wants.
class Made : public Strategy {
 public:
  explicit Made(std::function<void(Steps&)> steps) : steps_(std::move(steps)) {}
  std::string_view name() const override { return "made"; }
  std::string_view mechanism() const override { return "a test's own steps"; }
  std::string_view cost() const override { return "as written"; }
  void plan(const Request&, Steps& steps) const override { steps_(steps); }

 private:
  std::function<void(Steps&)> steps_;
};

const Checkpoint& checkpoint() {
  static const Checkpoint one = [] {
    Checkpoint made;
    made.files.push_back({"none", 1 << 20});
    made.tensors.push_back(
        {.name = "w", .shape = {10'000}, .extent = {0, 100, 10'000}, .encoding = {}, .dtype = Dtype::u8});
    return made;
  }();
  return one;
}

std::optional<Prediction> predict_steps(std::function<void(Steps&)> steps) {
  const Options options;
  return predict(Made(std::move(steps)), Request(checkpoint(), Target{}, 1, options));
}

TEST_CASE("the need is the largest sum passed, rounded to pages, split at the instant of the peak") {
  const auto prediction = predict_steps([](Steps& steps) {
    const Place weights = steps.allocate(Purpose::weights, 1);
    const Place staging = steps.allocate(Purpose::staging, 4097);
    steps.free(staging);
    steps.allocate(Purpose::weights, 4096);
    steps.free(weights);
    steps.allocate(Purpose::staging, 0);
  });
  REQUIRE(prediction);
  CHECK(prediction->weights == 4096);
  CHECK(prediction->staging == 8192);
  CHECK(prediction->need == 3 * 4096 + prediction->overhead);
}

TEST_CASE("touched pages of a mapping count once, whatever the order, and leave with drop and unmap") {
  const auto prediction = predict_steps([](Steps& steps) {
    const Place mapping = steps.map(0);
    steps.use(0, {mapping, 100});  // pages 0 to 2
    steps.use(0, {mapping, 100});
    steps.use(0, {mapping, 40'960});  // pages 10 to 12
    steps.drop(mapping, {0, 40'960, 10'000});
    steps.use(0, {mapping, 81'920});  // pages 20 to 22
    steps.unmap(mapping);
    const Place again = steps.map(0);
    steps.use(0, {again, 0});
  });
  REQUIRE(prediction);
  CHECK(prediction->reclaimable == 6 * 4096);
}

TEST_CASE("of items that several threads do, the most is all that is kept and the largest excesses at once") {
  // Each item keeps 1 MiB, and holds one more at its peak; the last one holds 8 more.
  const auto plan = [](unsigned threads) {
    return predict_steps([threads](Steps& steps) {
      steps.each(8, threads, 0, [&](uint32_t item, Place) {
        steps.allocate(Purpose::weights, 1 << 20);
        steps.free(steps.allocate(Purpose::staging, item == 7 ? 8 << 20 : 1 << 20));
      });
    });
  };
  const auto one = plan(1), two = plan(2), many = plan(100);
  CHECK(one->weights + one->staging == 16u << 20);
  CHECK(one->least_need == one->need);
  CHECK(two->weights == 8u << 20);
  CHECK(two->staging == 9u << 20);
  // The last item at its peak, one of the others not yet begun to keep anything.
  CHECK(two->least_need >> 20 == 15);
  CHECK(many->staging == 15u << 20);
  CHECK(many->least_need >> 20 == 9);
}

TEST_CASE("of the scratch of several threads one is used whole, and the others perhaps") {
  const auto prediction = predict_steps([](Steps& steps) { steps.each(8, 4, 1 << 20, [](uint32_t, Place) {}); });
  CHECK(prediction->staging == 4u << 20);
  CHECK(prediction->least_need >> 20 == 1);
}

TEST_CASE("a populated mapping is reclaimable whole before anything is used; other advice promises nothing") {
  for (const Advice advice : {Advice::populate, Advice::willneed, Advice::random}) {
    const auto prediction = predict_steps([&](Steps& steps) { steps.advise(steps.map(0), advice); });
    REQUIRE(prediction);
    CHECK((prediction->reclaimable > 0) == (advice == Advice::populate));
  }
}

TEST_CASE("page tables are what they add to the need: of live addresses, and of mapped pages as they are touched") {
  constexpr uint64_t kTable = 4096, kArena = 2 * kTable;  // one for each 2 MiB and GiB begun beside the whole ones
  const auto tables_of = [](std::function<void(Steps&)> steps) { return predict_steps(std::move(steps))->page_tables; };
  const uint64_t overhead = kArena;  // the tensor table's
  CHECK(tables_of([](Steps& steps) { steps.allocate(Purpose::weights, 64u << 20); }) ==
        32 * kTable + kArena + overhead);
  CHECK(tables_of([](Steps& steps) { steps.allocate(Purpose::weights, 3u << 30); }) ==
        (3 * 512 + 3) * kTable + kArena + overhead);
  // What was given back keeps its addresses; the peak of need and tables is where the second half is still there.
  CHECK(tables_of([](Steps& steps) {
          steps.free(steps.allocate(Purpose::staging, 64u << 20));
          steps.allocate(Purpose::weights, 128u << 20);
        }) == (32 + 64) * kTable + 2 * kArena + overhead);
  // A mapping's grow as it is touched, which raises no need, and go with it.
  const auto mapped = predict_steps([](Steps& steps) {
    steps.allocate(Purpose::weights, 4096);
    const Place mapping = steps.map(0);
    steps.use(0, {mapping, 0});
    steps.unmap(mapping);
  });
  CHECK(mapped->page_tables == 2 * kArena + overhead);
  CHECK(mapped->most_weights == 4096);
  CHECK(mapped->need == 4096 + mapped->overhead);
}

TEST_CASE("a plan with an opaque step has no prediction") {
  CHECK_FALSE(predict_steps([](Steps& steps) { steps.opaque([](Memory&) {}); }));
}

}  // namespace
}  // namespace weighbridge::test
