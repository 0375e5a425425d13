// A tokenizer and a model small enough to be made in a test.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "base/json.h"
#include "model/checkpoint.h"
#include "model/model.h"
#include "text/tokenizer.h"

namespace fulgur::testing_engine {

// The 256 bytes (ids 0 to 255), merges "</", "th", "thi", "nk", "think" and ">\n" (256 to 261), and the special tokens
// <begin_of_document>, <beginning_of_sentence>, <end_of_sentence> (262 to 264).
inline constexpr int32_t kEndOfSentence = 264;
inline constexpr int64_t kTokenizerVocab = 265;

inline Tokenizer SmallTokenizer() {
  // The byte alphabet: printable bytes stand for themselves, the others for code points from 256 on.
  std::string alphabet[256];
  for (int byte = 0, next = 256; byte < 256; ++byte) {
    const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
    const int c = printable ? byte : next++;
    if (c < 0x80) {
      alphabet[byte] = std::string(1, static_cast<char>(c));
    } else {
      alphabet[byte] = {static_cast<char>(0xc0 | (c >> 6)), static_cast<char>(0x80 | (c & 0x3f))};
    }
  }
  Json vocab = Json::object(), merges = Json::array(), added = Json::array();
  for (int byte = 0; byte < 256; ++byte) vocab[alphabet[byte]] = byte;
  const std::initializer_list<std::pair<std::string, std::string>> pairs = {
      {"<", "/"}, {"t", "h"}, {"th", "i"}, {"n", "k"}, {"thi", "nk"}, {">", alphabet['\n']}};
  int id = 256;
  for (const auto& [a, b] : pairs) {
    vocab[a + b] = id++;
    merges.push_back(Json::array({a, b}));
  }
  for (const char* content : {"<begin_of_document>", "<beginning_of_sentence>", "<end_of_sentence>"}) {
    added.push_back({{"id", id++},
                     {"content", content},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  const Json split = {{"type", "Split"},
                      {"pattern", {{"Regex", "[\\p{L}\\p{N}]+|[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s+"}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  const Json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  const Json tokenizer = {{"version", "1.0"},
                          {"truncation", nullptr},
                          {"padding", nullptr},
                          {"added_tokens", added},
                          {"normalizer", nullptr},
                          {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", Json::array({split, bytes})}}},
                          {"post_processor", nullptr},
                          {"decoder", bytes},
                          {"model",
                           {{"type", "BPE"},
                            {"dropout", nullptr},
                            {"unk_token", nullptr},
                            {"continuing_subword_prefix", ""},
                            {"end_of_word_suffix", ""},
                            {"fuse_unk", false},
                            {"byte_fallback", false},
                            {"vocab", vocab},
                            {"merges", merges}}}};
  return Tokenizer::FromJson(tokenizer.dump(), "the small tokenizer");
}

// Three lightning layers and a softmax layer with random weights, large enough for pronounced logits. Ids from 265 on
// are padding.
inline ModelConfig SmallConfig() {
  ModelConfig c;
  c.vocab_size = 280;
  c.hidden_size = 32;
  c.intermediate_size = 24;
  c.num_hidden_layers = 4;
  c.num_attention_heads = 2;
  c.num_key_value_heads = 1;
  c.head_dim = 16;
  c.rotary_dim = 8;
  c.num_local_experts = 4;
  c.num_experts_per_tok = 2;
  c.attn_type_list = {AttentionKind::kLightning, AttentionKind::kLightning, AttentionKind::kLightning,
                      AttentionKind::kSoftmax};
  c.initializer_range = 0.3;
  c.max_position_embeddings = 4096;
  c.Validate("the small model");
  return c;
}

inline std::unique_ptr<Model> SmallModel(ExecContext& exec) {
  return std::make_unique<Model>(SmallConfig(), RandomParams(SmallConfig(), 5), exec);
}

}  // namespace fulgur::testing_engine
