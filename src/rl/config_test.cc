#include "rl/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "rl/test_util.h"

namespace fulgur {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(RlConfig, WhatIsWrongIsNamed) {
  TestFolder folder;
  const Json json = TinyRlRun(folder.path());
  const auto with = [&](const char* pointer, const Json& value) {
    Json changed = json;
    changed[Json::json_pointer(pointer)] = value;
    return ErrorOf([&] { RlConfig::FromJson(changed, "c.json"); });
  };
  EXPECT_EQ(with("/batches", 5), "no error");
  EXPECT_THAT(with("/objectiv", "cispo"),
              AllOf(HasSubstr("c.json"), HasSubstr("\"objectiv\""), HasSubstr("objective")));
  EXPECT_THAT(with("/objective", "ppo3"), AllOf(HasSubstr("ppo3"), HasSubstr("cispo")));
  EXPECT_THAT(with("/objective", {{"name", "cispo"}, {"is_eps_high", 2}}), HasSubstr("is_eps_high"));
  EXPECT_THAT(with("/objective", {{"name", "cispo"}, {"advantage", "median"}}), HasSubstr("median"));
  EXPECT_THAT(with("/objective", {{"name", "cispo"}, {"normalization", {{"group", 0}}}}), HasSubstr("every part is 0"));
  EXPECT_THAT(with("/updates", 5), HasSubstr("5 updates of a batch of 4 prompts"));
  EXPECT_THAT(with("/rollouts/weights", "q5"), AllOf(HasSubstr("q5"), HasSubstr("q4")));
  EXPECT_THAT(with("/rollouts/most_prompts", 3), HasSubstr("most_prompts"));
  EXPECT_THAT(with("/stages", Json::array()), HasSubstr("stages"));
  EXPECT_THAT(with("/stages", {{{"window", 30}}, {{"window", 25}}}), HasSubstr("25 is smaller than the 30"));
  EXPECT_THAT(with("/stages/0/window", 10), HasSubstr("overlong_buffer"));
  EXPECT_THAT(with("/data/0/tasks", {"chess"}), HasSubstr("chess"));
  EXPECT_THAT(with("/data/0/part", "rl"), HasSubstr("reinforcement"));
  EXPECT_THAT(with("/data/0/type", "web"), HasSubstr("web"));
  EXPECT_THAT(with("/data/0/weight", {{0.5, 1}, {0.2, 1}}), HasSubstr("rise"));
  EXPECT_THAT(with("/data/0/weight", -1), HasSubstr("at least 0"));
  EXPECT_THAT(with("/curriculum", {{"low", 0.9}, {"high", 0.1}}), HasSubstr("0.9"));
  EXPECT_THAT(with("/model", nullptr), HasSubstr("model"));
  EXPECT_THAT(with("/rollouts/temperature", 0), HasSubstr("at least 0.01"));
  EXPECT_THAT(with("/rollouts/top_p", 0), HasSubstr("above 0"));
  EXPECT_THAT(with("/rollouts/top_p", 1.2), HasSubstr("between 0 and 1"));
  EXPECT_THAT(with("/rollouts/lag", 101), HasSubstr("100 batches"));
  EXPECT_THAT(with("/data/0/filter", {{"low", 0.5}, {"high", 0.2}}), HasSubstr("must be below"));
  EXPECT_THAT(with("/data/0/filter", {{"problems", 0}}), HasSubstr("at least 1"));
  EXPECT_THAT(with("/rollouts/responses", 1), AllOf(HasSubstr("\"responses\" is 1"), HasSubstr("at least 2")));
  EXPECT_THAT(with("/threads", 100000), AllOf(HasSubstr("\"threads\" is 100000"), HasSubstr("up to 1024")));
  EXPECT_THAT(with("/threads", -1), HasSubstr("one per processor"));
}

TEST(RlConfig, BoundsHoldTheRatioOne) {
  TestFolder folder;
  const Json json = TinyRlRun(folder.path());
  const auto with = [&](const Json& objective, const Json& stage = Json::object()) {
    Json changed = json;
    changed["objective"] = objective;
    changed["stages"][0].update(stage);
    return ErrorOf([&] { RlConfig::FromJson(changed, "c.json"); });
  };
  EXPECT_THAT(
      with({{"name", "cispo"}, {"is_weight_max", 0.2}}),
      AllOf(HasSubstr("\"is_weight_max\" is 0.2, but must be at least 1"), HasSubstr("epsilon of 0.2, write 1.2")));
  EXPECT_THAT(with({{"name", "grpo"}, {"mask_low", 1.3}, {"mask_high", 0.9}}), HasSubstr("\"mask_low\" is 1.3"));
  EXPECT_THAT(with({{"name", "dapo"}, {"mask_high", 0.28}}), HasSubstr("write 1.28"));
  EXPECT_THAT(with({{"name", "cispo"}, {"is_weight_min", 1.5}}), HasSubstr("at most 1"));
  EXPECT_THAT(with("cispo", {{"is_weight_max", 0.5}}), AllOf(HasSubstr("\"stages\"[0]"), HasSubstr("at least 1")));
  EXPECT_THAT(with("grpo", {{"mask_low", 2}}), AllOf(HasSubstr("\"stages\"[0]"), HasSubstr("at most 1")));
  EXPECT_EQ(with({{"name", "cispo"}, {"is_weight_min", 1}, {"is_weight_max", 1}}), "no error");
  EXPECT_EQ(with({{"name", "grpo"}, {"mask_low", 0.2}, {"mask_high", nullptr}}), "no error");
}

// A batch without a source is found before anything is done, whichever batch it is.
TEST(RlConfig, SomeSourceHasAWeightInEveryBatch) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  const Json source = json["data"][0];
  const auto with = [&](int64_t batches, const std::vector<Json>& weights) {
    json["batches"] = batches;
    json["data"] = Json::array();
    for (const Json& weight : weights) {
      json["data"].push_back(source);
      json["data"].back()["weight"] = weight;
    }
    return ErrorOf([&] { RlConfig::FromJson(json, "c.json"); });
  };
  EXPECT_THAT(with(3, {{{0, 1}, {0.5, 0}}}), HasSubstr("in batch 3 of 3, after 67 % of the run, no source"));
  EXPECT_THAT(with(4, {0}), HasSubstr("in batch 1 of 4"));
  EXPECT_THAT(with(10, {{{0, 0}, {1, 1}}}), HasSubstr("in batch 1 of 10"));
  EXPECT_THAT(with(10, {{{0, 1}, {0.3, 0}, {0.6, 1}}}), HasSubstr("in batch 4 of 10"));          // 0 in one point
  EXPECT_THAT(with(7, {{{0, 1}, {0.4, 0}}, {{0.5, 0}, {1, 1}}}), HasSubstr("in batch 4 of 7"));  // 0.43: between
  EXPECT_EQ(with(9, {{{0, 1}, {0.3, 0}, {0.6, 1}}}), "no error");                                // no batch is there
  EXPECT_EQ(with(7, {{{0, 1}, {0.4, 0}}, {{0.4, 0}, {1, 1}}}), "no error");
  EXPECT_EQ(with(7, {{{0, 1}, {1, 0}}}), "no error");  // its end is after the last batch's beginning
}

