#include "engine/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/test_folder.h"
#include "engine/state_file.h"
#include "engine/test_util.h"
#include "model/checkpoint.h"

namespace fulgur {
namespace {

using ::testing::HasSubstr;
using testing_engine::SmallConfig;
using testing_engine::SmallTokenizer;
using namespace std::chrono_literals;
using Ids = std::vector<int32_t>;

// Collects the outputs of one request, from whichever thread.
class Collector {
 public:
  explicit Collector(int64_t outputs = 1) : outputs_(static_cast<size_t>(outputs)) {}

  OutputCallback callback() {
    return [this](const OutputEvent& e) {
      std::lock_guard lock(mutex_);
      Generation& g = outputs_[static_cast<size_t>(e.output)];
      g.Add(e);
      EXPECT_EQ(e.state, nullptr);
      if (e.end != nullptr) ++ends_;
      changed_.notify_all();
    };
  }
  // Waits for all ends.
  const Generation& Wait(size_t output = 0) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ends_ >= outputs_.size(); });
    EXPECT_EQ(ends_, outputs_.size());
    return outputs_[output];
  }
  void WaitForTokens(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return outputs_[0].tokens.size() >= count || ends_ > 0; });
  }
  bool ended() {
    std::lock_guard lock(mutex_);
    return ends_ > 0;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Generation> outputs_;
  size_t ends_ = 0;
};

// Holds the scheduler's thread before forward passes.
class Gate {
 public:
  std::function<void()> hook() {
    return [this] {
      std::unique_lock lock(mutex_);
      ++passes_;
      changed_.notify_all();
      changed_.wait(lock, [&] { return open_ || allowed_-- > 0; });
      if (fail_) {
        fail_ = false;
        throw Error("no memory");
      }
    };
  }
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void Close() { Allow(0); }
  // So many passes go through, then the gate is closed.
  void Allow(int64_t passes) {
    std::lock_guard lock(mutex_);
    open_ = false;
    allowed_ = passes;
    changed_.notify_all();
  }
  void FailOnce() {
    std::lock_guard lock(mutex_);
    fail_ = true;
  }
  // A pass has come to the gate after the call.
  void WaitForPass() {
    std::unique_lock lock(mutex_);
    const int64_t before = passes_;
    changed_.wait(lock, [&] { return passes_ > before; });
  }
  // Some pass waits at the gate (or has passed it).
  void WaitForFirstPass() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return passes_ > 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false, fail_ = false;
  int64_t allowed_ = 0, passes_ = 0;
};

class SchedulerTest : public ::testing::Test {
 protected:
  static ExecContext& exec() {
    static ExecContext exec(2);
    return exec;
  }
  static LoadedModel Loaded(uint64_t seed = 5) {
    return {std::make_unique<Model>(SmallConfig(), RandomParams(SmallConfig(), seed), exec()),
            SmallTokenizer(),
            std::nullopt,
            {},
            {},
            fmt::format("seed {}", seed)};
  }
  static Ids Prompt(uint64_t seed, int64_t length) {
    Rng rng(seed);
    Ids ids;
    for (int64_t i = 0; i < length; ++i) ids.push_back(static_cast<int32_t>(rng.Int(32, 126)));
    return ids;
  }
  static ScheduledRequest Request(uint64_t seed, int64_t prompt, int64_t max_tokens) {
    ScheduledRequest r;
    r.generation.prompt = Prompt(seed, prompt);
    r.generation.sampling.seed = seed;
    r.generation.stopping.max_tokens = max_tokens;
    return r;
  }
  // What the engine gives without scheduler, cache and company. With a model of its own: a model is for one thread.
  static std::vector<Generation> Alone(const GenerationRequest& request, Model* model = nullptr) {
    static LoadedModel reference = Loaded();
    Engine engine(model != nullptr ? *model : *reference.model, reference.tokenizer, {.max_batch = 1});
    return Generate(engine, request);
  }
  static void ExpectSame(const Generation& a, const Generation& b) {
    EXPECT_EQ(a.tokens, b.tokens);
    EXPECT_EQ(a.text, b.text);
    EXPECT_EQ(a.end.reason, b.end.reason);
    EXPECT_EQ(a.end.thinking_tokens, b.end.thinking_tokens);
  }
  // What was cancelled part way is a beginning of what would have been.
  static void ExpectBeginning(const Generation& part, const Generation& whole) {
    ASSERT_LE(part.tokens.size(), whole.tokens.size());
    EXPECT_TRUE(std::equal(part.tokens.begin(), part.tokens.end(), whole.tokens.begin()));
  }
};

