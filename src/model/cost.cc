#include "model/cost.h"

#include <algorithm>

#include "model/sequence_state.h"

namespace fulgur {
namespace {

int64_t LightningLayers(const ModelConfig& config) {
  return std::count(config.attn_type_list.begin(), config.attn_type_list.end(), AttentionKind::kLightning);
}

// Pairs (token, token it sees) in a sequence of n tokens, and those within blocks.
double Pairs(double n) { return n * (n + 1) / 2; }
double BlockPairs(int64_t n) {
  const int64_t blocks = n / kBlock, rest = n % kBlock;
  return static_cast<double>(blocks) * Pairs(kBlock) + Pairs(static_cast<double>(rest));
}

double Bytes(const Linear& w) { return static_cast<double>(w.packed.bytes()); }

}  // namespace

double ForwardFlops(const ModelConfig& config, int64_t first, int64_t count) {
  const auto width = static_cast<double>(config.qk_width()), head = static_cast<double>(config.head_dim);
  const auto lightning = static_cast<double>(LightningLayers(config));
  const double softmax = static_cast<double>(config.num_hidden_layers) - lightning;
  const auto n = static_cast<double>(count), end = static_cast<double>(first) + n;
  return 2 * static_cast<double>(CountParameters(config).active) * n +
         softmax * 4 * width * (Pairs(end) - Pairs(static_cast<double>(first))) +
         lightning * (4 * width * (BlockPairs(first + count) - BlockPairs(first)) + 4 * width * head * n);
}

double TrainingFlops(const ModelConfig& config, std::span<const DocumentRows> documents) {
  double forward = 0;
  for (const DocumentRows& d : documents) {
    forward += ForwardFlops(config, d.prefix < 0 ? 0 : documents[static_cast<size_t>(d.prefix)].rows, d.rows);
  }
  return 3 * forward;  // backward takes twice as much: gradients of inputs and of weights
}

DecodeBytes BytesOfDecoding(const ModelConfig& config, const Params& params, int64_t experts, int64_t batch,
                            int64_t length, KvFormat kv_format) {
  DecodeBytes bytes;
  bytes.weights = Bytes(params.lm_head);
  for (const LayerParams& l : params.layers) {
    for (const Linear* w :
         {&l.qkv, &l.gate, &l.out, &l.q, &l.k, &l.v, &l.o, &l.router, &l.shared_gate, &l.shared_up, &l.shared_down}) {
      bytes.weights += Bytes(*w);
    }
    for (const Tensor* t : {&l.input_norm, &l.post_norm, &l.inner_norm, &l.shared_coefficient}) {
      bytes.weights += static_cast<double>(t->bytes());
    }
  }
  const ExpertParams& expert = params.layers[0].experts[0];
  bytes.weights += static_cast<double>(experts) * (Bytes(expert.w1) + Bytes(expert.w2) + Bytes(expert.w3));

  const auto lightning = static_cast<double>(LightningLayers(config));
  const double softmax = static_cast<double>(config.num_hidden_layers) - lightning;
  const auto width = static_cast<double>(config.qk_width()), head = static_cast<double>(config.head_dim);
  const auto chunk = static_cast<double>(length % kBlock + 1), tokens = static_cast<double>(length + 1);
  const double state = length >= kBlock ? width * head : 0;
  const KvLayout layout(kv_format, config.num_key_value_heads, config.head_dim);
  bytes.state = static_cast<double>(batch) * (lightning * 4 * (state + 2 * width * chunk) +
                                              softmax * static_cast<double>(layout.token_bytes()) * tokens);
  return bytes;
}

}  // namespace fulgur
