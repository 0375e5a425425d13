#include "engine/generation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "base/rng.h"
#include "engine/test_util.h"
#include "model/pass.h"
#include "ops/cross_entropy.h"

namespace fulgur {
namespace {

using testing_engine::kEndOfSentence;
using testing_engine::kTokenizerVocab;
using testing_engine::SmallConfig;
using testing_engine::SmallModel;
using testing_engine::SmallTokenizer;

class EngineTest : public ::testing::Test {
 protected:
  static ExecContext& exec() {
    static ExecContext exec(2);
    return exec;
  }
  static Model& model() {
    static std::unique_ptr<Model> model = SmallModel(exec());
    return *model;
  }
  static const Tokenizer& tokenizer() {
    static Tokenizer tokenizer = SmallTokenizer();
    return tokenizer;
  }
  static std::vector<int32_t> Prompt(uint64_t seed, int64_t length) {
    Rng rng(seed);
    std::vector<int32_t> ids;
    for (int64_t i = 0; i < length; ++i) ids.push_back(static_cast<int32_t>(rng.Int(32, 126)));
    return ids;
  }
  static GenerationRequest Request(uint64_t seed, int64_t prompt_length, int64_t max_tokens) {
    GenerationRequest r;
    r.prompt = Prompt(seed, prompt_length);
    r.sampling.seed = seed;
    r.stopping.max_tokens = max_tokens;
    return r;
  }
  static Generation Alone(const GenerationRequest& request) {
    Engine engine(model(), tokenizer(), {.max_batch = 1});
    return Generate(engine, request).front();
  }
  static void ExpectSame(const Generation& a, const Generation& b) {
    EXPECT_EQ(a.tokens, b.tokens);
    EXPECT_EQ(a.text, b.text);
    EXPECT_EQ(a.end.reason, b.end.reason);
    EXPECT_EQ(a.end.output_tokens, b.end.output_tokens);
    EXPECT_EQ(a.end.thinking_tokens, b.end.thinking_tokens);
  }
};

std::vector<GenerationRequest> MixedRequests(const std::function<GenerationRequest(uint64_t, int64_t, int64_t)>& make) {
  std::vector<GenerationRequest> requests;
  const int64_t lengths[] = {1, 63, 64, 65, 130, 7, 20, 3, 90};
  for (uint64_t i = 0; i < 9; ++i) {
    GenerationRequest r = make(i, lengths[i], 5 + static_cast<int64_t>(i) * 9);
    r.sampling.temperature = i % 3 == 0 ? 0 : 0.8;
    if (i == 1) r.sampling.top_p = 0.9;
    if (i == 2) r.sampling.top_k = 5;
    if (i == 4) r.sampling.frequency_penalty = 0.5;
    if (i == 5) r.sampling.top_logprobs = 3;
    if (i == 7) r.stopping.thinking_budget = 12, r.stopping.starts_in_thinking = true;
    requests.push_back(r);
  }
  return requests;
}

TEST_F(EngineTest, TheBatchDoesNotChangeARequest) {
  const std::vector<GenerationRequest> requests = MixedRequests(Request);
  std::vector<Generation> alone;
  for (const GenerationRequest& r : requests) alone.push_back(Alone(r));
  std::set<std::vector<int32_t>> distinct;
  for (const Generation& g : alone) distinct.insert(g.ids());
  EXPECT_EQ(distinct.size(), alone.size());

  ExecContext one(1);
  const std::unique_ptr<Model> single = SmallModel(one);
  const EngineOptions variants[] = {
      {.max_batch = 16}, {.max_batch = 3, .prefill_chunk = 5}, {.max_batch = 2, .prefill_chunk = 64}};
  for (Model* m : {&model(), single.get()}) {
    for (const EngineOptions& options : variants) {
      Engine engine(*m, tokenizer(), options);
      std::vector<Generation> together(requests.size());
      for (size_t i = requests.size(); i-- > 0;) {  // another order
        engine.Submit(requests[i], [&together, i](const OutputEvent& e) { together[i].Add(e); });
        engine.Step();  // joins while others run
        EXPECT_LE(engine.running(), options.max_batch);
      }
      engine.Run();
      for (size_t i = 0; i < requests.size(); ++i) {
        SCOPED_TRACE(i);
        ExpectSame(together[i], alone[i]);
      }
    }
  }
}

TEST_F(EngineTest, OutputsOfOnePromptAreRequestsWithTheNextSeeds) {
  GenerationRequest request = Request(3, 100, 20);
  request.outputs = 5;
  for (int64_t max_batch : {1, 2, 8}) {
    Engine engine(model(), tokenizer(), {.max_batch = max_batch});
    const std::vector<Generation> outputs = Generate(engine, request);
    ASSERT_EQ(outputs.size(), 5u);
    for (uint64_t i = 0; i < 5; ++i) {
      GenerationRequest single = Request(3, 100, 20);
      single.sampling.seed = 3 + i;
      ExpectSame(outputs[i], Alone(single));
    }
    EXPECT_NE(outputs[0].ids(), outputs[1].ids());
  }
}

TEST_F(EngineTest, LogprobsAreThoseOfTheWholeSequenceInOnePass) {
  GenerationRequest request = Request(4, 30, 50);
  const Generation g = Alone(request);
  std::vector<int32_t> ids = request.prompt;
  for (int32_t id : g.ids()) ids.push_back(id);
  SequenceState state = model().NewState();
  const Segment segment{&state, ids};
  Pass pass(model());
  const std::span<const float> logits = pass.Forward({&segment, 1}, LogitRows::kAll);
  const size_t v = static_cast<size_t>(model().config().vocab_size);
  for (size_t i = 0; i < g.tokens.size(); ++i) {
    EXPECT_EQ(g.tokens[i].logprob,
              LogProb(logits.data() + (request.prompt.size() + i - 1) * v, static_cast<int64_t>(v), g.tokens[i].id));
  }
}

TEST_F(EngineTest, ContinuesFromAState) {
  // The state after a first answer, and the one after its prompt, both serve a longer prompt with that beginning.
  GenerationRequest first = Request(5, 70, 10);
  first.keep_prompt_state = true;
  Engine engine(model(), tokenizer());
  std::optional<SequenceState> after_answer;
  std::shared_ptr<const SequenceState> after_prompt;
  std::vector<int32_t> ids = first.prompt;
  engine.Submit(first, [&](const OutputEvent& e) {
    for (const OutputToken& t : e.tokens) ids.push_back(t.id);
    if (!e.end) return;
    after_answer = std::move(*e.state);
    after_prompt = e.end->prompt_state;
  });
  engine.Run();
  ASSERT_TRUE(after_answer);
  ASSERT_TRUE(after_prompt);
  EXPECT_EQ(after_answer->length(), 79);  // the last token has not been processed
  EXPECT_EQ(after_prompt->length(), 70);

  GenerationRequest second = Request(6, 25, 30);
  second.prompt.insert(second.prompt.begin(), ids.begin(), ids.end());
  const Generation expected = Alone(second);
  for (const SequenceState& state : {*after_answer, *after_prompt}) {
    GenerationRequest reusing = second;
    reusing.state = state;
    const Generation g = Generate(engine, reusing).front();
    ExpectSame(g, expected);
    EXPECT_EQ(g.end.reused_tokens, state.length());
  }
}

TEST_F(EngineTest, CancelEndsOneRequestOnly) {
  const GenerationRequest other = Request(8, 20, 40);
  Engine engine(model(), tokenizer(), {.max_batch = 3});
  Generation kept;
  int64_t tokens = 0, ends = 0, cancelled = 0;
  GenerationRequest endless = Request(9, 20, 0);
  endless.outputs = 5;  // two run, the others wait
  cancelled = engine.Submit(endless, [&](const OutputEvent& e) {
    tokens += static_cast<int64_t>(e.tokens.size());
    if (tokens == 20) engine.Cancel(cancelled);
    if (!e.end) return;
    ++ends;
    EXPECT_EQ(e.end->reason, FinishReason::kCancelled);
  });
  engine.Submit(other, [&](const OutputEvent& e) { kept.Add(e); });
  engine.Run();
  EXPECT_EQ(ends, 5);
  EXPECT_LT(tokens, 30);
  ExpectSame(kept, Alone(other));

  // Before anything ran.
  int64_t early = 0;
  engine.Cancel(engine.Submit(other, [&](const OutputEvent& e) { early += e.end && e.tokens.empty(); }));
  engine.Run();
  EXPECT_EQ(early, 1);
  EXPECT_EQ(engine.waiting() + engine.running(), 0);
}

TEST_F(EngineTest, StopTokenEndsTheOutputAndIsNotText) {
  const Generation whole = Alone(Request(10, 20, 60));
  EXPECT_EQ(whole.end.reason, FinishReason::kLength);
  EXPECT_EQ(whole.tokens.size(), 60u);
  const std::vector<int32_t> ids = whole.ids();
  const int32_t stop = ids[30];
  const size_t at = static_cast<size_t>(std::find(ids.begin(), ids.end(), stop) - ids.begin());
  GenerationRequest request = Request(10, 20, 60);
  request.stopping.stop_tokens = {999, stop};
  const Generation g = Alone(request);
  EXPECT_EQ(g.end.reason, FinishReason::kStop);
  ASSERT_EQ(g.tokens.size(), at + 1);
  EXPECT_EQ(g.tokens.back().id, stop);
  EXPECT_EQ(g.text, tokenizer().Decode(std::span(ids).first(at), true));
}

TEST_F(EngineTest, StopStringMaySpanTokens) {
  const Generation whole = Alone(Request(11, 20, 60));
  // Three characters from the middle, one a token mostly.
  size_t begin = whole.text.size() / 2;
  const std::string stop = whole.text.substr(begin, 5);
  begin = whole.text.find(stop);
  GenerationRequest request = Request(11, 20, 60);
  request.stopping.stop_strings = {"never in the text", stop};
  const Generation g = Alone(request);
  EXPECT_EQ(g.end.reason, FinishReason::kStopString);
  EXPECT_EQ(g.end.message, stop);
  EXPECT_EQ(g.text, whole.text.substr(0, begin));
  EXPECT_LT(g.tokens.size(), whole.tokens.size());
}

// A chat's answer: what the model is made to write is read as one.
TEST_F(EngineTest, StopStringsOfAChatCountInTheAnswerAlone) {
  GenerationRequest request = Request(21, 20, 60);
  request.stopping.starts_in_thinking = true;
  request.stopping.thinking_budget = 8;
  request.stopping.closing_sentence = "Enough\nof it.";
  const Generation whole = Alone(request);
  const size_t answer = whole.text.find("</think>\n\n") + 10;
  ASSERT_LT(answer + 6, whole.text.size());
  const size_t begin = whole.text.find_first_not_of(" \n\t\r\f\v", answer);
  request.stopping.answer =
      StreamingOutputParser::Options{.start = StreamingOutputParser::Options::Start::kThinking, .thinks_first = true};
  // A character of the answer that the thinking has too, and what only the tags have.
  const std::string stop = whole.text.substr(begin + 2, 1);
  request.stopping.stop_strings = {"\nof", "</think>", "\n\n", stop};
  const Generation g = Alone(request);
  EXPECT_EQ(g.end.reason, FinishReason::kStopString);
  EXPECT_EQ(g.end.message, stop);
  EXPECT_EQ(g.text, whole.text.substr(0, whole.text.find(stop, begin)));
  ASSERT_LT(g.tokens.size(), whole.tokens.size());
  for (size_t i = 0; i < g.tokens.size(); ++i) EXPECT_EQ(g.tokens[i], whole.tokens[i]);
}

TEST_F(EngineTest, PromptLogprobsAreThoseOfAForwardPass) {
  std::vector<std::vector<OutputToken>> alone;
  for (const auto& [length, chunk] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 512}, {70, 512}, {300, 512}, {300, 7}}) {
    GenerationRequest request = Request(31, length, 4);
    request.prompt_logprobs = true;
    request.sampling.top_logprobs = 3;
    request.outputs = 2;
    request.checkpoints = {1};
    Engine engine(model(), tokenizer(), {.max_batch = 4, .prefill_chunk = chunk});
    std::vector<std::vector<OutputToken>> scores(2);
    int64_t events = 0;
    engine.Submit(Request(32, 50, 40), nullptr);  // company
    engine.Submit(request, [&](const OutputEvent& event) {
      events += !event.prompt.empty();
      if (!event.prompt.empty())
        scores[static_cast<size_t>(event.output)].assign(event.prompt.begin(), event.prompt.end());
    });
    engine.Run();
    EXPECT_EQ(events, 2);  // the first of each output
    EXPECT_EQ(scores[0], scores[1]);
    ASSERT_EQ(scores[0].size(), request.prompt.size());
    EXPECT_FALSE(scores[0][0].sampled);
    SequenceState state = model().NewState();
    const Segment segment{&state, request.prompt};
    Pass pass(model());
    const std::span<const float> logits = pass.Forward({&segment, 1}, LogitRows::kAll);
    const size_t v = static_cast<size_t>(SmallConfig().vocab_size);
    for (size_t i = 1; i < scores[0].size(); ++i) {
      const OutputToken& token = scores[0][i];
      const float* row = logits.data() + (i - 1) * v;
      EXPECT_EQ(token.id, request.prompt[i]);
      EXPECT_EQ(token.logprob, LogProb(row, static_cast<int64_t>(v), token.id));
      ASSERT_EQ(token.top.size(), 3u);
      for (const TokenLogprob& other : token.top) {
        EXPECT_EQ(other.logprob, LogProb(row, static_cast<int64_t>(v), other.id));
        EXPECT_LE(other.logprob, token.top[0].logprob);
      }
    }
  }
}