TEST_F(SchedulerTest, TheSameBytesUnderRandomLoad) {
  LoadedModel loaded = Loaded();
  // Prompts that share beginnings, with all kinds of sampling and stopping.
  std::vector<ScheduledRequest> requests;
  std::vector<std::vector<Generation>> alone;
  Rng rng(1);
  const Ids systems[] = {Prompt(100, 150), Prompt(101, 70), {}};
  for (uint64_t i = 0; i < 24; ++i) {
    ScheduledRequest r = Request(i, rng.Int(1, 90), rng.Int(1, 30));
    Ids prompt = rng.Pick(systems);
    const int64_t system = static_cast<int64_t>(prompt.size());
    prompt.insert(prompt.end(), r.generation.prompt.begin(), r.generation.prompt.end());
    r.generation.prompt = std::move(prompt);
    if (rng.Chance(0.5)) r.checkpoints = {system};
    r.generation.sampling.temperature = rng.Chance(0.3) ? 0 : 0.9;
    if (rng.Chance(0.3)) r.generation.sampling.frequency_penalty = 0.5;
    if (rng.Chance(0.3)) r.generation.sampling.logit_bias = {{65, 3.0f}, {66, -100.0f}};
    if (rng.Chance(0.3)) r.generation.outputs = 3;
    if (rng.Chance(0.3)) r.generation.stopping.starts_in_thinking = true, r.generation.stopping.thinking_budget = 5;
    r.priority = static_cast<int>(rng.Int(0, 2));
    r.use_cache = rng.Chance(0.8);
    requests.push_back(r);
    alone.push_back(Alone(r.generation));
  }

  const size_t state = loaded.model->NewState().bytes();
  const SchedulerOptions variants[] = {
      {.engine = {.max_batch = 5, .prefill_chunk = 40}, .cache = {.interval = 64, .min_tokens = 8}},
      {.engine = {.max_batch = 64}, .cache = {.state_bytes = 4 * state, .kv_bytes = 4 * state, .min_tokens = 1}},
      {.engine = {.max_batch = 2, .prefill_chunk = 7}, .cache = {.state_bytes = 0}}};
  for (const SchedulerOptions& options : variants) {
    Scheduler scheduler(loaded, options);
    std::vector<std::thread> clients;
    for (uint64_t c = 0; c < 4; ++c) {
      clients.emplace_back([&, c] {
        Rng rng(c);
        for (int round = 0; round < 10; ++round) {
          const size_t i = rng.Below(requests.size());
          Collector collector(requests[i].generation.outputs);
          const int64_t id = scheduler.Submit(requests[i], collector.callback());
          const bool cancel = rng.Chance(0.25);
          if (cancel) {
            if (rng.Chance(0.7)) collector.WaitForTokens(rng.Below(10));
            scheduler.Cancel(id);
          }
          for (size_t o = 0; o < alone[i].size(); ++o) {
            const Generation& g = collector.Wait(o);
            if (g.end.reason == FinishReason::kCancelled) {
              EXPECT_TRUE(cancel);
              ExpectBeginning(g, alone[i][o]);
            } else {
              ExpectSame(g, alone[i][o]);
            }
          }
        }
      });
    }
    for (std::thread& t : clients) t.join();
    EXPECT_TRUE(scheduler.Drain(10s));
    const SchedulerStats stats = scheduler.stats();
    EXPECT_EQ(stats.submitted, 40);
    EXPECT_EQ(stats.queued, 0);
    EXPECT_EQ(stats.queued_tokens, 0);
    EXPECT_EQ(stats.running, 0);
    EXPECT_TRUE(stats.requests.empty());
    if (options.cache.state_bytes > 0) {
      EXPECT_GT(stats.cached_tokens, 0);
      EXPECT_EQ(stats.cached_tokens, stats.cache.hit_tokens);
    } else {
      EXPECT_EQ(stats.cached_tokens, 0);
    }
  }
}

