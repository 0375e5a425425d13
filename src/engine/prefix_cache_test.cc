#include "engine/prefix_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/test_folder.h"
#include "engine/state_file.h"
#include "engine/test_util.h"
#include "model/pass.h"

namespace fulgur {
namespace {

using ::testing::ElementsAre;
using testing_engine::SmallConfig;
using Ids = std::vector<int32_t>;

class PrefixCacheTest : public ::testing::Test {
 protected:
  static ExecContext& exec() {
    static ExecContext exec(1);
    return exec;
  }
  // kind 0: three lightning layers and a softmax layer; 1: softmax only; 2: lightning only.
  static Model& model(int kind = 0) {
    static std::unique_ptr<Model> models[3];
    if (!models[kind]) {
      ModelConfig config = SmallConfig();
      if (kind == 1) config.attn_type_list.assign(4, AttentionKind::kSoftmax);
      if (kind == 2) config.attn_type_list.assign(4, AttentionKind::kLightning);
      models[kind] = std::make_unique<Model>(config, RandomParams(config, 5), exec());
    }
    return *models[kind];
  }
  static Ids Random(Rng& rng, int64_t length) {
    Ids ids;
    for (int64_t i = 0; i < length; ++i) ids.push_back(static_cast<int32_t>(rng.Int(0, 99)));
    return ids;
  }
  static Ids Random(uint64_t seed, int64_t length) {
    Rng rng(seed);
    return Random(rng, length);
  }
  static Ids Joined(Ids a, const Ids& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }
  // Reads tokens from where the state is; the logits after the last one.
  static std::vector<float> Read(Model& model, SequenceState& state, const Ids& tokens, int64_t until) {
    const Segment segment{&state, std::span(tokens).subspan(static_cast<size_t>(state.length()),
                                                            static_cast<size_t>(until - state.length()))};
    Pass pass(model);
    const auto logits = pass.Forward({&segment, 1}, LogitRows::kLast);
    return {logits.begin(), logits.end()};
  }
  static std::vector<float> Alone(Model& model, const Ids& tokens) {
    SequenceState state = model.NewState();
    return Read(model, state, tokens, static_cast<int64_t>(tokens.size()));
  }
  // What a scheduler does with a prompt: the logits after it. Adds the tokens that were found.
  static std::vector<float> Serve(Model& model, PrefixCache& cache, const Ids& prompt,
                                  const std::vector<int64_t>& hints = {}, int64_t* found = nullptr,
                                  SequenceState* last = nullptr) {
    std::optional<SequenceState> state = cache.Lookup(prompt);
    if (found != nullptr) *found = state ? state->length() : 0;
    if (!state) state = model.NewState();
    std::vector<float> logits;
    for (const int64_t position : cache.Checkpoints(prompt, state->length(), hints)) {
      logits = Read(model, *state, prompt, position);
      cache.Insert(prompt, *state);
    }
    const int64_t end = static_cast<int64_t>(prompt.size());
    if (state->length() < end) logits = Read(model, *state, prompt, end);
    if (last != nullptr) *last = std::move(*state);
    return logits;
  }
  static SequenceState After(Model& model, const Ids& tokens) {
    SequenceState state = model.NewState();
    Read(model, state, tokens, static_cast<int64_t>(tokens.size()));
    return state;
  }
  // Bytes of the two kinds in a state.
  static size_t LightningBytes(const SequenceState& state, const ModelConfig& config) {
    size_t bytes = 0;
    for (int64_t n = 0; n < config.num_hidden_layers; ++n) {
      const auto& m = state.layer(n).lightning;
      bytes += (m.state.size() + m.k.size() + m.v.size()) * sizeof(float);
    }
    return bytes;
  }
};

TEST_F(PrefixCacheTest, RandomConversationsHaveTheSameBitsAsWithoutCache) {
  for (int kind = 0; kind < 3; ++kind) {
    Model& m = model(kind);
    const SequenceState one = After(m, Random(1, 64));
    const size_t state = std::max<size_t>(LightningBytes(one, m.config()), 1);
    const size_t kv = one.bytes() - LightningBytes(one, m.config());
    const PrefixCacheOptions variants[] = {
        {.interval = 100, .min_tokens = 1},
        {.state_bytes = 5 * state, .kv_bytes = std::max<size_t>(14 * kv, 1), .interval = 64, .min_tokens = 20},
        {.state_bytes = 40 * state, .kv_bytes = std::max<size_t>(6 * kv, 1), .half_life = 3, .min_tokens = 10}};
    for (size_t v = 0; v < 3; ++v) {
      SCOPED_TRACE(fmt::format("kind {}, variant {}", kind, v));
      PrefixCache cache(m.config(), variants[v]);
      Rng rng(v + 10);
      std::vector<Ids> seen = {{}};
      int64_t reused = 0;
      for (int turn = 0; turn < 40; ++turn) {
        // The beginning of something seen (all of it, or cut at random), and something new.
        const Ids& from = rng.Pick(seen);
        const int64_t most = static_cast<int64_t>(from.size());
        const int64_t keep = rng.Chance(0.5) ? most : rng.Int(0, most);
        Ids prompt(from.begin(), from.begin() + keep);
        prompt = Joined(std::move(prompt), Random(rng, rng.Int(1, rng.Chance(0.3) ? 200 : 40)));
        int64_t found = 0;
        SequenceState last = m.NewState();
        ASSERT_EQ(Serve(m, cache, prompt, {keep}, &found, &last), Alone(m, prompt)) << "turn " << turn;
        EXPECT_LT(found, static_cast<int64_t>(prompt.size()));
        reused += found;
        // The answer, and the end of the turn.
        prompt = Joined(std::move(prompt), Random(rng, rng.Int(1, 90)));
        Read(m, last, prompt, static_cast<int64_t>(prompt.size()));
        cache.Insert(prompt, std::move(last));
        seen.push_back(std::move(prompt));
        const PrefixCacheStats s = cache.stats();
        EXPECT_LE(s.state_bytes, variants[v].state_bytes);
        EXPECT_LE(s.kv_bytes, variants[v].kv_bytes);
        EXPECT_EQ(s.hit_tokens, reused);
      }
      EXPECT_GT(reused, 500);
      if (v > 0 && kind != 1) {
        EXPECT_GT(cache.stats().evicted, 5);
      }
      // All that was counted is given back.
      cache.Clear("");
      EXPECT_EQ(cache.stats().nodes, 0);
    }
  }
}

TEST_F(PrefixCacheTest, ASecondTurnReadsOnlyWhatIsNew) {
  PrefixCache cache(model().config(), {});
  const Ids first = Random(1, 500), turn = Joined(first, Random(2, 100)), next = Joined(turn, Random(3, 30));
  SequenceState state = model().NewState();
  Serve(model(), cache, first, {}, nullptr, &state);
  EXPECT_EQ(cache.Match(next), 500);
  Read(model(), state, turn, 599);  // the last sampled token has not been read
  cache.Insert(turn, std::move(state));
  EXPECT_EQ(cache.Match(next), 599);
  EXPECT_EQ(cache.Match(turn), 599);
  EXPECT_EQ(cache.Match(first), 499);  // the last token gives the logits
  EXPECT_EQ(cache.Match(Random(9, 300)), 0);
  const PrefixCacheStats s = cache.stats();
  EXPECT_EQ(s.lookups, 1);
  EXPECT_EQ(s.hits, 0);
  EXPECT_EQ(s.checkpoints, 2);
}

TEST_F(PrefixCacheTest, GoesBackWithinTheBlockAndNoFurther) {
  PrefixCache cache(model().config(), {});
  const Ids tokens = Random(1, 300);
  cache.Insert(tokens, After(model(), tokens));  // the lightning states stand at 256
  for (const int64_t length : {257, 256, 290, 299}) {
    const Ids prompt = Joined(Ids(tokens.begin(), tokens.begin() + length), {120, 121});
    EXPECT_EQ(cache.Match(prompt), length);
    EXPECT_EQ(Serve(model(), cache, prompt), Alone(model(), prompt));
  }
  EXPECT_EQ(cache.Match(Joined(Ids(tokens.begin(), tokens.begin() + 255), {120, 121})), 0);
  // Keys and values can be cut anywhere.
  PrefixCache softmax(model(1).config(), {});
  softmax.Insert(tokens, After(model(1), tokens));
  for (const int64_t length : {1, 63, 64, 200, 299}) {
    EXPECT_EQ(softmax.Match(Joined(Ids(tokens.begin(), tokens.begin() + length), {120})), length);
  }
}

TEST_F(PrefixCacheTest, KvBlocksAreShared) {
  const ModelConfig& config = model().config();
  PrefixCache cache(config, {});
  const Ids trunk = Random(1, 640), a = Joined(trunk, Random(2, 128)), b = Joined(trunk, Random(3, 128));
  const SequenceState state = After(model(), trunk);
  const size_t lightning = LightningBytes(state, config), block = (state.bytes() - lightning) / 10;
  cache.Insert(trunk, state);
  EXPECT_EQ(cache.stats().kv_bytes, 10 * block);
  EXPECT_EQ(cache.stats().state_bytes, lightning);
  cache.Insert(a, After(model(), a));  // computed apart, and yet the same blocks
  // 576 to 640 is both the tail of the first and a block of the second.
  EXPECT_EQ(cache.stats().kv_bytes, (12 + 1) * block);
  cache.Insert(b, After(model(), b));
  EXPECT_EQ(cache.stats().kv_bytes, (14 + 1) * block);
  EXPECT_EQ(cache.stats().state_bytes, 3 * lightning);
  EXPECT_EQ(cache.stats().checkpoints, 3);
  // A sequence that resumes shares them too.
  const SequenceState resumed = *cache.Lookup(Joined(a, {1}));
  EXPECT_EQ(resumed.layer(3).blocks[0], cache.Lookup(Joined(b, {1}))->layer(3).blocks[0]);
}

TEST_F(PrefixCacheTest, CheckpointsCoverEachOther) {
  PrefixCache cache(model().config(), {});
  const Ids tokens = Random(1, 200);
  const auto insert = [&](int64_t length) {
    const Ids ids(tokens.begin(), tokens.begin() + length);
    cache.Insert(tokens, After(model(), ids));
    return cache.stats().checkpoints;
  };
  EXPECT_EQ(insert(150), 1);
  EXPECT_EQ(insert(140), 1);  // 150 can go back to it
  EXPECT_EQ(cache.Match(tokens), 150);
  EXPECT_EQ(insert(170), 1);  // takes the place of 150
  EXPECT_EQ(cache.Match(tokens), 170);
  EXPECT_EQ(insert(193), 2);
  Ids other(tokens.begin(), tokens.begin() + 160);
  other = Joined(other, Random(2, 10));
  cache.Insert(other, After(model(), other));
  EXPECT_EQ(cache.stats().checkpoints, 3);
}

TEST_F(PrefixCacheTest, WhatIsUsedStays) {
  const size_t lightning = LightningBytes(model().NewState(), model().config());
  PrefixCache cache(model().config(), {.state_bytes = 3 * lightning});
  std::vector<Ids> chats;
  for (uint64_t i = 0; i < 8; ++i) chats.push_back(Random(i + 1, 130));
  for (size_t i = 0; i < 8; ++i) {
    cache.Insert(chats[i], After(model(), chats[i]));
    EXPECT_TRUE(cache.Lookup(Joined(chats[0], {1})).has_value()) << "after " << i;
  }
  EXPECT_EQ(cache.stats().checkpoints, 3);
  EXPECT_EQ(cache.stats().evicted, 5);
  EXPECT_EQ(cache.Match(chats[7]), 129);
  EXPECT_EQ(cache.Match(chats[1]), 0);
}

TEST_F(PrefixCacheTest, WhatSavesMoreStays) {
  const size_t lightning = LightningBytes(model().NewState(), model().config());
  PrefixCache cache(model().config(), {.state_bytes = 2 * lightning});
  const Ids large = Random(1, 600), small = Random(2, 70), middle = Random(3, 200);
  for (const Ids& ids : {large, small, middle}) cache.Insert(ids, After(model(), ids));
  EXPECT_EQ(cache.Match(large), 599);
  EXPECT_EQ(cache.Match(middle), 199);
  EXPECT_EQ(cache.Match(small), 0);
  // 610 saves only 10 tokens over 600.
  const Ids longer = Joined(large, Random(4, 64));
  cache.Insert(longer, After(model(), longer));
  EXPECT_EQ(cache.Match(Joined(longer, {1})), 600);
  EXPECT_EQ(cache.Match(middle), 199);
}

TEST_F(PrefixCacheTest, KvMemoryIsFreedFromTheEndsOfTheTree) {
  const ModelConfig& config = model().config();
  const SequenceState state = After(model(), Random(1, 64));
  const size_t block = state.bytes() - LightningBytes(state, config);
  PrefixCache cache(config, {.kv_bytes = 12 * block});
  const Ids trunk = Random(1, 256), a = Joined(trunk, Random(2, 256)), b = Joined(trunk, Random(3, 256));
  cache.Insert(trunk, After(model(), trunk));
  cache.Insert(a, After(model(), a));  // 8 blocks and the trunk's tail
  EXPECT_EQ(cache.stats().kv_bytes, 9 * block);
  ASSERT_TRUE(cache.Lookup(Joined(a, {1})));
  cache.Insert(b, After(model(), b));  // 4 blocks more: too many, and b is the least used end
  EXPECT_LE(cache.stats().kv_bytes, 12 * block);
  EXPECT_EQ(cache.Match(Joined(b, {1})), 256);
  EXPECT_EQ(cache.Match(Joined(a, {1})), 512);
}

TEST_F(PrefixCacheTest, WhereToKeepAState) {
  PrefixCache cache(model().config(), {.interval = 1000, .min_tokens = 50});
  const Ids prompt = Random(1, 2100);
  EXPECT_THAT(cache.Checkpoints(prompt, 0, {}), ElementsAre(1000, 2000, 2100));
  const std::vector<int64_t> hints = {-5, 30, 300, 320, 990, 2070, 5000};
  EXPECT_THAT(cache.Checkpoints(prompt, 0, hints), ElementsAre(300, 990, 2000, 2070));
  EXPECT_THAT(cache.Checkpoints(prompt, 1980, hints), ElementsAre(2070));
  EXPECT_THAT(cache.Checkpoints(prompt, 2080, {}), ElementsAre());
  PrefixCache off(model().config(), {.state_bytes = 0});
  EXPECT_THAT(off.Checkpoints(prompt, 0, hints), ElementsAre());
  off.Insert(prompt, After(model(), prompt));
  EXPECT_EQ(off.Match(prompt), 0);
}

TEST_F(PrefixCacheTest, APrefixThatTwoPromptsShareIsFoundOut) {
  PrefixCache cache(model().config(), {.interval = 0});
  const Ids system = Random(1, 300);
  int64_t found = -1;
  Serve(model(), cache, Joined(system, Random(2, 200)), {}, &found);
  EXPECT_EQ(found, 0);
  Serve(model(), cache, Joined(system, Random(3, 200)), {}, &found);  // leaves the first one after 300 tokens
  EXPECT_EQ(found, 0);
  Serve(model(), cache, Joined(system, Random(4, 200)), {}, &found);
  EXPECT_EQ(found, 300);
}

TEST_F(PrefixCacheTest, MemoryIsSplitByWhatTheModelNeeds) {
  const SequenceState one = After(model(), Random(1, 64));
  const size_t state = LightningBytes(one, model().config()), kv = one.bytes() - state;
  const PrefixCacheOptions options = SplitCacheMemory(model().config(), KvFormat::kF32, 1 << 20, {.interval = 640});
  EXPECT_EQ(options.state_bytes + options.kv_bytes, size_t{1} << 20);
  EXPECT_NEAR(static_cast<double>(options.kv_bytes) / static_cast<double>(options.state_bytes),
              10.0 * static_cast<double>(kv) / static_cast<double>(state), 1e-3);
  EXPECT_EQ(SplitCacheMemory(model(2).config(), KvFormat::kF32, 1000).state_bytes, 1000u);
  PrefixCache softmax(model(1).config(), SplitCacheMemory(model(1).config(), KvFormat::kF32, 1 << 20));
  softmax.Insert(Random(1, 100), After(model(1), Random(1, 100)));
  EXPECT_EQ(softmax.Match(Random(1, 100)), 99);
}

TEST_F(PrefixCacheTest, WrongOptions) {
  EXPECT_THROW(PrefixCache(model().config(), {.half_life = 0}), Error);
  EXPECT_THROW(PrefixCache(model().config(), {.interval = -1}), Error);
  EXPECT_THROW(PrefixCache(model().config(), {.min_tokens = 0}), Error);
  EXPECT_THROW(PrefixCache(model().config(), {.spill_folder = "/dev/null/x"}), Error);
}

class SpillTest : public PrefixCacheTest {
 protected:
  PrefixCacheOptions Options(size_t states, const char* key = "weights 1") {
    return {.state_bytes = states * LightningBytes(model().NewState(), model().config()),
            .spill_folder = folder_ / "spill",
            .model_key = key};
  }
  void Wake() {
    std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_all();
  }
  // Looks up as a scheduler does: waits for a file that is being read.
  std::optional<SequenceState> Get(PrefixCache& cache, const Ids& prompt) {
    while (!cache.Prepare(prompt)) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return std::exchange(woken_, false); });
    }
    return cache.Lookup(prompt);
  }
  std::vector<std::filesystem::path> Files(const std::string& suffix) {
    std::vector<std::filesystem::path> files;
    for (const auto& f : std::filesystem::directory_iterator(folder_ / "spill")) {
      if (f.path().string().ends_with(suffix)) files.push_back(f.path());
    }
    return files;
  }

  TestFolder folder_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
};

