#include "strategies/layers.h"

#include <algorithm>

#include "strategies/error.h"
#include "tests/support/catch.h"

namespace weighbridge::test {
namespace {

// A checkpoint of nothing but names.
class Named {
 public:
  Named(std::initializer_list<const char*> names) {
    checkpoint_.path = "model";
    for (const char* name : names) {
      checkpoint_.tensors.emplace_back();
      checkpoint_.tensors.back().name = name;
    }
    layers_.emplace(checkpoint_);
  }
  const std::vector<std::string>& layers() const { return layers_->names(); }
  std::vector<std::string> of(std::string_view layer) const {
    std::vector<std::string> names;
    for (const uint32_t tensor : layers_->tensors_of(layer)) names.push_back(checkpoint_.tensors[tensor].name);
    return names;
  }

 private:
  Checkpoint checkpoint_;
  std::optional<Layers> layers_;
};

using Names = std::vector<std::string>;

TEST_CASE("a transformer's blocks are layers, and so is each module beside them") {
  const Named model{"model.embed_tokens.weight",
                    "model.layers.0.self_attn.q_proj.weight",
                    "model.layers.0.mlp.up_proj.weight",
                    "model.layers.1.self_attn.q_proj.weight",
                    "model.layers.10.mlp.up_proj.weight",
                    "model.norm.weight",
                    "lm_head.weight"};
  CHECK(model.layers() ==
        Names{"model.embed_tokens", "model.layers.0", "model.layers.1", "model.layers.10", "model.norm", "lm_head"});
  CHECK(model.of("model.layers.1") == Names{"model.layers.1.self_attn.q_proj.weight"});
  CHECK(model.of("layers.0") == model.of("model.layers.0"));
  CHECK(model.of("model.layers.0.mlp") == Names{"model.layers.0.mlp.up_proj.weight"});
  CHECK(model.of("model").size() == 6);
  CHECK(model.of("model.layers").size() == 4);
  CHECK(model.of("lm_head.weight") == Names{"lm_head.weight"});
}

TEST_CASE("blocks of GPT-2, BERT, GGUF and ResNet") {
  CHECK(Named{"h.0.attn.c_attn.weight", "h.0.ln_1.bias", "wte.weight"}.layers() == Names{"h.0", "wte"});
  CHECK(Named{"bert.encoder.layer.3.output.dense.bias", "bert.pooler.dense.weight"}.layers() ==
        Names{"bert.encoder.layer.3", "bert.pooler.dense"});
  CHECK(Named{"token_embd.weight", "blk.0.attn_q.weight", "blk.0.attn_k.weight"}.layers() ==
        Names{"token_embd", "blk.0"});
  CHECK(Named{"conv1.weight", "layer1.0.conv1.weight", "layer1.1.downsample.0.weight", "fc.bias"}.layers() ==
        Names{"conv1", "layer1.0", "layer1.1", "fc"});
  CHECK(Named{"0.weight", "0.bias", "2.weight"}.layers() == Names{"0", "2"});
}

TEST_CASE("Keras' wrappers are left away") {
  const Named saved{"model_weights/conv1/conv1/kernel:0", "model_weights/conv1/conv1/bias:0",
                    "model_weights/dense/dense/kernel:0", "optimizer_weights/dense/kernel/m:0"};
  CHECK(saved.layers() == Names{"conv1", "dense", "optimizer_weights"});
  CHECK(saved.of("conv1") == Names{"model_weights/conv1/conv1/kernel:0", "model_weights/conv1/conv1/bias:0"});
  CHECK(saved.of("dense") == Names{"model_weights/dense/dense/kernel:0"});
  CHECK(saved.of("model_weights/dense") == saved.of("dense"));
  const Named weights{"conv1/conv1/kernel:0", "top_level_model_weights/x"};
  CHECK(weights.layers() == Names{"conv1", "top_level_model_weights"});
  const Named keras3{"layers/dense/vars/0", "layers/dense/vars/1", "layers/dense_1/vars/0", "vars/0"};
  CHECK(keras3.layers() == Names{"dense", "dense_1", "vars"});
  CHECK(keras3.of("dense") == Names{"layers/dense/vars/0", "layers/dense/vars/1"});
  CHECK(Named{"_layer_checkpoint_dependencies/dense/vars/0"}.layers() == Names{"dense"});
}

TEST_CASE("a wrapper stays where a layer without it has the same name") {
  const Named model{"dense/kernel", "model_weights/dense/kernel", "layers/conv/vars/0",
                    "_layer_checkpoint_dependencies/conv/vars/0"};
  CHECK(model.layers() == Names{"dense", "model_weights/dense", "layers/conv", "_layer_checkpoint_dependencies/conv"});
  CHECK(model.of("dense") == Names{"dense/kernel"});
}

TEST_CASE("a tensor beside layers of its name is a layer by itself; every tensor is in exactly one layer") {
  const Named model{"model.scale", "model.layers.0.w", "model.norm.weight", "arr_0", "/model/x", "layers", "a..b", "."};
  CHECK(model.layers() == Names{"model.scale", "model.layers.0", "model.norm", "arr_0", "/model", "layers", "a.", "."});
  size_t count = 0;
  for (const std::string& layer : model.layers()) count += model.of(layer).size();
  CHECK(count == 8);
}

TEST_CASE("what is not there is refused with the nearest name, or with names that are there") {
  const Named model{"encoder.layers.0.w", "encoder.layers.1.w", "decoder.layers.0.w", "head.w"};
  CHECK_THROWS_WITH(model.of("heat"), "model: no layer \"heat\": did you mean head?");
  CHECK_THROWS_WITH(model.of("convolution"),
                    "model: no layer \"convolution\": there are encoder.layers.0, "
                    "encoder.layers.1, decoder.layers.0, head");
  CHECK_THROWS_WITH(model.of("layers.0"),
                    "model: no layer \"layers.0\": it could be encoder.layers.0 or decoder.layers.0");
  CHECK(model.of("layers.1") == Names{"encoder.layers.1.w"});
  CHECK_THROWS_AS(model.of(""), Error);
  CHECK_THROWS_WITH(Named{}.of("x"), "model: no layer \"x\": it has no tensors");
  const Named hostile{"\x1b[2J.weight", "b.w", "c.w", "d.w", "e.w", "f.w", "g.w", "h.w"};
  CHECK_THROWS_WITH(hostile.of("missing"), "model: no layer \"missing\": there are \\x1b[2J, b, c, d, e, f and 2 more");
}

}  // namespace
}  // namespace weighbridge::test