TEST_F(SchedulerTest, ASecondTurnIsCached) {
  LoadedModel loaded = Loaded();
  Scheduler scheduler(loaded, {});
  ScheduledRequest first = Request(1, 300, 50);
  Collector a;
  scheduler.Submit(first, a.callback());
  const Generation& one = a.Wait();
  EXPECT_EQ(one.end.reused_tokens, 0);
  ScheduledRequest second = Request(2, 0, 10);
  second.generation.prompt = first.generation.prompt;
  for (const int32_t id : one.ids()) second.generation.prompt.push_back(id);
  for (const int32_t id : Prompt(3, 20)) second.generation.prompt.push_back(id);
  Collector b;
  scheduler.Submit(second, b.callback());
  const Generation& two = b.Wait();
  EXPECT_EQ(two.end.reused_tokens, 349);  // all but the last sampled token, which was never read
  EXPECT_EQ(two.end.prompt_tokens, 370);
  ExpectSame(two, Alone(second.generation)[0]);
  // Without the cache: the same.
  second.use_cache = false;
  Collector c;
  scheduler.Submit(second, c.callback());
  EXPECT_EQ(c.Wait().end.reused_tokens, 0);
  ExpectSame(c.Wait(), two);
  scheduler.Drain(10s);
  const SchedulerStats stats = scheduler.stats();
  EXPECT_EQ(stats.prompt_tokens, 300 + 370 + 370);
  EXPECT_EQ(stats.cached_tokens, 349);
  EXPECT_EQ(stats.prefill_tokens, 300 + 21 + 370);
  EXPECT_EQ(stats.output_tokens, 70);
  EXPECT_EQ(stats.finished[static_cast<size_t>(FinishReason::kLength)], 3);
}

TEST_F(SchedulerTest, WhatComesAtTheSameTimeIsReadOnce) {
  LoadedModel loaded = Loaded();
  const Ids system = Prompt(50, 600);
  std::vector<ScheduledRequest> requests;
  std::vector<Generation> alone;
  for (uint64_t i = 0; i < 6; ++i) {
    ScheduledRequest r = Request(i, 10, 5);
    r.generation.prompt.insert(r.generation.prompt.begin(), system.begin(), system.end());
    alone.push_back(Alone(r.generation)[0]);
    requests.push_back(r);
  }
  for (const bool cancel_first : {false, true}) {
    Gate gate;
    std::vector<std::unique_ptr<Collector>> collectors;
    Scheduler scheduler(loaded, {.engine = {.prefill_chunk = 100, .before_forward = gate.hook()}});
    int64_t first = 0;
    for (const ScheduledRequest& r : requests) {
      collectors.push_back(std::make_unique<Collector>());
      const int64_t id = scheduler.Submit(r, collectors.back()->callback());
      if (first == 0) {
        first = id;
        gate.WaitForFirstPass();
      }
    }
    if (cancel_first) scheduler.Cancel(first);
    gate.Open();
    for (size_t i = 0; i < requests.size(); ++i) {
      if (i == 0 && cancel_first) {
        EXPECT_EQ(collectors[i]->Wait().end.reason, FinishReason::kCancelled);
      } else {
        ExpectSame(collectors[i]->Wait(), alone[i]);
      }
    }
    scheduler.Drain(10s);
    // One reads the 600 tokens (and the one that was cancelled some of them); the others wait for it.
    EXPECT_LE(scheduler.stats().prefill_tokens, 600 + 6 * 10 + (cancel_first ? 100 : 0));
  }
}

