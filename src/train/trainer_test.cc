#include "train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstring>
#include <fstream>
#include <thread>

#include "base/rng.h"
#include "model/checkpoint.h"
#include "train/metrics.h"
#include "train/test_util.h"
#include "train/trained_tasks.h"

namespace fulgur {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TrainResult TrainQuietly(const Json& json, int threads = 1, bool fresh = false) {
  ExecContext exec(threads);
  TrainOptions options;
  options.quiet = true;
  options.fresh = fresh;
  options.peak_gflops = 100;
  return Train(TrainConfig::FromJson(json, "test"), exec, options);
}

TEST(Trainer, LearnsAndWritesACompleteModel) {
  TestFolder folder;
  Json json = TinyRun(folder.path());
  json["steps"] = 30;
  json["schedule"]["lr"] = 0.01;
  json["validation"] = {{"every", 10}, {"instances", 5}};
  json["save_dtype"] = "F32";
  const TrainResult result = TrainQuietly(json, 2);
  EXPECT_TRUE(result.finished);
  EXPECT_EQ(result.step, 30);

  const std::vector<Json> lines = Lines(folder / "run/metrics.jsonl");
  ASSERT_EQ(lines.size(), 30u);
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i]["step"], i + 1);
    EXPECT_NEAR(lines[i]["loss"].get<double>(), lines[i]["ce"].get<double>() + 0.001 * lines[i]["aux"].get<double>(),
                1e-12);
    EXPECT_GT(lines[i]["peak_share"].get<double>(), 0);
    const Json& router = lines[i]["router"];
    EXPECT_GE(router["imbalance"].get<double>(), 1);
    EXPECT_NEAR(router["aux"].get<double>(), lines[i]["aux"].get<double>(), 1e-12);
    EXPECT_GT(router["dropped"].get<double>(), 0);
    EXPECT_LT(router["dropped"].get<double>(), 1);
    EXPECT_EQ(router["layers"]["load"].size(), router["layers"]["entropy"].size());
    for (const Json& layer : router["layers"]["load"]) {  // tokens over the mean
      double sum = 0;
      for (const Json& load : layer) sum += load.get<double>();
      EXPECT_NEAR(sum, static_cast<double>(layer.size()), 1e-3 * static_cast<double>(layer.size()));
    }
    EXPECT_GT(lines[i]["memory"]["peak"].get<int64_t>(), 0);
    EXPECT_EQ(lines[i].contains("validation"), (i + 1) % 10 == 0) << i;
  }
  EXPECT_NEAR(lines[0]["ce"].get<double>(), std::log(291.0), 1.0);  // random weights know nothing
  EXPECT_LT(lines[29]["ce"].get<double>(), 0.75 * lines[0]["ce"].get<double>());
  const Json first = lines[9]["validation"]["mean"], last = lines[29]["validation"]["mean"];
  EXPECT_LT(last["loss"].get<double>(), first["loss"].get<double>());
  EXPECT_EQ(lines[29]["validation"]["addition"]["loss"], last["loss"]);
  EXPECT_EQ(lines.back()["tokens"], result.tokens);

  ExecContext exec(1);
  const auto model = Model::Load(folder / "run/model", exec);
  EXPECT_EQ(model->config().vocab_size, 291);
  EXPECT_EQ(model->config().eos_token_ids, std::vector<int64_t>{256 + 20});  // <end_of_sentence>
  EXPECT_NO_THROW(TextFiles::FromFolder(folder / "run/model"));

  // The model as written has the loss that the last validation saw.
  const TrainConfig config = TrainConfig::FromJson(json, "test");
  const TextFiles text = TextFiles::FromFolder(folder / "run/model");
  const RecordEncoder encoder(text.tokenizer, text.chat_template, config.batch.max_length);
  const auto sets = ValidationExamples(config.validation.data, encoder, 5, Mix(config.seed, 102));
  const ValidationResult again = Validate(*model, sets.at("addition"), 700);
  EXPECT_DOUBLE_EQ(again.loss, last["loss"].get<double>());
  EXPECT_DOUBLE_EQ(again.accuracy, last["accuracy"].get<double>());
  EXPECT_GT(again.targets, 0);

  // A finished run is finished; a model starts another run.
  EXPECT_TRUE(TrainQuietly(json).finished);
  EXPECT_EQ(Lines(folder / "run/metrics.jsonl").size(), 30u);
  EXPECT_EQ(ReadTrainedTasks(folder / "run/model"), (std::set<std::string>{"addition"}));
  WriteTrainedTasks(folder / "run/model", {"sudoku"});  // as if it had been trained on that
  Json tuning = In(folder, json, "tuning");
  tuning["model"] = {{"path", (folder / "run/model").string()}};
  tuning["steps"] = 4;
  tuning["schedule"] = {{"lr", 1e-4}};
  EXPECT_TRUE(TrainQuietly(tuning).finished);
  EXPECT_EQ(ReadTrainedTasks(folder / "tuning/model"), (std::set<std::string>{"addition", "sudoku"}));
  EXPECT_LT(Lines(folder / "tuning/metrics.jsonl")[0]["ce"].get<double>(), 0.8 * lines[0]["ce"].get<double>());
}