// As TrainConfig.EveryKeyIsInTheFingerprintOrFree.
TEST(RlConfig, EveryKeyIsInTheFingerprintOrFree) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  json["data"].push_back({{"type", "problems"}, {"path", "p.jsonl"}});
  const ConfigKeys keys = RlConfig::FromJson(json, "c.json").keys;
  EXPECT_EQ(keys.free, (std::set<std::string>{"checkpoint", "data[].max_unreadable", "evaluation", "out", "recompute",
                                              "rollouts.keep_every", "rollouts.max_batch", "save_dtype", "threads"}));
  EXPECT_EQ(KeysOf(keys.fingerprint), (std::set<std::string>{"aux_coef",
                                                             "batches",
                                                             "curriculum.decay",
                                                             "curriculum.enabled",
                                                             "curriculum.high",
                                                             "curriculum.low",
                                                             "curriculum.min_count",
                                                             "curriculum.probe",
                                                             "curriculum.unlock",
                                                             "data",
                                                             "micro_tokens",
                                                             "model",
                                                             "objective",
                                                             "optimizer.beta1",
                                                             "optimizer.beta2",
                                                             "optimizer.clip",
                                                             "optimizer.decay_norms",
                                                             "optimizer.eps",
                                                             "optimizer.weight_decay",
                                                             "reward.correct",
                                                             "reward.format",
                                                             "reward.overlong",
                                                             "reward.overlong_buffer",
                                                             "rollouts.correction_max",
                                                             "rollouts.early_truncation.probability",
                                                             "rollouts.early_truncation.tokens",
                                                             "rollouts.lm_head",
                                                             "rollouts.most_prompts",
                                                             "rollouts.prompts",
                                                             "rollouts.responses",
                                                             "rollouts.starts_in_thinking",
                                                             "rollouts.thinking_budget",
                                                             "rollouts.weights",
                                                             "schedule.decay_updates",
                                                             "schedule.final_ratio",
                                                             "schedule.lr",
                                                             "schedule.warmup_updates",
                                                             "seed",
                                                             "stage_rule.batches",
                                                             "stage_rule.length_share",
                                                             "stage_rule.tolerance",
                                                             "stages",
                                                             "updates"}));
  EXPECT_EQ(KeysOf(keys.fingerprint["objective"]),
            (std::set<std::string>{"advantage", "constant_length", "is_weight_max", "is_weight_min", "kl", "mask_high",
                                   "mask_low", "name", "normalization", "sequence_ratio", "surrogate"}));
  EXPECT_EQ(KeysOf(keys.fingerprint["stages"][0]),
            (std::set<std::string>{"clip", "is_weight_max", "mask_high", "mask_low", "window"}));
  EXPECT_EQ(KeysOf(keys.fingerprint["data"][0]), (std::set<std::string>{"name", "part", "tasks", "type", "weight"}));
  EXPECT_EQ(KeysOf(keys.fingerprint["data"][1]),
            (std::set<std::string>{"checker", "decontaminate.against", "decontaminate.words", "filter.high",
                                   "filter.low", "filter.samples", "name", "path", "type", "weight"}));
}