TEST_F(EngineTest, ThinkingBudgetIsExact) {
  for (int64_t budget : {1, 2, 10, 64}) {
    GenerationRequest request = Request(12, 20, 200);
    request.stopping.starts_in_thinking = true;
    const Generation free = Alone(request);
    ASSERT_EQ(free.text.find('<'), std::string::npos);  // this model does not close its thinking, nor begin to
    EXPECT_EQ(free.end.thinking_tokens, 200);
    request.stopping.thinking_budget = budget;
    request.stopping.closing_sentence = "That is all.";
    const Generation g = Alone(request);
    EXPECT_TRUE(g.end.thinking_cut);
    EXPECT_EQ(g.end.thinking_tokens, budget);
    EXPECT_EQ(g.tokens.size(), 200u);
    // The sampled tokens before it are those without a budget; then comes the closing, then sampled tokens again.
    size_t i = 0;
    for (; i < static_cast<size_t>(budget); ++i) EXPECT_EQ(g.tokens[i], free.tokens[i]);
    std::vector<int32_t> closing;
    for (; !g.tokens[i].sampled; ++i) {
      closing.push_back(g.tokens[i].id);
      EXPECT_EQ(g.tokens[i].logprob, 0);
    }
    EXPECT_EQ(tokenizer().Decode(closing, true), "\nThat is all.\n</think>\n\n");
    EXPECT_LT(i, 200u);
    for (; i < 200; ++i) EXPECT_TRUE(g.tokens[i].sampled);
    EXPECT_NE(g.text.find("That is all.\n</think>\n\n"), std::string::npos);
    // What comes after is what the model says after these tokens.
    GenerationRequest rest = Request(12, 20, 0);
    for (i = 0; i < static_cast<size_t>(budget) + closing.size(); ++i) rest.prompt.push_back(g.tokens[i].id);
    rest.stopping.max_tokens = static_cast<int64_t>(200 - i);
    const Generation after = Alone(rest);
    EXPECT_TRUE(std::equal(after.tokens.begin(), after.tokens.end(), g.tokens.begin() + static_cast<int64_t>(i)));
  }
}