TEST_F(SchedulerTest, HigherPrioritiesGoFirst) {
  LoadedModel loaded = Loaded();
  Gate gate;
  Scheduler scheduler(loaded, {.engine = {.max_batch = 1, .before_forward = gate.hook()}});
  std::mutex mutex;
  std::vector<int> order;
  std::vector<std::unique_ptr<Collector>> all;
  const auto submit = [&](int name, int priority, int64_t outputs) {
    ScheduledRequest r = Request(static_cast<uint64_t>(name), 20, 3);
    r.priority = priority;
    r.generation.outputs = outputs;
    all.push_back(std::make_unique<Collector>(outputs));
    scheduler.Submit(r, [&, name, collect = all.back()->callback()](const OutputEvent& e) {
      if (e.end != nullptr) {
        std::lock_guard lock(mutex);
        order.push_back(name);
      }
      collect(e);
    });
  };
  submit(1, 0, 3);
  gate.WaitForFirstPass();
  submit(2, 0, 1);
  submit(3, 5, 1);
  submit(4, -1, 1);
  submit(5, 5, 1);
  gate.Open();
  for (auto& c : all) c->Wait();
  // The first one's later outputs wait too.
  EXPECT_EQ(order, (std::vector<int>{1, 3, 5, 1, 1, 2, 4}));
}

TEST_F(SchedulerTest, Deadlines) {
  LoadedModel loaded = Loaded();
  Gate gate;
  Scheduler scheduler(loaded, {.engine = {.max_batch = 1, .before_forward = gate.hook()}});
  ScheduledRequest running = Request(1, 20, 0), waiting = Request(2, 20, 5), late = Request(3, 20, 5);
  running.deadline = std::chrono::steady_clock::now() + 50ms;
  waiting.deadline = std::chrono::steady_clock::now() + 51ms;
  Collector a, b, c, d;
  scheduler.Submit(running, a.callback());
  scheduler.Submit(waiting, b.callback());
  gate.WaitForFirstPass();
  std::this_thread::sleep_for(60ms);
  gate.Open();
  EXPECT_EQ(a.Wait().end.reason, FinishReason::kDeadline);
  EXPECT_THAT(a.Wait().end.message, HasSubstr("before the output was finished"));
  EXPECT_EQ(b.Wait().end.reason, FinishReason::kDeadline);
  EXPECT_TRUE(b.Wait().tokens.empty());
  EXPECT_THAT(b.Wait().end.message, HasSubstr("waiting"));
  late.deadline = std::chrono::steady_clock::now() - 1s;
  scheduler.Submit(late, c.callback());
  EXPECT_EQ(c.Wait().end.reason, FinishReason::kDeadline);
  ScheduledRequest fine = Request(3, 20, 5);
  fine.deadline = std::chrono::steady_clock::now() + 1h;
  scheduler.Submit(fine, d.callback());
  EXPECT_EQ(d.Wait().end.reason, FinishReason::kLength);
  EXPECT_STREQ(FinishReasonName(FinishReason::kDeadline), "deadline");
}

TEST_F(SchedulerTest, AFullQueueSaysSo) {
  LoadedModel loaded = Loaded();
  Gate gate;
  Scheduler scheduler(
      loaded, {.engine = {.max_batch = 1, .before_forward = gate.hook()}, .max_queued = 2, .max_queued_tokens = 100});
  Collector a, b, c, d;
  scheduler.Submit(Request(1, 30, 2), a.callback());
  gate.WaitForFirstPass();  // it is no longer queued
  scheduler.Submit(Request(2, 30, 2), b.callback());
  try {
    scheduler.Submit(Request(3, 80, 2), d.callback());
    FAIL() << "110 tokens";
  } catch (const QueueFull& e) {
    EXPECT_THAT(e.what(), HasSubstr("30 prompt tokens"));
    EXPECT_GE(e.retry_after(), 1s);
  }
  scheduler.Submit(Request(3, 30, 2), c.callback());
  EXPECT_THROW(scheduler.Submit(Request(4, 1, 2), d.callback()), QueueFull);
  EXPECT_EQ(scheduler.stats().queued, 2);
  EXPECT_EQ(scheduler.stats().queued_tokens, 60);
  EXPECT_EQ(scheduler.stats().rejected, 2);
  gate.Open();
  for (Collector* x : {&a, &b, &c}) EXPECT_EQ(x->Wait().end.reason, FinishReason::kLength);
  scheduler.Submit(Request(4, 1, 2), d.callback());
  EXPECT_EQ(d.Wait().end.reason, FinishReason::kLength);
}

