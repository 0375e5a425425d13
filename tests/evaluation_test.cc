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
#include "text/tokenizer.h"

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
                                                        {"needles", "needles.jsonl"},
                                                        {"aime-2025", "missing.jsonl"}}) {
    suite["benchmarks"].push_back({{"benchmark", name}, {"data", file}, {"samples", 2}});
  }
  suite["benchmarks"].push_back({{"benchmark", "env:addition"}, {"count", 4}, {"samples", 2}});
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
  ASSERT_EQ(suite["benchmarks"].size(), 14u);
  for (size_t i = 0; i < 13; ++i) {
    if (i == 11) continue;
    const Json& row = suite["benchmarks"][i];
    ASSERT_TRUE(row.contains("results")) << row.dump();
    const Json& r = row["results"];
    EXPECT_EQ(r["states"]["error"], 0) << row.dump();
    EXPECT_EQ(r["answers"], r["items"].get<int64_t>() * 2);
  }
  EXPECT_NE(suite["benchmarks"][11]["left_out"].get<std::string>().find("missing.jsonl"), std::string::npos);
  EXPECT_EQ(suite["benchmarks"][12]["results"]["items"], 4);
  EXPECT_EQ(suite["benchmarks"][13]["left_out"], "needs a judge");
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

// A task as a run says what --task says, and is scored again and compared as every run.
TEST(Evaluation, ATaskAsARun) {
  TestFolder folder;
  const auto eval = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "eval");
    arguments.emplace_back("--json");
    const CommandResult result = RunFulgur(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    return ParseJson(result.out, "the output");
  };
  const std::string a = (folder / "a").string(), b = (folder / "b").string();
  const Json direct = eval({kModel, "--task", "cipher", "--count", "12", "--batch", "4"});
  const Json run =
      eval({kModel, "--benchmark", "env:cipher", "--count", "12", "--batch", "4", "--preset", "official", "--out", a});
  EXPECT_EQ(run["strict"]["mean"], direct["mean_accuracy"]);
  EXPECT_EQ(run["output_tokens"], direct["tasks"][0]["output_tokens"]);
  EXPECT_GT(run["groups"].size(), 1u) << "by difficulty";
  const std::string results = ReadFile(folder / "a/results.json");
  eval({"--rescore", a});
  EXPECT_EQ(ReadFile(folder / "a/results.json"), results);
  eval({kModel, "--benchmark", "env:cipher", "--count", "12", "--temperature", "1", "--out", b});
  EXPECT_EQ(eval({"--compare", a, b})["comparisons"][0]["items"], 12);
  const CommandResult other = RunFulgur({"eval", kModel, "--benchmark", "env:cipher", "--count", "13", "--out", b});
  EXPECT_NE(other.status, 0);
  EXPECT_NE(other.err.find("\"problems\" is 12, now 13"), std::string::npos) << other.err;
}

// Tokens of the prompts of a run, and those of them that were read from the prefix cache.
std::pair<int64_t, int64_t> PromptTokens(const std::filesystem::path& run) {
  int64_t prompt = 0, cached = 0;
  ReadGzipLines(run / "samples.jsonl.gz", [&](const Json& line) {
    prompt += line["prompt_tokens"].get<int64_t>();
    cached += line["cached_tokens"].get<int64_t>();
    return true;
  });
  return {prompt, cached};
}