TEST_F(EngineTest, NoBudgetMeansNoThinking) {
  GenerationRequest request = Request(13, 20, 60);
  request.stopping.thinking_budget = 0;
  const Generation g = Alone(request);
  EXPECT_EQ(g.text.substr(0, 19), "<think>\n\n</think>\n\n");
  EXPECT_EQ(g.end.thinking_tokens, 0);
  EXPECT_FALSE(g.tokens.front().sampled);
  EXPECT_TRUE(g.tokens.back().sampled);
  EXPECT_EQ(g.tokens.size(), 60u);
  request.stopping.max_tokens = 3;  // not even room for the tags
  EXPECT_EQ(Alone(request).tokens.size(), 3u);
  EXPECT_EQ(Alone(request).end.reason, FinishReason::kLength);
}

TEST_F(EngineTest, EarlyTruncationCountsConsecutiveConfidentTokens) {
  const Generation whole = Alone(Request(14, 20, 300));
  std::set<size_t> lengths;
  for (double probability : {0.02, 0.1, 0.3}) {
    for (int64_t n : {1, 2, 4}) {
      size_t expected = whole.tokens.size();
      for (size_t i = 0, run = 0; i < whole.tokens.size(); ++i) {
        run = whole.tokens[i].logprob > std::log(probability) ? run + 1 : 0;
        if (static_cast<int64_t>(run) == n) {
          expected = i + 1;
          break;
        }
      }
      GenerationRequest request = Request(14, 20, 300);
      request.stopping.early_truncation = {n, probability};
      const Generation g = Alone(request);
      EXPECT_EQ(g.tokens.size(), expected) << probability << " " << n;
      EXPECT_EQ(g.end.reason, expected < 300 ? FinishReason::kEarlyTruncation : FinishReason::kLength);
      lengths.insert(expected);
    }
  }
  EXPECT_GT(lengths.size(), 3u);
  GenerationRequest off = Request(14, 20, 300);
  off.stopping.early_truncation = {0, 0};
  EXPECT_EQ(Alone(off).tokens.size(), 300u);
  off.stopping.early_truncation = {17, 0};
  EXPECT_EQ(Alone(off).tokens.size(), 17u);
}

