// Small models, tokenizers and folders for the tests of this folder.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/test_folder.h"
#include "model/config.h"
#include "text/bpe_trainer.h"
#include "train/config.h"

namespace fulgur {

// A lightning and a softmax layer, 4 experts.
inline Json TinyDimensions() {
  return {{"hidden_size", 16},        {"intermediate_size", 16},  {"num_hidden_layers", 2},
          {"num_attention_heads", 2}, {"num_key_value_heads", 1}, {"head_dim", 8},
          {"rotary_dim", 4},          {"num_local_experts", 4},   {"num_experts_per_tok", 2},
          {"attn_type_list", {0, 1}}, {"postnorm", true},         {"initializer_range", 0.1}};
}

inline ModelConfig TinyConfig(int64_t vocab_size) {
  Json json = TinyDimensions();
  json["vocab_size"] = vocab_size;
  return ModelConfig::FromJson(json, "tiny");
}

// A template with the markers of M1's and shorter headers.
inline constexpr const char* kTestTemplate =
    "{{ '<begin_of_document>' }}{% for message in messages %}"
    "{{ '<beginning_of_sentence>' + message['role'] + '\n' + message['content'][0]['text'] + '<end_of_sentence>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<beginning_of_sentence>assistant\n' }}{% endif %}";

// tokenizer.json (the bytes and M1's added tokens: 291 ids) and tokenizer_config.json with `chat_template`.
inline void WriteTextFiles(const std::filesystem::path& dir, const std::string& chat_template = kTestTemplate) {
  BpeTrainerOptions options;
  options.added_tokens = M1AddedTokens();
  BpeTrainer trainer(options);
  std::filesystem::create_directories(dir);
  WriteFileAtomic(dir / "tokenizer.json", trainer.TokenizerJson({}));
  WriteFileAtomic(dir / "tokenizer_config.json", Json{{"chat_template", chat_template}}.dump());
}

// A run in `folder`/run on additions, with `folder`/text as the tokenizer. Under a second of work.
inline Json TinyRun(const std::filesystem::path& folder) {
  WriteTextFiles(folder / "text");
  return {{"out", (folder / "run").string()},
          {"seed", 3},
          {"model", {{"config", TinyDimensions()}, {"tokenizer", (folder / "text").string()}}},
          {"data", {{{"type", "tasks"}, {"tasks", {{{"name", "addition"}, {"difficulties", {1, 2}}}}}}}},
          {"batch", {{"tokens", 2048}, {"micro_tokens", 1024}, {"max_length", 1024}}},
          {"steps", 20},
          {"schedule", {{"lr", 0.003}, {"warmup_steps", 3}, {"decay_fraction", 0.3}}}};
}

// The keys of a JSON object.
inline std::set<std::string> KeysOf(const Json& object) {
  std::set<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.insert(key);
  return keys;
}

// What f throws.
inline std::string ErrorOf(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

inline std::vector<Json> Lines(const std::filesystem::path& path) {
  std::vector<Json> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(Json::parse(line));
  return lines;
}

// The finished model of the run that `json` describes.
inline std::string Weights(const Json& json) {
  return ReadFile(std::filesystem::path(json["out"].get<std::string>()) / "model" / "model.safetensors");
}

// `name` as another folder for the run.
inline Json In(const TestFolder& folder, Json json, const char* name) {
  json["out"] = (folder / name).string();
  return json;
}

}  // namespace fulgur