TEST(Evaluation, QuestionsOnOneTextReadItOnce) {
  TestFolder folder;
  const std::string data = (folder / "needles.jsonl").string();
  ASSERT_EQ(RunFulgur({"data", "needles", "--kind", "facts", "--lengths", "1500,3000", "--needles", "6", "--questions",
                       "6", "--count", "1", "--out", data})
                .status,
            0);
  const auto run = [&](const std::string& model, const std::string& out, const std::string& memory) {
    const CommandResult result =
        RunFulgur({"eval", model, "--benchmark", "needles", "--data", data, "--out", (folder / out).string(),
                   "--max-tokens", "8", "--cache-memory", memory, "--json"});
    EXPECT_EQ(result.status, 0) << result.err;
    return ParseJson(result.out, "the output");
  };
  const Json results = run(kModel, "cached", "1GB");
  ASSERT_EQ(results["groups"].size(), 2u);
  EXPECT_EQ(results["groups"][0]["group"], "1500 characters");
  ASSERT_EQ(results["by_prompt_tokens"].size(), 2u);
  EXPECT_EQ(results["by_prompt_tokens"][1]["items"], 6);
  const auto [prompt, cached] = PromptTokens(folder / "cached");
  // 5 of 6 questions find the text, all but the up to 64 tokens in which they may part.
  EXPECT_GT(cached, prompt * 7 / 10) << prompt;
  EXPECT_LT(cached, prompt * 5 / 6);
  run(kModel, "uncached", "0");
  EXPECT_EQ(PromptTokens(folder / "uncached"), (std::pair<int64_t, int64_t>(prompt, 0)));
  EXPECT_EQ(ReadFile(folder / "cached/scores.jsonl"), ReadFile(folder / "uncached/scores.jsonl"));
  const ServerProcess server;
  run(server.url(), "served", "1GB");
  EXPECT_EQ(PromptTokens(folder / "served").first, prompt);
  EXPECT_GT(PromptTokens(folder / "served").second, prompt / 2);
  const CommandResult plot = RunFulgur(
      {"eval", "--rescore", (folder / "cached").string(), "--plot", (folder / "curve.svg").string(), "--json"});
  EXPECT_EQ(plot.status, 0) << plot.err;
  EXPECT_NE(ReadFile(folder / "curve.svg").find("<svg"), std::string::npos);
}

TEST(Evaluation, LongPromptsToAServerLoseTheirMiddle) {
  TestFolder folder;
  httplib::Server server;
  std::string said;
  server.Get("/v1/models", [](const httplib::Request&, httplib::Response& response) {
    response.set_content(R"({"data": [{"id": "m"}]})", "application/json");
  });
  server.Post("/v1/chat/completions", [&](const httplib::Request& request, httplib::Response& response) {
    said = Json::parse(request.body)["messages"].back()["content"].get<std::string>();
    response.set_content(R"({"choices": [{"message": {"content": "The correct answer is (B)."}}]})",
                         "application/json");
  });
  const int port = server.bind_to_any_port("127.0.0.1");
  std::thread thread([&] { server.listen_after_bind(); });
  const auto ask = [&](std::vector<std::string> more) {
    std::vector<std::string> command = {"eval",        "http://127.0.0.1:" + std::to_string(port),
                                        "--benchmark", "longbench-v2",
                                        "--data",      kData + "/longbench-v2.jsonl",
                                        "--limit",     "1",
                                        "--out",       (folder / std::to_string(more.size())).string()};
    command.insert(command.end(), more.begin(), more.end());
    return RunFulgur(command);
  };
  EXPECT_EQ(ask({}).status, 0);
  const std::string whole = said;
  const CommandResult cut = ask({"--max-prompt-tokens", "60", "--tokenizer", kModel});
  EXPECT_EQ(cut.status, 0) << cut.err;
  server.stop();
  thread.join();
  const Tokenizer tokenizer = Tokenizer::FromFile(kModel);
  std::vector<int32_t> ids = tokenizer.Encode(whole, Tokenizer::Special::kPlainText);
  ASSERT_GT(ids.size(), 100u);
  ids.erase(ids.begin() + 30, ids.end() - 30);
  EXPECT_EQ(said, tokenizer.Decode(ids, true));
  EXPECT_NE(ask({"--max-prompt-tokens", "60"}).status, 0) << "by whose tokens?";
}

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
  options.name_seconds = 1;
  options.first_pause_seconds = 0.1;
  EXPECT_THROW(ChatEndpoint{options}, Error);
}

}  // namespace
}  // namespace fulgur
