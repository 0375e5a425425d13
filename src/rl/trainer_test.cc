#include "rl/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <fstream>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/rng.h"
#include "envs/instance.h"
#include "eval/gzip_lines.h"
#include "rl/test_util.h"
#include "sandbox/sandbox.h"
#include "train/trained_tasks.h"

namespace fulgur {
namespace {

using testing::AllOf;
using testing::HasSubstr;

RlResult TrainQuietly(const Json& json, int threads = 1, bool fresh = false) {
  ExecContext exec(threads);
  RlOptions options;
  options.quiet = true;
  options.fresh = fresh;
  options.peak_gflops = 100;
  options.config_text = json.dump(2);
  return TrainWithRl(RlConfig::FromJson(json, "test"), exec, options);
}

std::vector<Json> Groups(const std::filesystem::path& path) {
  std::vector<Json> lines;
  ReadGzipLines(path, [&](const Json& line) {
    lines.push_back(line);
    return true;
  });
  return lines;
}

TEST(RlTrainer, TheReportIsThereAfterEveryBatchAndChangesNothing) {
  TestFolder folder;
  const Json json = TinyRlRun(folder.path());
  EXPECT_TRUE(TrainQuietly(json).finished);
  EXPECT_FALSE(std::filesystem::exists(folder / "run/report.html"));
  const Json reported = In(folder, json, "reported");
  const auto train = [&](double report_seconds, const std::atomic<bool>* stop) {
    ExecContext exec(1);
    RlOptions options;
    options.quiet = true;
    options.write_report = true;
    options.report_seconds = report_seconds;
    options.stop = stop;
    return TrainWithRl(RlConfig::FromJson(reported, "test"), exec, options);
  };
  const std::filesystem::path report = folder / "reported/report.html";
  const std::atomic<bool> stop{true};
  EXPECT_FALSE(train(0, &stop).finished);
  EXPECT_THAT(ReadFile(report), HasSubstr("\"batches\":0"));
  // What stands in its way does not stop the run.
  std::filesystem::remove(report);
  std::filesystem::create_directories(report / "full");
  std::atomic<bool> later{false};
  std::thread stopper([&] {
    while (!std::filesystem::exists(folder / "reported/rollouts/batch-000002.jsonl.gz")) std::this_thread::yield();
    later = true;
  });
  const RlResult result = train(0, &later);
  stopper.join();
  EXPECT_GE(result.batches, 1);
  std::filesystem::remove_all(report);
  EXPECT_TRUE(train(0, nullptr).finished);
  EXPECT_THAT(ReadFile(report), HasSubstr("\"batches\":4"));
  EXPECT_EQ(Weights(reported), Weights(json));
}

TEST(RlTrainer, LearnsWhatItIsRewardedForAndLeavesACompleteRun) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  // Long responses cost; the random model learns to stop.
  json["batches"] = 25;
  json["schedule"]["lr"] = 0.01;
  json["rollouts"]["responses"] = 8;
  json["rollouts"]["most_prompts"] = 4;  // all are kept
  json["evaluation"] = {{"every", 10}, {"problems", 2}, {"samples", 4}};
  const RlResult result = TrainQuietly(json, 2);
  EXPECT_TRUE(result.finished);
  EXPECT_EQ(result.batches, 25);
  EXPECT_EQ(result.updates, 50);

