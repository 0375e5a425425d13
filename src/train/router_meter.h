// How a model's routers share out the tokens of a step.
#pragma once

#include <cstdint>
#include <vector>

#include "base/json.h"
#include "model/gradient.h"

namespace fulgur {

class RouterMeter {
 public:
  void Add(const LossReport& report, int64_t tokens);  // of one batch
  void Add(const RouterMeter& other);

  // Of what was added, null if that is nothing:
  //   aux        load balance, perfect balance is k: mean over the batches, weighted by their tokens
  //   imbalance  tokens of a layer's busiest expert over the mean, mean over layers: 1 is perfect balance
  //   entropy    of the router's distribution over experts, in nats; dropped: the part of it that the experts which
  //   were
  //              not selected have. Means over tokens and layers
  //   layers     the last two by layer, and load: per layer each expert's tokens over the mean
  Json ToJson() const;

 private:
  int64_t tokens_ = 0;
  double aux_ = 0;
  std::vector<int64_t> counts_;         // [L * E]
  std::vector<RouterFigures> figures_;  // [L] sums over tokens
};

}  // namespace fulgur
