// What a narrow KV cache costs a model: its predictions beside those with a float32 cache.
#pragma once

#include <cstdint>
#include <vector>

#include "base/json.h"
#include "model/model.h"
#include "train/conversation.h"

namespace fulgur {

// Over the tokens that count in the examples.
struct KvQuality {
  KvFormat format = KvFormat::kF32;
  int64_t tokens = 0;
  double loss = 0;         // mean -log p of the example's token, in nats
  double divergence = 0;   // mean KL(p with float32 || p with this format) of the next token, in nats
  double agreement = 0;    // share of tokens for which the most likely one is the same
  double token_bytes = 0;  // of the cache, all layers together
  double perplexity() const;
  Json ToJson() const;
};

// For every format, kF32 first. Leaves model.kv_format() as it was.
std::vector<KvQuality> CompareKvFormats(Model& model, const std::vector<Example>& examples);

// Worked solutions of held-out problems, `count` of every task, over the difficulties that `fulgur eval` asks.
std::vector<Example> SolutionExamples(const ConversationEncoder& encoder, int64_t count, uint64_t seed);

}  // namespace fulgur
