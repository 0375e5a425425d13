// A model folder as it is used: weights, tokenizer, chat template, and the settings for generation that it comes with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/sampler.h"
#include "model/model.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace fulgur {

// The eos_token of tokenizer_config.json in `dir`, or <end_of_sentence>; none if the tokenizer has no such token.
std::optional<int32_t> EosToken(const std::filesystem::path& dir, const Tokenizer& tokenizer);
// Throws Error naming both if `eos` is not among the ids at which a model stops: these are of another tokenizer then.
void CheckEos(std::span<const int32_t> ids, int32_t eos, const Tokenizer& tokenizer, const std::string& where);

// What a folder says about generation.
struct GenerationDefaults {
  std::vector<int32_t> stop_tokens;  // end an answer
  SamplingParams sampling;           // temperature, top_k, top_p, min_p, repetition_penalty

  // Stop tokens: eos_token_id of generation_config.json and config.json; if neither has one, the eos_token of
  // tokenizer_config.json; if that has none, the tokenizer's <end_of_sentence>. The tokenizer's is checked to be among
  // them. Sampling: generation_config.json
  // (do_sample false is temperature 0); what it does not say is temperature 1 and top-p 0.95, which MiniMax recommends
  // for M1. Throws Error naming file and key.
  static GenerationDefaults FromFolder(const std::filesystem::path& dir, const ModelConfig& config,
                                       const Tokenizer& tokenizer);
};

// Names the weights of a folder, for what is kept on disk and valid for them only: configuration, and name, size and
// time of every safetensors file. Copied weights have another key.
std::string WeightsKey(const std::filesystem::path& dir);

struct LoadedModel {
  std::unique_ptr<Model> model;
  Tokenizer tokenizer;
  std::optional<ChatTemplate> chat;  // if the folder has one
  GenerationDefaults defaults;
  std::filesystem::path folder;
  std::string weights_key;  // WeightsKey(folder) when it was loaded, "-", name of the KV format (states depend on it)

  // Throws Error naming what is missing or wrong. kv_format: of the KV cache; none: the model's usual one.
  static LoadedModel Load(const std::filesystem::path& dir, ExecContext& exec,
                          std::optional<KvFormat> kv_format = std::nullopt);
  // Error if there is no chat template.
  const ChatTemplate& chat_template() const;
};

}  // namespace fulgur
