// `fulgur train` from outside: how signals end a run, and the model that it exports.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "base/file.h"
#include "base/test_folder.h"
#include "tests/command.h"
#include "tests/pseudo_terminal.h"
#include "train/test_util.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

// A run of so many steps that only a signal ends it.
std::string EndlessRun(const TestFolder& folder) {
  Json json = TinyRun(folder.path());
  json["steps"] = 1000000;
  json["schedule"] = {{"lr", 0.001}};
  json["checkpoint"] = {{"every_seconds", 0}};
  const std::string path = (folder / "train.json").string();
  WriteFileAtomic(path, json.dump());
  return path;
}

// Starts the run, sends it the signals once its first step is done, and returns the exit status; -1 if it died.
// `ignored` is ignored from the start, as under nohup.
int StatusAfter(const std::string& config, const fs::path& run, const std::vector<int>& signals, int ignored = 0) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (ignored != 0) std::signal(ignored, SIG_IGN);
    if (std::freopen("/dev/null", "w", stdout) == nullptr || std::freopen("/dev/null", "w", stderr) == nullptr) {
      ::_exit(127);
    }
    ::execl(FULGUR_BINARY, "fulgur", "train", config.c_str(), "--threads", "1", static_cast<char*>(nullptr));
    ::_exit(127);
  }
  std::error_code none;
  for (int i = 0; i < 6000 && (!fs::exists(run / "metrics.jsonl") || fs::file_size(run / "metrics.jsonl", none) == 0);
       ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  for (const int signal : signals) {
    ::kill(child, signal);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int64_t Checkpoints(const fs::path& run) {
  int64_t count = 0;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(run / "checkpoints", none)) {
    count += entry.path().extension() == ".safetensors";
  }
  return count;
}

// A number, a misspelt key: named with the file, and what is near.
TEST(TrainCommand, WhatIsWrongInAConfigIsNamed) {
  TestFolder folder;
  const auto error = [&](const std::function<void(Json&)>& change) {
    Json json = TinyRun(folder.path());
    change(json);
    WriteFileAtomic(folder / "train.json", json.dump());
    const CommandResult result = RunFulgur({"train", (folder / "train.json").string(), "--threads", "1"});
    EXPECT_EQ(result.status, 1);
    return result.err;
  };
  EXPECT_THAT(
      error([](Json& json) {
        json["stpes"] = json["steps"];
        json.erase("steps");
      }),
      HasSubstr("\"steps\", \"tokens\" or \"epochs\" (of the whole run), one of them; is \"stpes\" meant to be it?"));
  EXPECT_THAT(error([](Json& json) { json["batch"]["max_lenght"] = 5; }),
              HasSubstr("unknown key \"max_lenght\"; did you mean \"max_length\"?"));
  EXPECT_THAT(error([](Json& json) { json["model"]["config"]["hiden_size"] = 5; }),
              HasSubstr("did you mean \"hidden_size\"?"));
  EXPECT_THAT(error([](Json& json) { json["steps"] = 1e30; }), HasSubstr("a number too large for it"));
  EXPECT_THAT(error([](Json& json) { json["steps"] = 18446744073709551615u; }), HasSubstr("a number too large for it"));
}

TEST(TrainCommand, ARunIsExtendedAndItsModelFoundInIt) {
  TestFolder folder;
  Json json = TinyRun(folder.path());
  json["steps"] = 2;
  json["schedule"] = {{"lr", 0.001}};
  WriteFileAtomic(folder / "chats.jsonl",
                  R"({"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]})");
  json["data"] = (folder / "chats.jsonl").string();
  json["validation"] = {{"every", 1}, {"data", json["data"]}};
  const std::string config = (folder / "train.json").string(), run = (folder / "run").string();
  WriteFileAtomic(config, json.dump());
  const auto train = [&](const std::vector<std::string>& more) {
    std::vector<std::string> args{"train", config, "--threads", "1", "--json"};
    args.insert(args.end(), more.begin(), more.end());
    const CommandResult result = RunFulgur(args);
    EXPECT_EQ(result.status, 0) << result.err;
    return Json::parse(result.out);
  };
  const Json first = train({});
  EXPECT_EQ(first["step"], 2);
  EXPECT_EQ(train({}), first) << "a finished run tells its results again";
  const Json longer = train({"--extend", "4"});
  EXPECT_EQ(longer["step"], 4);
  EXPECT_TRUE(longer["finished"]);
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"generate", run, "--prompt", "x", "--max-tokens", "1"}, {"inspect", run}}) {
    const CommandResult result = RunFulgur(args);
    EXPECT_EQ(result.status, 0) << args[0] << result.err;
  }
  std::filesystem::remove_all(folder / "run/model");
  const CommandResult none = RunFulgur({"chat", run, "--prompt", "x"});
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.err, HasSubstr("has not come to its end; --export"));
  json.erase("steps");
  json["epochs"] = 1;
  json["validation"] = {{"every", 1}};
  json["out"] = (folder / "other").string();
  WriteFileAtomic(config, json.dump());
  const CommandResult warned = RunFulgur({"train", config, "--threads", "1"});
  EXPECT_THAT(warned.err, HasSubstr("there is nothing to validate on"));
  EXPECT_THAT(warned.err, HasSubstr("1 epoch of the data: 1 steps"));
}