TEST(RlConfig, FingerprintHasWhatChangesTheWeights) {
  TestFolder folder;
  const Json good = TinyRlRun(folder.path());
  const Json fingerprint = RlConfig::FromJson(good, "c.json").keys.fingerprint;
  const auto with = [&](const char* pointer, const Json& value) {
    Json json = good;
    json[Json::json_pointer(pointer)] = value;
    return RlConfig::FromJson(json, "c.json").keys.fingerprint;
  };
  for (const auto& [pointer, value] : std::vector<std::pair<const char*, Json>>{{"/out", "elsewhere"},
                                                                                {"/recompute", true},
                                                                                {"/rollouts/max_batch", 3},
                                                                                {"/rollouts/keep_every", 0},
                                                                                {"/evaluation", {{"every", 3}}},
                                                                                {"/objective", "cispo"}}) {
    EXPECT_EQ(with(pointer, value), fingerprint) << pointer;
  }
  for (const auto& [pointer, value] :
       std::vector<std::pair<const char*, Json>>{{"/seed", 4},
                                                 {"/batches", 5},
                                                 {"/curriculum", {{"probe", 0.1}}},
                                                 {"/objective", "dapo"},
                                                 {"/objective", {{"name", "cispo"}, {"mask_high", 1.3}}},
                                                 {"/objective", {{"name", "cispo"}, {"is_weight_max", nullptr}}},
                                                 {"/objective", {{"name", "cispo"}, {"normalization", "batch"}}},
                                                 {"/stages/0/clip", 0.5},
                                                 {"/reward/overlong", 2},
                                                 {"/data/0/weight", 2},
                                                 {"/data/0/difficulties", {1, 3}},
                                                 {"/data/0/part", "all"}}) {
    EXPECT_NE(with(pointer, value), fingerprint) << pointer;
  }
}

