// Options that generate, chat and eval share.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/generation.h"
#include "engine/loaded_model.h"

namespace fulgur {

struct SamplingOptions {
  // What is not given on the command line comes from the model folder (engine/loaded_model.h).
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<int64_t> top_k;
  double presence_penalty = 0, frequency_penalty = 0;
  std::optional<uint64_t> seed;
  int64_t max_tokens = 0;
  std::vector<std::string> stop;
  std::optional<int64_t> thinking_budget;
  EarlyTruncation early_truncation;
  int64_t context = 0, prefill_chunk = 512, draft = 16;
  std::optional<KvFormat> kv_cache;
  int threads = 0;

  void AddTo(CLI::App& app);
  SamplingParams Sampling(const GenerationDefaults& defaults, uint64_t default_seed) const;
  StoppingRules Stopping(const GenerationDefaults& defaults) const;
  EngineOptions ForEngine(int64_t max_batch, const ModelConfig& model) const;
};

// A seed from the system's source of randomness.
uint64_t RandomSeed();

// What --prompt gave, else all of standard input. Error if that is not UTF-8.
std::string PromptText(const std::optional<std::string>& prompt);

// Writes to standard output at once; Error if it cannot (a closed pipe, a full disk).
void Print(std::string_view text);

// JSON as one line; invalid UTF-8 becomes U+FFFD.
std::string JsonLine(const Json& json);

// Of an output: tokens, reason, counts.
Json OutputJson(const OutputEnd& end, double seconds);
// [{"id", "text", "logprob", "sampled"?, "top"?}]
Json LogprobsJson(const Tokenizer& tokenizer, const std::vector<OutputToken>& tokens);

}  // namespace fulgur
