#include "strategies/architecture/architecture.h"

#include <fmt/format.h>

#include <random>

#include "tests/support/catch.h"

namespace weighbridge::test {
namespace {

// A checkpoint of names, shapes and nothing else.
class Model {
 public:
  Model& add(const std::string& name, std::vector<uint64_t> shape, Dtype dtype = Dtype::f32,
             uint32_t same_as = Tensor::kItself) {
    Tensor tensor;
    tensor.name = name;
    tensor.shape = std::move(shape);
    tensor.dtype = dtype;
    tensor.same_as = same_as;
    checkpoint.tensors.push_back(std::move(tensor));
    return *this;
  }
  Checkpoint checkpoint;
};

Model llama(uint64_t layers) {
  Model model;
  model.add("model.embed_tokens.weight", {1000, 64}, Dtype::bf16);
  for (uint64_t i = 0; i < layers; ++i) {
    const std::string layer = fmt::format("model.layers.{}.", i);
    for (const char* name : {"q", "k", "v", "o"}) {
      model.add(layer + "self_attn." + name + "_proj.weight", {64, 64}, Dtype::bf16);
    }
    model.add(layer + "mlp.gate_proj.weight", {256, 64}, Dtype::bf16);
    model.add(layer + "input_layernorm.weight", {64}, Dtype::bf16);
  }
  return model.add("model.norm.weight", {64}, Dtype::bf16).add("lm_head.weight", {1000, 64}, Dtype::bf16);
}

void check_sums(const Checkpoint& checkpoint) {
  const Roles roles = find_roles(checkpoint);
  Holding by_role, by_part, by_layer;
  for (const RoleHolding& role : roles.holdings) {
    by_role.add(role.all);
    if (role.parts.empty()) by_part.add(role.all);
    for (const PartHolding& part : role.parts) by_part.add(part.all);
  }
  for (const LayerKind& kind : fold_layers(checkpoint, Layers(checkpoint))) {
    uint64_t numbers = 0;
    for (const auto& [first, last] : kind.numbers) numbers += last - first + 1;
    CHECK((kind.numbers.empty() || numbers == kind.count));
    for (uint64_t i = 0; i < kind.count; ++i) by_layer.add(kind.each);
  }
  uint64_t parameters = 0;
  for (const Tensor& tensor : checkpoint.tensors) {
    if (tensor.same_as == Tensor::kItself) parameters += element_count(tensor.shape).value();
  }
  CHECK(roles.all == Holding{checkpoint.tensors.size(), parameters, checkpoint.stored_bytes()});
  CHECK(by_role == roles.all);
  CHECK(by_part == roles.all);
  CHECK(by_layer == roles.all);
}

TEST_CASE("roles and layers of a Llama, and their sums") {
  const Model model = llama(32);
  check_sums(model.checkpoint);
  const Roles roles = find_roles(model.checkpoint);
  CHECK(roles.of(Role::attention) == Holding{128, 128 * 4096, 128 * 8192});
  CHECK(roles.of(Role::token_embedding) == Holding{1, 64000, 128000});
  CHECK(roles.of(Role::experts) == Holding{});
  REQUIRE(roles.holdings.front().role == Role::attention);  // most bytes first: as many as feed-forward, more tensors
  REQUIRE(roles.holdings.front().parts.size() == 4);
  CHECK(roles.holdings.front().parts[0].all == Holding{32, 32 * 4096, 32 * 8192});

  const std::vector<LayerKind> kinds = fold_layers(model.checkpoint, Layers(model.checkpoint));
  REQUIRE(kinds.size() == 4);
  CHECK(kinds[0].name == "model.embed_tokens");
  CHECK(kinds[0].numbers.empty());
  CHECK(kinds[1].name == "model.layers");
  CHECK(kinds[1].count == 32);
  CHECK(kinds[1].numbers == std::vector<std::pair<uint32_t, uint32_t>>{{0, 31}});
  CHECK(kinds[1].each == Holding{6, 4 * 4096 + 16384 + 64, 2 * (4 * 4096 + 16384 + 64)});
}

TEST_CASE("layers that differ are kinds of their own, whatever their order in the file") {
  Model model;
  for (const int layer : {0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9}) {
    model.add(fmt::format("h.{}.w", layer), {layer % 3 == 0 ? 8u : 4u});
  }
  check_sums(model.checkpoint);
  const auto kinds = fold_layers(model.checkpoint, Layers(model.checkpoint));
  REQUIRE(kinds.size() == 2);
  CHECK(kinds[0].numbers == std::vector<std::pair<uint32_t, uint32_t>>{{0, 0}, {3, 3}, {6, 6}, {9, 9}});
  CHECK(kinds[1].numbers == std::vector<std::pair<uint32_t, uint32_t>>{{1, 2}, {4, 5}, {7, 8}, {10, 11}});
}

TEST_CASE("numbers that are no numbers, or that no model has, fold nothing") {
  Model model;
  model.add("h.01.w", {2}).add("h.4294967296.w", {2}).add("h.99999999999999999999999.w", {2}).add("7.w", {2});
  model.add("8.w", {2}).add("", {2}).add("h.4294967295.w", {2}).add("h.4294967294.w", {2});
  check_sums(model.checkpoint);
  const auto kinds = fold_layers(model.checkpoint, Layers(model.checkpoint));
  std::vector<std::string> names;
  for (const LayerKind& kind : kinds) names.push_back(kind.name);
  CHECK(names == std::vector<std::string>{"h.01", "h.4294967296", "h.99999999999999999999999", "", "", "h"});
  CHECK(kinds[3].count == 2);
}

TEST_CASE("tied tensors count once, and what that saves is told") {
  Model model;
  model.add("wte.weight", {1000, 8}).add("h.0.attn.c_attn.weight", {8, 24});
  model.add("lm_head.weight", {1000, 8}, Dtype::f32, 0);
  check_sums(model.checkpoint);
  const Roles roles = find_roles(model.checkpoint);
  CHECK(roles.tied == Holding{1, 8000, 32000});
  CHECK(roles.of(Role::output_head) == Holding{1, 0, 0});
  CHECK_FALSE(roles.perhaps_tied);
}

TEST_CASE("an output head of the embedding's shape and dtype is perhaps tied") {
  const Roles roles = find_roles(llama(1).checkpoint);
  REQUIRE(roles.perhaps_tied);
  CHECK(roles.perhaps_tied->embedding == 0);
  CHECK(roles.perhaps_tied->head == 8);
  CHECK(roles.perhaps_tied->bytes == 128000);
  CHECK_FALSE(find_roles(Model()
                             .add("model.embed_tokens.weight", {1000, 64}, Dtype::bf16)
                             .add("lm_head.weight", {1000, 64}, Dtype::f32)
                             .checkpoint)
                  .perhaps_tied);
  CHECK_FALSE(
      find_roles(Model().add("model.embed_tokens.weight", {1000, 64}).add("lm_head.weight", {64, 1000}).checkpoint)
          .perhaps_tied);
  CHECK_FALSE(find_roles(Model().checkpoint).perhaps_tied);
}

TEST_CASE("the sums hold for any names, dtypes and ties") {
  std::mt19937 random(7);
  const std::vector<std::string> words{"model", "layers",  "0",    "1",         "17", "q_proj", "weight", "bias",
                                       "norm",  "experts", "vars", "optimizer", "",   "blk",    "x"};
  for (int round = 0; round < 50; ++round) {
    Model model;
    for (uint32_t i = 0; i < 60; ++i) {
      std::string name;
      for (uint32_t part = 0; part < 1 + random() % 5; ++part) {
        name += words[random() % words.size()] + (random() % 4 == 0 ? "/" : ".");
      }
      const bool ties = i > 0 && random() % 8 == 0;
      const auto with = static_cast<uint32_t>(ties ? random() % i : 0);
      if (ties && model.checkpoint.tensors[with].same_as == Tensor::kItself) {
        const Tensor original = model.checkpoint.tensors[with];
        model.add(name, original.shape, original.dtype, with);
      } else {
        model.add(name, {random() % 5, random() % 40 * 32}, random() % 2 == 0 ? Dtype::f16 : Dtype::q4_0);
      }
    }
    check_sums(model.checkpoint);
  }
}

}  // namespace
}  // namespace weighbridge::test
