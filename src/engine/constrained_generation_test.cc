#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "engine/conversation.h"
#include "engine/generation.h"
#include "engine/loaded_model.h"
#include "engine/test_util.h"
#include "grammar/json_schema.h"
#include "grammar/tool_grammar.h"
#include "model/pass.h"
#include "ops/cross_entropy.h"
#include "text/output_parser.h"

namespace fulgur {
namespace {

using testing_engine::kEndOfSentence;
using testing_engine::SmallModel;
using testing_engine::SmallTokenizer;

constexpr const char* kPerson =
    R"({"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3}}, "required": ["name", "age"]})";

// A model with random weights: it knows nothing of JSON.
class ConstrainedGenerationTest : public ::testing::Test {
 protected:
  static Model& model() {
    static ExecContext exec(2);
    static std::unique_ptr<Model> model = SmallModel(exec);
    return *model;
  }
  static const Tokenizer& tokenizer() {
    static Tokenizer tokenizer = SmallTokenizer();
    return tokenizer;
  }
  static std::shared_ptr<const TokenConstraint> Constraint(std::shared_ptr<const Grammar> grammar) {
    static const auto vocabulary = std::make_shared<const ConstraintVocabulary>(tokenizer());
    return std::make_shared<const TokenConstraint>(std::move(grammar), vocabulary);
  }
  static std::shared_ptr<const TokenConstraint> OfSchema(const std::string& schema) {
    return Constraint(JsonSchemaGrammar(ParseJson(schema, "test"), "test"));
  }
  static GenerationRequest Request(uint64_t seed, std::shared_ptr<const TokenConstraint> constraint) {
    GenerationRequest r;
    r.prompt = {65, 66, static_cast<int32_t>(40 + seed % 50)};
    r.sampling.seed = seed;
    r.stopping.max_tokens = 600;
    r.stopping.stop_tokens = {kEndOfSentence};
    r.constraint = std::move(constraint);
    r.may_think = false;
    return r;
  }
  static Generation Alone(const GenerationRequest& request) {
    Engine engine(model(), tokenizer(), {.max_batch = 1});
    return Generate(engine, request).front();
  }
  static void ExpectPerson(const std::string& text) {
    SCOPED_TRACE(text);
    Json value;
    ASSERT_NO_THROW(value = Json::parse(text));
    ASSERT_TRUE(value["name"].is_string());
    ASSERT_TRUE(value["age"].is_number_integer());
    EXPECT_GE(value["age"], 0);
    EXPECT_LE(value["age"], 130);
    for (const auto& [key, v] : value.items()) EXPECT_TRUE(key == "name" || key == "age" || key == "tags");
    for (const Json& tag : value.value("tags", Json::array())) EXPECT_TRUE(tag == "a" || tag == "b");
  }
};

TEST_F(ConstrainedGenerationTest, AnyModelWritesWhatTheSchemaSays) {
  const auto constraint = OfSchema(kPerson);
  std::set<std::string> texts;
  GenerationRequest request = Request(1, constraint);
  request.outputs = 20;
  Engine engine(model(), tokenizer(), {.max_batch = 8});
  const std::vector<Generation> outputs = Generate(engine, request);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Generation& g = outputs[i];
    EXPECT_EQ(g.end.reason, FinishReason::kStop);
    EXPECT_EQ(g.tokens.back().id, kEndOfSentence);
    ExpectPerson(g.text);
    texts.insert(g.text);
    // As the same request alone.
    GenerationRequest single = Request(1, constraint);
    single.sampling.seed = 1 + i;
    EXPECT_EQ(Alone(single).tokens, g.tokens);
  }
  EXPECT_GT(texts.size(), 10u);

  // And with drafts, from a prompt that has such a text.
  for (const char byte : std::string_view(R"({"name": "ab", "age": 12, "tags": ["a", "b", "a", "b", "a"]})")) {
    request.prompt.push_back(byte);
  }
  Engine plain(model(), tokenizer(), {.max_batch = 8});
  Engine drafting(model(), tokenizer(), {.max_batch = 8, .max_draft = 6, .draft_always = true});
  const std::vector<Generation> expected = Generate(plain, request), drafted = Generate(drafting, request);
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(expected[i].tokens, drafted[i].tokens);
}