TEST_F(EngineTest, PaddingIsNeverSampled) {
  Params params = RandomParams(SmallConfig(), 5);
  for (int64_t id : {40, 41, 100}) {  // rows of zeros, as if these were padding too
    for (int64_t i = 0; i < 32; ++i) params.embedding.f32()[id * 32 + i] = 0;
  }
  Model padded(SmallConfig(), std::move(params), exec());
  Engine engine(padded, tokenizer());
  GenerationRequest request = Request(15, 3, 2000);
  request.prompt = {65, 66, 67};
  request.sampling.temperature = 100;  // all tokens alike
  std::set<int32_t> seen;
  const Generation g = Generate(engine, request).front();
  for (const OutputToken& t : g.tokens) seen.insert(t.id);
  EXPECT_GT(seen.size(), 240u);
  EXPECT_LT(*seen.rbegin(), kTokenizerVocab);
  EXPECT_GE(*seen.rbegin(), 260);
  for (int32_t id : {40, 41, 100}) EXPECT_FALSE(seen.count(id));
}

TEST_F(EngineTest, ContextIsALimit) {
  Engine engine(model(), tokenizer(), {.max_context = 50});
  const Generation g = Generate(engine, Request(16, 20, 0)).front();
  EXPECT_EQ(g.tokens.size(), 30u);
  EXPECT_EQ(g.end.reason, FinishReason::kLength);
  EXPECT_EQ(Generate(engine, Request(16, 20, 12)).front().tokens.size(), 12u);
  EXPECT_THROW(engine.Submit(Request(16, 50, 1), nullptr), Error);
}

