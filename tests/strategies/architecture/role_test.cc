// The names are those that the families' own code gives its parameters.
#include "strategies/architecture/role.h"

#include <algorithm>
#include <map>
#include <set>

#include "tests/support/catch.h"

namespace weighbridge::test {
namespace {

std::string of(std::string_view name, size_t rank = 2) {
  RoleFinder finder;
  const RoleRow& row = finder.of(name, rank);
  std::string text(weighbridge::name(row.role));
  if (!row.part.empty()) text += ": " + std::string(row.part);
  return text;
}

struct Known {
  const char* name;
  size_t rank;
  const char* role;
};

void check(std::initializer_list<Known> names) {
  for (const Known& known : names) {
    INFO(known.name);
    CHECK(of(known.name, known.rank) == known.role);
  }
}

TEST_CASE("Llama, Mistral, Qwen and Gemma of Hugging Face") {
  check({{"model.embed_tokens.weight", 2, "token-embedding"},
         {"model.layers.0.self_attn.q_proj.weight", 2, "attention: query"},
         {"model.layers.31.self_attn.k_proj.weight", 2, "attention: key"},
         {"model.layers.0.self_attn.v_proj.weight", 2, "attention: value"},
         {"model.layers.0.self_attn.o_proj.weight", 2, "attention: output"},
         {"model.layers.0.self_attn.q_proj.bias", 1, "bias"},
         {"model.layers.0.self_attn.q_norm.weight", 1, "normalisation"},
         {"model.layers.0.mlp.gate_proj.weight", 2, "feed-forward: gate"},
         {"model.layers.0.mlp.up_proj.weight", 2, "feed-forward: up"},
         {"model.layers.0.mlp.down_proj.weight", 2, "feed-forward: down"},
         {"model.layers.0.input_layernorm.weight", 1, "normalisation"},
         {"model.layers.0.post_attention_layernorm.weight", 1, "normalisation"},
         {"model.layers.0.pre_feedforward_layernorm.weight", 1, "normalisation"},
         {"model.layers.0.self_attn.rotary_emb.inv_freq", 1, "buffer: rotary"},
         {"model.norm.weight", 1, "normalisation"},
         {"lm_head.weight", 2, "output-head"},
         {"model.layers.0.self_attn.qkv_proj.weight", 2, "attention: fused query, key, value"},
         {"model.layers.0.mlp.gate_up_proj.weight", 2, "feed-forward: fused gate and up"}});
}

TEST_CASE("Llama as Meta saves it") {
  check({{"tok_embeddings.weight", 2, "token-embedding"},
         {"layers.0.attention.wq.weight", 2, "attention: query"},
         {"layers.0.attention.wo.weight", 2, "attention: output"},
         {"layers.0.feed_forward.w1.weight", 2, "feed-forward: gate"},
         {"layers.0.feed_forward.w2.weight", 2, "feed-forward: down"},
         {"layers.0.feed_forward.w3.weight", 2, "feed-forward: up"},
         {"layers.0.attention_norm.weight", 1, "normalisation"},
         {"norm.weight", 1, "normalisation"},
         {"output.weight", 2, "output-head"},
         {"rope.freqs", 1, "buffer: rotary"}});
}

TEST_CASE("GPT-2, whose attn.bias is a mask and whose c_attn.bias is a bias") {
  check({{"wte.weight", 2, "token-embedding"},
         {"transformer.wpe.weight", 2, "position-embedding"},
         {"h.0.ln_1.weight", 1, "normalisation"},
         {"h.0.ln_1.bias", 1, "normalisation"},
         {"h.0.attn.c_attn.weight", 2, "attention: fused query, key, value"},
         {"h.0.attn.c_attn.bias", 1, "bias"},
         {"h.0.attn.c_proj.weight", 2, "attention: output"},
         {"h.0.attn.bias", 4, "buffer: mask"},
         {"h.0.attn.masked_bias", 0, "buffer: mask"},
         {"h.0.mlp.c_fc.weight", 2, "feed-forward: up"},
         {"h.0.mlp.c_proj.weight", 2, "feed-forward: down"},
         {"ln_f.weight", 1, "normalisation"}});
}

TEST_CASE("GPT-NeoX, Falcon and OPT") {
  check({{"gpt_neox.embed_in.weight", 2, "token-embedding"},
         {"gpt_neox.layers.0.attention.query_key_value.weight", 2, "attention: fused query, key, value"},
         {"gpt_neox.layers.0.attention.dense.weight", 2, "attention: output"},
         {"gpt_neox.layers.0.attention.bias", 4, "buffer: mask"},
         {"gpt_neox.layers.0.attention.rotary_emb.inv_freq", 1, "buffer: rotary"},
         {"gpt_neox.layers.0.mlp.dense_h_to_4h.weight", 2, "feed-forward: up"},
         {"gpt_neox.layers.0.mlp.dense_4h_to_h.bias", 1, "bias"},
         {"gpt_neox.final_layer_norm.bias", 1, "normalisation"},
         {"embed_out.weight", 2, "output-head"},
         {"transformer.word_embeddings.weight", 2, "token-embedding"},
         {"transformer.h.0.self_attention.query_key_value.weight", 2, "attention: fused query, key, value"},
         {"transformer.h.0.self_attention.dense.weight", 2, "attention: output"},
         {"transformer.h.0.ln_attn.weight", 1, "normalisation"},
         {"model.decoder.embed_tokens.weight", 2, "token-embedding"},
         {"model.decoder.embed_positions.weight", 2, "position-embedding"},
         {"model.decoder.layers.0.self_attn.out_proj.weight", 2, "attention: output"},
         {"model.decoder.layers.0.fc1.weight", 2, "feed-forward: up"},
         {"model.decoder.layers.0.fc2.weight", 2, "feed-forward: down"},
         {"model.decoder.layers.0.self_attn_layer_norm.weight", 1, "normalisation"}});
}

TEST_CASE("BERT in PyTorch and in TensorFlow's HDF5") {
  check({{"bert.embeddings.word_embeddings.weight", 2, "token-embedding"},
         {"bert.embeddings.position_embeddings.weight", 2, "position-embedding"},
         {"bert.embeddings.token_type_embeddings.weight", 2, "token-embedding: segment"},
         {"bert.embeddings.position_ids", 2, "buffer"},
         {"bert.embeddings.LayerNorm.gamma", 1, "normalisation"},
         {"bert.encoder.layer.3.attention.self.query.weight", 2, "attention: query"},
         {"bert.encoder.layer.3.attention.self.value.bias", 1, "bias"},
         {"bert.encoder.layer.3.attention.output.dense.weight", 2, "attention: output"},
         {"bert.encoder.layer.3.attention.output.LayerNorm.bias", 1, "normalisation"},
         {"bert.encoder.layer.3.intermediate.dense.weight", 2, "feed-forward: up"},
         {"bert.encoder.layer.3.output.dense.weight", 2, "feed-forward: down"},
         {"bert.pooler.dense.weight", 2, "output-head: pooler"},
         {"cls.predictions.decoder.weight", 2, "output-head"},
         {"tf_bert_model/bert/encoder/layer_._0/attention/self/query/kernel:0", 2, "attention: query"},
         {"tf_bert_model/bert/encoder/layer_._0/output/LayerNorm/gamma:0", 1, "normalisation"},
         {"tf_bert_model/bert/embeddings/word_embeddings/weight:0", 2, "token-embedding"}});
}

TEST_CASE("T5, whose feed-forward has a wo as others' attention has") {
  check({{"shared.weight", 2, "token-embedding"},
         {"encoder.block.0.layer.0.SelfAttention.q.weight", 2, "attention: query"},
         {"encoder.block.0.layer.0.SelfAttention.o.weight", 2, "attention: output"},
         {"encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", 2, "position-embedding"},
         {"decoder.block.0.layer.1.EncDecAttention.k.weight", 2, "attention: key"},
         {"encoder.block.0.layer.1.DenseReluDense.wi.weight", 2, "feed-forward: up"},
         {"encoder.block.0.layer.1.DenseReluDense.wi_0.weight", 2, "feed-forward: gate"},
         {"encoder.block.0.layer.1.DenseReluDense.wo.weight", 2, "feed-forward: down"},
         {"encoder.final_layer_norm.weight", 1, "normalisation"},
         {"lm_head.weight", 2, "output-head"}});
}

TEST_CASE("mixtures of experts: Mixtral, Qwen, DeepSeek, GPT-OSS") {
  check({{"model.layers.0.block_sparse_moe.gate.weight", 2, "router"},
         {"model.layers.0.block_sparse_moe.experts.7.w1.weight", 2, "experts"},
         {"model.layers.0.mlp.gate.weight", 2, "router"},
         {"model.layers.0.mlp.gate.e_score_correction_bias", 1, "router"},
         {"model.layers.0.mlp.experts.63.down_proj.weight", 2, "experts"},
         {"model.layers.0.mlp.shared_experts.up_proj.weight", 2, "experts: shared"},
         {"model.layers.0.mlp.shared_expert_gate.weight", 2, "router: shared"},
         {"model.layers.0.self_attn.kv_a_proj_with_mqa.weight", 2, "attention: key and value"},
         {"model.layers.0.self_attn.kv_a_layernorm.weight", 1, "normalisation"},
         {"model.layers.0.mlp.router.weight", 2, "router"},
         {"model.layers.0.mlp.experts.gate_up_proj_blocks", 4, "experts"},
         {"model.layers.0.mlp.experts.gate_up_proj_scales", 3, "scales"},
         {"model.layers.0.self_attn.sinks", 1, "attention"}});
}

TEST_CASE("GGUF") {
  check({{"token_embd.weight", 2, "token-embedding"},
         {"blk.0.attn_q.weight", 2, "attention: query"},
         {"blk.0.attn_k.bias", 1, "bias"},
         {"blk.0.attn_qkv.weight", 2, "attention: fused query, key, value"},
         {"blk.0.attn_output.weight", 2, "attention: output"},
         {"blk.0.attn_norm.weight", 1, "normalisation"},
         {"blk.0.ffn_gate.weight", 2, "feed-forward: gate"},
         {"blk.0.ffn_up.weight", 2, "feed-forward: up"},
         {"blk.0.ffn_down.weight", 2, "feed-forward: down"},
         {"blk.0.ffn_norm.weight", 1, "normalisation"},
         {"blk.0.ffn_gate_inp.weight", 2, "router"},
         {"blk.0.ffn_gate_exps.weight", 3, "experts"},
         {"blk.0.ffn_down.3.weight", 2, "experts"},
         {"blk.0.ffn_up_shexp.weight", 2, "experts: shared"},
         {"blk.0.ssm_in.weight", 2, "state-space"},
         {"output_norm.weight", 1, "normalisation"},
         {"output.weight", 2, "output-head"},
         {"rope_freqs.weight", 1, "buffer: rotary"}});
}

TEST_CASE("PyTorch's own transformer, ViT, CLIP, ResNet, LSTM, Mamba") {
  check({{"encoder.layers.0.self_attn.in_proj_weight", 2, "attention: fused query, key, value"},
         {"encoder.layers.0.self_attn.in_proj_bias", 1, "bias"},
         {"encoder.layers.0.self_attn.out_proj.weight", 2, "attention: output"},
         {"decoder.layers.0.multihead_attn.out_proj.weight", 2, "attention: output"},
         {"encoder.layers.0.linear1.weight", 2, "feed-forward: up"},
         {"encoder.layers.0.norm2.bias", 1, "normalisation"},
         {"vit.embeddings.patch_embeddings.projection.weight", 4, "convolution: patches"},
         {"blocks.0.attn.qkv.weight", 2, "attention: fused query, key, value"},
         {"blocks.0.attn.proj.weight", 2, "attention: output"},
         {"text_model.embeddings.token_embedding.weight", 2, "token-embedding"},
         {"conv1.weight", 4, "convolution"},
         {"bn1.running_mean", 1, "normalisation"},
         {"layer1.0.downsample.0.weight", 4, "convolution"},
         {"layer1.0.downsample.1.weight", 1, "normalisation"},
         {"fc.weight", 2, "output-head"},
         {"lstm.weight_ih_l0", 2, "recurrent"},
         {"lstm.bias_hh_l0", 1, "bias"},
         {"backbone.layers.0.mixer.in_proj.weight", 2, "state-space"}});
}

TEST_CASE("Keras, whose variables have a number behind their names") {
  check({{"conv2d_3/conv2d_3/kernel:0", 4, "convolution"},
         {"batch_normalization/batch_normalization/moving_variance:0", 1, "normalisation"},
         {"bn2a_branch2a/bn2a_branch2a/gamma:0", 1, "normalisation"},
         {"embedding_1/embeddings:0", 2, "token-embedding"},
         {"dense/dense/kernel:0", 2, "linear"},
         {"dense/dense/bias:0", 1, "bias"},
         {"layers/layer_normalization/vars/0", 1, "normalisation"},
         {"layers/conv2d/vars/0", 4, "convolution"},
         {"transformer/multi_head_attention/query/kernel:0", 3, "attention: query"},
         {"transformer/multi_head_attention/query/bias:0", 2, "bias"},
         {"predictions/kernel:0", 2, "output-head"},
         {"optimizer_weights/Adam/m/dense/kernel:0", 2, "optimizer-state"},
         {"optimizer/vars/3", 2, "optimizer-state"}});
}

TEST_CASE("what training adds: optimizers, averages, adapters") {
  check({{"optimizer.state.0.exp_avg", 2, "optimizer-state"},
         {"state.0.exp_avg", 2, "optimizer-state: first moment"},
         {"state.0.exp_avg_sq", 2, "optimizer-state: second moment"},
         {"state.12.momentum_buffer", 2, "optimizer-state: momentum"},
         {"state.0.step", 0, "optimizer-state"},
         {"optimizer_state_dict.base_optimizer_state.state.0.exp_avg", 1, "optimizer-state"},
         {"single_partition_of_fp32_groups.0", 1, "optimizer-state: master weights"},
         {"model_ema.diffusion_model.out.weight", 2, "averaged"},
         {"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", 2, "adapter"},
         {"base_model.model.model.layers.0.self_attn.q_proj.lora_B.default.weight", 2, "adapter"},
         {"lora_unet_down_blocks_0_attentions_0_to_q.lora_down.weight", 2, "adapter"}});
}

TEST_CASE("quantised weights keep their module's role; their scales are scales") {
  check({{"model.layers.0.self_attn.q_proj.qweight", 2, "attention: query"},
         {"model.layers.0.self_attn.q_proj.qzeros", 2, "scales"},
         {"model.layers.0.self_attn.q_proj.scales", 2, "scales"},
         {"model.layers.0.self_attn.q_proj.g_idx", 1, "scales"},
         {"model.layers.0.mlp.up_proj.weight.absmax", 1, "scales"},
         {"model.layers.0.mlp.up_proj.weight.quant_state.bitsandbytes__nf4", 1, "scales"},
         {"model.layers.0.mlp.up_proj.weight_scale_inv", 2, "scales"},
         {"past_key_values.0.key", 4, "buffer: keys and values"}});
}

TEST_CASE("what no row knows is other, and nothing is guessed") {
  for (const char* name : {"", ".", "weight", "w", "arr_0", "onnx::MatMul_1234", "a/b/c", "42", "logit_scale",
                           "norms.and.others.weights", "attention", "query", "a\xff\xfe.b", "experts2.w"}) {
    INFO(name);
    CHECK(of(name) == "other");
  }
  CHECK(of(std::string(5000, 'a') + ".q_proj.weight") == "other");  // as long as no framework's name
  CHECK(of(std::string(4096, '.')) == "other");
  CHECK(of("MODEL.LAYERS.0.SELF_ATTN.Q_PROJ.WEIGHT") == "attention: query");
}

TEST_CASE("names that differ in their numbers alone are remembered as one, and no answer depends on what was asked") {
  const std::vector<std::pair<std::string, size_t>> asked = {{"model.layers.0.mlp.fc1.weight", 2},
                                                             {"model.layers.1.mlp.fc2.weight", 2},
                                                             {"model.layers.22.mlp.fc1.weight", 2},
                                                             {"x.ff.net.0.proj.weight", 2},
                                                             {"x.ff.net.2.weight", 2},
                                                             {"layer1.0.conv1.weight", 4},
                                                             {"layer1.0.conv1.weight", 1},
                                                             {"dense/vars/0", 1},
                                                             {"dense/dense:0", 1},
                                                             {"dense.0", 1},
                                                             {"attn.bias", 4},
                                                             {"attn.bias", 1}};
  RoleFinder finder;
  for (int times = 0; times < 2; ++times) {
    for (const auto& [name, rank] : asked) {
      INFO(name << " of rank " << rank);
      CHECK(finder.row_of(name, rank) == RoleFinder().row_of(name, rank));
    }
  }
}

TEST_CASE("a name of many wildcard-like parts is answered at once") {
  std::string name;
  while (name.size() < 4000) name += "normnormnormnormnormlayernormlayer_norm_";
  CHECK(of(name + ".x.y") == "other");
}

TEST_CASE("every row can be reached: its own pattern, written out, finds it or a row of the same meaning") {
  RoleFinder finder;
  std::set<std::string> unreached;
  for (size_t i = 0; i + 1 < role_rows().size(); ++i) {
    const RoleRow& row = role_rows()[i];
    std::string name(row.pattern);
    const bool anchored = name.starts_with('^');
    std::erase(name, '^');
    std::erase(name, '$');
    for (size_t at; (at = name.find('*')) != std::string::npos;) name.replace(at, 1, "x");
    for (size_t at; (at = name.find('#')) != std::string::npos;) name.replace(at, 1, "7");
    if (!anchored) name = "z." + name;
    const RoleRow& found = finder.of(name, std::max<size_t>(row.least_rank, std::min<size_t>(row.most_rank, 2)));
    if (found.role != row.role) unreached.insert(name + " is " + std::string(weighbridge::name(found.role)));
  }
  for (const std::string& name : unreached) UNSCOPED_INFO(name);
  CHECK(unreached.empty());
}

}  // namespace
}  // namespace weighbridge::test