TEST(TrainCommand, ProgressFitsFortyColumns) {
  TestFolder folder;
  Json json = TinyRun(folder.path());
  json["steps"] = 60;
  json["validation"] = {{"every", 5}, {"instances", 2}};
  WriteFileAtomic(folder / "train.json", json.dump());
  PseudoTerminal terminal({"train", (folder / "train.json").string(), "--threads", "1"}, folder.path(), 40);
  const std::string shown = terminal.Rest();
  constexpr std::string_view kAnew = "\r\033[K";  // how a line of progress begins
  int count = 0;
  for (size_t at = 0; (at = shown.find(kAnew, at)) != std::string::npos; ++count) {
    at += kAnew.size();
    const std::string line = shown.substr(at, shown.find_first_of("\r\n", at) - at);
    EXPECT_LT(line.size(), 40u) << line;
    EXPECT_THAT(line, AllOf(testing::StartsWith("training"), HasSubstr("loss")));
  }
  EXPECT_GT(count, 0);
}

class TrainSignal : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Signals, TrainSignal, testing::Values(SIGINT, SIGTERM, SIGHUP, SIGPIPE));

TEST_P(TrainSignal, EndsTheRunWithACheckpointAndAStatusOfItsOwn) {
  TestFolder folder;
  const std::string config = EndlessRun(folder);
  EXPECT_EQ(StatusAfter(config, folder / "run", {GetParam()}), 128 + GetParam());
  EXPECT_EQ(Checkpoints(folder / "run"), 1);
}

TEST(TrainCommand, UnderNohupTheRunOutlivesItsTerminal) {
  TestFolder folder;
  const std::string config = EndlessRun(folder);
  EXPECT_EQ(StatusAfter(config, folder / "run", {SIGHUP, SIGTERM}, SIGHUP), 128 + SIGTERM);
  EXPECT_EQ(Checkpoints(folder / "run"), 1);
}

// `fulgur train ... 2>&1 | head -1`: the line after the one that was read finds no reader. It comes ten seconds later.
TEST(TrainCommand, WithoutAReaderTheRunEndsWithACheckpointSlow) {
  TestFolder folder;
  const std::string config = EndlessRun(folder);
  // The status of the pipe's left side: PIPESTATUS is bash's.
  const std::string script =
      "'" FULGUR_BINARY "' train '" + config + "' --threads 1 2>&1 | head -1 > /dev/null; exit ${PIPESTATUS[0]}";
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::execl("/bin/bash", "bash", "-c", script.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 128 + SIGPIPE);
  EXPECT_EQ(Checkpoints(folder / "run"), 1);
}

TEST(TrainCommand, ARunHasItsReport) {
  TestFolder folder;
  Json json = TinyRun(folder.path());
  json["steps"] = 2;
  json["schedule"] = {{"lr", 0.001}};
  const std::string config = (folder / "train.json").string();
  WriteFileAtomic(config, json.dump());
  const CommandResult trained = RunFulgur({"train", config});
  ASSERT_EQ(trained.status, 0) << trained.err;
  const fs::path run = json["out"].get<std::string>();
  EXPECT_EQ(ReadFile(run / "config.json"), json.dump());
  EXPECT_THAT(ReadFile(run / "report.html"), HasSubstr("\"kind\":\"training\""));
  fs::remove(run / "report.html");
  const CommandResult report = RunFulgur({"train", "--report", run.string()});
  EXPECT_EQ(report.status, 0) << report.err;
  EXPECT_THAT(ReadFile(run / "report.html"), HasSubstr("\"batches\":2"));
  EXPECT_THAT(RunFulgur({"train"}).err, HasSubstr("config is required"));
}

TEST(TrainCommand, AnExportedModelKnowsItsTasks) {
  TestFolder folder;
  Json json = TinyRun(folder.path());
  json["steps"] = 2;
  json["schedule"] = {{"lr", 0.001}};
  const std::string config = (folder / "train.json").string(), model = (folder / "exported").string();
  WriteFileAtomic(config, json.dump());
  ASSERT_EQ(RunFulgur({"train", config}).status, 0);
  EXPECT_THAT(RunFulgur({"train", config, "--export", model}).out, HasSubstr("of step 2"));
  const CommandResult eval =
      RunFulgur({"eval", model, "--task", "trained", "--count", "1", "--max-tokens", "4", "--json"});
  EXPECT_EQ(eval.status, 0) << eval.err;
  EXPECT_THAT(eval.out, HasSubstr("addition"));
}

}  // namespace
}  // namespace fulgur