TEST_F(SchedulerTest, WhatCannotBeServedIsSaidAtOnce) {
  LoadedModel loaded = Loaded();
  Scheduler scheduler(loaded, {.engine = {.max_context = 100}});
  Collector none;
  const std::function<void(ScheduledRequest*)> wrong[] = {
      [](ScheduledRequest* r) { r->generation.prompt.clear(); },
      [](ScheduledRequest* r) { r->generation.prompt = Prompt(1, 100); },
      [](ScheduledRequest* r) { r->generation.prompt[3] = 100000; },
      [](ScheduledRequest* r) { r->generation.sampling.temperature = -1; },
      [](ScheduledRequest* r) {
        r->generation.sampling.logit_bias = {{280, 1.0f}};
      },
      [](ScheduledRequest* r) {
        r->generation.sampling.logit_bias = {{1, NAN}};
      },
      [](ScheduledRequest* r) { r->generation.outputs = 0; },
      [](ScheduledRequest* r) { r->session = "../x"; },
      [](ScheduledRequest* r) { r->generation.state = SequenceState(SmallConfig()); },
  };
  for (const auto& change : wrong) {
    ScheduledRequest r = Request(1, 20, 5);
    EXPECT_NO_THROW(scheduler.Validate(r));
    change(&r);
    EXPECT_THROW(scheduler.Validate(r), Error);
    EXPECT_THROW(scheduler.Submit(r, none.callback()), Error);
  }
  EXPECT_EQ(scheduler.stats().submitted, 0);
  EXPECT_THROW(Scheduler(loaded, {.engine = {.max_batch = 0}}), Error);
  EXPECT_THROW(Scheduler(loaded, {.max_queued = -1}), Error);
}

TEST_F(SchedulerTest, AFailingPassEndsTheRequestsInItOnly) {
  LoadedModel loaded = Loaded();
  Gate gate;
  Scheduler scheduler(loaded, {.engine = {.max_batch = 2, .before_forward = gate.hook()}});
  ScheduledRequest several = Request(2, 20, 3);
  several.generation.outputs = 2;
  Collector a, b(2), c;
  gate.FailOnce();
  scheduler.Submit(Request(1, 20, 3), a.callback());
  gate.WaitForFirstPass();
  scheduler.Submit(several, b.callback());
  scheduler.Submit(Request(3, 20, 3), c.callback());
  gate.Open();
  EXPECT_EQ(a.Wait().end.reason, FinishReason::kError);
  EXPECT_THAT(a.Wait().end.message, HasSubstr("no memory"));
  ExpectSame(b.Wait(1), Alone(several.generation)[1]);
  ExpectSame(c.Wait(), Alone(Request(3, 20, 3).generation)[0]);
  scheduler.Drain(10s);
  EXPECT_EQ(scheduler.stats().failed_steps, 1);
  EXPECT_EQ(scheduler.stats().finished[static_cast<size_t>(FinishReason::kError)], 1);
}

TEST_F(SchedulerTest, AThrowingCallbackEndsItsRequestOnly) {
  LoadedModel loaded = Loaded();
  Scheduler scheduler(loaded, {});
  Collector a, b;
  int calls = 0;
  scheduler.Submit(Request(1, 20, 100), [&, collect = a.callback()](const OutputEvent& e) {
    collect(e);
    if (++calls == 3) throw Error("the client is gone");
  });
  scheduler.Submit(Request(2, 20, 30), b.callback());
  EXPECT_EQ(a.Wait().end.reason, FinishReason::kError);
  EXPECT_THAT(a.Wait().end.message, HasSubstr("the client is gone"));
  EXPECT_LT(a.Wait().tokens.size(), 10u);
  ExpectSame(b.Wait(), Alone(Request(2, 20, 30).generation)[0]);
}

TEST_F(SchedulerTest, CallbacksMaySubmitAndCancel) {
  LoadedModel loaded = Loaded();
  Scheduler scheduler(loaded, {});
  Collector a, b;
  bool submitted = false;
  const int64_t id = scheduler.Submit(Request(1, 20, 0), [&, collect = a.callback()](const OutputEvent& e) {
    collect(e);
    if (std::exchange(submitted, true)) return;
    EXPECT_THROW(scheduler.SaveSession("x"), Error);  // would wait for itself
    scheduler.Submit(Request(2, 20, 5), b.callback());
    scheduler.Cancel(e.request);
  });
  EXPECT_EQ(a.Wait().end.reason, FinishReason::kCancelled);
  EXPECT_EQ(b.Wait().end.reason, FinishReason::kLength);
  scheduler.Cancel(id);  // finished: nothing happens
  scheduler.Cancel(12345);
  scheduler.EndThinking(12345);
}

