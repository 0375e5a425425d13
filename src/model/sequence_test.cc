// What a sequence remembers: batches, forks, going back, saving; and that training sees the bits that decoding
// produced.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/file.h"
#include "base/rng.h"
#include "base/test_folder.h"
#include "model/checkpoint.h"
#include "model/gradient.h"
#include "model/memory_plan.h"
#include "model/model.h"
#include "model/pass.h"
#include "ops/cross_entropy.h"

namespace fulgur {
namespace {

ModelConfig SmallConfig() {
  ModelConfig c;
  c.vocab_size = 50;
  c.hidden_size = 24;
  c.intermediate_size = 20;
  c.num_hidden_layers = 4;
  c.num_attention_heads = 3;
  c.num_key_value_heads = 1;
  c.head_dim = 8;
  c.rotary_dim = 4;
  c.num_local_experts = 4;
  c.num_experts_per_tok = 2;
  c.attn_type_list = {AttentionKind::kLightning, AttentionKind::kSoftmax, AttentionKind::kLightning,
                      AttentionKind::kSoftmax};
  c.postnorm = true;
  c.initializer_range = 0.3;
  c.Validate("test");
  return c;
}

std::vector<int32_t> RandomTokens(int64_t n, uint64_t seed) {
  Rng rng(seed);
  std::vector<int32_t> tokens(static_cast<size_t>(n));
  for (int32_t& t : tokens) t = static_cast<int32_t>(rng.Below(50));
  return tokens;
}

class SequenceTest : public testing::Test {
 protected:
  std::vector<float> Append(SequenceState& state, std::span<const int32_t> tokens) {
    const Segment segment{&state, tokens};
    const std::span<const float> logits = pass_.Forward({&segment, 1}, LogitRows::kAll);
    return {logits.begin(), logits.end()};
  }
  // All logits of a sequence in one pass.
  std::vector<float> Whole(std::span<const int32_t> tokens) {
    SequenceState state = model_.NewState();
    return Append(state, tokens);
  }
  TestFolder folder_;
  ExecContext exec_{2};
  Model model_{SmallConfig(), RandomParams(SmallConfig(), 7), exec_, /*keep_weights=*/true};
  Pass pass_{model_};
};

std::vector<float> Rows(const std::vector<float>& logits, size_t from, size_t to) {
  return {logits.begin() + static_cast<int64_t>(from * 50), logits.begin() + static_cast<int64_t>(to * 50)};
}

TEST_F(SequenceTest, CompanyInABatchChangesNothing) {
  const std::vector<std::vector<int32_t>> prompts = {RandomTokens(5, 1), RandomTokens(130, 2), {}, RandomTokens(64, 3)};
  std::vector<SequenceState> states(prompts.size(), model_.NewState());
  std::vector<Segment> segments;
  for (size_t i = 0; i < prompts.size(); ++i) segments.push_back({&states[i], prompts[i]});
  const std::span<const float> all = pass_.Forward(segments, LogitRows::kAll);
  const std::vector<float> batch(all.begin(), all.end());
  size_t row = 0;
  for (const auto& prompt : prompts) {
    if (prompt.empty()) continue;
    EXPECT_EQ(Rows(batch, row, row + prompt.size()), Whole(prompt));
    row += prompt.size();
  }
  // Then one more token for each, of which the last rows are asked for.
  const std::vector<int32_t> next = {1, 2, 3, 4};
  segments.clear();
  for (size_t i = 0; i < prompts.size(); ++i) segments.push_back({&states[i], std::span(next).subspan(i, 1)});
  const std::span<const float> last = pass_.Forward(segments, LogitRows::kLast);
  const std::vector<float> step(last.begin(), last.end());
  for (size_t i = 0; i < prompts.size(); ++i) {
    std::vector<int32_t> longer = prompts[i];
    longer.push_back(next[i]);
    EXPECT_EQ(Rows(step, i, i + 1), Rows(Whole(longer), longer.size() - 1, longer.size())) << i;
  }
}

// Whatever the format of the KV cache.
TEST_F(SequenceTest, PiecesOfAPromptGiveTheSameBits) {
  const std::vector<int32_t> tokens = RandomTokens(150, 30);
  std::vector<std::vector<float>> of_format;
  for (const KvFormat format : kAllKvFormats) {
    model_.set_kv_format(format);
    EXPECT_EQ(model_.NewState().kv_format(), format);
    const std::vector<float> whole = Whole(tokens);
    for (const size_t chunk : {1, 30, 64, 100}) {
      SequenceState state = model_.NewState();
      std::vector<float> pieces;
      for (size_t at = 0; at < tokens.size(); at += chunk) {
        const std::vector<float> part =
            Append(state, std::span(tokens).subspan(at, std::min(chunk, tokens.size() - at)));
        pieces.insert(pieces.end(), part.begin(), part.end());
      }
      EXPECT_EQ(pieces, whole) << KvFormatName(format) << " " << chunk;
    }
    of_format.push_back(whole);
  }
  // The formats do differ, a little: the median, because a router's choice between experts turns now and then.
  for (size_t i = 1; i < of_format.size(); ++i) {
    std::vector<double> difference;
    for (size_t n = 0; n < of_format[0].size(); ++n) {
      difference.push_back(std::abs(static_cast<double>(of_format[i][n]) - of_format[0][n]));
    }
    std::nth_element(difference.begin(), difference.begin() + static_cast<int64_t>(difference.size() / 2),
                     difference.end());
    const double median = difference[difference.size() / 2];
    EXPECT_GT(median, 0);
    EXPECT_LT(median, 0.1);
  }
}

// A batch may hold sequences of several formats.
TEST_F(SequenceTest, FormatsInOneBatch) {
  const std::vector<int32_t> tokens = RandomTokens(100, 31);
  std::vector<SequenceState> states;
  std::vector<std::vector<float>> alone;
  for (const KvFormat format : kAllKvFormats) {
    model_.set_kv_format(format);
    alone.push_back(Whole(tokens));
    states.push_back(model_.NewState());
  }
  std::vector<Segment> segments;
  for (SequenceState& state : states) segments.push_back({&state, tokens});
  const std::span<const float> all = pass_.Forward(segments, LogitRows::kAll);
  const std::vector<float> batch(all.begin(), all.end());
  for (size_t i = 0; i < alone.size(); ++i) EXPECT_EQ(Rows(batch, i * 100, (i + 1) * 100), alone[i]);
}

TEST_F(SequenceTest, ForksGoTheirOwnWays) {
  for (const int64_t length : {3, 64, 70, 128}) {
    const std::vector<int32_t> prompt = RandomTokens(length, 4), left = RandomTokens(70, 5),
                               right = RandomTokens(70, 6);
    SequenceState a = model_.NewState();
    Append(a, prompt);
    SequenceState b = a;
    const auto expect = [&](const std::vector<int32_t>& tail) {
      std::vector<int32_t> tokens = prompt;
      tokens.insert(tokens.end(), tail.begin(), tail.end());
      return Rows(Whole(tokens), prompt.size(), tokens.size());
    };
    const std::vector<float> got_left = Append(a, left), got_right = Append(b, right);
    EXPECT_EQ(got_left, expect(left)) << length;
    EXPECT_EQ(got_right, expect(right)) << length;
  }
}

TEST_F(SequenceTest, GoesBackWithinTheLastChunk) {
  const std::vector<int32_t> tokens = RandomTokens(100, 7);
  const std::vector<float> whole = Whole(tokens);
  SequenceState state = model_.NewState();
  Append(state, tokens);
  EXPECT_EQ(state.length(), 100);
  EXPECT_EQ(state.chunk_start(), 64);
  for (const int64_t length : {99, 80, 64}) {
    ASSERT_TRUE(state.CanTruncate(length));
    state.Truncate(length);
    EXPECT_EQ(state.length(), length);
    EXPECT_EQ(Append(state, std::span(tokens).subspan(static_cast<size_t>(length))),
              Rows(whole, static_cast<size_t>(length), 100));
  }
  EXPECT_FALSE(state.CanTruncate(63));
  EXPECT_FALSE(state.CanTruncate(101));
  try {
    state.Truncate(10);
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(),
                testing::AllOf(testing::HasSubstr("100"), testing::HasSubstr("10"), testing::HasSubstr("64")));
  }
  // A fork that went on does not disturb what the original goes back to.
  SequenceState fork = state;
  Append(fork, RandomTokens(90, 8));
  state.Truncate(70);
  EXPECT_EQ(Append(state, std::span(tokens).subspan(70)), Rows(whole, 70, 100));
}

TEST_F(SequenceTest, SavedAndLoadedItIsTheSame) {
  for (const KvFormat format : kAllKvFormats) {
    model_.set_kv_format(format);
    for (const int64_t length : {0, 1, 64, 65, 150}) {
      const std::vector<int32_t> tokens = RandomTokens(length + 80, 9);
      SequenceState state = model_.NewState();
      Append(state, std::span(tokens).first(static_cast<size_t>(length)));
      state.Save(model_.config(), folder_ / "state");
      SequenceState loaded = SequenceState::Load(folder_ / "state", model_.config());
      EXPECT_EQ(loaded.length(), length);
      EXPECT_EQ(loaded.kv_format(), format);
      EXPECT_EQ(loaded.bytes(), state.bytes());
      loaded.Save(model_.config(), folder_ / "again");
      EXPECT_EQ(ReadFile(folder_ / "again"), ReadFile(folder_ / "state"));
      const std::span<const int32_t> rest = std::span(tokens).subspan(static_cast<size_t>(length));
      EXPECT_EQ(Append(loaded, rest), Append(state, rest)) << KvFormatName(format) << " " << length;
    }
  }
}

TEST_F(SequenceTest, FilesThatAreNoStatesAreRefused) {
  SequenceState state = model_.NewState();
  Append(state, RandomTokens(10, 10));
  state.Save(model_.config(), folder_ / "state");
  const std::string file = ReadFile(folder_ / "state");
  const auto refused = [&](const std::string& from, const std::string& to) -> std::string {
    std::string other = file;
    const size_t at = other.find(from);
    if (at == std::string::npos || from.size() != to.size()) return "the test is wrong";
    WriteFileAtomic(folder_ / "other", other.replace(at, from.size(), to));
    try {
      SequenceState::Load(folder_ / "other", model_.config());
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_THAT(refused("fulgur sequence state", "fulgur sequence stats"), testing::HasSubstr("not a sequence state"));
  EXPECT_THAT(refused("\"kv_cache\":\"f32\"", "\"kv_cache\":\"fp8\""), testing::HasSubstr("\"fp8\""));
  EXPECT_THAT(refused("\"kv_layout\":\"1\"", "\"kv_layout\":\"9\""), testing::HasSubstr("\"9\""));
  EXPECT_THAT(refused("layers.1.kv", "layers.9.kv"), testing::HasSubstr("layers.1.kv"));
  EXPECT_THAT(refused("counters", "counterz"), testing::HasSubstr("counters"));
}

TEST_F(SequenceTest, StateOfAnotherModelIsRefused) {
  SequenceState state = model_.NewState();
  Append(state, RandomTokens(10, 10));
  state.Save(model_.config(), folder_ / "state");
  ModelConfig other = SmallConfig();
  other.head_dim = 16;
  try {
    SequenceState::Load(folder_ / "state", other);
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::AllOf(testing::HasSubstr(".state"), testing::HasSubstr("layers.0.state"),
                                         testing::HasSubstr("[3, 16, 16]"), testing::HasSubstr("[3, 8, 8]")));
  }
}

TEST_F(SequenceTest, TokensOutsideTheVocabularyAreNamedAndChangeNothing) {
  SequenceState state = model_.NewState();
  const std::vector<int32_t> good = RandomTokens(4, 11);
  Append(state, good);
  for (const int32_t bad : {-1, 50}) {
    try {
      Append(state, std::vector<int32_t>{1, bad});
      FAIL();
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), testing::AllOf(testing::HasSubstr(std::to_string(bad)), testing::HasSubstr("position 1")));
    }
  }
  EXPECT_EQ(state.length(), 4);
}

