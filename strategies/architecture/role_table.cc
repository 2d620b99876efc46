// The names that are known, in the order in which they are tried: first what may hang on any module (an optimizer's
// state of it, an adapter, its scales), then the modules. What a row needs to be known by stands behind it where the
// names of several families are alike.
#include <array>

#include "strategies/architecture/role.h"

namespace weighbridge {
namespace {

using enum Role;

constexpr std::string_view kQuery = "query", kKey = "key", kValue = "value", kQkv = "fused query, key, value",
                           kKeyValue = "key and value", kOutput = "output", kGate = "gate", kUp = "up", kDown = "down",
                           kGateUp = "fused gate and up", kShared = "shared", kSegment = "segment", kPooler = "pooler";
constexpr uint8_t kMost = UINT8_MAX;

constexpr RoleRow kRows[] = {
    // Training alone. PyTorch's state dicts (torch.optim), DeepSpeed, FSDP, Megatron, Lightning; Keras; TF 1 slots.
    {"optimizer", optimizer_state},
    {"optimizers", optimizer_state},
    {"optimizer_state*", optimizer_state},
    {"optimizer_weights", optimizer_state},
    {"^optim", optimizer_state},
    {"opt_state", optimizer_state},
    {"base_optimizer_state", optimizer_state},
    {"exp_avg", optimizer_state, "first moment"},
    {"exp_avg_sq*", optimizer_state, "second moment"},
    {"max_exp_avg_sq", optimizer_state, "second moment"},
    {"exp_inf", optimizer_state, "second moment"},
    {"square_avg", optimizer_state, "second moment"},
    {"momentum_buffer", optimizer_state, "momentum"},
    {"acc_delta", optimizer_state},
    {"state.#.step$", optimizer_state},
    {"state.#.sum$", optimizer_state, "second moment"},
    {"fp32_flat_groups", optimizer_state, "master weights"},
    {"*fp32_groups*", optimizer_state, "master weights"},
    {"fp32_from_fp16*", optimizer_state, "master weights"},
    {"master_param*", optimizer_state, "master weights"},
    {"master_weights", optimizer_state, "master weights"},
    {"^adam*", optimizer_state},
    {"adam*$", optimizer_state},
    {"rmsprop*$", optimizer_state},
    {"beta#_power$", optimizer_state},
    {"model_ema", averaged},
    {"ema_model", averaged},
    {"^ema", averaged},

    // Adapters: PEFT, kohya, LyCORIS, llama.cpp.
    {"lora_*", adapter},
    {"dora_scale$", adapter},
    {"ia3_l", adapter},
    {"hada_w*", adapter},
    {"lokr_w*", adapter},
    {"adapter*", adapter},
    {"prompt_embeddings", adapter},

    // Quantised weights: GPTQ and AWQ, bitsandbytes, fp8 and compressed-tensors, MXFP4, ONNX.
    {"qzeros$", scales},
    {"scales$", scales},
    {"g_idx$", scales},
    {"absmax$", scales},
    {"nested_absmax$", scales},
    {"quant_map$", scales},
    {"nested_quant_map$", scales},
    {"quant_state", scales},
    {"scb$", scales},
    {"weight_format$", scales},
    {"weight_scale*$", scales},
    {"input_scale$", scales},
    {"output_scale$", scales},
    {"k_scale$", scales},
    {"v_scale$", scales},
    {"weight_shape$", scales},
    {"*_scales$", scales},
    {"*_zero_point$", scales},
    {"*_zeros$", scales},
    {"*_zp$", scales},

    // Buffers that a module keeps beside its weights.
    {"inv_freq", buffer, "rotary"},
    {"rotary_emb", buffer, "rotary"},
    {"rope_freqs", buffer, "rotary"},
    {"rope_factors_*", buffer, "rotary"},
    {"attn_rot_embd", buffer, "rotary"},
    {"freqs_cis", buffer, "rotary"},
    {"rope.freqs$", buffer, "rotary"},
    {"cos_cache*", buffer, "rotary"},
    {"sin_cache*", buffer, "rotary"},
    {"past_key_value*", buffer, "keys and values"},
    {"k_cache", buffer, "keys and values"},
    {"v_cache", buffer, "keys and values"},
    {"cache_k", buffer, "keys and values"},
    {"cache_v", buffer, "keys and values"},
    {"key_cache", buffer, "keys and values"},
    {"value_cache", buffer, "keys and values"},
    {"attn.bias$", buffer, "mask", 3},       // GPT-2: [1, 1, context, context]
    {"attention.bias$", buffer, "mask", 3},  // GPT-NeoX
    {"attn.attention.bias$", buffer, "mask", 3},
    {"masked_bias$", buffer, "mask"},
    {"attn_mask$", buffer, "mask"},
    {"causal_mask$", buffer, "mask"},
    {"position_ids$", buffer},
    {"token_type_ids$", buffer},
    {"relative_position_index$", buffer},
    {"alibi*$", buffer},

    // Normalisation: its weight, its bias, what it averaged. The module stands last but one, or last.
    {"*norm.*$", normalisation},
    {"*norm$", normalisation},
    {"*norm#.*$", normalisation},
    {"*norm_#.*$", normalisation},
    {"*norm_f.*$", normalisation},
    {"*layernorm*.*$", normalisation},
    {"*layer_norm*.*$", normalisation},
    {"*batchnorm*.*$", normalisation},
    {"*batch_norm*.*$", normalisation},
    {"*group_norm*.*$", normalisation},
    {"*normalization*.*$", normalisation},
    {"ln_*.*$", normalisation},
    {"ln#.*$", normalisation},
    {"bn.*$", normalisation},
    {"bn#.*$", normalisation},
    {"running_mean$", normalisation},
    {"running_var$", normalisation},
    {"num_batches_tracked$", normalisation},
    {"moving_mean$", normalisation},
    {"moving_variance$", normalisation},
    {"*bn*.gamma$", normalisation},  // Keras
    {"*bn*.beta$", normalisation},
    {"downsample.#.weight$", normalisation, "", 0, 1},  // ResNet

    // Mixtures of experts: Mixtral, Qwen, DeepSeek, DBRX, Llama 4, GPT-OSS; GGUF.
    {"router", router},
    {"block_sparse_moe.gate", router},
    {"mlp.gate", router},
    {"moe.gate", router},
    {"shared_expert_gate", router, kShared},
    {"ffn_gate_inp", router},
    {"ffn_gate_inp_shexp", router, kShared},
    {"exp_probs_b", router},
    {"shared_expert", experts, kShared},
    {"shared_experts", experts, kShared},
    {"ffn_*_shexp", experts, kShared},
    {"experts", experts},
    {"ffn_*_exps", experts},
    {"ffn_*.#.weight$", experts},  // GGUF of before 2024: blk.0.ffn_up.3.weight

    {"relative_attention_bias", position_embedding},  // T5

    // Biases of everything that is left; Keras' of attention have two dimensions.
    {"bias$", bias, "", 0, 2},
    {"*_bias$", bias, "", 0, 2},
    {"bias_ih_l*$", bias},
    {"bias_hh_l*$", bias},

    // State-space and RWKV models: Mamba, GGUF.
    {"mixer.in_proj", state_space},
    {"mixer.x_proj", state_space},
    {"mixer.dt_proj", state_space},
    {"mixer.out_proj", state_space},
    {"mixer.conv1d", state_space},
    {"mixer.a_log$", state_space},
    {"mixer.d$", state_space},
    {"ssm_*", state_space},
    {"time_mix*", state_space},
    {"time_decay*", state_space},
    {"time_first*", state_space},
    {"channel_mix*", state_space},

    // Embeddings.
    {"wpe", position_embedding},              // GPT-2
    {"embed_positions", position_embedding},  // OPT, BART, Whisper
    {"position_embedding*", position_embedding},
    {"positional_embedding", position_embedding},
    {"positions_embed", position_embedding},
    {"position_embd", position_embedding},
    {"pos_embed*", position_embedding},
    {"relative_position_bias_table", position_embedding},
    {"attn_rel_b", position_embedding},
    {"token_type_embeddings", token_embedding, kSegment},  // BERT
    {"token_types", token_embedding, kSegment},            // GGUF's BERT
    {"embed_tokens*", token_embedding},                    // Llama, Mistral, Qwen, Gemma, OPT, T5
    {"tok_embeddings", token_embedding},                   // Meta's Llama, InternLM2
    {"wte", token_embedding},                              // GPT-2, GPT-J, MPT
    {"word_embeddings", token_embedding},                  // BERT, Falcon, BLOOM
    {"word_embedding", token_embedding},
    {"embed_in", token_embedding},  // GPT-NeoX
    {"token_embd", token_embedding},
    {"per_layer_token_embd", token_embedding},
    {"token_embedding", token_embedding},  // CLIP, KerasNLP
    {"token_embeddings", token_embedding},
    {"^shared.*$", token_embedding},  // T5
    {"model.shared.*$", token_embedding},
    {"*embedding.embeddings$", token_embedding},  // Keras' Embedding
    {"*embedding_#.embeddings$", token_embedding},
    {"backbone.embedding", token_embedding},  // Mamba
    {"backbone.embeddings", token_embedding},

    // Output heads.
    {"lm_head", output_head},
    {"embed_out", output_head},        // GPT-NeoX
    {"^output.weight$", output_head},  // GGUF, Meta's Llama
    {"output_layer", output_head},     // ChatGLM
    {"output_projection", output_head},
    {"cls.predictions", output_head},
    {"cls.seq_relationship", output_head},
    {"vocab_projector", output_head},
    {"vocab_transform", output_head},
    {"classifier", output_head},
    {"qa_outputs", output_head},
    {"generator.proj", output_head},
    {"^score.*$", output_head},
    {"^head.*$", output_head},
    {"^heads.head.*$", output_head},
    {"^fc.*$", output_head},  // ResNet
    {"pooler", output_head, kPooler},
    {"logits", output_head},
    {"predictions", output_head},

    // T5's feed-forward, before the attention of others whose output is `wo` too.
    {"densereludense.wi_0", feed_forward, kGate},
    {"densereludense.wi_1", feed_forward, kUp},
    {"densereludense.wi", feed_forward, kUp},
    {"densereludense.wo", feed_forward, kDown},

    // Attention.
    {"qkv_proj", attention, kQkv},
    {"query_key_value", attention, kQkv},  // GPT-NeoX, Falcon, BLOOM
    {"c_attn", attention, kQkv},           // GPT-2
    {"wqkv", attention, kQkv},             // MPT, InternLM2
    {"w_pack", attention, kQkv},
    {"qkv", attention, kQkv},
    {"to_qkv", attention, kQkv},
    {"linear_qkv", attention, kQkv},
    {"attn_qkv", attention, kQkv},
    {"in_proj_weight$", attention, kQkv},          // nn.MultiheadAttention
    {"kv_a_proj_with_mqa", attention, kKeyValue},  // DeepSeek
    {"kv_b_proj", attention, kKeyValue},
    {"attn_kv_a_mqa", attention, kKeyValue},
    {"attn_kv_b", attention, kKeyValue},
    {"wkv", attention, kKeyValue},
    {"q_proj", attention, kQuery},
    {"q_a_proj", attention, kQuery},
    {"q_b_proj", attention, kQuery},
    {"k_proj", attention, kKey},
    {"v_proj", attention, kValue},
    {"o_proj", attention, kOutput},
    {"wq", attention, kQuery},
    {"wk", attention, kKey},
    {"wv", attention, kValue},
    {"wo", attention, kOutput},
    {"attn_q", attention, kQuery},
    {"attn_q_a", attention, kQuery},
    {"attn_q_b", attention, kQuery},
    {"attn_k", attention, kKey},
    {"attn_k_b", attention, kKey},
    {"attn_v", attention, kValue},
    {"attn_v_b", attention, kValue},
    {"attn_output", attention, kOutput},
    {"attn_out", attention, kOutput},
    {"cross_attn_q", attention, kQuery},
    {"cross_attn_k", attention, kKey},
    {"cross_attn_v", attention, kValue},
    {"cross_attn_o", attention, kOutput},
    {"attn_o", attention, kOutput},  // GGUF's T5
    {"attn_sinks", attention},
    {"sinks$", attention},
    {"self.query", attention, kQuery},  // BERT
    {"self.key", attention, kKey},
    {"self.value", attention, kValue},
    {"attention.output.dense", attention, kOutput},
    {"*attention*.query*", attention, kQuery},  // ViT, Keras
    {"*attention*.key*", attention, kKey},
    {"*attention*.value*", attention, kValue},
    {"*attention*.attention_output", attention, kOutput},
    {"*attention*.output_dense", attention, kOutput},
    {"*attention.q", attention, kQuery},  // T5
    {"*attention.k", attention, kKey},
    {"*attention.v", attention, kValue},
    {"*attention.o", attention, kOutput},
    {"q_lin", attention, kQuery},  // DistilBERT
    {"k_lin", attention, kKey},
    {"v_lin", attention, kValue},
    {"out_lin", attention, kOutput},
    {"to_q", attention, kQuery},  // diffusers
    {"to_k", attention, kKey},
    {"to_v", attention, kValue},
    {"to_out", attention, kOutput},
    {"*attn.c_proj", attention, kOutput},
    {"*attn.out_proj", attention, kOutput},
    {"*attention.out_proj", attention, kOutput},
    {"*attention.dense", attention, kOutput},  // GPT-NeoX, Falcon
    {"*attn.dense", attention, kOutput},       // Phi
    {"*attn.proj", attention, kOutput},        // timm
    {"*attention.linear_proj", attention, kOutput},

    // Feed-forward.
    {"gate_up_proj", feed_forward, kGateUp},  // Phi-3
    {"gate_proj", feed_forward, kGate},
    {"up_proj", feed_forward, kUp},
    {"down_proj", feed_forward, kDown},
    {"feed_forward.w1", feed_forward, kGate},  // Meta's Llama
    {"feed_forward.w2", feed_forward, kDown},
    {"feed_forward.w3", feed_forward, kUp},
    {"ffn_gate", feed_forward, kGate},
    {"ffn_up", feed_forward, kUp},
    {"ffn_down", feed_forward, kDown},
    {"c_fc", feed_forward, kUp},
    {"mlp.c_proj", feed_forward, kDown},
    {"dense_h_to_4h", feed_forward, kUp},
    {"dense_4h_to_h", feed_forward, kDown},
    {"intermediate.dense", feed_forward, kUp},
    {"output.dense", feed_forward, kDown},
    {"#.fc1", feed_forward, kUp},  // OPT
    {"#.fc2", feed_forward, kDown},
    {"mlp.fc1", feed_forward, kUp},
    {"mlp.fc2", feed_forward, kDown},
    {"mlp.fc_in", feed_forward, kUp},  // GPT-J
    {"mlp.fc_out", feed_forward, kDown},
    {"mlp.linear_fc1", feed_forward, kUp},
    {"mlp.linear_fc2", feed_forward, kDown},
    {"#.linear1", feed_forward, kUp},  // nn.Transformer
    {"#.linear2", feed_forward, kDown},
    {"ffn.lin1", feed_forward, kUp},
    {"ffn.lin2", feed_forward, kDown},
    {"ff.net.#.proj", feed_forward, kUp},
    {"ff.net.#", feed_forward, kDown},
    {"feedforward_intermediate_dense", feed_forward, kUp},  // KerasNLP
    {"feedforward_output_dense", feed_forward, kDown},

    // Convolutions and what belongs to images.
    {"patch_embed*", convolution, "patches"},
    {"patch_embd", convolution, "patches"},
    {"cls_token$", token_embedding, kSegment},
    {"class_embedding$", token_embedding, kSegment},
    {"mask_token$", token_embedding, kSegment},
    {"register_tokens$", token_embedding, kSegment},
    {"*conv*", convolution, "", 3, kMost},
    {"downsample.#", convolution, "", 3, kMost},
    {"shortcut", convolution, "", 3, kMost},
    {"features.#", convolution, "", 3, kMost},
    {"depthwise_kernel$", convolution, "", 3, kMost},
    {"pointwise_kernel$", convolution, "", 3, kMost},

    {"weight_ih_l*$", recurrent},
    {"weight_hh_l*$", recurrent},
    {"recurrent_kernel$", recurrent},
    {"lstm*", recurrent},
    {"gru*", recurrent},

    {"linear*", linear},
    {"dense*", linear},
    {"fc#", linear},
    {"multi_modal_projector*", linear},
    {"mm.#", linear},  // GGUF's projectors of images
    {"time_embedding", linear},

    {"*", other},
};

}  // namespace

std::span<const RoleRow> role_rows() {
  return kRows;
}

}  // namespace weighbridge