  const std::vector<Json> lines = Lines(folder / "run/metrics.jsonl");
  ASSERT_EQ(lines.size(), 26u);
  EXPECT_EQ(lines[0]["step"], 0);
  EXPECT_EQ(lines[0]["evaluation"]["tasks"]["addition"]["problems"], 2);
  EXPECT_TRUE(lines[0]["evaluation"]["mean"].contains("pass_at_4"));
  double first = 0, last = 0;
  for (size_t i = 1; i < lines.size(); ++i) {
    const Json& line = lines[i];
    EXPECT_EQ(line["step"], i);
    EXPECT_EQ(line.contains("evaluation"), i % 10 == 0 || i == 25) << i;
    // On-policy in the first update of every batch.
    EXPECT_EQ(line["on_policy"]["equal"], line["on_policy"]["tokens"]) << i;
    EXPECT_EQ(line["on_policy"]["max_difference"], 0.0) << i;
    EXPECT_GT(line["on_policy"]["tokens"].get<int64_t>(), 0) << i;
    EXPECT_GE(line["histograms"]["ratio_one"].get<int64_t>(), line["on_policy"]["tokens"].get<int64_t>());
    int64_t in_bins = line["histograms"]["ratio_one"].get<int64_t>();
    for (const Json& n : line["histograms"]["ratio"]) in_bins += n.get<int64_t>();
    EXPECT_EQ(in_bins, line["histograms"]["tokens"]);
    EXPECT_EQ(line["by_update"]["grad_norm"].size(), 2u);
    EXPECT_GT(line["train"]["peak_share"].get<double>(), 0);
    EXPECT_GT(line["entropy"].get<double>(), 0);
    // Entropy and the perplexity of what was sampled agree roughly.
    EXPECT_NEAR(line["entropy"].get<double>(), std::log(line["perplexity"].get<double>()), 1.0);
    const Json& reward = line["reward"];
    EXPECT_NEAR(reward["mean"].get<double>(),
                reward["correct_part"].get<double>() + reward["format_part"].get<double>() +
                    reward["overlong_part"].get<double>(),
                1e-12);
    EXPECT_EQ(line["rollout"]["groups"], 4);
    EXPECT_EQ(line["rollout"]["kept"], 4);
    (i <= 5 ? first : last) += i <= 5 || i > 20 ? reward["mean"].get<double>() / 5 : 0;
  }
  EXPECT_GT(last, first + 0.3) << first;

  // The rollouts: every response, with its tokens' log-probabilities.
  const std::vector<Json> groups = Groups(folder / "run/rollouts/batch-000003.jsonl.gz");
  ASSERT_EQ(groups.size(), lines[3]["rollout"]["groups"].get<size_t>());
  int64_t tokens = 0;
  double squares = 0;  // of the distances of the groups' mean rewards from the batch's
  for (const Json& group : groups) {
    double reward = 0;
    for (const Json& r : group["responses"]) reward += r["reward"]["total"].get<double>() / 8;
    squares += std::pow(reward - lines[3]["reward"]["mean"].get<double>(), 2);
    EXPECT_EQ(group["batch"], 3);
    EXPECT_EQ(group["task"], "addition");
    for (const Json& r : group["responses"]) {
      EXPECT_EQ(r["ids"].size(), r["logprobs"].size());
      tokens += static_cast<int64_t>(r["ids"].size());
    }
  }
  EXPECT_EQ(tokens, lines[3]["rollout"]["tokens"]);
  EXPECT_NEAR(lines[3]["reward"]["error"].get<double>(), std::sqrt(squares / 3 / 4), 1e-9);
  EXPECT_EQ(Groups(folder / "run/evaluations/step-000010.jsonl.gz").size(), 2u);
  EXPECT_EQ(ReadFile(folder / "run/config.json"), json.dump(2));
  ASSERT_EQ(Lines(folder / "run/sessions.jsonl").size(), 1u);
  EXPECT_TRUE(Lines(folder / "run/sessions.jsonl")[0].contains("git"));
  EXPECT_TRUE(std::filesystem::exists(folder / "run/tensorboard"));
  ExecContext exec(1);
  EXPECT_NO_THROW(Model::Load(folder / "run/model", exec));
  EXPECT_EQ(ReadTrainedTasks(folder / "run/model"), (std::set<std::string>{"addition"}));

