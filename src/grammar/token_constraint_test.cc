#include "grammar/token_constraint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "base/rng.h"
#include "grammar/json_schema.h"
#include "grammar/tool_grammar.h"

namespace fulgur {
namespace {

const std::string kTokenizerFile = std::string(FULGUR_SOURCE_DIR) + "/tests/data/tokenizer-small/tokenizer.json";

// The small tokenizer, and tokens that hold several parts of a JSON text or of a tag.
const Tokenizer& TheTokenizer() {
  static const Tokenizer tokenizer = [] {
    Json json = ReadJsonFile(kTokenizerFile);
    const Tokenizer small = Tokenizer::FromFile(kTokenizerFile);
    Json& added = json["added_tokens"];
    const Json last = added.back();
    int64_t id = last["id"];
    for (const char* content : {"\"}",
                                "\"}]}",
                                "\":",
                                "\": \"",
                                "\",\"",
                                "\", \"",
                                "{\"",
                                "[[",
                                "[[[[[[[[",
                                "]]",
                                "]]]]]]]]",
                                "}}",
                                "k>{",
                                "k>\n\n{\"",
                                "k>x",
                                "think>\n",
                                "</think>",
                                "</think>[",
                                "true",
                                "1234567890",
                                "\\n",
                                "\\u00",
                                "\n    ",
                                "<tool_calls>\n{",
                                "\xe4\xb8\xad\xe6\x96\x87",
                                "abcdefghij",
                                "</tool_calls>"}) {
      if (small.Id(content)) continue;
      Json token = last;
      token["id"] = ++id;
      token["content"] = content;
      token["special"] = false;
      added.push_back(token);
    }
    return Tokenizer::FromJson(json.dump(), "the small tokenizer and more");
  }();
  return tokenizer;
}

std::shared_ptr<const ConstraintVocabulary> Vocabulary() {
  static const auto vocabulary = std::make_shared<const ConstraintVocabulary>(TheTokenizer());
  return vocabulary;
}

bool Has(const TokenBits& bits, int32_t id) { return ((bits[static_cast<size_t>(id) / 64] >> (id % 64)) & 1) != 0; }

const int32_t kEnd = *TheTokenizer().Id("<end_of_sentence>");

// Token by token, with nothing remembered.
std::vector<int32_t> BruteForce(const TokenConstraint::Cursor& cursor, const Grammar& grammar) {
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < TheTokenizer().vocab_size(); ++id) {
    if (id == kEnd) {
      if (cursor.can_end()) ids.push_back(id);
      continue;
    }
    if (TheTokenizer().IsSpecial(id)) continue;
    GrammarState state = cursor.state();
    if (grammar.Advance(&state, TheTokenizer().Bytes(id))) ids.push_back(id);
  }
  return ids;
}

std::vector<int32_t> Allowed(const TokenConstraint& constraint, const TokenConstraint::Cursor& cursor) {
  TokenBits bits;
  constraint.Allowed(cursor, {&kEnd, 1}, &bits);
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < static_cast<int32_t>(bits.size() * 64); ++id) {
    if (Has(bits, id)) ids.push_back(id);
  }
  return ids;
}