TEST(RlConfig, SettingsOfObjectivesAndStages) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  json["objective"] = {{"name", "cispo"}, {"is_weight_max", 2.5}, {"mask_high", 1.3}, {"normalization", "batch"}};
  json["stages"] = {
      {{"window", 24}}, {{"window", 30}, {"is_weight_max", 2}, {"clip", 0.5}}, {{"window", 40}, {"mask_high", 1.1}}};
  const RlConfig c = RlConfig::FromJson(json, "c.json");
  EXPECT_EQ(c.objective.normalization.batch, 1);
  EXPECT_EQ(c.objective.normalization.group, 0);
  EXPECT_EQ(c.ObjectiveOf(0).is_weight_max, 2.5);
  EXPECT_EQ(c.ObjectiveOf(2).is_weight_max, 2);
  EXPECT_EQ(c.ObjectiveOf(1).mask_high, 1.3);
  EXPECT_EQ(c.ObjectiveOf(2).mask_high, 1.1);
  EXPECT_EQ(c.ClipOf(0), 1);
  EXPECT_EQ(c.ClipOf(2), 0.5);
  json["objective"] = {{"name", "dr_grpo"}, {"mask_high", nullptr}};
  const RlConfig dr = RlConfig::FromJson(json, "c.json");
  EXPECT_EQ(dr.objective.constant_length, 40);
  EXPECT_EQ(dr.objective.mask_high, Objective::kNoBound);
  json["objective"] = "gspo";
  EXPECT_TRUE(RlConfig::FromJson(json, "c.json").objective.sequence_ratio);
}

TEST(RlConfig, ACheckerIsARuleOrAProgram) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  Json& source = json["data"][0] = {{"type", "problems"}, {"path", "p.jsonl"}};
  const auto read = [&](const Json& checker) {
    source["checker"] = checker;
    return RlConfig::FromJson(json, "c.json");
  };
  EXPECT_EQ(read("math").data[0].checker.rule, "math");
  const RlConfig config = read({{"command", {"sh", "judge.sh"}}, {"seconds", 2}, {"processes", 3}});
  const Checker& checker = config.data[0].checker;
  EXPECT_FALSE(checker.is_rule());
  EXPECT_EQ(checker.command.command, (std::vector<std::string>{"sh", "judge.sh"}));
  EXPECT_EQ(checker.command.seconds, 2);
  EXPECT_EQ(checker.command.processes, 3);
  // What is run decides the rewards; for how long and how often it may run does not.
  EXPECT_THAT(config.keys.fingerprint.dump(), HasSubstr("judge.sh"));
  EXPECT_TRUE(config.keys.free.contains("data[].checker.seconds"));
  EXPECT_TRUE(config.keys.free.contains("data[].checker.processes"));
  for (const auto& [bad, what] : std::initializer_list<std::pair<Json, const char*>>{
           {"by-feeling", "exact and math"},
           {Json::object(), "\"command\""},
           {{{"command", "sh"}}, "list of a program"},
           {{{"command", Json::array()}}, "list of a program"},
           {{{"command", Json::array({1})}}, "holds 1"},
           {{{"command", {"sh", "x"}}, {"seconds", 0}}, "above 0"},
           {{{"command", {"sh", "x"}}, {"processes", 0}}, "at least 1"},
           {{{"command", {"sh", "x"}}, {"timeout", 5}}, "unknown key \"timeout\""}}) {
    EXPECT_THAT(ErrorOf([&, checker = bad] { read(checker); }), HasSubstr(what));
  }
}

}  // namespace
}  // namespace fulgur