TEST(Trainer, BitsDoNotDependOnThreadsOrRecomputation) {
  TestFolder folder;
  Json json = TinyRun(folder.path());
  json["steps"] = 5;
  const Json one = In(folder, json, "one"), three = In(folder, json, "three");
  Json recompute = In(folder, json, "recompute");
  recompute["batch"]["recompute"] = true;
  TrainQuietly(one, 1);
  TrainQuietly(three, 3);
  TrainQuietly(recompute, 2);
  EXPECT_EQ(Weights(one), Weights(three));
  EXPECT_EQ(Weights(one), Weights(recompute));
  json["seed"] = 4;
  const Json other = In(folder, json, "other");
  TrainQuietly(other, 1);
  EXPECT_NE(Weights(one), Weights(other));
}

TEST(Trainer, StopsAfterTheStepAndGoesOn) {
  TestFolder folder;
  Json json = TinyRun(folder.path());
  json["steps"] = 6;
  json["checkpoint"] = {{"every_seconds", 0}};
  const Json whole = In(folder, json, "whole"), parts = In(folder, json, "parts");
  TrainQuietly(whole);
  std::atomic<bool> stop{true};  // from the start: one step each time
  for (int64_t step = 1; step <= 5; ++step) {
    ExecContext exec(2);
    TrainOptions options;
    options.quiet = true;
    options.stop = &stop;
    const TrainResult result = Train(TrainConfig::FromJson(parts, "test"), exec, options);
    EXPECT_EQ(result.step, step);
    EXPECT_FALSE(result.finished);
  }
  EXPECT_EQ(ExportModel(TrainConfig::FromJson(parts, "test"), folder / "exported"), 5);
  ExecContext exec(1);
  EXPECT_NO_THROW(Model::Load(folder / "exported", exec));
  EXPECT_EQ(ReadTrainedTasks(folder / "exported"), (std::set<std::string>{"addition"}));
  TrainQuietly(parts);
  EXPECT_EQ(Weights(whole), Weights(parts));
  EXPECT_EQ(Lines(folder / "parts/metrics.jsonl").size(), 6u);
}

// kill -9 at random moments, checkpoints being written among them, until the run ends.
void KillAndResume(int kills, const std::function<void(const std::filesystem::path&)>& between) {
  TestFolder folder;
  Json json = TinyRun(folder.path());
  json["steps"] = 25;
  json["checkpoint"] = {{"every_steps", 1}, {"keep", 3}};
  const Json whole = In(folder, json, "whole"), killed = In(folder, json, "killed");
  const auto start = std::chrono::steady_clock::now();
  TrainQuietly(whole, 2);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  Rng rng(99);
  bool finished = false;
  int done = 0;
  for (int run = 0; run < 200 && !finished; ++run) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {  // no exit handlers, no gtest output
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      try {
        TrainQuietly(killed, 1 + run % 2);
        ::_exit(0);
      } catch (const std::exception& e) {
        std::fprintf(stderr, "child: %s\n", e.what());
        ::_exit(1);
      }
    }
    if (done < kills) {
      std::this_thread::sleep_for(std::chrono::duration<double>(seconds * rng.Uniform()));
      ::kill(child, SIGKILL);
      ++done;
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    if (WIFEXITED(status)) {
      ASSERT_EQ(WEXITSTATUS(status), 0);
      finished = true;
    } else if (between) {
      between(folder / "killed");
    }
  }
  ASSERT_TRUE(finished);
  EXPECT_EQ(Weights(whole), Weights(killed));
  const std::vector<Json> a = Lines(folder / "whole/metrics.jsonl"), b = Lines(folder / "killed/metrics.jsonl");
  ASSERT_EQ(a.size(), 25u);
  ASSERT_EQ(b.size(), 25u);
  for (size_t i = 0; i < a.size(); ++i) {
    for (const char* key : {"step", "loss", "grad_norm", "tokens", "examples"}) EXPECT_EQ(a[i][key], b[i][key]) << i;
  }
}

TEST(Trainer, KilledAtAnyMomentItEndsWithTheSameBits) { KillAndResume(8, {}); }