TEST_F(EngineTest, RejectsWhatItCannotServe) {
  Engine engine(model(), tokenizer());
  const auto rejects = [&](const std::function<void(GenerationRequest&)>& spoil, const char* what) {
    GenerationRequest r = Request(17, 5, 5);
    spoil(r);
    try {
      engine.Submit(std::move(r), nullptr);
      ADD_FAILURE() << "accepted, though " << what;
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), ::testing::HasSubstr(what));
    }
  };
  rejects([](auto& r) { r.prompt.clear(); }, "prompt is empty");
  rejects([](auto& r) { r.prompt[2] = 280; }, "280");
  rejects([](auto& r) { r.prompt[2] = -1; }, "-1");
  rejects([](auto& r) { r.outputs = 0; }, "outputs");
  rejects([](auto& r) { r.sampling.top_p = 2; }, "top_p");
  rejects([](auto& r) { r.stopping.max_tokens = -1; }, "max_tokens");
  rejects([](auto& r) { r.stopping.thinking_budget = -1; }, "thinking budget");
  rejects([](auto& r) { r.stopping.stop_strings = {""}; }, "stop string");
  rejects([](auto& r) { r.stopping.early_truncation.probability = 1.5; }, "probability");
  rejects(
      [&](auto& r) {
        r.state = model().NewState();
        const std::vector<int32_t> ids(5, 65);
        const Segment s{&*r.state, ids};
        Pass pass(model());
        pass.Forward({&s, 1}, LogitRows::kNone);
      },
      "shorter");
  EXPECT_THROW(Engine(model(), tokenizer(), {.max_batch = 0}), Error);
  EXPECT_FALSE(engine.Step());
}

