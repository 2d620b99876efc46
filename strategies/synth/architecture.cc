// Names and shapes as in the files on the Hugging Face hub (openai-community/gpt2*, google-bert/bert-base-uncased,
// meta-llama/Meta-Llama-3-8B) and in torchvision (resnet50), told apart where they differ from the model's code:
//   - gpt2's file also holds h.N.attn.bias, the causal masks of [1,1,1024,1024]. They are no weights, later versions of
//     transformers do not write them, and they are left out: 148 tensors instead of 160.
//   - bert's file keeps the names of the TensorFlow original, LayerNorm.gamma and beta, and the heads it was trained
//     with (cls.*), but not cls.predictions.decoder.weight, which is tied to the word embeddings.
//   - llama's file holds lm_head.weight beside model.embed_tokens.weight: not tied.
// Spreads are those of the initialisers in transformers and torchvision. What those set to exactly 0 or 1 (biases,
// norms) gets a little noise, as after training: a tensor of zeros would read as prunable.
#include "strategies/synth/architecture.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <utility>

#include "strategies/synth/synth.h"

namespace weighbridge::synth {
namespace {

constexpr double kSpread = 0.02;  // initializer_range of gpt2, bert and llama
constexpr double kNormNoise = 0.02;
constexpr double kBiasNoise = 0.002;

class Table {
 public:
  void weight(std::string name, std::vector<uint64_t> shape, double spread = kSpread) {
    recipes_.push_back({std::move(name), std::move(shape), 0, spread});
  }
  void bias(std::string name, uint64_t size) { recipes_.push_back({std::move(name), {size}, 0, kBiasNoise}); }
  void scale(std::string name, uint64_t size) { recipes_.push_back({std::move(name), {size}, 1, kNormNoise}); }
  void counter(std::string name) { recipes_.push_back({std::move(name), {}, 1, 0, Dtype::i64}); }
  std::vector<Recipe> take() { return std::move(recipes_); }