// The same, and the newest checkpoint is damaged in between.
TEST(Trainer, KilledAndDamagedItEndsWithTheSameBits) {
  KillAndResume(5, [](const std::filesystem::path& run) {
    std::vector<std::filesystem::path> files;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(run / "checkpoints", ignored)) {
      if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
    }
    if (files.size() < 2) return;
    std::sort(files.begin(), files.end());
    std::filesystem::resize_file(files.back(), std::filesystem::file_size(files.back()) / 2);
  });
}

TEST(Trainer, RefusesAnotherConfigOrOtherFiles) {
  TestFolder folder;
  Json json = TinyRun(folder.path());
  json["steps"] = 4;
  TrainQuietly(json);
  Json other = json;
  other["schedule"]["lr"] = 0.5;
  EXPECT_THAT(ErrorOf([&] { TrainQuietly(other); }),
              AllOf(HasSubstr("\"schedule.lr\" was 0.003 and is now 0.5"), HasSubstr("--fresh")));
  other = json;
  other["threads"] = 2;  // changes no weight
  EXPECT_EQ(ErrorOf([&] { TrainQuietly(other); }), "no error");
  // A changed tokenizer, though its path is the same.
  WriteTextFiles(folder / "text", std::string(kTestTemplate) + "{# longer #}");
  EXPECT_THAT(ErrorOf([&] { TrainQuietly(json); }), HasSubstr("tokenizer_config.json"));
  // --fresh moves the old run aside.
  EXPECT_EQ(ErrorOf([&] { TrainQuietly(json, 1, true); }), "no error");
  EXPECT_TRUE(std::filesystem::exists(folder / "run.1/metrics.jsonl"));
  EXPECT_EQ(ErrorOf([&] { TrainQuietly(json, 1, true); }), "no error");
  EXPECT_TRUE(std::filesystem::exists(folder / "run.2/metrics.jsonl"));

  json["out"] = (folder / "thesis").string();
  std::filesystem::create_directories(folder / "thesis");
  WriteFileAtomic(folder / "thesis/chapter1.txt", "Once");
  EXPECT_THAT(ErrorOf([&] { TrainQuietly(json); }), HasSubstr("holds no run"));
  EXPECT_TRUE(std::filesystem::exists(folder / "thesis/chapter1.txt"));
}

TEST(Trainer, AFinishedRunTellsItsResultsAgain) {
  TestFolder folder;
  Json json = TinyRun(folder.path());
  json["validation"] = {{"every", 10}, {"instances", 2}};
  const TrainResult first = TrainQuietly(json), again = TrainQuietly(json);
  EXPECT_GT(first.loss, 0);
  EXPECT_EQ(again.loss, first.loss);
  EXPECT_EQ(again.validation, first.validation);
  EXPECT_FALSE(again.validation.is_null());
  EXPECT_EQ(again.examples, first.examples);
}

std::string ChatLine(const std::string& question, const std::string& answer) {
  return Json{{"messages", {{{"role", "user"}, {"content", question}}, {{"role", "assistant"}, {"content", answer}}}}}
             .dump() +
         "\n";
}

TEST(Trainer, EpochsAreStepsAfterWhichEveryRecordHasBeenSeen) {
  TestFolder folder;
  std::string lines;
  for (int i = 0; i < 100; ++i) lines += ChatLine(std::to_string(i), std::string(static_cast<size_t>(20 + i), 'x'));
  WriteFileAtomic(folder / "chats.jsonl", lines);
  Json json = TinyRun(folder.path());
  json["data"] = {(folder / "chats.jsonl").string()};
  json.erase("steps");
  json["epochs"] = 2;
  json["schedule"]["warmup_steps"] = 0;
  const TrainResult result = TrainQuietly(json);
  EXPECT_TRUE(result.finished);
  EXPECT_GE(result.examples, 200u);
  EXPECT_LT(result.examples, 240u);  // the last step is full
  // It is the run of so many steps.
  Json steps = In(folder, json, "steps");
  steps.erase("epochs");
  steps["steps"] = result.step;
  TrainQuietly(steps);
  EXPECT_EQ(Weights(json), Weights(steps));
  EXPECT_EQ(TrainQuietly(json).step, result.step);
  Json tasks = In(folder, TinyRun(folder.path()), "tasks");
  tasks.erase("steps");
  tasks["epochs"] = 1;
  EXPECT_THAT(ErrorOf([&] { TrainQuietly(tasks); }), HasSubstr("\"epochs\" counts how often files are gone through"));
}