  // It is finished; and can be written once more.
  EXPECT_TRUE(TrainQuietly(json).finished);
  EXPECT_EQ(Lines(folder / "run/metrics.jsonl").size(), 26u);
  EXPECT_EQ(ExportRlModel(RlConfig::FromJson(json, "test"), folder / "exported"), 25);
  EXPECT_EQ(ReadFile(folder / "exported/model.safetensors"), Weights(json));
  EXPECT_EQ(ReadFile(folder / "exported/tasks.json"), ReadFile(folder / "run/model/tasks.json"));
}

TEST(RlTrainer, SameRunSameBitsWhateverTheThreadsTheBatchAndRecomputation) {
  TestFolder folder;
  const Json json = TinyRlRun(folder.path());
  const Json one = In(folder, json, "one");
  Json other = In(folder, json, "other");
  other["rollouts"]["max_batch"] = 3;
  other["recompute"] = true;
  TrainQuietly(one, 1);
  TrainQuietly(other, 3);
  EXPECT_EQ(Weights(one), Weights(other));
  Json seed = In(folder, json, "seed");
  seed["seed"] = 4;
  TrainQuietly(seed);
  EXPECT_NE(Weights(one), Weights(seed));
}

TEST(RlTrainer, ProgramsAreJudgedByTheirTests) {
  if (const SandboxProbe probe = ProbeSandbox(); !probe.contained) GTEST_SKIP() << probe.missing;
  TestFolder folder;
  std::ofstream(folder / "code.jsonl")
      << R"({"id": 1, "prompt": "Add.", "language": "lua", "tests": [{"input": "1 2", "output": "3"}]})"
      << "\n";
  Json json = TinyRlRun(folder.path());
  json["data"] = {{{"type", "code"}, {"path", (folder / "code.jsonl").string()}}};
  json["reward"] = {{"compile_error", -0.5}, {"format", 0}};
  json["batches"] = 1;
  json["rollouts"]["most_prompts"] = 4;
  TrainQuietly(json);
  int64_t responses = 0;
  ReadGzipLines(folder / "run/rollouts/batch-000001.jsonl.gz", [&](const Json& group) {
    for (const Json& response : group["responses"]) {
      ++responses;
      EXPECT_EQ(response["score"], 0);
      EXPECT_EQ(response["fault"], "compile");  // a model that has learned nothing writes no program
      EXPECT_EQ(response["reward"]["total"], -0.5);
    }
    return true;
  });
  EXPECT_EQ(responses, 16);
  EXPECT_TRUE(Lines(folder / "run/metrics.jsonl").back()["rollout"].contains("waited_share"));
}

// kill -9 at random moments, in the middle of rollouts among them, until the run ends.
void ExpectKillsChangeNothing(const Json& rollouts) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  json["rollouts"].update(rollouts);
  json["batches"] = 8;
  json["rollouts"]["prompts"] = 6;
  json["evaluation"] = {{"every", 3}, {"problems", 2}};
  json["checkpoint"] = {{"every_batches", 3}, {"every_seconds", 0}};
  json["curriculum"] = {{"min_count", 8}, {"unlock", 0}};
  json["stages"] = {{{"window", 22}}, {{"window", 26}, {"is_weight_max", 3}, {"clip", 0.5}}};
  json["stage_rule"] = {{"batches", 1}, {"tolerance", 1}, {"length_share", 0.5}};
  const Json whole = In(folder, json, "whole"), killed = In(folder, json, "killed");
  const auto start = std::chrono::steady_clock::now();
  TrainQuietly(whole, 2);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_EQ(Lines(folder / "whole/metrics.jsonl").back()["stage"]["window"], 26);

  Rng rng(17);
  bool finished = false;
  int64_t in_rollout = 0;
  for (int run = 0; run < 100 && !finished; ++run) {
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
    if (run < 8) {
      std::this_thread::sleep_for(std::chrono::duration<double>(seconds * (0.1 + 0.6 * rng.Uniform())));
      ::kill(child, SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    if (WIFEXITED(status)) {
      ASSERT_EQ(WEXITSTATUS(status), 0);
      finished = true;
      continue;
    }
    // Whether it was killed in a rollout: the newest file has fewer groups than the batch needs, and no line says that
    // it ended.
    std::error_code ignored;
    size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder / "killed/rollouts", ignored)) {
      files += entry.path().string().ends_with(".gz");
    }
    int64_t done = 0;
    std::ifstream metrics(folder / "killed/metrics.jsonl");
    for (std::string line; std::getline(metrics, line);) ++done;
    in_rollout += static_cast<int64_t>(files) > done - 1;
  }
  ASSERT_TRUE(finished);
  EXPECT_GT(in_rollout, 0);
  EXPECT_EQ(Weights(whole), Weights(killed));
  const std::vector<Json> a = Lines(folder / "whole/metrics.jsonl"), b = Lines(folder / "killed/metrics.jsonl");
  ASSERT_EQ(a.size(), 9u);
  ASSERT_EQ(b.size(), 9u);
  for (size_t i = 0; i < a.size(); ++i) {
    for (const char* key : {"step", "updates", "tokens", "generated", "reward", "length", "perplexity", "by_update",
                            "histograms", "on_policy", "stage", "tasks", "levels", "lag", "precision"}) {
      EXPECT_EQ(a[i].contains(key), b[i].contains(key)) << i << " " << key;
      if (a[i].contains(key)) {
        EXPECT_EQ(a[i][key], b[i][key]) << i << " " << key;
      }
    }
    EXPECT_EQ(a[i].contains("evaluation"), b[i].contains("evaluation"));
    if (a[i].contains("evaluation")) {
      EXPECT_EQ(a[i]["evaluation"]["tasks"], b[i]["evaluation"]["tasks"]);
    }
  }
}

