// `fulgur rl` and `fulgur debug objective` from outside.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "base/json.h"
#include "base/test_folder.h"
#include "tensor/safetensors.h"
#include "tests/command.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(RlCommand, TrainsAModelAndGoesOn) {
  TestFolder folder;
  const std::string nano = std::string(FULGUR_SOURCE_DIR) + "/models/nano";
  ASSERT_EQ(RunFulgur({"new-model", nano, (folder / "start").string(), "--layers", "2"}).status, 0);
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    fs::copy(fs::path(nano) / name, folder / "start");
  const Json config = {{"out", (folder / "run").string()},
                       {"model", (folder / "start").string()},
                       {"data", {{{"type", "tasks"}, {"tasks", {"addition"}}}}},
                       {"batches", 2},
                       {"rollouts", {{"prompts", 2}, {"responses", 2}, {"most_prompts", 2}}},
                       {"updates", 2},
                       {"objective", {{"name", "cispo"}, {"is_weight_max", 3}}},
                       {"reward", {{"overlong_buffer", 10}}},
                       {"stages", {{{"window", 16}}}},
                       {"evaluation", {{"every", 1}, {"problems", 2}}}};
  const std::string path = (folder / "config.json").string();
  WriteFileAtomic(path, config.dump());
  const CommandResult first = RunFulgur({"rl", path, "--json"});
  ASSERT_EQ(first.status, 0) << first.err;
  const Json result = Json::parse(first.out);
  EXPECT_EQ(result["batches"], 2);
  EXPECT_EQ(result["updates"], 4);
  EXPECT_EQ(result["finished"], true);
  EXPECT_TRUE(result["evaluation"]["mean"].contains("pass_at_1"));
  EXPECT_THAT(first.err, HasSubstr("equal the sampled ones bit for bit; the ratio is exactly 1"));
  EXPECT_THAT(first.err, HasSubstr("tokens/s generated"));
  EXPECT_EQ(ReadFile(folder / "run/config.json"), config.dump());
  EXPECT_EQ(RunFulgur({"inspect", (folder / "run/model").string()}).status, 0);
  const CommandResult again = RunFulgur({"rl", path});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("learned from 2 batches in 4 updates"));
  EXPECT_THAT(RunFulgur({"rl", path, "--export", (folder / "exported").string()}).out, HasSubstr("of batch 2"));

  Json wrong = config;
  wrong["rollouts"]["respones"] = 4;
  WriteFileAtomic(path, wrong.dump());
  const CommandResult bad = RunFulgur({"rl", path});
  EXPECT_EQ(bad.status, 1);
  EXPECT_THAT(bad.err, HasSubstr("unknown key \"respones\""));
}