TEST_F(SchedulerTest, TheThinkingCanBeEndedNow) {
  LoadedModel loaded = Loaded();
  Gate gate;
  Scheduler scheduler(loaded, {.engine = {.max_batch = 1, .before_forward = gate.hook()}});
  ScheduledRequest r = Request(1, 20, 200);
  r.generation.stopping.starts_in_thinking = true;
  ScheduledRequest queued = r;
  Collector a, b;
  const int64_t id = scheduler.Submit(r, a.callback());
  const int64_t next = scheduler.Submit(queued, b.callback());
  gate.WaitForFirstPass();
  scheduler.EndThinking(next);
  gate.Allow(30);  // there is room for the end of the thinking when it is asked for
  a.WaitForTokens(10);
  scheduler.EndThinking(id);
  gate.Open();
  const Generation& g = a.Wait();
  EXPECT_TRUE(g.end.thinking_cut);
  EXPECT_THAT(g.text, HasSubstr("</think>"));
  EXPECT_GE(g.end.thinking_tokens, 10);
  EXPECT_LT(g.end.thinking_tokens, 200);
  // Up to there it is what it would have been with a budget of as many tokens.
  r.generation.stopping.thinking_budget = g.end.thinking_tokens;
  ExpectSame(g, Alone(r.generation)[0]);
  EXPECT_TRUE(b.Wait().end.thinking_cut);
  EXPECT_EQ(b.Wait().end.thinking_tokens, 1);
}

TEST_F(SchedulerTest, WeightsAreReplacedBetweenSteps) {
  TestFolder folder;
  WriteRandomCheckpoint(folder / "new", SmallConfig(), 9, {});
  ModelConfig other = SmallConfig();
  other.hidden_size = 64;
  WriteRandomCheckpoint(folder / "other", other, 9, {});
  LoadedModel loaded = Loaded();
  const std::unique_ptr<Model> replaced = Model::Load(folder / "new", exec());
  const ScheduledRequest r = Request(1, 200, 20);
  const Generation before = Alone(r.generation)[0], after = Alone(r.generation, replaced.get())[0];
  ASSERT_NE(before.tokens, after.tokens);

  Scheduler scheduler(loaded, {});
  Collector a, b, c, d, e;
  scheduler.Submit(r, a.callback());
  ExpectSame(a.Wait(), before);
  EXPECT_EQ(a.Wait().end.weights_version, 1);
  EXPECT_THROW(scheduler.Reload(folder / "other"), Error);
  EXPECT_THROW(scheduler.Reload(folder / "missing"), Error);
  EXPECT_EQ(scheduler.weights_version(), 1);
  scheduler.Submit(r, b.callback());
  EXPECT_EQ(b.Wait().end.reused_tokens, 199);
  // A request that runs meanwhile goes on.
  const int64_t running = scheduler.Submit(Request(2, 20, 0), c.callback());
  c.WaitForTokens(3);
  EXPECT_EQ(scheduler.Reload(folder / "new"), 2);
  EXPECT_EQ(scheduler.weights_version(), 2);
  EXPECT_FALSE(c.ended());
  scheduler.Submit(r, d.callback());
  ExpectSame(d.Wait(), after);
  EXPECT_EQ(d.Wait().end.reused_tokens, 0);  // states of the old weights are of no use
  EXPECT_EQ(d.Wait().end.weights_version, 2);
  scheduler.Cancel(running);
  EXPECT_EQ(c.Wait().end.weights_version, 2);
  EXPECT_EQ(c.Wait().end.reason, FinishReason::kCancelled);
  // What ran across the change is not kept.
  ScheduledRequest again = Request(2, 20, 1);
  for (const int32_t id : c.Wait().ids()) again.generation.prompt.push_back(id);
  Collector f;
  scheduler.Submit(again, f.callback());
  EXPECT_EQ(f.Wait().end.reused_tokens, 0);

  // The old weights, in place, once what runs has ended.
  Collector g;
  scheduler.Submit(Request(3, 20, 100), g.callback());
  g.WaitForTokens(3);
  bool ended = false;
  EXPECT_EQ(scheduler.UpdateWeights(
                [&](Model& model) {
                  ended = g.ended();
                  Model old(SmallConfig(), RandomParams(SmallConfig(), 5), exec());
                  model.params() = std::move(old.params());
                },
                ReloadMode::kFinishFirst),
            3);
  EXPECT_TRUE(ended);
  scheduler.Submit(r, e.callback());
  ExpectSame(e.Wait(), before);
  EXPECT_THROW(scheduler.UpdateWeights([](Model&) { throw Error("not these"); }), Error);
  EXPECT_EQ(scheduler.weights_version(), 3);
}