TEST(RlTrainer, KilledAtAnyMomentItEndsWithTheSameBits) { ExpectKillsChangeNothing(Json::object()); }

TEST(RlTrainer, KilledWithALagItEndsWithTheSameBits) {
  ExpectKillsChangeNothing({{"lag", 2}, {"temperature", 1.3}, {"top_p", 0.9}});
}

// At any temperature, and with top-p, the ratio is exactly 1 before the first update of a batch.
TEST(RlTrainer, TheRatioIsExactlyOneAtEveryTemperature) {
  TestFolder folder;
  for (const auto& [temperature, top_p] : std::vector<std::pair<double, double>>{{0.7, 1}, {1.4, 0.8}, {1, 0.6}}) {
    SCOPED_TRACE(testing::Message() << temperature << " " << top_p);
    Json json = In(folder, TinyRlRun(folder.path()), fmt::format("{}-{}", temperature, top_p).c_str());
    json["batches"] = 2;
    json["rollouts"]["most_prompts"] = 4;  // all groups are learned from
    json["rollouts"]["temperature"] = temperature;
    json["rollouts"]["top_p"] = top_p;
    TrainQuietly(json, 2);
    const std::filesystem::path run = json["out"].get<std::string>();
    for (const Json& line : Lines(run / "metrics.jsonl")) {
      EXPECT_GT(line["on_policy"]["tokens"].get<int64_t>(), 0);
      EXPECT_EQ(line["on_policy"]["equal"], line["on_policy"]["tokens"]);
      EXPECT_LT(line["histograms"]["ratio_one"].get<int64_t>(), line["histograms"]["tokens"].get<int64_t>());
    }
    double logprob = 0, raw = 0;
    for (const Json& group : Groups(run / "rollouts/batch-000001.jsonl.gz")) {
      for (const Json& r : group["responses"]) {
        EXPECT_EQ(r.contains("kept"), top_p < 1);
        for (size_t i = 0; i < r["ids"].size(); ++i) {
          if (!r["logprobs"][i].is_number()) continue;
          logprob -= r["logprobs"][i].get<double>();
          raw += 1;
          if (top_p == 1) continue;
          const auto kept = r["kept"][i].get<std::vector<int32_t>>();
          EXPECT_TRUE(std::binary_search(kept.begin(), kept.end(), r["ids"][i].get<int32_t>()));
          EXPECT_LT(kept.size(), 291u);
          EXPECT_LE(-r["logprobs"][i].get<double>(), 20);
        }
      }
    }
    // Noise has about log 291 nats a token; a filter or a low temperature leaves less.
    if (temperature <= 1) {
      EXPECT_LT(logprob / raw, 0.98 * std::log(291.0));
    }
  }
}

// With a lag a batch is sampled by the policy of so many batches before, or of the start.
TEST(RlTrainer, RolloutsOfAnOlderPolicy) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  json["batches"] = 5;
  json["rollouts"]["lag"] = 2;
  json["evaluation"] = {{"every", 1}, {"problems", 1}};
  TrainQuietly(json, 2);
  const auto weights = [&](const char* kind, int64_t number) {
    return Groups(folder / fmt::format("run/{}-{:06d}.jsonl.gz", kind, number))[0]["weights"];
  };
  const std::vector<Json> lines = Lines(folder / "run/metrics.jsonl");
  for (int64_t batch = 1; batch <= 5; ++batch) {
    SCOPED_TRACE(batch);
    const Json& line = lines[static_cast<size_t>(batch)];
    EXPECT_EQ(line["lag"], std::min<int64_t>(2, batch - 1));
    EXPECT_EQ(line.contains("on_policy"), batch == 1);
    // An evaluation is sampled by the newest policy.
    EXPECT_EQ(weights("rollouts/batch", batch), weights("evaluations/step", std::max<int64_t>(0, batch - 3)));
    if (batch > 1) {
      EXPECT_NE(weights("evaluations/step", batch), weights("rollouts/batch", batch));
    }
  }
}