 private:
  std::vector<Recipe> recipes_;
};

struct Gpt2 {
  uint64_t width;
  unsigned layers;
};

std::vector<Recipe> gpt2(const Gpt2& model, unsigned layers) {
  Table table;
  const uint64_t width = model.width;
  // The paper scales what writes into the residual stream by the number of such writes, two a layer.
  const double into_residual = kSpread / std::sqrt(2.0 * model.layers);
  table.weight("wte.weight", {50257, width});
  table.weight("wpe.weight", {1024, width});
  for (unsigned layer = 0; layer < layers; ++layer) {
    const auto in = [&](std::string_view part) { return fmt::format("h.{}.{}", layer, part); };
    table.scale(in("ln_1.weight"), width);
    table.bias(in("ln_1.bias"), width);
    table.weight(in("attn.c_attn.weight"), {width, 3 * width});  // Conv1D: inputs first
    table.bias(in("attn.c_attn.bias"), 3 * width);
    table.weight(in("attn.c_proj.weight"), {width, width}, into_residual);
    table.bias(in("attn.c_proj.bias"), width);
    table.scale(in("ln_2.weight"), width);
    table.bias(in("ln_2.bias"), width);
    table.weight(in("mlp.c_fc.weight"), {width, 4 * width});
    table.bias(in("mlp.c_fc.bias"), 4 * width);
    table.weight(in("mlp.c_proj.weight"), {4 * width, width}, into_residual);
    table.bias(in("mlp.c_proj.bias"), width);
  }
  table.scale("ln_f.weight", width);
  table.bias("ln_f.bias", width);
  return table.take();
}

std::vector<Recipe> bert_base(unsigned layers) {
  Table table;
  constexpr uint64_t kWidth = 768, kInner = 3072, kWords = 30522;
  const auto dense = [&](const std::string& name, uint64_t outputs, uint64_t inputs) {
    table.weight(name + ".weight", {outputs, inputs});
    table.bias(name + ".bias", outputs);
  };
  const auto norm = [&](const std::string& name) {
    table.scale(name + ".gamma", kWidth);
    table.bias(name + ".beta", kWidth);
  };
  table.weight("bert.embeddings.word_embeddings.weight", {kWords, kWidth});
  table.weight("bert.embeddings.position_embeddings.weight", {512, kWidth});
  table.weight("bert.embeddings.token_type_embeddings.weight", {2, kWidth});
  norm("bert.embeddings.LayerNorm");
  for (unsigned layer = 0; layer < layers; ++layer) {
    const auto in = [&](std::string_view part) { return fmt::format("bert.encoder.layer.{}.{}", layer, part); };
    dense(in("attention.self.query"), kWidth, kWidth);
    dense(in("attention.self.key"), kWidth, kWidth);
    dense(in("attention.self.value"), kWidth, kWidth);
    dense(in("attention.output.dense"), kWidth, kWidth);
    norm(in("attention.output.LayerNorm"));
    dense(in("intermediate.dense"), kInner, kWidth);
    dense(in("output.dense"), kWidth, kInner);
    norm(in("output.LayerNorm"));
  }
  dense("bert.pooler.dense", kWidth, kWidth);
  table.bias("cls.predictions.bias", kWords);
  dense("cls.predictions.transform.dense", kWidth, kWidth);
  norm("cls.predictions.transform.LayerNorm");
  dense("cls.seq_relationship", 2, kWidth);
  return table.take();
}

std::vector<Recipe> llama_3_8b(unsigned layers) {
  Table table;
  constexpr uint64_t kWidth = 4096, kInner = 14336, kWords = 128256;
  constexpr uint64_t kKeys = 1024;  // 8 key-value heads of 128, each shared by 4 of the 32 query heads
  table.weight("model.embed_tokens.weight", {kWords, kWidth});
  for (unsigned layer = 0; layer < layers; ++layer) {
    const auto in = [&](std::string_view part) { return fmt::format("model.layers.{}.{}.weight", layer, part); };
    table.weight(in("self_attn.q_proj"), {kWidth, kWidth});
    table.weight(in("self_attn.k_proj"), {kKeys, kWidth});
    table.weight(in("self_attn.v_proj"), {kKeys, kWidth});
    table.weight(in("self_attn.o_proj"), {kWidth, kWidth});
    table.weight(in("mlp.gate_proj"), {kInner, kWidth});
    table.weight(in("mlp.up_proj"), {kInner, kWidth});
    table.weight(in("mlp.down_proj"), {kWidth, kInner});
    table.scale(in("input_layernorm"), kWidth);
    table.scale(in("post_attention_layernorm"), kWidth);
  }
  table.scale("model.norm.weight", kWidth);
  table.weight("lm_head.weight", {kWords, kWidth});
  return table.take();
}

// `blocks` counts bottlenecks over all four stages.
std::vector<Recipe> resnet_50(unsigned blocks) {
  Table table;
  const auto convolution = [&](std::string name, uint64_t outputs, uint64_t inputs, uint64_t side) {
    // kaiming_normal_(mode="fan_out", nonlinearity="relu")
    const double spread = std::sqrt(2.0 / static_cast<double>(outputs * side * side));
    table.weight(std::move(name), {outputs, inputs, side, side}, spread);
  };
  const auto norm = [&](const std::string& name, uint64_t size) {
    table.scale(name + ".weight", size);
    table.bias(name + ".bias", size);
    table.bias(name + ".running_mean", size);
    table.scale(name + ".running_var", size);
    table.counter(name + ".num_batches_tracked");
  };
  convolution("conv1.weight", 64, 3, 7);
  norm("bn1", 64);
  constexpr std::array<unsigned, 4> kStages{3, 4, 6, 3};
  uint64_t inputs = 64;
  unsigned made = 0;
  for (unsigned stage = 0; stage < kStages.size(); ++stage) {
    const uint64_t width = uint64_t{64} << stage;
    for (unsigned block = 0; block < kStages[stage] && made < blocks; ++block, ++made) {
      const auto in = [&](std::string_view part) { return fmt::format("layer{}.{}.{}", stage + 1, block, part); };
      convolution(in("conv1.weight"), width, inputs, 1);
      norm(in("bn1"), width);
      convolution(in("conv2.weight"), width, width, 3);
      norm(in("bn2"), width);
      convolution(in("conv3.weight"), 4 * width, width, 1);
      norm(in("bn3"), 4 * width);
      if (block == 0) {
        convolution(in("downsample.0.weight"), 4 * width, inputs, 1);
        norm(in("downsample.1"), 4 * width);
      }
      inputs = 4 * width;
    }
  }
  // nn.Linear draws from +-1/sqrt(inputs) evenly: this spread.
  table.weight("fc.weight", {1000, 2048}, 1 / std::sqrt(3.0 * 2048));
  table.bias("fc.bias", 1000);
  return table.take();
}

constexpr std::array<ArchitectureInfo, 7> kArchitectures{{
    {"gpt2", "GPT-2, 124 M parameters, 148 tensors", 12},
    {"gpt2-medium", "GPT-2 medium, 355 M parameters, 292 tensors", 24},
    {"gpt2-large", "GPT-2 large, 774 M parameters, 436 tensors", 36},
    {"gpt2-xl", "GPT-2 XL, 1.56 G parameters, 580 tensors", 48},
    {"bert-base", "BERT base uncased with its pre-training heads, 110 M parameters, 206 tensors", 12},
    {"llama-3-8b", "Llama 3 8B, grouped-query attention, 8.03 G parameters, 291 tensors", 32},
    {"resnet-50", "ResNet-50 of torchvision, 25.6 M parameters, 320 tensors; layers are bottleneck blocks", 16},
}};

}  // namespace

std::optional<std::vector<Recipe>> recipes(std::string_view architecture, std::optional<unsigned> layers) {
  const auto of = [&](unsigned all) { return layers.value_or(all); };
  const auto sized_gpt2 = [&](Gpt2 model) { return gpt2(model, of(model.layers)); };
  if (architecture == "gpt2") return sized_gpt2({768, 12});
  if (architecture == "gpt2-medium") return sized_gpt2({1024, 24});
  if (architecture == "gpt2-large") return sized_gpt2({1280, 36});
  if (architecture == "gpt2-xl") return sized_gpt2({1600, 48});
  if (architecture == "bert-base") return bert_base(of(12));
  if (architecture == "llama-3-8b") return llama_3_8b(of(32));
  if (architecture == "resnet-50") return resnet_50(of(16));
  return std::nullopt;
}

}  // namespace weighbridge::synth

namespace weighbridge {

std::span<const ArchitectureInfo> architectures() {
  return synth::kArchitectures;
}

}  // namespace weighbridge