// A cache without room for a single state still gives back what is on disk, once for each time it is read.
TEST_F(SpillTest, WithoutRoomForOneState) {
  PrefixCacheOptions options = Options(1);
  options.state_bytes = 1;
  options.kv_bytes = 1;
  PrefixCache cache(model().config(), options, [this] { Wake(); });
  std::vector<Ids> chats;
  for (uint64_t i = 0; i < 3; ++i) chats.push_back(Random(i + 1, 150 + 10 * static_cast<int64_t>(i)));
  for (const Ids& chat : chats) cache.Insert(chat, After(model(), chat));
  EXPECT_EQ(cache.stats().checkpoints, 0);
  for (int round = 0; round < 2; ++round) {
    for (const Ids& chat : chats) {
      const Ids prompt = Joined(chat, Random(9, 20));
      std::optional<SequenceState> state;
      // A file that is still being written cannot be read yet.
      while (!(state = Get(cache, prompt))) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      EXPECT_EQ(state->length(), static_cast<int64_t>(chat.size()));
    }
  }
  EXPECT_LE(cache.stats().checkpoints, 1);
  EXPECT_LE(cache.stats().evicted, 9);
}

TEST_F(SpillTest, WhatIsEvictedComesBack) {
  std::vector<Ids> chats;
  for (uint64_t i = 0; i < 5; ++i) chats.push_back(Random(i + 1, 150 + 10 * static_cast<int64_t>(i)));
  {
    PrefixCache cache(model().config(), Options(1), [this] { Wake(); });
    for (const Ids& chat : chats) cache.Insert(chat, After(model(), chat));
    EXPECT_EQ(cache.stats().checkpoints, 1);
    for (const Ids& chat : chats) {
      const Ids prompt = Joined(chat, Random(9, 20));
      std::optional<SequenceState> state;
      // A file that is still being written cannot be read yet.
      while (!(state = Get(cache, prompt))) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      EXPECT_EQ(state->length(), static_cast<int64_t>(chat.size()));
      EXPECT_EQ(Read(model(), *state, prompt, static_cast<int64_t>(prompt.size())), Alone(model(), prompt));
    }
    cache.SpillAll();
    EXPECT_EQ(cache.stats().spill_files, 5);
    EXPECT_GE(cache.stats().restored, 4);
    EXPECT_EQ(cache.stats().spill_damaged, 0);
  }
  // Another process.
  PrefixCache cache(model().config(), Options(5), [this] { Wake(); });
  EXPECT_EQ(cache.stats().spill_files, 5);
  for (const Ids& chat : chats) {
    const Ids prompt = Joined(chat, Random(9, 20));
    EXPECT_EQ(cache.Match(prompt), 0);
    std::optional<SequenceState> state = Get(cache, prompt);
    ASSERT_TRUE(state);
    EXPECT_EQ(Read(model(), *state, prompt, static_cast<int64_t>(prompt.size())), Alone(model(), prompt));
  }
  EXPECT_EQ(cache.stats().spill_damaged, 0);
}