// Lines of a file; none if there is none.
std::vector<std::string> LinesOf(const fs::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// A program judges, at its leisure, and the run is killed again and again: the model ends with the bits that it has if
// the program answers at once and nothing is killed, and what was answered is not asked again.
TEST(RlCommand, ALateJudgeAndKillsChangeNothing) {
  TestFolder folder;
  const std::string nano = std::string(FULGUR_SOURCE_DIR) + "/models/nano";
  std::string problems;
  for (int i = 0; i < 6; ++i) problems += Json{{"prompt", fmt::format("What is {} + {}?", i, 3 * i)}}.dump() + "\n";
  WriteFileAtomic(folder / "problems.jsonl", problems);
  // The verdict depends on the answer alone. While the file `slow` is there it takes up to half a second. What has been
  // answered is written down.
  WriteFileAtomic(folder / "judge.sh", R"sh(while read -r line; do
  if [ -e "$1/slow" ]; then sleep 0.$(((${#line} % 46) + 5)); fi
  printf '%s\n' "$line" >> "$1/asked"
  echo "{\"score\": 0.$((${#line} % 10)), \"reason\": \"${#line} bytes\"}"
done)sh");
  constexpr int kProcesses = 4;
  const auto config = [&](const std::string& out) {
    const Json json = {{"out", (folder / out).string()},
                       {"model", nano},
                       {"data",
                        {{{"type", "problems"},
                          {"path", (folder / "problems.jsonl").string()},
                          {"checker",
                           {{"command", {"sh", (folder / "judge.sh").string(), folder.path().string()}},
                            {"processes", kProcesses}}}}}},
                       {"batches", 2},
                       {"rollouts", {{"prompts", 4}, {"responses", 3}, {"most_prompts", 8}}},
                       {"updates", 2},
                       {"stages", {{{"window", 48}}}},
                       {"schedule", {{"lr", 0.001}}},
                       {"checkpoint", {{"every_batches", 1}}}};
    const std::string path = (folder / (out + ".json")).string();
    WriteFileAtomic(path, json.dump());
    return path;
  };
  const CommandResult instant = RunFulgur({"rl", config("instant")});
  ASSERT_EQ(instant.status, 0) << instant.err;
  std::vector<std::string> asked = LinesOf(folder / "asked");
  ASSERT_GE(asked.size(), 24u);
  fs::remove(folder / "asked");
  std::ofstream(folder / "slow").flush();
  const std::string late = config("late");
  int kills = 0;
  for (bool finished = false; !finished && kills < 30; kills += !finished) {
    const fs::path log = folder / "asked";
    const pid_t child = fork();
    if (child == 0) {
      const std::string err = (folder / "err").string();
      if (std::freopen(err.c_str(), "a", stderr) == nullptr) _exit(1);
      execl(FULGUR_BINARY, "fulgur", "rl", late.c_str(), static_cast<char*>(nullptr));
      _exit(127);
    }
    // Killed after five more verdicts, while others are under way.
    const size_t before = LinesOf(log).size();
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
      if (kills < 4 && LinesOf(log).size() >= before + 5) kill(child, SIGKILL);
      usleep(5000);
    }
    finished = WIFEXITED(status);
    if (finished) {
      ASSERT_EQ(WEXITSTATUS(status), 0) << ReadFile(folder / "err");
    }
  }
  EXPECT_EQ(kills, 4);
  EXPECT_EQ(ReadFile(folder / "late/model/model.safetensors"), ReadFile(folder / "instant/model/model.safetensors"));
  // Each question was asked once, but for those that were under way when the run was killed.
  std::vector<std::string> again = LinesOf(folder / "asked");
  EXPECT_LE(again.size(), asked.size() + static_cast<size_t>(kills * kProcesses));
  const auto distinct = [](std::vector<std::string> lines) {
    std::sort(lines.begin(), lines.end());
    lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
    return lines;
  };
  EXPECT_EQ(distinct(again), distinct(asked));
  EXPECT_FALSE(fs::exists(folder / "late/rollouts/batch-000001.jsonl.gz.verdicts"));
}

TEST(RlCommand, ConfigsInTheRepositoryAreRead) {
  for (const char* name : {"nano-rl", "rl-hasty-nano", "rl-nano", "rl-precision"}) {
    // In a folder without the model, which is looked for once the config was read.
    TestFolder folder;
    const std::string path = std::string(FULGUR_SOURCE_DIR) + "/configs/" + name + ".json";
    const CommandResult result = RunFulgur({"rl", path}, "", folder.path().string());
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.err, testing::AnyOf(HasSubstr("runs/hasty-nano/model"), HasSubstr("runs/nano/model"),
                                           HasSubstr("models/nano")))
        << name;
  }
  TestFolder folder;
  const CommandResult study = RunFulgur({"rl", "--study", std::string(FULGUR_SOURCE_DIR) + "/configs/study-cispo.json"},
                                        "", folder.path().string());
  EXPECT_EQ(study.status, 1);
  EXPECT_THAT(study.err, HasSubstr("runs/study-start/model"));
}

TEST(DebugObjective, WritesTheReferencesTensors) {
  TestFolder folder;
  fs::path golden = fs::path(FULGUR_SOURCE_DIR) / "tests/data/golden/rl-objectives";
  for (const std::string set : {"", ".degenerate"}) {
    const std::string out = (folder / "out.safetensors").string();
    const CommandResult result = RunFulgur(
        {"debug", "objective", "--input", (golden / ("data" + set + ".safetensors")).string(), "--output", out});
    ASSERT_EQ(result.status, 0) << result.err;
    const TensorMap got = ReadSafetensors(out), want = ReadSafetensors(golden / ("expected" + set + ".safetensors"));
    for (const auto& [name, tensor] : want) {
      ASSERT_TRUE(got.contains(name)) << name;
      ASSERT_EQ(got.at(name).shape(), tensor.shape()) << name;
      const double absolute = name.ends_with(".grad") ? 1e-9 : 1e-6;
      for (int64_t i = 0; i < tensor.size(); ++i) {
        const double x = got.at(name).f32()[i], y = tensor.f32()[i];
        EXPECT_LE(std::abs(x - y), absolute + 1e-5 * std::abs(y)) << name << " " << i;
        EXPECT_TRUE(y != 0 || x == 0 || !name.ends_with(".grad")) << name << " " << i;
      }
    }
  }
}

TEST(DebugObjective, SmallShapesAndWrongOnes) {
  TestFolder folder;
  const std::string in = (folder / "in.safetensors").string(), out = (folder / "out.safetensors").string();
  const auto floats = [](std::vector<float> values) {
    Tensor t(DType::kF32, {static_cast<int64_t>(values.size())});
    std::copy(values.begin(), values.end(), t.f32());
    return t;
  };
  const auto counts = [](std::vector<int64_t> values) {
    Tensor t(DType::kI64, {static_cast<int64_t>(values.size())});
    std::copy(values.begin(), values.end(), t.values<int64_t>().begin());
    return t;
  };
  // A group of a single response of one token, and one of two.
  WriteSafetensors(in, {{"rewards", floats({1, 1, 0})},
                        {"group_sizes", counts({1, 2})},
                        {"response_lengths", counts({1, 1, 1})},
                        {"old_logprobs", floats({-1, -1, -1})},
                        {"logprobs", floats({-0.5, -1, -1})}});
  ASSERT_EQ(RunFulgur({"debug", "objective", "--input", in, "--output", out}).status, 0);
  const TensorMap got = ReadSafetensors(out);
  const auto value = [&](const char* name, int64_t i) { return got.at(name).f32()[i]; };
  EXPECT_EQ(value("adv.population", 0), 0);
  EXPECT_EQ(value("adv.sample", 0), 0);
  EXPECT_EQ(value("adv.population", 1), 1);
  EXPECT_NEAR(value("adv.sample", 1), std::sqrt(0.5), 1e-7);
  EXPECT_EQ(value("grpo.grad", 0), 0);
  EXPECT_EQ(value("grpo.grad", 1), -0.25f);
  EXPECT_NEAR(value("dapo_batch.grad", 2), 1 / 3.0, 1e-7);
  EXPECT_EQ(value("grpo.loss", 0), 0);

  const auto error = [&](const char* name, const Tensor& tensor) {
    std::vector<std::pair<std::string, Tensor>> tensors = {{"rewards", floats({1, 0})},
                                                           {"group_sizes", counts({2})},
                                                           {"response_lengths", counts({1, 2})},
                                                           {"old_logprobs", floats({-1, -1, -1})},
                                                           {"logprobs", floats({-1, -1, -1})}};
    for (auto& [n, t] : tensors) {
      if (n == name) t = tensor;
    }
    WriteSafetensors(in, tensors);
    const CommandResult r = RunFulgur({"debug", "objective", "--input", in, "--output", out});
    EXPECT_EQ(r.status, 1);
    return r.err;
  };
  EXPECT_THAT(error("group_sizes", counts({3})), HasSubstr("group_sizes add up to 3, but 2"));
  EXPECT_THAT(error("response_lengths", counts({1, 1})), HasSubstr("response_lengths add up to 2, but 3"));
  EXPECT_THAT(error("group_sizes", floats({2})), HasSubstr("group_sizes is F32"));
  EXPECT_THAT(error("group_sizes", counts({0, 2})), HasSubstr("at least 1"));
  EXPECT_THAT(error("rewards", counts({1, 0})), HasSubstr("rewards is I64"));
  EXPECT_THAT(error("logprobs", Tensor(DType::kF32, {1, 3})), HasSubstr("logprobs has shape"));
}

}  // namespace
}  // namespace fulgur