// A run that is told to stop does so within a rollout, and the rollout's finished groups are used.
TEST(RlTrainer, StoppedAndContinuedItReusesRollouts) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  json["batches"] = 3;
  json["checkpoint"] = {{"every_seconds", 0}};
  const Json whole = In(folder, json, "whole"), parts = In(folder, json, "parts");
  TrainQuietly(whole);
  // The checkpoint of the end is lost: everything is done again from the start, but no response is generated again.
  TrainQuietly(parts);
  std::filesystem::remove_all(folder / "parts/checkpoints");
  std::filesystem::remove_all(folder / "parts/model");
  EXPECT_TRUE(TrainQuietly(parts).finished);
  EXPECT_EQ(Weights(whole), Weights(parts));
  for (const Json& line : Lines(folder / "parts/metrics.jsonl")) {
    EXPECT_EQ(line["rollout"]["reused"], line["rollout"]["groups"]);
    EXPECT_EQ(line["rollout"]["tokens_per_second"], 0);
  }
  // Another config without a checkpoint: what the first one generated is not taken for its own.
  std::filesystem::remove_all(folder / "parts/checkpoints");
  Json other = parts;
  other["seed"] = 5;
  TrainQuietly(other);
  EXPECT_EQ(Lines(folder / "parts/metrics.jsonl")[0]["rollout"]["reused"], 0);

  std::atomic<bool> stop{true};
  ExecContext exec(1);
  RlOptions options;
  options.quiet = true;
  options.stop = &stop;
  const RlResult result = TrainWithRl(RlConfig::FromJson(In(folder, json, "stopped"), "test"), exec, options);
  EXPECT_FALSE(result.finished);
  EXPECT_EQ(result.batches, 0);
}

// What fails in the middle of a rollout costs no batch that is complete: it is in a checkpoint, and goes on.
TEST(RlTrainer, AFullDiskLosesNoCompleteBatch) {
  TestFolder folder;
  const Json json = TinyRlRun(folder.path());
  const Json whole = In(folder, json, "whole"), full = In(folder, json, "full");
  TrainQuietly(whole);
  const std::filesystem::path rollouts = folder / "full/rollouts";
  std::filesystem::create_directories(rollouts);
  WriteFileAtomic(folder / "full/run.json", ReadFile(folder / "whole/run.json"));
  std::filesystem::create_symlink("/dev/full", rollouts / "batch-000003.jsonl.gz");
  EXPECT_THAT(ErrorOf([&] { TrainQuietly(full); }), HasSubstr("batch-000003.jsonl.gz"));
  EXPECT_EQ(ExportRlModel(RlConfig::FromJson(full, "test"), folder / "exported"), 2);
  std::filesystem::remove(rollouts / "batch-000003.jsonl.gz");
  EXPECT_TRUE(TrainQuietly(full).finished);
  EXPECT_EQ(Weights(full), Weights(whole));
  EXPECT_EQ(Lines(folder / "full/metrics.jsonl").size(), 4u);
}

// A run that is stopped while it evaluates keeps the batch before, and evaluates when it goes on.
TEST(RlTrainer, StoppedInAnEvaluationItKeepsTheBatch) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  json["evaluation"] = {{"every", 2}, {"problems", 8}, {"samples", 8}};
  const Json whole = In(folder, json, "whole"), stopped = In(folder, json, "stopped");
  TrainQuietly(whole);
  std::atomic<bool> stop{false};
  std::thread stopper([&] {
    while (!std::filesystem::exists(folder / "stopped/evaluations/step-000002.jsonl.gz")) std::this_thread::yield();
    stop = true;
  });
  ExecContext exec(1);
  RlOptions options;
  options.quiet = true;
  options.stop = &stop;
  const RlResult result = TrainWithRl(RlConfig::FromJson(stopped, "test"), exec, options);
  stopper.join();
  EXPECT_FALSE(result.finished);
  EXPECT_EQ(result.batches, 2);
  EXPECT_EQ(ExportRlModel(RlConfig::FromJson(stopped, "test"), folder / "exported"), 2);
  EXPECT_TRUE(TrainQuietly(stopped).finished);
  EXPECT_EQ(Weights(stopped), Weights(whole));
  const std::vector<Json> a = Lines(folder / "whole/metrics.jsonl"), b = Lines(folder / "stopped/metrics.jsonl");
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].contains("evaluation"), b[i].contains("evaluation")) << i;
    if (a[i].contains("evaluation")) {
      EXPECT_EQ(a[i]["evaluation"]["tasks"], b[i]["evaluation"]["tasks"]);
    }
  }
}