TEST_F(EngineTest, AModelWithoutSampleableTokensIsAnError) {
  Params params = RandomParams(SmallConfig(), 5);
  for (float& x : params.embedding.values<float>()) x = 0;
  Model broken(SmallConfig(), std::move(params), exec());
  Engine engine(broken, tokenizer());
  EXPECT_THROW(Generate(engine, Request(18, 5, 5)), Error);
}

TEST_F(EngineTest, ALongPromptNeitherBlocksShortOnesNorStarves) {
  Engine engine(model(), tokenizer(), {.max_batch = 8, .prefill_chunk = 32});
  int step = 0;
  std::map<int, int> first;  // name -> step of its first token
  const auto submit = [&](int name, int64_t prompt, int priority = 0) {
    GenerationRequest r = Request(static_cast<uint64_t>(name), prompt, 1);
    r.priority = priority;
    engine.Submit(r, [&, name](const OutputEvent&) { first.emplace(name, step); });
  };
  const auto run = [&](int steps) {
    for (int i = 0; i < steps; ++i) ++step, engine.Step();
  };
  submit(1, 640);
  run(2);
  submit(2, 16);  // fits into half a step
  run(1);
  EXPECT_EQ(first[2], 3);
  for (int name = 10; name < 28; ++name) {  // one a step
    submit(name, 16);
    run(1);
    EXPECT_EQ(first[name], step);
  }
  EXPECT_EQ(first.count(1), 0u);
  // 64 tokens alone, then 16 in each of 19 steps: 272 are left.
  run(17);
  EXPECT_EQ(first[1], 2 + 1 + 18 + 9);
  // A higher priority takes all it can use.
  submit(3, 64);
  submit(4, 64, 1);
  run(2);
  EXPECT_EQ(first.count(3), 0u);
  EXPECT_EQ(first[4], step);
  run(2);
  EXPECT_EQ(first[3], step);
}

TEST_F(EngineTest, CheckpointsAreTheStatesOfThePromptsBeginnings) {
  GenerationRequest request = Request(1, 200, 5);
  const Generation alone = Alone(request);
  request.checkpoints = {1, 64, 65, 150, 200};
  std::vector<SequenceState> states;
  request.on_checkpoint = [&](const SequenceState& state) { states.push_back(state); };
  Engine engine(model(), tokenizer(), {.prefill_chunk = 50});
  ExpectSame(Generate(engine, request)[0], alone);
  ASSERT_EQ(states.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(states[i].length(), request.checkpoints[i]);
    if (states[i].length() == 200) continue;
    GenerationRequest resumed = Request(1, 200, 5);
    resumed.state = states[i];
    Engine other(model(), tokenizer());
    ExpectSame(Generate(other, resumed)[0], alone);
  }
  for (const std::vector<int64_t>& wrong : std::vector<std::vector<int64_t>>{{0}, {201}, {5, 5}, {6, 5}}) {
    request.checkpoints = wrong;
    EXPECT_THROW(engine.Validate(request), Error);
  }
}