TEST_F(SpillTest, DamagedFilesAreDropped) {
  const Ids chat = Random(1, 200), prompt = Joined(chat, {1, 2, 3});
  const auto spill = [&] {
    PrefixCache cache(model().config(), Options(5));
    cache.Insert(chat, After(model(), chat));
    cache.SpillAll();
  };
  const auto damage = [&](const std::string& suffix, const std::function<void(std::string*)>& change) {
    const auto files = Files(suffix);
    ASSERT_EQ(files.size(), 1u);
    std::string content = ReadFile(files[0]);
    change(&content);
    std::ofstream(files[0], std::ios::binary | std::ios::trunc) << content;
  };
  const std::function<void(std::string*)> changes[] = {
      [](std::string* s) { (*s)[s->size() / 2] ^= 1; },
      [](std::string* s) { (*s)[20] ^= 1; },
      [](std::string* s) { s->back() ^= 0x40; },
      [](std::string* s) { s->resize(s->size() / 2); },
      [](std::string* s) { s->clear(); },
      [](std::string* s) { s->append("x"); },
  };
  for (const char* suffix : {kStateSuffix, kEntrySuffix}) {
    for (const auto& change : changes) {
      SCOPED_TRACE(fmt::format("{} {}", suffix, &change - changes));
      spill();
      damage(suffix, change);
      PrefixCache cache(model().config(), Options(5), [this] { Wake(); });
      const std::optional<SequenceState> state = Get(cache, prompt);
      EXPECT_FALSE(state.has_value());
      EXPECT_EQ(cache.stats().spill_damaged, 1);
      EXPECT_EQ(cache.stats().spill_files, 0);
      cache.SpillAll();  // waits
      EXPECT_TRUE(Files(kStateSuffix).empty());
      EXPECT_TRUE(Files(kEntrySuffix).empty());
    }
  }
  // And undamaged it is found.
  spill();
  PrefixCache cache(model().config(), Options(5), [this] { Wake(); });
  EXPECT_EQ(Get(cache, prompt)->length(), 200);
}