// As Trainer.AFinishedRunCanBecomeLonger.
TEST(RlTrainer, AFinishedRunCanBecomeLonger) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  const Json whole = In(folder, json, "whole");
  TrainQuietly(whole);
  Json longer = In(folder, json, "longer");
  longer["batches"] = 2;
  TrainQuietly(longer);
  longer["batches"] = 4;
  EXPECT_TRUE(TrainQuietly(longer).finished);
  EXPECT_EQ(Weights(longer), Weights(whole));

  json["data"][0]["weight"] = {{0, 1}, {1, 0.5}};
  json["batches"] = 1;
  Json changing = In(folder, json, "changing");
  TrainQuietly(changing);
  changing["batches"] = 2;
  EXPECT_THAT(ErrorOf([&] { TrainQuietly(changing); }),
              AllOf(HasSubstr("a run of 1 batches"), HasSubstr("weights of sources change")));
}

TEST(RlTrainer, NamesTheTensorThatIsNotFinite) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  json["schedule"]["lr"] = 1e30;
  EXPECT_THAT(ErrorOf([&] { TrainQuietly(json); }), AllOf(HasSubstr("batch 1, update "), HasSubstr(".weight[")));
}

// A model that cannot be sampled from ends the run with the batch, or the evaluation, in which it was.
TEST(RlTrainer, AModelThatIsNotANumberIsFoundInItsBatch) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  const ModelConfig config = ModelConfig::FromFile(folder / "model/config.json");
  Params params = LoadParams(folder / "model", config);
  Tensor head = params.lm_head.weight.Clone();
  head.f32()[5] = std::nanf("");
  params.lm_head.weight = head;
  SaveOptions save;
  save.dtype = DType::kF32;
  SaveCheckpoint(folder / "model", config, params, save);
  EXPECT_THAT(ErrorOf([&] { TrainQuietly(json); }), AllOf(HasSubstr("batch 1: "), HasSubstr("NaN")));
  json["evaluation"] = {{"every", 1}, {"problems", 1}};
  EXPECT_THAT(ErrorOf([&] { TrainQuietly(json, 1, true); }), HasSubstr("evaluation after batch 0: "));
}

TEST(RlTrainer, LowPrecisionRolloutsAreCorrectedAndMeasured) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  json["batches"] = 2;
  json["rollouts"]["weights"] = "q8";
  json["rollouts"]["keep_every"] = 2;
  json["objective"] = {{"name", "cispo"}, {"kl", 0.1}};
  TrainQuietly(json, 2);
  for (const Json& line : Lines(folder / "run/metrics.jsonl")) {
    const Json& p = line["precision"];
    EXPECT_FALSE(line.contains("on_policy"));
    EXPECT_GT(p["correlation"].get<double>(), 0.98);
    EXPECT_LT(p["correlation"].get<double>(), 1);
    EXPECT_GT(p["max_difference"].get<double>(), 0);
    // The ratio is to the policy in full precision.
    EXPECT_GT(line["histograms"]["ratio_one"].get<int64_t>(), 0);
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "run/rollouts/batch-000001.jsonl.gz"));
  EXPECT_TRUE(std::filesystem::exists(folder / "run/rollouts/batch-000002.jsonl.gz"));
}

// What the window cut counts in the rewards, and not in the loss.
TEST(RlTrainer, TruncatedAnswersCanBeMasked) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  json["batches"] = 2;
  json["objective"] = {{"name", "cispo"}, {"mask_truncated", true}};
  TrainQuietly(json);
  const std::vector<Json> lines = Lines(folder / "run/metrics.jsonl");
  int64_t cut = 0;
  for (size_t batch = 0; batch < 2; ++batch) {
    int64_t tokens = 0, masked = 0;
    for (const Json& group : Groups(folder / fmt::format("run/rollouts/batch-{:06d}.jsonl.gz", batch + 1))) {
      if (!group["spread"].get<bool>()) continue;
      for (const Json& r : group["responses"]) {
        masked += r["finish"] == "length";
        if (r["finish"] != "length") tokens += static_cast<int64_t>(r["ids"].size());
      }
    }
    EXPECT_EQ(lines[batch]["masked_answers"], masked);
    EXPECT_EQ(lines[batch]["histograms"]["tokens"], tokens);
    EXPECT_GT(tokens, 0);
    cut += masked;
  }
  EXPECT_GT(cut, 0);
}

