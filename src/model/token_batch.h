// Documents that a training pass takes together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/documents.h"

namespace fulgur {

inline constexpr int32_t kIgnore = -100;  // a target that does not count

// Documents one after the other. Nothing crosses from one to the next, each is a sequence of its own, unless it says
// that it continues an earlier one: then that one's tokens come before its own, and are computed once for all that
// continue it.
struct TokenBatch {
  std::vector<int32_t> tokens;
  std::vector<int32_t> targets;  // per token: the token it should predict, or kIgnore
  std::vector<int64_t> starts;   // first token of each document, then tokens.size()
  // Per document: the one that it continues, which continues none, or -1. Empty: none does.
  std::vector<int64_t> prefixes;
  // Of the distributions that the targets were drawn from: the temperature, and per token those that a filter left
  // (ops/cross_entropy.h TemperLogits). An empty `kept`: there was none; an empty list in it: nothing was filtered.
  float temperature = 1;
  std::vector<std::vector<int32_t>> kept;

  // Appends a document whose position t predicts token t + 1 where counts[t + 1] is set; an empty `counts`: everywhere.
  void AddDocument(std::span<const int32_t> document, std::span<const uint8_t> counts = {});
  int64_t targets_counted() const;
  std::vector<DocumentRows> documents() const;
};

}  // namespace fulgur