std::vector<std::shared_ptr<const Grammar>> Grammars() {
  std::vector<std::shared_ptr<const Grammar>> grammars = {JsonObjectGrammar()};
  for (
      const char* schema :
      {R"({"type": "object", "properties": {"name": {"type": "string", "minLength": 3, "maxLength": 8}, "note": {"type": "string"}, "n": {"type": "integer", "minimum": 5, "maximum": 1200}}, "required": ["name"]})",
       R"({"type": "array", "items": {"type": "string", "maxLength": 30}, "minItems": 2, "maxItems": 5})",
       R"({"type": "array", "items": {"type": "array", "items": {"enum": [1, true, "true", "tr"]}, "maxItems": 2}})",
       R"x({"type": "string", "pattern": "^[a-f]*(th.*)?$"})x",
       R"({"type": "object", "properties": {"a": {}, "ab": {}}, "additionalProperties": {"$ref": "#"}})",
       R"({"anyOf": [{"type": "number"}, {"type": "array", "items": {"$ref": "#"}}]})"}) {
    grammars.push_back(JsonSchemaGrammar(ParseJson(schema, "test"), "test"));
  }
  const ToolSignature tools[] = {
      {"look_up", ParseJson(R"({"type": "object", "properties": {"word": {"type": "string"}}})", "test")}, {"add", {}}};
  grammars.push_back(ToolCallsGrammar(tools, ToolUse::kAuto));
  grammars.push_back(ToolCallsGrammar(tools, ToolUse::kRequired, 2));
  return grammars;
}

TEST(TokenConstraintTest, TheMaskIsThatOfEveryTokenTriedAlone) {
  Rng rng(11);
  int64_t steps = 0, ends = 0;
  for (const auto& grammar : Grammars()) {
    const TokenConstraint constraint(grammar, Vocabulary());
    for (int walk = 0; walk < 9; ++walk) {
      TokenConstraint::Cursor cursor = constraint.Begin(static_cast<Grammar::Start>(walk % 3));
      for (int step = 0; step < 40; ++step, ++steps) {
        const std::vector<int32_t> allowed = Allowed(constraint, cursor);
        ASSERT_EQ(allowed, BruteForce(cursor, *grammar));
        ASSERT_EQ(allowed, Allowed(constraint, cursor));  // now from memory
        ASSERT_FALSE(allowed.empty());
        // Tokens of more than a byte more often than their number.
        int32_t id = rng.Pick(allowed);
        for (int i = 0; i < 3 && TheTokenizer().Bytes(id).size() < 2; ++i) id = rng.Pick(allowed);
        if (id == kEnd) {
          ASSERT_TRUE(cursor.can_end());
          ++ends;
          break;
        }
        ASSERT_TRUE(cursor.Push(TheTokenizer().Bytes(id)));
      }
    }
  }
  EXPECT_GT(steps, 500);
  EXPECT_GT(ends, 0);
}

TEST(TokenConstraintTest, WhatIsRememberedHoldsForOtherStacksToo) {
  // The same nodes at all depths up to the limit, where tokens of several brackets are cut off one after the other.
  const auto grammar = JsonObjectGrammar();
  const TokenConstraint constraint(grammar, Vocabulary());
  TokenConstraint::Cursor cursor = constraint.Begin(Grammar::Start::kAnswer);
  ASSERT_TRUE(cursor.Push("{\"a\":"));
  int depth = 0;
  for (bool more = true; more; ++depth) {
    const std::vector<int32_t> allowed = Allowed(constraint, cursor);
    ASSERT_EQ(allowed, BruteForce(cursor, *grammar)) << depth;
    more = std::count(allowed.begin(), allowed.end(), '[') > 0;
    if (more) {
      ASSERT_TRUE(cursor.Push(depth % 3 == 0 ? "[1,[" : "["));
    }
  }
  EXPECT_GT(depth, 60);
  while (cursor.Push("]")) ASSERT_EQ(Allowed(constraint, cursor), BruteForce(cursor, *grammar));
}

TEST(TokenConstraintTest, CountersNearTheirEnds) {
  const auto grammar =
      JsonSchemaGrammar(ParseJson(R"({"type": "string", "minLength": 30, "maxLength": 60})", "test"), "test");
  const TokenConstraint constraint(grammar, Vocabulary());
  TokenConstraint::Cursor cursor = constraint.Begin(Grammar::Start::kAnswer);
  ASSERT_TRUE(cursor.Push("\""));
  for (int i = 0; i <= 60; ++i) {
    const std::vector<int32_t> allowed = Allowed(constraint, cursor);
    ASSERT_EQ(allowed, BruteForce(cursor, *grammar)) << i;
    EXPECT_EQ(std::count(allowed.begin(), allowed.end(), '"') > 0, i >= 30);
    ASSERT_EQ(cursor.Push(i % 2 == 0 ? "a" : "\u00e9"), i < 60);
  }
}

TEST(TokenConstraintTest, TokensThatEndTheThinkingMustGoOnAsTheGrammarDoes) {
  const TokenConstraint constraint(
      JsonSchemaGrammar(ParseJson(R"({"type": "object", "properties": {"a": {}}, "required": ["a"]})", "test"), "test"),
      Vocabulary());
  const auto id = [](const char* content) { return *TheTokenizer().Id(content); };
  TokenConstraint::Cursor cursor = constraint.Begin(Grammar::Start::kThinking);
  TokenBits bits;
  ASSERT_TRUE(cursor.Push("well"));
  constraint.Allowed(cursor, {&kEnd, 1}, &bits);
  EXPECT_TRUE(Has(bits, id("k>x")));  // no tag has begun
  EXPECT_TRUE(Has(bits, id("</think>")));
  EXPECT_FALSE(Has(bits, id("</think>[")));
  EXPECT_FALSE(Has(bits, kEnd));
  ASSERT_TRUE(cursor.Push("</thin"));
  constraint.Allowed(cursor, {&kEnd, 1}, &bits);
  EXPECT_FALSE(Has(bits, id("k>x")));
  EXPECT_TRUE(Has(bits, id("k>{")));
  EXPECT_TRUE(Has(bits, id("k>\n\n{\"")));
  EXPECT_TRUE(Has(bits, 'k'));
  EXPECT_TRUE(Has(bits, 'x'));
  ASSERT_TRUE(cursor.Push("k>\n\n{\""));
  EXPECT_FALSE(cursor.in_thinking());
  ASSERT_TRUE(cursor.Push("a\":1"));
  ASSERT_TRUE(cursor.Push("}"));
  EXPECT_TRUE(cursor.must_end());
  constraint.Allowed(cursor, {&kEnd, 1}, &bits);
  EXPECT_EQ(Allowed(constraint, cursor), std::vector<int32_t>{kEnd});
  EXPECT_FALSE(cursor.Push("x"));
  EXPECT_TRUE(cursor.dead());
}

TEST(TokenConstraintTest, ThreadsShareIt) {
  const auto grammar = JsonObjectGrammar();
  const TokenConstraint shared(grammar, Vocabulary());
  const auto walk = [&](const TokenConstraint& constraint, uint64_t seed) {
    Rng rng(seed);
    std::vector<std::vector<int32_t>> masks;
    TokenConstraint::Cursor cursor = constraint.Begin(Grammar::Start::kMayThink);
    for (int step = 0; step < 30; ++step) {
      masks.push_back(Allowed(constraint, cursor));
      const int32_t id = rng.Pick(masks.back());
      if (id == kEnd) break;
      cursor.Push(TheTokenizer().Bytes(id));
    }
    return masks;
  };
  std::vector<std::vector<std::vector<int32_t>>> masks(4);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) threads.emplace_back([&, t] { masks[t] = walk(shared, t / 2); });
  for (std::thread& thread : threads) thread.join();
  for (uint64_t t = 0; t < 4; ++t) EXPECT_EQ(masks[t], walk(TokenConstraint(grammar, Vocabulary()), t / 2));
}