TEST_F(ConstrainedGenerationTest, LogprobsAreThoseOfTheModelItself) {
  GenerationRequest request = Request(3, OfSchema(kPerson));
  request.sampling.top_logprobs = 2;
  const Generation g = Alone(request);
  std::vector<int32_t> ids = request.prompt;
  for (int32_t id : g.ids()) ids.push_back(id);
  SequenceState state = model().NewState();
  const Segment segment{&state, ids};
  Pass pass(model());
  const std::span<const float> logits = pass.Forward({&segment, 1}, LogitRows::kAll);
  const auto v = static_cast<size_t>(model().config().vocab_size);
  bool top_does_not_fit = false;
  for (size_t i = 0; i < g.tokens.size(); ++i) {
    const float* row = logits.data() + (request.prompt.size() + i - 1) * v;
    EXPECT_EQ(g.tokens[i].logprob, LogProb(row, static_cast<int64_t>(v), g.tokens[i].id));
    ASSERT_EQ(g.tokens[i].top.size(), 2u);
    top_does_not_fit |= g.tokens[i].top[0].logprob > g.tokens[i].logprob + 1;
  }
  EXPECT_TRUE(top_does_not_fit);  // or this test has shown nothing
}

TEST_F(ConstrainedGenerationTest, GreedyTakesTheMostLikelyTokenThatFits) {
  GenerationRequest request = Request(4, OfSchema(R"({"enum": ["yes", "no"]})"));
  request.sampling.temperature = 0;
  const Generation g = Alone(request);
  EXPECT_TRUE(g.text == "\"yes\"" || g.text == "\"no\"") << g.text;
}

TEST_F(ConstrainedGenerationTest, BeginsWhereTheThinkingEnds) {
  const auto constraint = OfSchema(kPerson);
  std::set<char> any_thought;
  for (const int64_t budget : {1, 7, 50}) {
    for (uint64_t seed = 0; seed < 5; ++seed) {
      GenerationRequest request = Request(seed, constraint);
      request.stopping.starts_in_thinking = true;
      request.stopping.thinking_budget = budget;
      const Generation g = Alone(request);
      EXPECT_EQ(g.end.reason, FinishReason::kStop);
      EXPECT_LE(g.end.thinking_tokens, budget);
      const ParsedOutput parsed = ParseOutput("<think>" + g.text);
      ExpectPerson(parsed.content);
      EXPECT_EQ(g.end.thinking_cut, g.end.thinking_tokens == budget);
      if (g.end.thinking_cut) {
        EXPECT_THAT(g.text, ::testing::HasSubstr("</think>\n\n"));
      }
      any_thought.insert(parsed.reasoning.begin(), parsed.reasoning.end());
    }
  }
  EXPECT_GT(any_thought.size(), 50u);  // of which JSON knows nothing

  GenerationRequest none = Request(1, constraint);
  none.may_think = true;
  none.stopping.thinking_budget = 0;
  const Generation g = Alone(none);
  EXPECT_EQ(g.text.substr(0, 19), "<think>\n\n</think>\n\n");
  ExpectPerson(g.text.substr(19));
  // The same where the prompt has the empty thinking: then it is no output.
  GenerationRequest after = Request(1, constraint);
  for (const OutputToken& token : g.tokens) {
    if (!token.sampled) after.prompt.push_back(token.id);
  }
  after.after_no_thinking = true;
  const Generation rest = Alone(after);
  EXPECT_EQ(rest.text, g.text.substr(19));
  EXPECT_EQ(rest.tokens.size() + after.prompt.size(), g.tokens.size() + none.prompt.size());
}

TEST_F(ConstrainedGenerationTest, AThinkingTagInsideTheAnswerIsText) {
  GenerationRequest request = Request(5, OfSchema(R"({"const": "<think> and <tool_calls> are words"})"));
  request.stopping.thinking_budget = 3;
  const Generation g = Alone(request);
  EXPECT_EQ(g.text, "\"<think> and <tool_calls> are words\"");
  EXPECT_EQ(g.end.thinking_tokens, 0);
  EXPECT_FALSE(g.end.thinking_cut);
  EXPECT_EQ(g.end.reason, FinishReason::kStop);
}