TEST(Trainer, ABadRecordEndsTheRunBeforeItBegins) {
  TestFolder folder;
  WriteFileAtomic(folder / "chats.jsonl", ChatLine("a", "b") + ChatLine("c", "d") +
                                              "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}]}\n");
  Json json = TinyRun(folder.path());
  json["data"].push_back({{"type", "chat"}, {"path", (folder / "chats.jsonl").string()}, {"weight", 0.001}});
  EXPECT_THAT(ErrorOf([&] { TrainQuietly(json); }), AllOf(HasSubstr("chats.jsonl, line 3"), HasSubstr("no assistant")));
  EXPECT_FALSE(std::filesystem::exists(folder / "run/metrics.jsonl"));
}

TEST(Trainer, WhatIsLeftOutIsCounted) {
  TestFolder folder;
  std::string lines;
  for (int i = 0; i < 30; ++i) lines += ChatLine("?", std::string(i % 3 == 0 ? 3000 : 20, 'x'));
  WriteFileAtomic(folder / "chats.jsonl", lines);
  Json json = TinyRun(folder.path());
  json["data"] = (folder / "chats.jsonl").string();
  json["steps"] = 3;
  json["schedule"] = {{"lr", 0.001}};
  const TrainResult result = TrainQuietly(json);
  EXPECT_GT(result.left_out, 0u);
  EXPECT_GT(result.examples, result.left_out);
  EXPECT_GT(result.longest_left_out, 3000);
}

TEST(Trainer, ValidationTakesFilesByTheirPath) {
  TestFolder folder;
  WriteFileAtomic(folder / "chats.jsonl", ChatLine("a", "b") + ChatLine("c", "d"));
  WriteFileAtomic(folder / "texts.txt", "A text to be measured on.");
  Json json = TinyRun(folder.path());
  json["steps"] = 2;
  json["schedule"] = {{"lr", 0.001}};
  json["validation"] = {{"every", 1}, {"data", {(folder / "chats.jsonl").string(), (folder / "texts.txt").string()}}};
  const TrainResult result = TrainQuietly(json);
  EXPECT_EQ(KeysOf(result.validation), (std::set<std::string>{"chats", "texts", "mean"}));
  json["validation"]["data"] = (folder / "nothing.jsonl").string();
  EXPECT_THAT(ErrorOf([&] { TrainQuietly(json); }), HasSubstr("nothing.jsonl"));
  WriteFileAtomic(folder / "other.jsonl", "{\"conversation\": []}\n");
  json["validation"]["data"] = (folder / "other.jsonl").string();
  EXPECT_THAT(ErrorOf([&] { TrainQuietly(json); }), HasSubstr("other.jsonl has no \"messages\""));
}

// A finished run whose "steps" are raised ends as one that had so many from the start.
TEST(Trainer, AFinishedRunCanBecomeLonger) {
  TestFolder folder;
  Json json = TinyRun(folder.path());
  json["schedule"] = {{"lr", 0.003}, {"warmup_steps", 3}};  // constant
  json["validation"] = {{"every", 4}, {"instances", 2}};
  json["steps"] = 9;
  const Json whole = In(folder, json, "whole");
  TrainQuietly(whole);
  Json longer = In(folder, json, "longer");
  longer["steps"] = 5;
  TrainQuietly(longer);
  const std::string weights_of_5 = Weights(longer);
  longer["steps"] = 9;
  EXPECT_TRUE(TrainQuietly(longer).finished);
  EXPECT_EQ(Weights(longer), Weights(whole));
  EXPECT_EQ(ReadFile(folder / "longer/run.json"), ReadFile(folder / "whole/run.json"));
  EXPECT_EQ(Lines(folder / "longer/metrics.jsonl").size(), 9u);
  EXPECT_EQ(ReadFile(folder / "longer/model.1/model.safetensors"), weights_of_5);
  longer["steps"] = 8;
  EXPECT_THAT(ErrorOf([&] { TrainQuietly(longer); }), HasSubstr("has done 9 steps already, more than the 8"));
  EXPECT_EQ(Weights(longer), Weights(whole));
}

// Where the rate depends on the length, what is done must be what the other length would have done.
TEST(Trainer, ARunWithADecayCanBecomeLongerBeforeItOnly) {
  TestFolder folder;
  Json json = TinyRun(folder.path());
  json["schedule"] = {{"lr", 0.003}, {"decay_fraction", 0.5}};
  json["steps"] = 8;
  const Json whole = In(folder, json, "whole");
  TrainQuietly(whole);
  Json early = In(folder, json, "early");
  early["steps"] = 6;  // falls after step 3
  const std::atomic<bool> stop{true};
  ExecContext exec(1);
  TrainOptions options;
  options.quiet = true;
  options.stop = &stop;
  Train(TrainConfig::FromJson(early, "test"), exec, options);  // one step
  early["steps"] = 8;
  TrainQuietly(early);
  EXPECT_EQ(Weights(early), Weights(whole));
  early["steps"] = 10;
  EXPECT_THAT(ErrorOf([&] { TrainQuietly(early); }),
              AllOf(HasSubstr("a run of 8 steps, 8 of them done"), HasSubstr("as one of 10"),
                    HasSubstr("schedule.decay_fraction"), HasSubstr("only the first 4")));
}

