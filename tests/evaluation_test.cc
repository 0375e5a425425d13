// `fulgur eval` on made-up data of every benchmark: with the bundled model, with a server, with servers that fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "base/child_process.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/test_folder.h"
#include "eval/gzip_lines.h"
#include "judge/chat_endpoint.h"
#include "tests/command.h"
#include "tests/server_process.h"

namespace fulgur {
namespace {

const std::string kModel = FULGUR_SOURCE_DIR "/models/nano";
const std::string kData = FULGUR_SOURCE_DIR "/tests/data/eval";

// All sets of the made-up data.
void WriteSuite(const std::filesystem::path& path) {
  Json suite = {{"benchmarks", Json::array()}};
  for (const auto& [name, file] :
       std::vector<std::pair<const char*, const char*>>{{"aime-2024", "aime.jsonl"},
                                                        {"math-500", "math-500.jsonl"},
                                                        {"gpqa-diamond", "gpqa.csv"},
                                                        {"mmlu-pro", "mmlu-pro.jsonl"},
                                                        {"zebralogic", "zebralogic.jsonl"},
                                                        {"mrcr", "mrcr.jsonl"},
                                                        {"longbench-v2", "longbench-v2.jsonl"},
                                                        {"ifeval", "ifeval.jsonl"},
                                                        {"ifbench", "ifbench.jsonl"},
                                                        {"livecodebench", "livecodebench.jsonl"},
                                                        {"aime-2025", "missing.jsonl"}}) {
    suite["benchmarks"].push_back({{"benchmark", name}, {"data", file}, {"samples", 2}});
  }
  suite["benchmarks"].push_back({{"benchmark", "hle"}, {"needs", "a judge"}});
  WriteFileAtomic(path, suite.dump());
}

// Runs the suite and returns what it says.
Json RunSuite(const std::string& model, const std::filesystem::path& folder, const std::string& out) {
  WriteSuite(folder / "suite.json");
  const CommandResult result = RunFulgur({"eval", model, "--suite", (folder / "suite.json").string(), "--data", kData,
                                          "--out", (folder / out).string(), "--max-tokens", "24", "--json"});
  EXPECT_EQ(result.status, 0) << result.err;
  return ParseJson(result.out, "the output");
}

void ExpectWholeSuite(const Json& suite) {
  ASSERT_EQ(suite["benchmarks"].size(), 12u);
  for (size_t i = 0; i < 10; ++i) {
    const Json& row = suite["benchmarks"][i];
    ASSERT_TRUE(row.contains("results")) << row.dump();
    const Json& r = row["results"];
    EXPECT_EQ(r["states"]["error"], 0) << row.dump();
    EXPECT_EQ(r["answers"], r["items"].get<int64_t>() * 2);
  }
  EXPECT_NE(suite["benchmarks"][10]["left_out"].get<std::string>().find("missing.jsonl"), std::string::npos);
  EXPECT_EQ(suite["benchmarks"][11]["left_out"], "needs a judge");
}

TEST(Evaluation, TheSuiteWithTheBundledModel) {
  TestFolder folder;
  ExpectWholeSuite(RunSuite(kModel, folder.path(), "runs"));
  for (const char* mode : {"--rescore", "--report"}) {
    const CommandResult result = RunFulgur({"eval", mode, (folder / "runs/gpqa-diamond").string()});
    EXPECT_EQ(result.status, 0) << result.err;
  }
  EXPECT_GT(std::filesystem::file_size(folder / "runs/gpqa-diamond/report.html"), 5000u);
  const CommandResult exported = RunFulgur({"eval", "--rescore", (folder / "runs/livecodebench").string(), "--export",
                                            (folder / "predictions.json").string()});
  EXPECT_EQ(exported.status, 0) << exported.err;
  EXPECT_EQ(ReadJsonFile(folder / "predictions.json")[0]["question_id"], "made_up_a");
}

// The server gives the bits of the model in the process, so the results are the same.
TEST(Evaluation, TheSuiteWithAServer) {
  TestFolder folder;
  const ServerProcess server;
  ExpectWholeSuite(RunSuite(server.url(), folder.path(), "served"));
}

// A run whose answers are drawn, killed 20 times, each time after `bytes` more of answers, ends with the bytes of one
// that was let go on.
void ExpectTheSameAfter20Kills(const std::string& model, int items, int samples, uint64_t bytes) {
  TestFolder folder;
  std::string lines;
  for (int i = 0; i < items; ++i) {
    const int a = i % 900;
    lines += Json{{"id", i}, {"problem", "What is " + std::to_string(a) + " + 1?"}, {"answer", std::to_string(a + 1)}}
                 .dump() +
             "\n";
  }
  WriteFileAtomic(folder / "aime.jsonl", lines);
  const auto arguments = [&](const std::string& out) {
    return std::vector<std::string>{"eval",          model,
                                    "--benchmark",   "aime-2024",
                                    "--data",        (folder / "aime.jsonl").string(),
                                    "--out",         (folder / out).string(),
                                    "--samples",     std::to_string(samples),
                                    "--temperature", "1",
                                    "--max-tokens",  "40",
                                    "--batch",       "8",
                                    "--concurrency", "8",
                                    "--threads",     "1"};
  };
  ASSERT_EQ(RunFulgur(arguments("whole")).status, 0);
  const auto file = folder / "killed/samples.jsonl.gz";
  const auto size = [&]() -> uint64_t { return std::filesystem::exists(file) ? std::filesystem::file_size(file) : 0; };
  for (int kill = 0; kill < 20; ++kill) {
    std::vector<std::string> command = arguments("killed");
    command.insert(command.begin(), FULGUR_BINARY);
    const uint64_t before = size();
    const ChildProcess process(command);  // killed at the end of its scope
    for (int i = 0; i < 60000 && size() < before + bytes; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ASSERT_GE(size(), before + bytes) << "it goes on after kill " << kill;
    ASSERT_FALSE(std::filesystem::exists(folder / "killed/results.json")) << "it is over after kill " << kill;
  }
  ASSERT_EQ(RunFulgur(arguments("killed")).status, 0);
  EXPECT_EQ(ReadFile(folder / "killed/results.json"), ReadFile(folder / "whole/results.json"));
  EXPECT_EQ(ReadFile(folder / "killed/scores.jsonl"), ReadFile(folder / "whole/scores.jsonl"));
}

TEST(Evaluation, Killed20TimesItEndsWithTheSameBytes) { ExpectTheSameAfter20Kills(kModel, 60, 4, 300); }

TEST(Evaluation, Killed20TimesItEndsWithTheSameBytesOfAServerSlow) {
  const ServerProcess server;
  ExpectTheSameAfter20Kills(server.url(), 60, 4, 300);
}

TEST(Evaluation, TenThousandAnswersKilled20TimesSlow) { ExpectTheSameAfter20Kills(kModel, 2500, 4, 60000); }

// A server that refuses, breaks off, lies and is slow, before it answers.
class BadServer {
 public:
  BadServer() {
    server_.Get("/v1/models", [](const httplib::Request&, httplib::Response& response) {
      response.set_content(R"({"data": [{"id": "bad"}]})", "application/json");
    });
    server_.Post("/v1/chat/completions", [this](const httplib::Request& request, httplib::Response& response) {
      const Json body = Json::parse(request.body);
      const std::string asked = body["messages"].back()["content"].get<std::string>();
      if (asked.find("never") != std::string::npos) {
        response.status = 400;
        response.set_content(R"({"error": {"message": "this question is refused"}})", "application/json");
        return;
      }
      switch (requests_++ % 10) {
        case 0:
          response.status = 429;
          response.set_header("Retry-After", "0");
          return;
        case 1:
          response.status = 503;
          return;
        case 2:
          response.set_content("{\"choices\": [", "application/json");
          return;
        default:
          ++answers_;
          response.set_content(
              Json{{"choices", {{{"message", {{"content", "\\boxed{5}"}}}, {"finish_reason", "stop"}}}},
                   {"usage", {{"prompt_tokens", 3}, {"completion_tokens", 4}}}}
                  .dump(),
              "application/json");
      }
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
  }
  ~BadServer() {
    server_.stop();
    thread_.join();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int answers() const { return answers_; }

 private:
  httplib::Server server_;
  int port_ = 0;
  std::atomic<int> requests_{0}, answers_{0};
  std::thread thread_;
};

TEST(Evaluation, AServerThatFailsLosesAndDoublesNothing) {
  TestFolder folder;
  std::string lines;
  for (int i = 0; i < 25; ++i) {
    lines += Json{{"id", i}, {"problem", i == 7 ? "never" : "2 + 3?"}, {"answer", "5"}}.dump() + "\n";
  }
  WriteFileAtomic(folder / "aime.jsonl", lines);
  const BadServer server;
  const CommandResult result =
      RunFulgur({"eval", server.url(), "--benchmark", "aime-2025", "--data", (folder / "aime.jsonl").string(), "--out",
                 (folder / "run").string(), "--samples", "2", "--total-seconds", "120", "--json"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.err.find("this question is refused"), std::string::npos);
  const Json r = ParseJson(result.out, "the output");
  EXPECT_EQ(r["states"]["scored"], 48);
  EXPECT_EQ(r["states"]["error"], 2);
  EXPECT_EQ(server.answers(), 48) << "each answer was asked for once";
  int64_t kept = 0;
  ReadGzipLines(folder / "run/samples.jsonl.gz", [&](const Json&) { return ++kept > 0; });
  EXPECT_EQ(kept, 48);
}

TEST(Evaluation, AServerThatIsNotThereIsAnError) {
  EndpointOptions options;
  options.url = "http://127.0.0.1:1";
  options.total_seconds = 1;
  options.first_pause_seconds = 0.1;
  EXPECT_THROW(ChatEndpoint{options}, Error);
}

}  // namespace
}  // namespace fulgur