TEST_F(SpillTest, LeftoversAndOtherWeightsAreDeleted) {
  const Ids chat = Random(1, 200);
  {
    PrefixCache cache(model().config(), Options(5));
    cache.Insert(chat, After(model(), chat));
    cache.SpillAll();
    // The folder belongs to one process.
    EXPECT_THROW(PrefixCache(model().config(), Options(5)), Error);
  }
  const std::filesystem::path spill = folder_ / "spill";
  const auto write = [&](const char* name) { std::ofstream(spill / name) << "half"; };
  write("0123456789abcdef.state");         // killed before the entry
  write("0123456789abcdee.state.tmp123");  // killed while writing
  write("0123456789abcded.entry.tmp123");
  write("0123456789abcdec.entry");  // no state
  write("notes.txt");               // not ours
  {
    PrefixCache cache(model().config(), Options(5));
    EXPECT_EQ(cache.stats().spill_files, 1);
    EXPECT_EQ(cache.stats().spill_damaged, 1);
  }
  EXPECT_EQ(Files(".state").size(), 1u);
  EXPECT_EQ(Files(".entry").size(), 1u);
  EXPECT_EQ(Files(".tmp123").size(), 0u);
  EXPECT_EQ(Files("notes.txt").size(), 1u);
  {
    PrefixCache cache(model().config(), Options(5, "weights 2"));
    EXPECT_EQ(cache.stats().spill_files, 0);
  }
  EXPECT_EQ(Files(".state").size(), 0u);
  EXPECT_EQ(Files(".entry").size(), 0u);
}