// Resident memory of this process, in bytes.
int64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// 64K tokens, 64 splits of softmax attention: memory is what PlanMemory says and does not depend on the way there, the
// state comes back from disk, and decoding with one thread and with two goes on with the same bits.
TEST_F(SequenceTest, SlowLongContextTakesWhatIsPlanned) {
  const int64_t length = 65536, chunk = 512;
  model_.set_kv_format(KvFormat::kBf16);
  const std::vector<int32_t> tokens = RandomTokens(length, 40);
  SequenceState state = model_.NewState();
  const auto append = [&](int64_t from, int64_t to) {
    const Segment segment{&state, std::span(tokens).subspan(static_cast<size_t>(from), static_cast<size_t>(to - from))};
    pass_.Forward({&segment, 1}, LogitRows::kNone);
  };
  append(0, chunk);
  const int64_t before = ResidentBytes();
  const auto extra = [&](int64_t tokens_so_far) {  // beside the KV cache
    const int64_t kv = PlanMemory(model_.config(), tokens_so_far, KvFormat::kBf16).kv_cache;
    return ResidentBytes() - before - kv;
  };
  for (int64_t at = chunk; at < length; at += chunk) {
    append(at, at + chunk);
    // A few threads' scratch, and at most as much again as the cache in blocks that are not used yet.
    if (at % 8192 == 0) {
      EXPECT_LT(extra(at), (int64_t{24} << 20) + PlanMemory(model_.config(), at, KvFormat::kBf16).kv_cache) << at;
    }
  }
  const MemoryPlan plan = PlanMemory(model_.config(), length, KvFormat::kBf16);
  EXPECT_EQ(static_cast<int64_t>(state.bytes()), plan.lightning_state + plan.lightning_chunk + plan.kv_cache);

  state.Save(model_.config(), folder_ / "state");
  SequenceState loaded = SequenceState::Load(folder_ / "state", model_.config());
  ExecContext one(1);
  Model alone(SmallConfig(), RandomParams(SmallConfig(), 7), one);
  const std::vector<int32_t> next = RandomTokens(3, 41);
  const Segment segment{&loaded, next};
  Pass pass(alone);
  const std::span<const float> logits = pass.Forward({&segment, 1}, LogitRows::kAll);
  std::vector<float> steps;
  for (const int32_t id : next) {
    const std::vector<float> row = Append(state, {&id, 1});
    steps.insert(steps.end(), row.begin(), row.end());
  }
  EXPECT_EQ(steps, std::vector<float>(logits.begin(), logits.end()));
}