// Tokenizers of every kind (tests/data/tokenizers) can be held to a grammar: tokens of characters, of bytes, and with
// gaps.
TEST(TokenConstraintTest, HoldsEveryKindOfTokenizer) {
  for (const char* name : {"qwen3", "gpt4o", "llama2", "gemma", "mistral"}) {
    const Tokenizer t =
        Tokenizer::FromFile(std::string(FULGUR_SOURCE_DIR) + "/tests/data/tokenizers/" + name + ".json");
    const Json schema = {{"type", "object"},
                         {"properties", {{"the answer", {{"type", "string"}, {"pattern", "^\u00e9+ (the|and)$"}}}}},
                         {"required", {"the answer"}}};
    const TokenConstraint constraint(JsonSchemaGrammar(schema, "s"), std::make_shared<ConstraintVocabulary>(t));
    TokenConstraint::Cursor cursor = constraint.Begin(Grammar::Start::kAnswer);
    std::string text;
    TokenBits bits;
    for (int step = 0; step < 200 && !cursor.must_end(); ++step) {
      constraint.Allowed(cursor, {}, &bits);
      int32_t longest = -1;  // not an \u escape, which could go on for ever
      for (int32_t id = 0; id < t.vocab_size(); ++id) {
        if ((bits[static_cast<size_t>(id) / 64] >> (id % 64) & 1) == 0) continue;
        const bool better = longest < 0 || t.Bytes(id).size() > t.Bytes(longest).size();
        if (better || t.Bytes(longest) == "\u00e9" || t.Bytes(longest) == "\xC3") longest = id;
      }
      ASSERT_GE(longest, 0) << name << ": " << text;
      ASSERT_TRUE(cursor.Push(t.Bytes(longest)));
      text += t.Bytes(longest);
    }
    ASSERT_TRUE(Json::accept(text)) << name << ": " << text;
    EXPECT_EQ(Json::parse(text).size(), 1u);
  }
}

}  // namespace
}  // namespace fulgur