TEST_F(ConstrainedGenerationTest, EndsAsOtherOutputsDo) {
  const auto constraint = OfSchema(R"({"const": "abcdef"})");
  GenerationRequest request = Request(6, constraint);
  const Generation whole = Alone(request);
  const auto tokens = static_cast<int64_t>(whole.tokens.size());
  request.stopping.max_tokens = tokens - 2;  // neither the last character nor the end
  Generation g = Alone(request);
  EXPECT_EQ(g.end.reason, FinishReason::kLength);
  EXPECT_EQ(g.text, whole.text.substr(0, whole.text.size() - 1));
  request.stopping.max_tokens = tokens - 1;  // all of the text, so nothing is missing
  g = Alone(request);
  EXPECT_EQ(g.end.reason, FinishReason::kStop);
  EXPECT_EQ(g.text, whole.text);

  // Without a stop token the text's end is the output's.
  request = Request(6, constraint);
  request.stopping.stop_tokens = {};
  g = Alone(request);
  EXPECT_EQ(g.end.reason, FinishReason::kStop);
  EXPECT_EQ(g.text, whole.text);
  EXPECT_EQ(static_cast<int64_t>(g.tokens.size()), tokens - 1);

  request = Request(6, constraint);
  request.stopping.stop_strings = {"cd"};
  g = Alone(request);
  EXPECT_EQ(g.end.reason, FinishReason::kStopString);
  EXPECT_EQ(whole.text.substr(0, g.text.size()), g.text);
  EXPECT_EQ(g.text.substr(g.text.size() - 2), "ab");
}

TEST_F(ConstrainedGenerationTest, PenaltiesAndFiltersChooseAmongWhatFits) {
  GenerationRequest request = Request(7, OfSchema(kPerson));
  request.sampling.repetition_penalty = 1.3;
  request.sampling.frequency_penalty = 1;
  request.sampling.top_k = 3;
  request.sampling.top_p = 0.5;
  request.sampling.min_p = 0.1;
  for (request.sampling.seed = 0; request.sampling.seed < 5; ++request.sampling.seed) ExpectPerson(Alone(request).text);
}

TEST_F(ConstrainedGenerationTest, ToolCallsAreParsed) {
  const ToolSignature tools[] = {
      {"add",
       ParseJson(R"({"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]})",
                 "test")},
      {"stop", ParseJson(R"({"properties": {}})", "test")}};
  const auto constraint = Constraint(ToolCallsGrammar(tools, ToolUse::kRequired, 2));
  for (uint64_t seed = 0; seed < 8; ++seed) {
    const Generation g = Alone(Request(seed, constraint));
    const ParsedOutput parsed = ParseOutput(g.text);
    ASSERT_FALSE(parsed.tool_calls.empty()) << g.text;
    EXPECT_LE(parsed.tool_calls.size(), 2u);
    for (const ToolCall& call : parsed.tool_calls) {
      EXPECT_TRUE(call.name == "add" || call.name == "stop");
      EXPECT_EQ(call.arguments.size(), call.name == "add" ? 2u : 0u);
    }
  }
}

TEST_F(ConstrainedGenerationTest, AConstraintBelongsToATokenizer) {
  const Tokenizer other = SmallTokenizer();
  const auto vocabulary = std::make_shared<const ConstraintVocabulary>(other);
  Engine engine(model(), tokenizer());
  EXPECT_THROW(
      engine.Submit(Request(1, std::make_shared<const TokenConstraint>(JsonObjectGrammar(), vocabulary)), nullptr),
      Error);
}

TEST(ConstrainedNanoTest, TheBundledModelThinksAndThenWritesJson) {
  ExecContext exec;
  LoadedModel nano = LoadedModel::Load(std::filesystem::path(FULGUR_SOURCE_DIR) / "models/nano", exec);
  Engine engine(*nano.model, nano.tokenizer);
  const auto vocabulary = std::make_shared<const ConstraintVocabulary>(nano.tokenizer);
  const auto constraint = std::make_shared<const TokenConstraint>(
      JsonSchemaGrammar(
          ParseJson(
              R"({"type": "object", "properties": {"answer": {"type": "integer"}, "sure": {"type": "boolean"}}, "required": ["answer", "sure"], "additionalProperties": false})",
              "test"),
          "test"),
      vocabulary);
  Conversation conversation(nano.tokenizer, nano.chat_template(), false);
  GenerationRequest request = conversation.Ask("What is 17 + 25?");
  request.sampling.temperature = 1;
  request.outputs = 8;
  request.stopping.stop_tokens = nano.defaults.stop_tokens;
  request.stopping.thinking_budget = 60;
  request.stopping.max_tokens = 400;
  request.constraint = constraint;
  int64_t thinking = 0;
  for (const Generation& g : Generate(engine, request)) {
    SCOPED_TRACE(g.text);
    EXPECT_EQ(g.end.reason, FinishReason::kStop);
    const ParsedOutput parsed = ParseOutput(g.text);
    Json value;
    ASSERT_NO_THROW(value = Json::parse(parsed.content));
    EXPECT_EQ(value.size(), 2u);
    EXPECT_TRUE(value["answer"].is_number_integer());
    EXPECT_TRUE(value["sure"].is_boolean());
    thinking += g.end.thinking_tokens;
  }
  EXPECT_GT(thinking, 0);
}

}  // namespace
}  // namespace fulgur