TEST(Trainer, NamesTheTensorThatIsNotFinite) {
  TestFolder folder;
  Json json = TinyRun(folder.path());
  json["steps"] = 1;
  json["schedule"] = {{"lr", 0.003}};
  json["save_dtype"] = "F32";
  TrainQuietly(json);
  const ModelConfig config = ModelConfig::FromFile(folder / "run/model/config.json");
  Params params = LoadParams(folder / "run/model", config);
  const std::string name = "model.layers.1.input_layernorm.weight";
  ForEachParameter(config, params, [&](const std::string& n, Tensor& tensor, const Shape&) {
    if (n != name) return;
    const Tensor stored = tensor;  // in a file that is mapped
    tensor = Tensor(DType::kF32, stored.shape());
    std::memcpy(tensor.raw(), stored.raw(), stored.bytes());
    tensor.f32()[5] = NAN;
  });
  SaveCheckpoint(folder / "run/model", config, params);
  Json from = In(folder, json, "from");
  from["model"] = {{"path", (folder / "run/model").string()}};
  EXPECT_THAT(ErrorOf([&] { TrainQuietly(from); }),
              AllOf(HasSubstr("step 1: the loss is NaN"), HasSubstr("among the weights, " + name + "[5] is NaN")));
}

TEST(Trainer, ErrorsOfTheModel) {
  TestFolder folder;
  const Json json = TinyRun(folder.path());
  const auto with = [&](const char* pointer, const Json& value) {
    Json changed = In(folder, json, "errors");
    changed[Json::json_pointer(pointer)] = value;
    return ErrorOf([&] { TrainQuietly(changed); });
  };
  EXPECT_THAT(with("/model/config/hiden_size", 16), AllOf(HasSubstr("\"hiden_size\""), HasSubstr("hidden_size")));
  EXPECT_THAT(with("/model/config/vocab_size", 200), AllOf(HasSubstr("200"), HasSubstr("291 tokens")));
  EXPECT_THAT(with("/model/tokenizer", (folder / "nowhere").string()), HasSubstr("nowhere"));
  EXPECT_THAT(with("/model", Json{{"path", (folder / "nowhere").string()}}), HasSubstr("nowhere"));
  EXPECT_THAT(with("/schedule", Json{{"lr", 1e30}}),
              AllOf(HasSubstr("step "), HasSubstr(".weight["), HasSubstr("learning rate")));
}

TEST(Trainer, OneProcessAtATime) {
  TestFolder folder;
  Json json = TinyRun(folder.path());
  json["steps"] = 1000000;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    TrainQuietly(json);
    ::_exit(0);
  }
  for (int i = 0; i < 600 && !std::filesystem::exists(folder / "run/metrics.jsonl"); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_THAT(ErrorOf([&] { TrainQuietly(json); }), HasSubstr("another process"));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

TEST(MetricsLog, DropsLinesAfterTheStepAndTornOnes) {
  TestFolder folder;
  WriteFileAtomic(folder / "metrics.jsonl",
                  "{\"step\":1,\"time\":5.0,\"loss\":3.0}\n{\"step\":2,\"time\":6.0,\"loss\":2.0}\n{\"step\":3,\"lo");
  {
    MetricsLog log(folder.path(), 2);
    log.Add({{"step", 3}, {"time", 7.0}, {"loss", 1.0}, {"validation", {{"mean", {{"loss", 0.5}}}}}});
  }
  const std::vector<Json> lines = Lines(folder / "metrics.jsonl");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[2]["loss"], 1.0);
  MetricsLog log(folder.path(), 1);
  EXPECT_EQ(Lines(folder / "metrics.jsonl").size(), 1u);
  // One event file, which has the kept line.
  std::vector<std::filesystem::path> events;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "tensorboard")) events.push_back(entry.path());
  ASSERT_EQ(events.size(), 1u);
  EXPECT_THAT(ReadFile(events[0]), HasSubstr("loss"));
  EXPECT_THAT(ReadFile(events[0]), testing::Not(HasSubstr("validation")));
}

}  // namespace
}  // namespace fulgur