// A model serves as many passes at a time as there are threads that want one.
TEST_F(SequenceTest, PassesSideBySide) {
  std::vector<std::vector<int32_t>> texts;
  std::vector<std::vector<float>> alone, together(4);
  for (uint64_t i = 0; i < together.size(); ++i) {
    texts.push_back(RandomTokens(150, 60 + i));
    alone.push_back(Whole(texts.back()));
  }
  std::vector<std::thread> threads;
  for (size_t i = 0; i < together.size(); ++i) {
    threads.emplace_back([&, i] {
      Pass pass(model_);
      SequenceState state = model_.NewState();
      for (size_t at = 0; at < texts[i].size(); at += 30) {
        const Segment segment{&state, std::span(texts[i]).subspan(at, 30)};
        const std::span<const float> logits = pass.Forward({&segment, 1}, LogitRows::kAll);
        together[i].insert(together[i].end(), logits.begin(), logits.end());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(together, alone);
}

// A pass that has served one kind of walk serves any other.
TEST_F(SequenceTest, OnePassForServingAndTraining) {
  const std::vector<int32_t> tokens = RandomTokens(100, 70), other = RandomTokens(30, 71);
  TokenBatch batch;
  batch.AddDocument(tokens);
  const auto train = [&](Pass& pass, bool recompute) {
    Params grads = ZerosLike(model_.config(), model_.params());
    AddGradient(pass, batch, CrossEntropy(batch), {.recompute = recompute}, grads);
    std::vector<float> flat;
    ForEachParameter(model_.config(), grads, [&](const std::string&, Tensor& t, const Shape&) {
      flat.insert(flat.end(), t.values<float>().begin(), t.values<float>().end());
    });
    return flat;
  };
  Pass fresh(model_);
  const std::vector<float> gradient = train(fresh, true), logits = Whole(tokens);
  for (const bool recompute : {false, true, false}) {
    EXPECT_EQ(train(pass_, recompute), gradient);
    EXPECT_EQ(Whole(tokens), logits);
    Whole(other);
  }
}

// The probability a token was sampled with is the one the trainer computes: the ratio of the two is exactly 1.
TEST_F(SequenceTest, TrainingComputesTheLogProbsOfDecoding) {
  TokenBatch batch;
  std::vector<float> decoded;
  for (const int64_t length : {2, 64, 131}) {
    const std::vector<int32_t> tokens = RandomTokens(length, 12 + static_cast<uint64_t>(length));
    batch.AddDocument(tokens);
    SequenceState state = model_.NewState();
    for (size_t t = 0; t < tokens.size(); ++t) {
      const std::vector<float> logits = Append(state, std::span(tokens).subspan(t, 1));
      decoded.push_back(t + 1 < tokens.size() ? LogProb(logits.data(), 50, tokens[t + 1]) : 0.0f);
    }
  }
  Params grads = ZerosLike(model_.config(), model_.params());
  const RowLoss loss = CrossEntropy(batch);
  EXPECT_EQ(AddGradient(pass_, batch, loss, {.aux_coef = 0.1, .recompute = true}, grads).logprobs, decoded);
  EXPECT_EQ(AddGradient(pass_, batch, loss, {.aux_coef = 0.1, .recompute = false}, grads).logprobs, decoded);
  EXPECT_EQ(EvaluateLoss(pass_, batch, loss).logprobs, decoded);
}

// A document's gradient does not see its neighbours: the gradient of two documents is the sum of theirs.
TEST_F(SequenceTest, DocumentsDoNotMixInAGradient) {
  const std::vector<int32_t> a = RandomTokens(70, 20), b = RandomTokens(40, 21);
  const auto gradient = [&](const std::vector<std::vector<int32_t>>& documents) {
    TokenBatch batch;
    for (const auto& d : documents) batch.AddDocument(d);
    Params grads = ZerosLike(model_.config(), model_.params());
    AddGradient(pass_, batch, CrossEntropy(batch, 100), {}, grads);
    std::vector<double> flat;
    ForEachParameter(model_.config(), grads, [&](const std::string&, Tensor& t, const Shape&) {
      for (const float x : t.values<float>()) flat.push_back(x);
    });
    return flat;
  };
  const std::vector<double> both = gradient({a, b}), first = gradient({a}), second = gradient({b});
  double difference = 0, norm = 0;
  for (size_t i = 0; i < both.size(); ++i) {
    difference += (both[i] - first[i] - second[i]) * (both[i] - first[i] - second[i]);
    norm += both[i] * both[i];
  }
  EXPECT_LT(std::sqrt(difference / norm), 1e-5);
}

}  // namespace
}  // namespace fulgur