TEST_F(SchedulerTest, SessionsSurviveTheProcess) {
  TestFolder folder;
  LoadedModel loaded = Loaded(), others = Loaded(6);
  SchedulerOptions options;
  options.session_folder = folder / "sessions";
  ScheduledRequest r = Request(1, 150, 60), next = Request(2, 0, 10);
  r.session = "a.chat-1";
  {
    Scheduler scheduler(loaded, options);
    EXPECT_THROW(scheduler.SaveSession("a.chat-1"), Error);
    Collector a;
    scheduler.Submit(r, a.callback());
    next.generation.prompt = r.generation.prompt;
    for (const int32_t id : a.Wait().ids()) next.generation.prompt.push_back(id);
    next.generation.prompt.push_back(65);
    const SessionInfo saved = scheduler.SaveSession("a.chat-1");
    EXPECT_EQ(saved.tokens, 209);
    EXPECT_EQ(saved.ids.size(), 210u);
    EXPECT_GT(saved.bytes, 1000u);
    EXPECT_THROW(scheduler.SaveSession("b"), Error);
    EXPECT_THROW(scheduler.SaveSession("../a"), Error);
    EXPECT_THROW(scheduler.SaveSession(".a"), Error);
  }
  {
    Scheduler scheduler(loaded, options);
    ASSERT_EQ(scheduler.Sessions().size(), 1u);
    EXPECT_EQ(scheduler.Sessions()[0].name, "a.chat-1");
    EXPECT_EQ(scheduler.Sessions()[0].tokens, 209);
    const SessionInfo restored = scheduler.RestoreSession("a.chat-1");
    EXPECT_EQ(restored.tokens, 209);
    Collector a;
    scheduler.Submit(next, a.callback());
    EXPECT_EQ(a.Wait().end.reused_tokens, 209);
    ExpectSame(a.Wait(), Alone(next.generation)[0]);
    EXPECT_EQ(scheduler.SaveSession("a.chat-1").tokens, 209);
    EXPECT_THROW(scheduler.RestoreSession("b"), Error);
  }
  {
    Scheduler scheduler(others, options);
    EXPECT_THROW(scheduler.RestoreSession("a.chat-1"), Error);  // other weights
    std::string content = ReadFile(folder / "sessions" / "a.chat-1.state");
    content[content.size() / 2] ^= 1;
    WriteFileAtomic(folder / "sessions" / "a.chat-1.state", content);
  }
  Scheduler scheduler(loaded, options);
  EXPECT_THROW(scheduler.RestoreSession("a.chat-1"), Error);
  scheduler.DeleteSession("a.chat-1");
  EXPECT_TRUE(scheduler.Sessions().empty());
  EXPECT_THROW(scheduler.DeleteSession("a.chat-1"), Error);
}

TEST_F(SchedulerTest, ACacheOnDiskSurvivesTheProcess) {
  TestFolder folder;
  LoadedModel loaded = Loaded();
  SchedulerOptions options;
  options.cache.spill_folder = folder / "spill";
  const ScheduledRequest r = Request(1, 300, 10);
  const Generation alone = Alone(r.generation)[0];
  for (int process = 0; process < 3; ++process) {
    Scheduler scheduler(loaded, options);
    Collector a;
    scheduler.Submit(r, a.callback());
    ExpectSame(a.Wait(), alone);
    EXPECT_EQ(a.Wait().end.reused_tokens, process == 0 ? 0 : 299);
  }
}

