#include "train/run_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/rng.h"
#include "train/optimizer.h"
#include "train/test_util.h"

namespace fulgur {
namespace {

using testing::HasSubstr;

struct Tensors {
  ModelConfig config = TinyConfig(50);
  Params params, m, v;
  explicit Tensors(uint64_t seed = 0) {
    Params shapes;
    for (Params* p : {&params, &m, &v}) {
      *p = ZerosLike(config, shapes);
      Rng rng(seed++);
      if (seed == 1) continue;
      for (const auto& [name, tensor] : ListTensors(config, *p)) {
        for (float& x : tensor->values<float>()) x = static_cast<float>(rng.Normal());
      }
    }
  }
  bool operator==(Tensors& other) {
    for (auto [a, b] : {std::pair(&params, &other.params), std::pair(&m, &other.m), std::pair(&v, &other.v)}) {
      const auto x = ListTensors(config, *a), y = ListTensors(config, *b);
      for (size_t i = 0; i < x.size(); ++i) {
        if (std::memcmp(x[i].second->raw(), y[i].second->raw(), x[i].second->bytes()) != 0) return false;
      }
    }
    return true;
  }
};

RunState State(int64_t step) {
  RunState state;
  state.step = step;
  state.tokens = 100 * step;
  state.data.examples = 9007199254740993u;  // more than a double holds
  state.data.drawn = {1, 2};
  state.data.skipped = {0, 1};
  state.fingerprint = {{"seed", 1}};
  return state;
}

struct Written {
  TestFolder folder;
  RunCheckpoints checkpoints{folder / "checkpoints"};
  void Write(int64_t step, int64_t keep = 3) {
    Tensors t(static_cast<uint64_t>(10 * step));
    checkpoints.Write(t.config, State(step), t.params, t.m, t.v, keep);
  }
  std::optional<RunState> Read(Tensors& t) { return checkpoints.ReadNewest(t.config, 2, t.params, t.m, t.v); }
  std::filesystem::path File(int64_t step) { return folder / fmt::format("checkpoints/step-{:08d}.safetensors", step); }
};

TEST(RunCheckpoints, ReadsBackTheNewest) {
  Written w;
  Tensors t;
  EXPECT_FALSE(w.Read(t));
  for (int64_t step = 1; step <= 5; ++step) w.Write(step);
  EXPECT_FALSE(std::filesystem::exists(w.File(2)));  // three are kept
  EXPECT_TRUE(std::filesystem::exists(w.File(3)));
  const auto state = w.Read(t);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->step, 5);
  EXPECT_EQ(state->tokens, 500);
  EXPECT_EQ(state->data, State(5).data);
  EXPECT_EQ(state->fingerprint, State(5).fingerprint);
  Tensors expected(50);
  EXPECT_TRUE(t == expected);
}

// Weights of earlier steps come back, in their order; whoever does not need them reads the others.
TEST(RunCheckpoints, HoldsEarlierWeights) {
  Written w;
  Tensors now(7), first(20), second(30), read;
  RunState state = State(4);
  state.past = {first.params, second.params};
  w.checkpoints.Write(now.config, state, now.params, now.m, now.v, 2);
  const auto found = w.Read(read);
  ASSERT_TRUE(found);
  EXPECT_TRUE(read == now);
  ASSERT_EQ(found->past.size(), 2u);
  read.params = found->past[0];
  read.m = found->past[1];
  Tensors expected = now;
  expected.params = first.params;
  expected.m = second.params;
  EXPECT_TRUE(read == expected);
}

TEST(RunCheckpoints, RemovesWhatAnInterruptedWriteLeft) {
  Written w;
  w.Write(1);
  WriteFileAtomic(w.File(2).string() + ".tmp123", "half of a checkpo");
  Tensors t;
  EXPECT_EQ(w.Read(t)->step, 1);
  w.Write(3);
  EXPECT_FALSE(std::filesystem::exists(w.File(2).string() + ".tmp123"));
}

// A byte changed anywhere, or a part missing: the one before is taken.
TEST(RunCheckpoints, SkipsADamagedOne) {
  Written w;
  w.Write(1);
  w.Write(2);
  const std::string good = ReadFile(w.File(2));
  Rng rng(1);
  testing::internal::CaptureStderr();
  for (int i = 0; i < 60; ++i) {
    std::string bad = good;
    if (i % 3 == 0) {
      bad.resize(rng.Below(good.size()));
    } else {
      const size_t place = i % 3 == 1 ? rng.Below(good.size()) : rng.Below(4000);
      bad[place] = static_cast<char>(bad[place] ^ (1 << rng.Below(8)));
    }
    WriteFileAtomic(w.File(2), bad);
    Tensors t;
    const auto state = w.Read(t);
    ASSERT_TRUE(state);
    Tensors expected(static_cast<uint64_t>(10 * state->step));
    // A changed space in the padded header harms nothing; anything else must not go unnoticed.
    EXPECT_TRUE(t == expected) << i;
    EXPECT_EQ(state->data, State(1).data) << i;
    if (i % 3 != 2) {
      EXPECT_EQ(state->step, 1) << i;
    }
  }
  WriteFileAtomic(w.File(1), "");
  WriteFileAtomic(w.File(2), good.substr(0, 100));
  Tensors t;
  try {
    w.Read(t);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("every checkpoint"));
  }
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("warning: skipping a damaged checkpoint"));
}

}  // namespace
}  // namespace fulgur