TEST(RlTrainer, ProblemsOfAFileAreFilteredByHowOftenTheModelSolvesThem) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  WriteFileAtomic(folder / "p.jsonl",
                  "{\"prompt\": \"1?\", \"answer\": \"1\"}\n{\"prompt\": \"2?\", \"answer\": \"2\"}\n");
  json["data"] = {{{"type", "problems"}, {"path", (folder / "p.jsonl").string()}, {"filter", {{"samples", 2}}}}};
  EXPECT_THAT(ErrorOf([&] { TrainQuietly(json); }), HasSubstr("solves no problem with a rate above 0 and below 0.9"));
  const Json rates = ReadJsonFile(folder / "run/filter/p.json");
  EXPECT_EQ(rates["samples"], 2);
  EXPECT_EQ(rates["rates"].size(), 2u);
  // The rates are kept, and used: a problem that is solved half the time stays.
  WriteFileAtomic(folder / "run/filter/p.json", R"({"samples": 2, "rates": [[0, 0.0], [1, 0.5]]})");
  TrainQuietly(json);
  for (const Json& group : Groups(folder / "run/rollouts/batch-000001.jsonl.gz")) EXPECT_EQ(group["prompt"], "2?");
}

// Of a source of tasks a number of problems is drawn, and filtered as those of a file are.
TEST(RlTrainer, ProblemsOfTasksAreFilteredToo) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  json["batches"] = 2;
  json["data"][0]["filter"] = {{"samples", 2}, {"problems", 12}};
  EXPECT_THAT(ErrorOf([&] { TrainQuietly(json); }), HasSubstr("solves no problem with a rate above 0 and below 0.9"));
  const Json rates = ReadJsonFile(folder / "run/filter/tasks.json");
  ASSERT_EQ(rates["rates"].size(), 12u);
  std::set<std::string> prompts;
  for (const Json& group : Groups(folder / "run/filter/tasks.jsonl.gz")) {
    if (group["index"] == 3 || group["index"] == 7) prompts.insert(group["prompt"].get<std::string>());
  }
  Json some = rates;
  for (Json& rate : some["rates"]) rate[1] = rate[0] == 3 || rate[0] == 7 ? 0.5 : 1;
  WriteFileAtomic(folder / "run/filter/tasks.json", some.dump());
  TrainQuietly(json);
  std::set<std::string> practised;
  for (const Json& group : Groups(folder / "run/rollouts/batch-000002.jsonl.gz")) {
    practised.insert(group["prompt"].get<std::string>());
    EXPECT_EQ(group["task"], "addition");
  }
  EXPECT_EQ(practised, prompts);
}

TEST(RlTrainer, PractisesTheInstancesOfAFile) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  std::string lines;
  std::set<std::string> prompts;
  for (uint64_t i = 0; i < 4; ++i) {
    const TaskInstance instance = GenerateTrain(GetTask("cipher"), i, 1);
    prompts.insert(instance.prompt);
    lines +=
        InstanceToJson(instance).dump() + "\n" + InstanceToJson(GenerateTest(GetTask("cipher"), i, 1)).dump() + "\n";
  }
  WriteFileAtomic(folder / "some.jsonl", lines);
  json["data"] = {{{"type", "instances"}, {"path", (folder / "some.jsonl").string()}}};
  json["batches"] = 1;
  json.erase("evaluation");
  TrainQuietly(json);
  for (const Json& group : Groups(folder / "run/rollouts/batch-000001.jsonl.gz")) {
    EXPECT_EQ(prompts.count(group["prompt"].get<std::string>()), 1u) << group["prompt"];
    EXPECT_EQ(group["task"], "cipher");
  }
  EXPECT_EQ(ReadTrainedTasks(folder / "run/model").count("cipher"), 1u);
}

