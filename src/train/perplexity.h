// How well a model predicts given texts, and how far its predictions are from those of another model: what quantised
// weights cost.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/json.h"
#include "model/model.h"
#include "train/conversation.h"

namespace fulgur {

// Over the counted tokens of all examples; natural logarithms.
struct PerplexityReport {
  int64_t tokens = 0;
  double loss = 0;      // mean of -log p(token)
  double accuracy = 0;  // share of tokens that are the most probable one
  // Against a reference model.
  struct Divergence {
    double reference_loss = 0, reference_accuracy = 0;
    double kl_mean = 0, kl_p99 = 0, kl_max = 0;  // KL(reference || model) of a position, in nats
    double same_top = 0;                         // share of positions at which both find the same token most probable
  };
  std::optional<Divergence> divergence;

  double perplexity() const;
  Json ToJson() const;
};

// reference may be null. Both see the same tokens, so they must have the same vocabulary: Error otherwise. progress
// (may be empty) is told how many examples are done.
PerplexityReport MeasurePerplexity(Model& model, Model* reference, std::span<const Example> examples,
                                   const std::function<void(int64_t done)>& progress = {});

// Windows of `context` tokens, one after the other without overlap (the last one shorter, if it has two tokens at
// least); every token but a window's first counts.
std::vector<Example> TextWindows(std::span<const int32_t> tokens, int64_t context);

}  // namespace fulgur
