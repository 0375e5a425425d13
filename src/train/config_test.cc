#include "train/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "train/test_util.h"

namespace fulgur {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string ErrorOf(const Json& json) {
  try {
    TrainConfig::FromJson(json, "run.json");
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(TrainConfig, ReadsEverythingAndFillsInDefaults) {
  TestFolder folder;
  Json json = TinyRun(folder.path());
  json["optimizer"] = {{"beta2", 0.99}, {"decay_norms", false}, {"clip", 0.5}};
  json["data"].push_back({{"type", "text"}, {"path", "some/books.jsonl"}, {"weight", 0.25}});
  json["validation"] = {{"every", 5}, {"instances", 7}};
  json["save_dtype"] = "F32";
  const TrainConfig c = TrainConfig::FromJson(json, "run.json");
  EXPECT_EQ(c.seed, 3u);
  EXPECT_EQ(c.schedule.steps, 20);
  EXPECT_EQ(c.schedule.decay_steps, 6);
  EXPECT_EQ(c.schedule.lr, 0.003);
  EXPECT_EQ(c.optimizer.beta1, 0.9);
  EXPECT_EQ(c.optimizer.beta2, 0.99);
  EXPECT_EQ(c.optimizer.eps, 1e-15);
  EXPECT_EQ(c.optimizer.weight_decay, 0.1);
  EXPECT_FALSE(c.decay_norms);
  EXPECT_EQ(c.clip, 0.5);
  ASSERT_EQ(c.data.size(), 2u);
  ASSERT_EQ(c.data[0].tasks.size(), 1u);
  EXPECT_EQ(c.data[0].tasks[0].difficulties, (std::vector<std::pair<int, double>>{{1, 1.0}, {2, 1.0}}));
  EXPECT_EQ(c.data[1].name, "books");
  EXPECT_EQ(c.data[1].end, "<end_of_sentence>");
  ASSERT_EQ(c.validation.data.size(), 1u);  // tasks only
  EXPECT_EQ(c.save_dtype, DType::kF32);
}

TEST(TrainConfig, TokensAreStepsTimesTheBatch) {
  TestFolder folder;
  Json json = TinyRun(folder.path());
  json.erase("steps");
  json["tokens"] = 2048 * 11 + 5;
  EXPECT_EQ(TrainConfig::FromJson(json, "run.json").schedule.steps, 11);
}

TEST(TrainConfig, ErrorsNameKeyAndPlace) {
  TestFolder folder;
  const Json good = TinyRun(folder.path());
  EXPECT_EQ(ErrorOf(good), "no error");
  const auto with = [&](const char* pointer, const Json& value) {
    Json json = good;
    json[Json::json_pointer(pointer)] = value;
    return ErrorOf(json);
  };
  EXPECT_THAT(with("/lerning_rate", 1),
              AllOf(HasSubstr("run.json"), HasSubstr("\"lerning_rate\""), HasSubstr("known")));
  EXPECT_THAT(with("/batch/size", 1), AllOf(HasSubstr("\"batch\""), HasSubstr("\"size\""), HasSubstr("micro_tokens")));
  EXPECT_THAT(with("/optimizer", Json{{"lr", 1}}), AllOf(HasSubstr("\"optimizer\""), HasSubstr("weight_decay")));
  EXPECT_THAT(with("/batch/tokens", "many"), AllOf(HasSubstr("tokens")));
  EXPECT_THAT(with("/batch/micro_tokens", 1000), HasSubstr("must hold"));
  EXPECT_THAT(with("/batch/micro_tokens", 1025), HasSubstr("multiple of micro_tokens 1025"));
  EXPECT_THAT(with("/batch/max_length", 4096), HasSubstr("max_length 4096"));
  EXPECT_THAT(with("/tokens", 100), HasSubstr("one of them"));
  EXPECT_THAT(with("/steps", 0), HasSubstr("at least 1"));
  EXPECT_THAT(with("/schedule/decay", "step"), HasSubstr("cosine, linear or sqrt"));
  EXPECT_THAT(with("/schedule/warmup_steps", 19), HasSubstr("more than the 20 steps"));
  EXPECT_THAT(with("/schedule/decay_fraction", 1.5), HasSubstr("between 0 and 1"));
  EXPECT_THAT(with("/data", Json::array()), HasSubstr("at least one source"));
  EXPECT_THAT(with("/data/0/type", "images"),
              AllOf(HasSubstr("\"data\"[0]"), HasSubstr("tasks, instances, text or chat")));
  EXPECT_THAT(with("/data/0", Json{{"type", "instances"}}), HasSubstr("\"path\""));
  EXPECT_THAT(with("/data/0", Json{{"type", "instances"}, {"path", "x"}, {"tasks", "all"}}), HasSubstr("\"tasks\""));
  EXPECT_EQ(with("/data/0", Json{{"type", "instances"},
                                 {"path", "x"},
                                 {"part", "supervised"},
                                 {"thinking", false},
                                 {"leave_out_unsolved", true}}),
            "no error");
  EXPECT_THAT(with("/data/0/weight", 0), HasSubstr("no source has a weight above 0"));
  EXPECT_THAT(with("/data/0/weight", -1), HasSubstr("\"weight\" is -1"));
  EXPECT_THAT(with("/data/0/tasks/0/name", "alchemy"), AllOf(HasSubstr("alchemy"), HasSubstr("addition")));
  EXPECT_THAT(with("/data/0/tasks/0/difficulties", Json{2, 1}), HasSubstr("high to low"));
  EXPECT_THAT(with("/data/0/tasks/0/difficulties", Json{1, 1000}), HasSubstr("no difficulty 1000"));
  EXPECT_THAT(with("/data/0/tasks/0/difficulties", Json{{"x", 1}}), HasSubstr("\"x\""));
  EXPECT_THAT(with("/data/0/tasks/0/difficulties", Json{{"1", 0}}), HasSubstr("above 0"));
  EXPECT_THAT(with("/data/0/tasks/0/difficulties", Json{{"1", "x"}}), HasSubstr("difficulty 1"));
  EXPECT_THAT(with("/data/0/tasks/0/difficulties", "easy"), HasSubstr("\"nano\""));
  EXPECT_THAT(with("/model", Json::object()), HasSubstr("\"path\""));
  EXPECT_THAT(with("/model", 3), HasSubstr("must be an object"));
  EXPECT_THAT(with("/model/path", "x"), HasSubstr("leave out"));
  EXPECT_THAT(with("/save_dtype", "FP8"), HasSubstr("BF16 or F32"));
  EXPECT_THAT(with("/checkpoint", Json{{"keep", 0}}), HasSubstr("at least 1"));
  EXPECT_THAT(ErrorOf(Json::array()), HasSubstr("must be an object"));
}

TEST(TrainConfig, FingerprintHasWhatChangesTheWeightsAndNothingElse) {
  TestFolder folder;
  const Json good = TinyRun(folder.path());
  const Json fingerprint = TrainConfig::FromJson(good, "run.json").keys.fingerprint;
  for (const auto& [pointer, value] : std::vector<std::pair<const char*, Json>>{{"/out", "elsewhere"},
                                                                                {"/threads", 7},
                                                                                {"/save_dtype", "F32"},
                                                                                {"/batch/recompute", true},
                                                                                {"/checkpoint", {{"keep", 9}}},
                                                                                {"/validation", {{"every", 3}}}}) {
    Json json = good;
    json[Json::json_pointer(pointer)] = value;
    EXPECT_EQ(TrainConfig::FromJson(json, "run.json").keys.fingerprint, fingerprint) << pointer;
  }
  for (const auto& [pointer, value] :
       std::vector<std::pair<const char*, Json>>{{"/seed", 4},
                                                 {"/batch/micro_tokens", 2048},
                                                 {"/steps", 21},
                                                 {"/schedule/lr", 0.01},
                                                 {"/schedule/decay", "sqrt"},
                                                 {"/aux_coef", 0.5},
                                                 {"/optimizer", {{"clip", 2}}},
                                                 {"/model/config/hidden_size", 32},
                                                 {"/data/0/tasks/0/difficulties", {1, 3}}}) {
    Json json = good;
    json[Json::json_pointer(pointer)] = value;
    EXPECT_NE(TrainConfig::FromJson(json, "run.json").keys.fingerprint, fingerprint) << pointer;
  }
}

// A key that is added must be listed here, and so be thought about: does it decide the weights?
TEST(TrainConfig, EveryKeyIsInTheFingerprintOrFree) {
  TestFolder folder;
  Json json = TinyRun(folder.path());
  json["data"].push_back({{"type", "text"}, {"path", "a.jsonl"}});
  const ConfigKeys keys = TrainConfig::FromJson(json, "run.json").keys;
  EXPECT_EQ(keys.free, (std::set<std::string>{"batch.recompute", "checkpoint", "data[].name", "out", "save_dtype",
                                              "threads", "validation"}));
  EXPECT_EQ(KeysOf(keys.fingerprint), (std::set<std::string>{"aux_coef",
                                                             "batch.max_length",
                                                             "batch.micro_tokens",
                                                             "batch.tokens",
                                                             "data",
                                                             "model.config",
                                                             "model.path",
                                                             "model.tokenizer",
                                                             "optimizer.beta1",
                                                             "optimizer.beta2",
                                                             "optimizer.clip",
                                                             "optimizer.decay_norms",
                                                             "optimizer.eps",
                                                             "optimizer.weight_decay",
                                                             "schedule.decay",
                                                             "schedule.decay_steps",
                                                             "schedule.final_ratio",
                                                             "schedule.lr",
                                                             "schedule.warmup_steps",
                                                             "seed",
                                                             "steps"}));
  EXPECT_EQ(KeysOf(keys.fingerprint["data"][0]), (std::set<std::string>{"tasks", "type", "weight"}));
  EXPECT_EQ(KeysOf(keys.fingerprint["data"][1]), (std::set<std::string>{"begin", "end", "path", "type", "weight"}));
  json["data"] = {{{"type", "tasks"}, {"tasks", {"addition"}}, {"part", "supervised"}, {"thinking", false}}};
  EXPECT_EQ(KeysOf(TrainConfig::FromJson(json, "run.json").keys.fingerprint["data"][0]),
            (std::set<std::string>{"part", "tasks", "thinking", "type", "weight"}));
}

TEST(Section, AKeyThatIsNotRecordedMustBeDeclaredSo) {
  const Json json = {{"a", 1}, {"b", {1, 2}}, {"c", {{"d", 2.5}}}, {"e", 3}};
  ConfigKeys keys;
  Section s(json, "here", &keys, "x.");
  EXPECT_EQ(s.Integer("a", 0, 0), 1);
  const Json& b = s.Value("b");
  Section c = s.Child("c");
  EXPECT_EQ(c.Number("d", 0), 2.5);
  EXPECT_EQ(c.Number("more", 0.5), 0.5);
  EXPECT_EQ(c.GetOr<bool>(AddedKey("new"), false), false);
  c.Done();
  EXPECT_EQ(s.Integer(FreeKey("e"), 0, 0), 3);
  EXPECT_DEATH(s.Done(), "neither recorded nor declared otherwise: b");
  s.Record("b", b.size());
  s.Done();
  EXPECT_EQ(keys.fingerprint, (Json{{"x.a", 1}, {"x.c.d", 2.5}, {"x.c.more", 0.5}, {"x.b", 2}}));
  EXPECT_EQ(keys.free, std::set<std::string>{"x.e"});
}

// The configs that come with the repository are complete.
TEST(TrainConfig, ShippedConfigsAreRead) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(FULGUR_SOURCE_DIR) / "configs")) {
    if (entry.path().extension() != ".json") continue;
    const Json json = ReadJsonFile(entry.path());
    if (!json.contains("data") || json.contains("batches")) continue;  // of another kind
    EXPECT_NO_THROW(TrainConfig::FromFile(entry.path())) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 3);
}

}  // namespace
}  // namespace fulgur