TEST_F(SchedulerTest, DrainLetsRequestsEndAndTakesNoNewOnes) {
  LoadedModel loaded = Loaded();
  Scheduler scheduler(loaded, {});
  Collector a, b;
  scheduler.Submit(Request(1, 20, 30), a.callback());
  EXPECT_TRUE(scheduler.Drain(60s));
  EXPECT_EQ(a.Wait().end.reason, FinishReason::kLength);
  EXPECT_THROW(scheduler.Submit(Request(1, 20, 5), b.callback()), Draining);
  EXPECT_TRUE(scheduler.stats().draining);
  EXPECT_TRUE(scheduler.Drain(1ms));  // again
}

TEST_F(SchedulerTest, DrainCutsOffWhatTakesTooLong) {
  LoadedModel loaded = Loaded();
  Gate gate;
  Scheduler scheduler(loaded, {.engine = {.max_batch = 1, .before_forward = gate.hook()}});
  Collector a, b;
  scheduler.Submit(Request(1, 20, 0), a.callback());
  scheduler.Submit(Request(2, 20, 0), b.callback());
  gate.WaitForFirstPass();
  std::thread opener([&] {
    std::this_thread::sleep_for(20ms);
    gate.Open();
  });
  EXPECT_FALSE(scheduler.Drain(10ms));
  opener.join();
  EXPECT_EQ(a.Wait().end.reason, FinishReason::kCancelled);
  EXPECT_EQ(b.Wait().end.reason, FinishReason::kCancelled);
}

TEST_F(SchedulerTest, TheEndOfTheSchedulerEndsEverything) {
  LoadedModel loaded = Loaded();
  Collector a, b(2);
  {
    Scheduler scheduler(loaded, {.engine = {.max_batch = 1}});
    scheduler.Submit(Request(1, 20, 0), a.callback());
    ScheduledRequest two = Request(2, 20, 0);
    two.generation.outputs = 2;
    scheduler.Submit(two, b.callback());
    a.WaitForTokens(2);
  }
  EXPECT_EQ(a.Wait().end.reason, FinishReason::kCancelled);
  EXPECT_EQ(b.Wait(1).end.reason, FinishReason::kCancelled);
}

TEST_F(SchedulerTest, StatsShowWhereRequestsStand) {
  LoadedModel loaded = Loaded();
  Gate gate;
  const auto slowly = [hook = gate.hook()](auto&&... pass) {
    std::this_thread::sleep_for(1ms);  // the request is to be there when the list is renewed
    hook(pass...);
  };
  Scheduler scheduler(loaded, {.engine = {.max_batch = 1, .prefill_chunk = 64, .before_forward = slowly}});
  Collector a, b;
  ScheduledRequest first = Request(1, 100, 1000000);
  first.generation.stopping.starts_in_thinking = true;
  first.priority = 3;
  const int64_t id = scheduler.Submit(first, a.callback());
  scheduler.Submit(Request(2, 40, 5), b.callback());
  gate.WaitForFirstPass();
  gate.Open();
  a.WaitForTokens(5);
  SchedulerStats stats;
  do {  // the list is renewed now and then
    stats = scheduler.stats();
    std::this_thread::sleep_for(1ms);
  } while (stats.requests.size() < 2 || stats.requests[0].phase != RequestStats::Phase::kGenerating);
  const RequestStats& r = stats.requests[0];
  EXPECT_EQ(r.id, id);
  EXPECT_EQ(r.priority, 3);
  EXPECT_EQ(r.prompt_tokens, 100);
  EXPECT_EQ(r.prefilled_tokens, 100);
  EXPECT_TRUE(r.in_thinking);
  EXPECT_GE(r.output_tokens, 1);
  EXPECT_EQ(stats.requests[1].phase, RequestStats::Phase::kQueued);
  EXPECT_STREQ(PhaseName(stats.requests[1].phase), "queued");
  EXPECT_GT(stats.running_bytes, 0u);
  EXPECT_EQ(stats.running, 1);
  EXPECT_EQ(stats.queued, 1);
  EXPECT_EQ(stats.max_batch, 1);
  EXPECT_GT(stats.busy_seconds, 0);
  scheduler.Cancel(id);
  b.Wait();
}

}  // namespace
}  // namespace fulgur