TEST_F(SpillTest, TheDiskLimitHolds) {
  PrefixCacheOptions options = Options(100);
  const Ids first = Random(1, 200);
  size_t one = 0;
  {
    PrefixCache cache(model().config(), options);
    cache.Insert(first, After(model(), first));
    cache.SpillAll();
    one = cache.stats().spill_bytes;
    ASSERT_GT(one, 0u);
    EXPECT_EQ(one,
              std::filesystem::file_size(Files(kStateSuffix)[0]) + std::filesystem::file_size(Files(kEntrySuffix)[0]));
  }
  options.spill_bytes = one * 3;
  PrefixCache cache(model().config(), options);
  for (uint64_t i = 2; i < 8; ++i) {
    const Ids ids = Random(i, 200);
    cache.Insert(ids, After(model(), ids));
  }
  cache.SpillAll();
  EXPECT_LE(cache.stats().spill_bytes, options.spill_bytes);
  EXPECT_EQ(cache.stats().spill_files, 3);
  cache.Clear("weights 2");
  cache.SpillAll();
  EXPECT_EQ(cache.stats().spill_files, 0);
  EXPECT_EQ(Files(kStateSuffix).size(), 0u);
}

TEST_F(SpillTest, KilledWhileWriting) {
  // A child spills states and is killed at some moment; whatever it leaves, what can be read is right.
  const auto chat = [](uint64_t i) { return Random(i + 1, 200); };
  int64_t found = 0;
  for (int round = 0; round < 4; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      PrefixCacheOptions options = Options(1);
      PrefixCache cache(model().config(), options);
      for (uint64_t i = 0; i < 1000; ++i) {
        const Ids ids = chat(i % 20);
        cache.Insert(ids, After(model(), ids));
        if (i == 10) cache.SpillAll();
      }
      ::_exit(0);
    }
    ASSERT_GT(child, 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + 37 * round));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    PrefixCache cache(model().config(), Options(100), [this] { Wake(); });
    EXPECT_EQ(cache.stats().spill_damaged, 0);
    for (uint64_t i = 0; i < 20; ++i) {
      const Ids prompt = Joined(chat(i), {1, 2});
      std::optional<SequenceState> state = Get(cache, prompt);
      if (!state) continue;
      ++found;
      EXPECT_EQ(Read(model(), *state, prompt, 202), Alone(model(), prompt));
    }
    EXPECT_EQ(cache.stats().spill_damaged, 0);
  }
  EXPECT_GT(found, 0);
}

}  // namespace
}  // namespace fulgur