// Prompts and outputs that repeat themselves, so that drafts are right, half right and wrong.
TEST_F(EngineTest, DraftsChangeNothing) {
  std::vector<GenerationRequest> requests = MixedRequests(Request);
  for (size_t i = 0; i < requests.size(); ++i) {
    std::vector<int32_t>& prompt = requests[i].prompt;
    const std::vector<int32_t> once(prompt.begin(), prompt.begin() + std::min<int64_t>(20, std::ssize(prompt)));
    for (int n = 0; n < 3; ++n) prompt.insert(prompt.end(), once.begin(), once.end());
    requests[i].stopping.max_tokens += 150;
    if (i % 2 == 1) requests[i].sampling.logit_bias = {{'a', 9.0f}, {'b', 8.0f}, {'c', 8.0f}};  // few different tokens
    requests[i].stopping.stop_tokens = {kEndOfSentence};
    if (i == 3) requests[i].stopping.stop_strings = {"abab", "ccc"};
  }
  requests[8].stopping.early_truncation = {.tokens = 4, .probability = 0.2};
  struct Outcome {
    Generation generation;
    std::optional<SequenceState> state;
  };
  const auto run = [&](const EngineOptions& options, StepStats* sum) {
    Engine engine(model(), tokenizer(), options);
    std::vector<Outcome> outcomes(requests.size());
    for (size_t i = 0; i < requests.size(); ++i) {
      engine.Submit(requests[i], [&outcomes, i](const OutputEvent& e) {
        outcomes[i].generation.Add(e);
        if (e.end) outcomes[i].state = *e.state;
      });
    }
    while (engine.Step()) {
      sum->decode_tokens += engine.last_step().decode_tokens;
      sum->drafted_tokens += engine.last_step().drafted_tokens;
      sum->accepted_tokens += engine.last_step().accepted_tokens;
    }
    return outcomes;
  };
  StepStats plain;
  const std::vector<Outcome> expected = run({}, &plain);
  EXPECT_EQ(plain.drafted_tokens, 0);
  std::set<FinishReason> reasons;
  for (const Outcome& o : expected) reasons.insert(o.generation.end.reason);
  EXPECT_GE(reasons.size(), 3u);
  for (const int64_t max_draft : {1, 3, 16, 1000}) {
    for (const int64_t max_batch : {1, 16}) {
      SCOPED_TRACE(fmt::format("{} drafts, batch {}", max_draft, max_batch));
      StepStats stats;
      const std::vector<Outcome> outcomes =
          run({.max_batch = max_batch, .max_draft = max_draft, .draft_always = true}, &stats);
      EXPECT_EQ(stats.decode_tokens, plain.decode_tokens);
      EXPECT_GT(stats.accepted_tokens, 100);
      EXPECT_GT(stats.drafted_tokens, stats.accepted_tokens + 100);
      for (size_t i = 0; i < requests.size(); ++i) {
        SCOPED_TRACE(i);
        ExpectSame(outcomes[i].generation, expected[i].generation);
        ASSERT_EQ(outcomes[i].state->length(), expected[i].state->length());
        // The state, too, is as if nothing wrong had ever been tried.
        const std::vector<int32_t> next = Prompt(77, 70);
        std::vector<float> logits[2];
        for (size_t n = 0; n < 2; ++n) {
          SequenceState state = n == 0 ? *expected[i].state : *outcomes[i].state;
          const Segment segment{&state, next};
          Pass pass(model());
          const std::span<const float> rows = pass.Forward({&segment, 1}, LogitRows::kAll);
          logits[n].assign(rows.begin(), rows.end());
        }
        EXPECT_EQ(logits[0], logits[1]);
      }
    }
  }
  // Left to decide for itself, too.
  StepStats stats;
  const std::vector<Outcome> outcomes = run({.max_draft = 16}, &stats);
  for (size_t i = 0; i < requests.size(); ++i) ExpectSame(outcomes[i].generation, expected[i].generation);
}

TEST_F(EngineTest, OnlyTheLastRowsThatAreAskedForGetLogits) {
  const std::vector<int32_t> ids[] = {Prompt(1, 9), Prompt(2, 70), Prompt(3, 2)};
  const int64_t last[] = {3, 70, 1};
  std::vector<SequenceState> states(3, model().NewState());
  std::vector<Segment> segments;
  for (size_t i = 0; i < 3; ++i) segments.push_back({&states[i], ids[i], last[i]});
  const size_t v = static_cast<size_t>(model().config().vocab_size);
  Pass pass(model());
  const std::span<const float> rows = pass.Forward(segments, LogitRows::kLast);
  const std::vector<float> some(rows.begin(), rows.end());
  ASSERT_EQ(some.size(), 74 * v);
  size_t at = 0;
  for (size_t i = 0; i < 3; ++i) {
    SequenceState state = model().NewState();
    const Segment segment{&state, ids[i]};
    Pass pass(model());
    const std::span<const float> all = pass.Forward({&segment, 1}, LogitRows::kAll);
    const size_t count = static_cast<size_t>(last[i]) * v;
    EXPECT_TRUE(
        std::equal(all.end() - static_cast<int64_t>(count), all.end(), some.begin() + static_cast<int64_t>(at)));
    at += count;
  }
}

}  // namespace
}  // namespace fulgur
