// From a row of logits to a token.
//
// Order of application: bias and penalties on the logits, then temperature, then top-k, top-p and min-p on the
// distribution that the temperature gives, then one draw. A draw depends on (seed, position) and on the row alone, so a
// request's tokens are the same whatever else runs beside it. Log-probabilities that are reported belong to the
// unmodified distribution, the softmax of the raw logits: they are what a trainer computes for the same token.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/params.h"

namespace fulgur {

struct SamplingParams {
  double temperature = 1;         // 0: the most likely token, the lowest id if several are
  int64_t top_k = 0;              // only the k most likely tokens; 0: all. Equal logits: lower ids first
  double top_p = 1;               // only the fewest most likely tokens that have at least this probability together
  double min_p = 0;               // only tokens with at least this share of the most likely token's probability
  double repetition_penalty = 1;  // logits of tokens seen in prompt or output: divided by it if > 0, else multiplied
  double presence_penalty = 0;    // subtracted from the logit of every token in the output
  double frequency_penalty = 0;   // subtracted from a token's logit as often as the output has it
  std::vector<std::pair<int32_t, float>>
      logit_bias{};  // added to a token's logit, before all else; -inf: never that one
  uint64_t seed = 0;
  int64_t top_logprobs = 0;  // how many of the most likely tokens to report beside the sampled one
  bool drawn = false;        // report the distribution that was drawn from; not with penalties or biases

  // Throws Error naming the value and the range it should be in.
  void Validate() const;
  bool HasFilters() const { return top_k > 0 || top_p < 1 || min_p > 0; }
  bool HasPenalties() const { return repetition_penalty != 1 || presence_penalty != 0 || frequency_penalty != 0; }
};

struct TokenLogprob {
  int32_t id = 0;
  float logprob = 0;  // natural logarithm, ops/cross_entropy.h LogProb of the raw logits
  bool operator==(const TokenLogprob&) const = default;
};

// The distribution that a token was drawn from.
struct DrawnFrom {
  // As LogProb of what TemperLogits (ops/cross_entropy.h) makes of the raw logits with the temperature and `kept`: what
  // a trainer computes for the token that it was drawn as.
  float logprob = 0;
  std::vector<int32_t> kept{};  // tokens that top-k, top-p and min-p left, in increasing order; empty: all
  bool operator==(const DrawnFrom&) const = default;
};

struct SampledToken {
  int32_t id = 0;
  float logprob = 0;
  std::vector<TokenLogprob>
      top;            // params.top_logprobs of them, most likely first, among the tokens that may be sampled
  DrawnFrom drawn{};  // with params.drawn
};

// [V] of 0 and 1: tokens that may be sampled. Not: ids that the tokenizer does not have (>= vocab_size), and ids whose
// row of the embedding is all zero, which is how published checkpoints pad the vocabulary.
using TokenMask = std::vector<uint8_t>;
TokenMask SampleableTokens(const Tensor& embedding, int64_t vocab_size);

// Working memory of Sample, one a thread.
struct SamplerScratch {
  std::vector<float> logits;
  std::vector<TokenLogprob> candidates;
  std::vector<double> weights;
};

// A token that is given, as Sample would report it, with the `top` most likely beside it.
SampledToken ScoreToken(std::span<const float> logits, const TokenMask& allowed, int32_t id, int64_t top,
                        SamplerScratch& scratch);

// Samples the tokens of one sequence.
class Sampler {
 public:
  explicit Sampler(SamplingParams params);  // validates them

  // Tokens for the penalties. Sample does not count what it returns, as the caller may yet reject it.
  void AddPrompt(std::span<const int32_t> ids);
  void AddOutput(int32_t id);

  // logits [V]; position: index in the sequence of the token to sample. Throws Error if a logit of an allowed
  // token is NaN, or if no token is left that may be sampled. constraint: if not empty, only tokens are sampled whose
  // bit (id % 64 of word id / 64) is set; what is reported beside the sampled token does not depend on it.
  SampledToken Sample(std::span<const float> logits, const TokenMask& allowed, int64_t position,
                      SamplerScratch& scratch, std::span<const uint64_t> constraint = {}) const;

  const SamplingParams& params() const { return params_; }

 private:
  struct Counts {
    bool in_prompt = false;
    int64_t output = 0;
  };
  SamplingParams params_;
  std::unordered_map<int32_t, Counts> counts_;  // only kept if there are penalties
};

}  // namespace fulgur