// Rewards and advantages as they were, the routers, and the ratios of all tokens that were learned from.
TEST(RlTrainer, MetricsHaveDistributionsAndRouters) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  json["rollouts"]["most_prompts"] = 4;  // all groups are learned from
  TrainQuietly(json);
  const std::vector<Json> lines = Lines(folder / "run/metrics.jsonl");
  for (size_t batch = 1; batch <= lines.size(); ++batch) {
    SCOPED_TRACE(batch);
    const Json& line = lines[batch - 1];
    const Json& reward = line["histograms"]["reward"];
    EXPECT_EQ(reward["low"], -1.0);
    EXPECT_EQ(reward["high"], 1.1);
    std::vector<int64_t> counts(20), advantages(32);
    double least = 1e9, most = 0;
    for (const Json& group : Groups(folder / fmt::format("run/rollouts/batch-{:06d}.jsonl.gz", batch))) {
      for (const Json& r : group["responses"]) {
        ++counts[static_cast<size_t>(std::min(19.0, (r["reward"]["total"].get<double>() + 1) / 2.1 * 20))];
        ++advantages[static_cast<size_t>((r["advantage"].get<double>() + 4) * 4)];
      }
    }
    EXPECT_EQ(reward["counts"], Json(counts));
    EXPECT_EQ(line["histograms"]["advantage"]["counts"], Json(advantages));
    const Json& router = line["router"];
    EXPECT_GE(router["imbalance"].get<double>(), 1);
    EXPECT_GT(router["entropy"].get<double>(), 0);
    EXPECT_EQ(router["layers"]["load"].size(), router["layers"]["dropped"].size());
    int64_t tokens = 0;
    for (const Json& group : Groups(folder / fmt::format("run/ratios/batch-{:06d}.jsonl.gz", batch))) {
      for (const auto& [response, ratios] : group["log_ratios"].items()) {
        for (const Json& ratio : ratios) {
          if (!ratio.is_number()) continue;
          ++tokens;
          least = std::min(least, std::exp(ratio.get<double>()));
          most = std::max(most, std::exp(ratio.get<double>()));
        }
      }
    }
    EXPECT_EQ(line["histograms"]["tokens"], tokens);
    EXPECT_NEAR(line["ratio"]["max"].get<double>(), most, 1e-3 * most);
    EXPECT_NEAR(line["ratio"]["min"].get<double>(), least, 1e-3);
  }
}

TEST(RlTrainer, RefusesAnotherConfig) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  json["batches"] = 1;
  TrainQuietly(json);
  Json other = json;
  other["schedule"]["lr"] = 0.5;
  EXPECT_THAT(ErrorOf([&] { TrainQuietly(other); }),
              AllOf(HasSubstr("\"schedule.lr\" was 0.003 and is now 0.5"), HasSubstr("--fresh")));
  other = json;
  other["rollouts"]["max_batch"] = 2;  // changes no weight
  EXPECT_EQ(ErrorOf([&] { TrainQuietly(other); }), "no error");
  EXPECT_EQ(ErrorOf([&] { TrainQuietly(json, 1, true); }), "no error");
  EXPECT_TRUE(std::filesystem::exists(folder / "run.1/metrics.jsonl"));
}

// Files that the run does not learn from, and what it comes to once it is finished.
TEST(RlTrainer, FilesOfEvaluationDataAreWhatItIsMeasuredOn) {
  TestFolder folder;
  Json json = TinyRlRun(folder.path());
  json["batches"] = 1;
  std::string lines;
  for (int i = 0; i < 3; ++i) lines += Json{{"prompt", fmt::format("{} + 1?", i)}, {"answer", i + 1}}.dump() + "\n";
  WriteFileAtomic(folder / "held.jsonl", lines);
  json["evaluation"] = {{"every", 1}, {"problems", 2}, {"data", (folder / "held.jsonl").string()}};
  const RlResult result = TrainQuietly(json), again = TrainQuietly(json);
  EXPECT_EQ(KeysOf(result.evaluation["tasks"]), std::set<std::string>{"held"});
  EXPECT_EQ(result.evaluation["tasks"]["held"]["problems"], 2);
  EXPECT_TRUE(again.finished);
  EXPECT_EQ(again.evaluation, result.evaluation);
}

}  // namespace
}  // namespace fulgur
