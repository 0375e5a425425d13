#include "rl/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "eval/gzip_lines.h"
#include "rl/test_util.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kNasty = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)>";

Json Line(int64_t step) {
  const double score = static_cast<double>(step % 10) / 10;
  return {
      {"step", step},
      {"time", 1.7e9 + static_cast<double>(step)},
      {"updates", 2 * step},
      {"seconds", {{"all", 2.0}}},
      {"rollout", {{"groups", 16}, {"without_spread", 4}, {"tokens_per_second", 1000}}},
      {"reward", {{"mean", score}, {"score", score}, {"format", 1}, {"error", 0.1}}},
      {"length", {{"mean", 100}, {"p99", 200}}},
      {"perplexity", 1.5},
      {"entropy", 0.5},
      {"clipped", 0.01},
      {"grad_norm", 1.25},
      {"ratio", {{"min", 1.0 / static_cast<double>(step)}, {"max", step}}},
      {"on_policy", {{"tokens", 50}, {"equal", 50}, {"max_difference", 0}, {"correlation", 1}}},
      {"stage", {{"index", step > 3 ? 1 : 0}, {"window", step > 3 ? 640 : 512}}},
      {"tasks", {{"addition", {{"responses", 30}, {"score", score}}}, {kNasty, {{"responses", 10}, {"score", 0.5}}}}},
      {"levels", {{"addition", {{"1", 0.25}}}}},
      {"histograms",
       {{"tokens", 10},
        {"ratio", std::vector<int>(32, 1)},
        {"ratio_one", 3},
        {"reward", {{"low", 0}, {"high", 1.1}, {"counts", {step, 0, 2}}}},
        {"probability", std::vector<int>(10, 2)},
        {"probability_clipped", std::vector<int>(10, 1)}}}};
}

Json Evaluation(int64_t step, double rate) {
  return {{"step", step},
          {"evaluation",
           {{"problems", 32},
            {"samples", 1},
            {"mean", {{"pass_at_1", rate}}},
            {"tasks", {{"addition", {{"pass_at_1", rate}, {"low", rate - 0.1}, {"high", rate + 0.2}}}}}}}};
}

// Three answers of this text, whose tokens were sampled with probabilities 1, 1/2, 1/3, ...
Json Group(const Tokenizer& tokenizer, const std::string& text, int64_t id, double difficulty, bool spread) {
  Json answer = {{"text", text},     {"finish", "stop"},           {"score", 1},           {"format", true},
                 {"reason", kNasty}, {"reward", {{"total", 1.1}}}, {"ids", Json::array()}, {"logprobs", Json::array()}};
  for (const int32_t token : tokenizer.Encode(text, Tokenizer::Special::kPlainText)) {
    answer["ids"].push_back(token);
    answer["logprobs"].push_back(-std::log(static_cast<double>(answer["ids"].size())));
  }
  Json worse = answer, middle = answer;
  worse["reward"]["total"] = 0.1;
  worse["score"] = 0;
  middle["reward"]["total"] = 0.5;
  return {{"source", "tasks"},
          {"task", "addition"},
          {"difficulty", difficulty},
          {"id", id},
          {"spread", spread},
          {"prompt", kNasty},
          {"responses", {middle, worse, answer}}};
}

class Report : public testing::Test {
 protected:
  Report() {
    WriteTextFiles(folder_ / "text");
    tokenizer_ = std::make_unique<Tokenizer>(Tokenizer::FromFile(folder_ / "text"));
  }

  fs::path Run(const std::string& name, const std::vector<Json>& lines) {
    const fs::path run = folder_ / name;
    fs::create_directories(run);
    std::ofstream metrics(run / "metrics.jsonl");
    for (const Json& line : lines) metrics << line.dump() << "\n";
    WriteFileAtomic(run / "run.json", "{}");
    WriteFileAtomic(run / "config.json", Json{{"model", (folder_ / "text").string()}, {"batches", 6}}.dump());
    WriteFileAtomic(run / "sessions.jsonl", "{\"time\": 1, \"git\": {\"commit\": \"c0ffee\"}}\n{\"time\": 2}\n");
    return run;
  }

  std::vector<Json> Lines(int64_t batches) {
    std::vector<Json> lines = {Evaluation(0, 0.25)};
    for (int64_t step = 1; step <= batches; ++step) lines.push_back(Line(step));
    lines.back().update(Evaluation(batches, 0.5));
    return lines;
  }

  TestFolder folder_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

// The data as a browser's script would read it.
Json DataOf(const std::string& html) {
  const std::string begin = "<script type=\"application/json\" id=\"data\">";
  const size_t from = html.find(begin) + begin.size();
  return Json::parse(html.substr(from, html.find("</script>", from) - from));
}

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_F(Report, HasWhatTheRunMeasured) {
  const Json data = ReportData({Run("run", Lines(6))});
  ASSERT_EQ(data["runs"].size(), 1u);
  const Json& run = data["runs"][0];
  EXPECT_EQ(run["name"], "run");
  EXPECT_EQ(run["batches"], 6);
  EXPECT_EQ(run["seconds"], 12);
  EXPECT_EQ(run["finished"], false);
  EXPECT_EQ(run["sessions"][0]["git"]["commit"], "c0ffee");
  EXPECT_EQ(run["steps"], Json({1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(run["series"]["reward.mean"][2], 0.3);
  EXPECT_NEAR(run["series"]["reward.mean_low"][2].get<double>(), 0.3 - 1.96 * 0.1, 1e-6);
  // Wilson's interval of 8 successes in 16 trials.
  EXPECT_NEAR(run["series"]["reward.score_low"][4].get<double>(), 0.2800, 1e-4);
  EXPECT_NEAR(run["series"]["reward.score_high"][4].get<double>(), 0.7200, 1e-4);
  for (const char* name : {"entropy", "perplexity", "grad_norm", "clipped", "length.p99", "stage.window"}) {
    EXPECT_EQ(run["series"][name].size(), 6u) << name;
  }
  EXPECT_FALSE(run["series"].contains("masked"));  // this run does not have it
  EXPECT_EQ(run["stages"],
            Json({{{"step", 1}, {"index", 0}, {"window", 512}}, {{"step", 4}, {"index", 1}, {"window", 640}}}));
  EXPECT_EQ(run["tasks"]["addition"]["score"][4], 0.5);
  EXPECT_EQ(run["evaluations"]["steps"], Json({0, 6}));
  EXPECT_EQ(run["evaluations"]["mean"]["pass_at_1"], Json({0.25, 0.5}));
  EXPECT_EQ(run["evaluations"]["mean"]["low"], Json({0.15, 0.4}));
  EXPECT_EQ(run["evaluations"]["mean"]["high"], Json({0.45, 0.7}));
  EXPECT_EQ(run["evaluations"]["tasks"]["addition"]["low"], Json({0.15, 0.4}));
  ASSERT_EQ(run["histograms"].size(), 3u);
  EXPECT_EQ(run["histograms"][1]["first"], 3);
  EXPECT_EQ(run["histograms"][1]["last"], 4);
  EXPECT_EQ(run["histograms"][1]["ratio"], Json(std::vector<int>(32, 2)));
  EXPECT_EQ(run["agreement"]["tokens"], 300);
  EXPECT_EQ(run["agreement"]["equal"], 300);
  EXPECT_EQ(run["levels"]["addition"]["1"].back(), 0.25);
  EXPECT_EQ(run["axes"]["step"].size(), run["steps"].size() + 1);
  EXPECT_EQ(run["axes"]["step"][0], 0);
}

TEST_F(Report, DistributionsAddUpOverBatches) {
  const Json histograms = ReportData({Run("run", Lines(6))})["runs"][0]["histograms"];
  ASSERT_EQ(histograms.size(), 3u);
  EXPECT_EQ(histograms[1]["reward"]["high"], 1.1);
  EXPECT_EQ(histograms[1]["reward"]["counts"], (Json{3.0 + 4, 0.0, 4.0}));
  EXPECT_TRUE(histograms[1]["advantage"].is_null());
}

TEST_F(Report, LongRunsBecomeFewerPointsThatKeepMeansAndExtremes) {
  const Json data = ReportData({Run("run", Lines(5 * kReportPoints - 2))});
  const Json& run = data["runs"][0];
  EXPECT_EQ(run["bucket"], 5);
  ASSERT_EQ(run["steps"].size(), static_cast<size_t>(kReportPoints));
  EXPECT_EQ(run["steps"][1], 10);
  EXPECT_NEAR(run["series"]["reward.mean"][1].get<double>(), (0.6 + 0.7 + 0.8 + 0.9 + 0.0) / 5, 1e-9);
  EXPECT_NEAR(run["series"]["reward.mean_high"][1].get<double>(), 0.6 + 1.96 * 0.1 / std::sqrt(5), 1e-5);
  EXPECT_EQ(run["series"]["ratio.max"][1], 10);
  EXPECT_EQ(run["series"]["ratio.min"][1], 0.1);
  EXPECT_EQ(run["steps"].back(), 5 * kReportPoints - 2);
}

TEST_F(Report, SamplesFollowAProblemOverTime) {
  const fs::path run = Run("run", Lines(6));
  const std::string text = "h\u00e9\U0001F600!";
  for (const int64_t batch : {1, 3, 4, 6, 7}) {  // 7 is being written: it has no line in the metrics
    GzipLinesWriter writer(run / "rollouts" / fmt::format("batch-{:06d}.jsonl.gz", batch));
    writer.Add(Group(*tokenizer_, text, batch, 1, false));
    writer.Add(Group(*tokenizer_, text, 10 + batch, 2, batch == 1));
  }
  for (const int64_t step : {0, 6}) {
    GzipLinesWriter writer(run / "evaluations" / fmt::format("step-{:06d}.jsonl.gz", step));
    writer.Add(Group(*tokenizer_, text, 20 + step, 1, true));
    writer.Add(Group(*tokenizer_, text, 20, 3, false));
  }
  const Json samples = ReportData({run})["samples"];
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0]["columns"], Json({"batch 1", "batch 4", "batch 6"}));
  ASSERT_EQ(samples[0]["rows"].size(), 1u);
  const Json& cells = samples[0]["rows"][0]["cells"];
  ASSERT_EQ(cells.size(), 3u);
  for (const Json& cell : cells) EXPECT_EQ(cell["difficulty"], 2);  // that of the first one, which has a spread
  const Json& cell = cells[0];
  EXPECT_EQ(cell["of"], 3);
  ASSERT_EQ(cell["answers"].size(), 2u);  // the best one and the worst
  EXPECT_EQ(cell["answers"][0]["reward"], 1.1);
  EXPECT_EQ(cell["answers"][1]["reward"], 0.1);
  // Characters of several tokens are one piece, as probable as its tokens together.
  std::string joined;
  for (const Json& piece : cell["answers"][0]["pieces"]) joined += piece.get<std::string>();
  EXPECT_EQ(joined, text);
  const size_t tokens = cell["answers"][0]["tokens"].get<size_t>();
  ASSERT_EQ(tokens, text.size()) << "the test's tokenizer is one of bytes";
  EXPECT_EQ(cell["answers"][0]["pieces"], Json({"h", "\u00e9", "\U0001F600", "!"}));
  EXPECT_EQ(cell["answers"][0]["probabilities"], Json({1000, 167, 1, 125}));
  // Held out: the same problem.
  EXPECT_EQ(samples[1]["columns"], Json({"before training", "after batch 6"}));
  EXPECT_EQ(samples[1]["rows"][0]["cells"][0]["difficulty"], 1);
  EXPECT_EQ(samples[1]["rows"][0]["cells"][1]["difficulty"], 3);
}

TEST_F(Report, WithoutATokenizerTextsAreShownWhole) {
  const fs::path run = Run("run", Lines(1));
  WriteFileAtomic(run / "config.json", "{\"model\": \"nowhere\"}");
  GzipLinesWriter(run / "rollouts/batch-000001.jsonl.gz").Add(Group(*tokenizer_, "abc", 1, 1, true));
  const Json samples = ReportData({run})["samples"];
  EXPECT_EQ(samples[0]["rows"][0]["cells"][0]["answers"][0]["pieces"], Json::array({"abc"}));
  const Json given = ReportData({run}, tokenizer_.get())["samples"];
  EXPECT_EQ(given[0]["rows"][0]["cells"][0]["answers"][0]["pieces"], Json({"a", "b", "c"}));
}

TEST_F(Report, LongAnswersAreCut) {
  const fs::path run = Run("run", Lines(1));
  GzipLinesWriter(run / "rollouts/batch-000001.jsonl.gz").Add(Group(*tokenizer_, std::string(20'000, 'x'), 1, 1, true));
  WriteReport({run}, folder_ / "report.html");
  EXPECT_LT(fs::file_size(folder_ / "report.html"), 80'000u);
  const Json answer = DataOf(ReadFile(folder_ / "report.html"))["samples"][0]["rows"][0]["cells"][0]["answers"][0];
  EXPECT_EQ(answer["pieces"].size() + answer["left_out"].get<size_t>(), answer["tokens"].get<size_t>());
}

TEST_F(Report, NothingThatAModelWroteBecomesMarkup) {
  const fs::path nasty = Run("nasty", Lines(2));
  GzipLinesWriter(nasty / "rollouts/batch-000001.jsonl.gz").Add(Group(*tokenizer_, kNasty, 1, 1, true));
  WriteFileAtomic(nasty / "config.json", Json{{"model", (folder_ / "text").string()}, {"note", kNasty}}.dump());
  WriteReport({nasty}, folder_ / "nasty.html");
  const std::string html = ReadFile(folder_ / "nasty.html");
  EXPECT_EQ(Count(html, "</script>"), 2u);  // the data's and the script's
  EXPECT_EQ(Count(html, "<script"), 2u);
  EXPECT_THAT(html, Not(HasSubstr("<img")));
  EXPECT_THAT(html, Not(HasSubstr("<!--")));
  // It is there, as text.
  const Json data = DataOf(html);
  EXPECT_EQ(data["runs"][0]["config"]["note"], kNasty);
  EXPECT_TRUE(data["runs"][0]["tasks"].contains(kNasty));
  const Json& cell = data["samples"][0]["rows"][0]["cells"][0];
  EXPECT_EQ(cell["prompt"], kNasty);
  EXPECT_EQ(cell["answers"][0]["reason"], kNasty);
  // The script has no way to make markup of text, and the page none to load anything.
  for (const char* word : {"innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function(",
                           "src=", "fetch(", "import", "https:", "url("}) {
    EXPECT_THAT(html.substr(0, html.find("id=\"data\"")) + html.substr(html.find("'use strict'")),
                Not(HasSubstr(word)));
  }
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
}

TEST_F(Report, WhatIsBeingWrittenOrWasCutOffIsLeftOut) {
  const fs::path run = Run("run", Lines(3));
  std::ofstream(run / "metrics.jsonl", std::ios::app) << Line(4).dump().substr(0, 100);
  std::ofstream(run / "sessions.jsonl", std::ios::app) << "{\"time\": 3";
  WriteFileAtomic(run / "config.json", "{\"out\": ");
  GzipLinesWriter(run / "rollouts/batch-000001.jsonl.gz").Add(Group(*tokenizer_, "abc", 1, 1, true));
  const std::string whole = ReadFile(run / "rollouts/batch-000001.jsonl.gz");
  std::ofstream(run / "rollouts/batch-000001.jsonl.gz", std::ios::app) << whole.substr(0, whole.size() / 2);
  WriteFileAtomic(run / "rollouts/batch-000002.jsonl.gz", "no gzip");
  WriteFileAtomic(run / "rollouts/batch-x.jsonl.gz", "no batch");
  const Json data = ReportData({run});
  EXPECT_EQ(data["runs"][0]["batches"], 3);
  EXPECT_EQ(data["runs"][0]["sessions"].size(), 2u);
  EXPECT_EQ(data["runs"][0]["config"], nullptr);
  EXPECT_EQ(data["samples"][0]["rows"][0]["cells"].size(), 2u);
  EXPECT_EQ(data["samples"][0]["rows"][0]["cells"][1], nullptr);
}

TEST_F(Report, LinesOfOtherShapesAreTolerated) {
  const fs::path run = Run("run", {{{"step", 1}, {"reward", 7}, {"tasks", {1, 2}}, {"histograms", "none"}},
                                   {{"step", 2}, {"evaluation", {{"mean", 3}}}, {"stage", nullptr}},
                                   {{"step", "three"}},
                                   Json::array({1})});
  const Json data = ReportData({run});
  EXPECT_EQ(data["runs"][0]["batches"], 2);
}

TEST_F(Report, ARunThatHasOnlyBegun) {
  const fs::path run = Run("run", {});
  WriteReport({run}, folder_ / "report.html");
  const Json data = DataOf(ReadFile(folder_ / "report.html"));
  EXPECT_EQ(data["runs"][0]["batches"], 0);
  EXPECT_EQ(data["runs"][0]["steps"], Json::array());
  EXPECT_EQ(data["samples"], Json::array());
}

TEST_F(Report, SeveralRuns) {
  const fs::path a = Run("a", Lines(3)), b = Run("b", Lines(5)), other = Run("deep/a", {});
  for (const fs::path& run : {a, b}) {
    GzipLinesWriter(run / "rollouts/batch-000003.jsonl.gz").Add(Group(*tokenizer_, "abc", 1, 1, true));
  }
  const Json data = ReportData({a, b / "", other});
  ASSERT_EQ(data["runs"].size(), 3u);
  EXPECT_EQ(data["runs"][0]["name"], a.string());  // two have this name
  EXPECT_EQ(data["runs"][1]["name"], "b");
  EXPECT_EQ(data["runs"][1]["histograms"].size(), 1u);
  ASSERT_EQ(data["samples"].size(), 1u);
  EXPECT_EQ(data["samples"][0]["columns"], Json({a.string() + ", batch 3", "b, batch 3"}));
}

// The page after its script ran; empty if there is no Chromium. CHROMIUM names another than that of the path.
std::string DrawnPage(const fs::path& html, const fs::path& folder) {
  const char* named = std::getenv("CHROMIUM");
  const std::string browser = named != nullptr ? named : "chromium";
  if (std::system(fmt::format("command -v '{}' > /dev/null", browser).c_str()) != 0) return "";
  const fs::path out = folder / "drawn.html";
  const int status = std::system(
      fmt::format("timeout 60 '{}' --headless --no-sandbox --disable-gpu --user-data-dir='{}' "
                  "--virtual-time-budget=3000 --dump-dom 'file://{}' > '{}' 2> '{}'",
                  browser, (folder / "profile").string(), html.string(), out.string(), (folder / "messages").string())
          .c_str());
  EXPECT_EQ(status, 0) << ReadFile(folder / "messages");
  return ReadFile(out);
}

TEST_F(Report, SlowABrowserDrawsIt) {
  const fs::path run = Run("run", Lines(6)), other = Run("other", Lines(5)), empty = Run("empty", {});
  GzipLinesWriter(run / "rollouts/batch-000001.jsonl.gz").Add(Group(*tokenizer_, kNasty, 1, 1, true));
  GzipLinesWriter(run / "rollouts/batch-000005.jsonl.gz").Add(Group(*tokenizer_, "abc", 1, 1, true));
  const auto draw = [&](const std::vector<fs::path>& runs) {
    WriteReport(runs, folder_ / "page.html");
    return DrawnPage(folder_ / "page.html", folder_.path());
  };
  const std::string one = draw({run});
  if (one.empty()) GTEST_SKIP() << "no Chromium";
  const std::string drawn = one.substr(0, one.find("id=\"data\""));
  for (const char* text :
       {"<title>run \u2013 Fulgur</title>", ">exactly 1<", ">Held-out problems, mean of the tasks<",
        ">Perplexity of the answers<", ">Gradient norm before clipping<", ">Entropy (nats a token)<",
        ">Tokens of an answer<", ">Share clipped, by probability when sampled<",
        ">Ratio of the policy to the one that sampled<", ">window 640<", ">addition<", ">Rollouts over time<",
        ">batch 5<", "c0ffee", ">config.json<", "title=\"probability 0.5", "&lt;/script&gt;&lt;script&gt;alert(1)"}) {
    EXPECT_THAT(drawn, HasSubstr(text));
  }
  EXPECT_GT(Count(drawn, "<svg"), 15u);
  EXPECT_EQ(Count(one, "<script"), 2u);
  EXPECT_THAT(one, Not(HasSubstr("<img")));
  EXPECT_THAT(drawn, Not(HasSubstr("NaN")));
  const std::string two = draw({run, other, empty});
  for (const char* text :
       {">run \u00b7 other \u00b7 empty<", ">other<", ">Their configs do not differ<", ">Config and sessions<"}) {
    EXPECT_THAT(two, HasSubstr(text));
  }
  EXPECT_THAT(draw({empty}), AllOf(HasSubstr("No batch has ended yet."), HasSubstr(">Config and sessions<")));
}

TEST_F(Report, AllRolloutsStandInScriptsBesideThePage) {
  const fs::path run = Run("run", Lines(6));
  GzipLinesWriter(run / "rollouts/batch-000001.jsonl.gz").Add(Group(*tokenizer_, kNasty, 9007199254740993, 1, true));
  GzipLinesWriter(run / "evaluations/step-000004.jsonl.gz").Add(Group(*tokenizer_, "abc", 1, 1, true));
  WriteFileAtomic(run / kNotesFile, "Try again with more prompts.");
  WriteReport({run}, run / kReportFile);
  const Json data = DataOf(ReadFile(run / kReportFile));
  EXPECT_EQ(data["runs"][0]["notes"], "Try again with more prompts.");
  ASSERT_EQ(data["rollouts"].size(), 2u);
  EXPECT_EQ(data["rollouts"][0], (Json{{"name", "batch-000001"},
                                       {"title", "batch 1"},
                                       {"file", "report/batch-000001.js"},
                                       {"groups", 1},
                                       {"answers", 3}}));
  EXPECT_EQ(data["rollouts"][1]["title"], "evaluation after batch 4");
  const std::string script = ReadFile(run / "report/batch-000001.js");
  EXPECT_THAT(script, Not(HasSubstr("<")));
  const std::string begin = "rollouts(\"batch-000001\", ";
  ASSERT_EQ(script.substr(0, begin.size()), begin);
  const Json groups = Json::parse(script.substr(begin.size(), script.size() - begin.size() - 3));
  EXPECT_EQ(groups[0]["id"], "9007199254740993");  // whole, where a number would lose its last digit in the browser
  EXPECT_EQ(groups[0]["answers"].size(), 3u);
  std::string text;
  for (const Json& piece : groups[0]["answers"][0]["pieces"]) text += piece.get<std::string>();
  EXPECT_EQ(text, kNasty);
  // A file that has grown is read again, another one is not.
  const auto before = fs::last_write_time(run / "report/step-000004.js");
  GzipLinesWriter(run / "rollouts/batch-000001.jsonl.gz",
                  static_cast<int64_t>(fs::file_size(run / "rollouts/batch-000001.jsonl.gz")))
      .Add(Group(*tokenizer_, "abc", 2, 1, true));
  fs::last_write_time(run / "rollouts/batch-000001.jsonl.gz", fs::file_time_type::clock::now() + std::chrono::hours(1));
  WriteReport({run}, run / kReportFile);
  EXPECT_EQ(DataOf(ReadFile(run / kReportFile))["rollouts"][0]["groups"], 2);
  EXPECT_EQ(fs::last_write_time(run / "report/step-000004.js"), before);
}

TEST_F(Report, ScriptsOfRolloutsThatAreGoneAreRemoved) {
  const fs::path run = Run("run", Lines(6));
  for (const int batch : {1, 2}) {
    GzipLinesWriter(run / fmt::format("rollouts/batch-{:06d}.jsonl.gz", batch))
        .Add(Group(*tokenizer_, "abc", batch, 1, true));
  }
  WriteReport({run}, run / kReportFile);
  WriteFileAtomic(run / "report/mine.txt", "stays");
  fs::remove(run / "rollouts/batch-000001.jsonl.gz");
  WriteReport({run}, run / kReportFile);
  EXPECT_FALSE(fs::exists(run / "report/batch-000001.js"));
  EXPECT_FALSE(fs::exists(run / "report/batch-000001.json"));
  EXPECT_TRUE(fs::exists(run / "report/batch-000002.js"));
  EXPECT_TRUE(fs::exists(run / "report/mine.txt"));
  EXPECT_EQ(DataOf(ReadFile(run / kReportFile))["rollouts"].size(), 1u);
}

// The ratios that the run wrote for answers go with their pieces, and a piece of several tokens has their product.
TEST_F(Report, RatiosStandBesideTheTokens) {
  const fs::path run = Run("run", Lines(6));
  const std::string text = "ab\u00e9";  // the last character may be two tokens
  GzipLinesWriter(run / "rollouts/batch-000001.jsonl.gz").Add(Group(*tokenizer_, text, 1, 1, true));
  const size_t tokens = tokenizer_->Encode(text, Tokenizer::Special::kPlainText).size();
  Json ratios = Json::array({nullptr});
  for (size_t i = 1; i < tokens; ++i) ratios.push_back(0.25);
  GzipLinesWriter(run / "ratios/batch-000001.jsonl.gz")
      .Add({{"batch", 1}, {"index", 0}, {"log_ratios", {{"1", ratios}}}});
  WriteReport({run}, run / kReportFile);
  const std::string script = ReadFile(run / "report/batch-000001.js");
  const size_t begin = script.find('[');
  const Json answers = Json::parse(script.substr(begin, script.size() - begin - 3))[0]["answers"];
  EXPECT_FALSE(answers[0].contains("log_ratios"));
  const Json& shown = answers[1]["log_ratios"];
  ASSERT_EQ(shown.size(), answers[1]["pieces"].size());
  EXPECT_TRUE(shown[0].is_null());
  double sum = 0;
  for (const Json& ratio : shown) sum += ratio.is_number() ? ratio.get<double>() : 0;
  EXPECT_DOUBLE_EQ(sum, 0.25 * static_cast<double>(tokens - 1));
}

// A run of fulgur train has its own curves; both kinds have those of the router and of the memory.
TEST_F(Report, RunsOfTrainingToo) {
  std::vector<Json> lines;
  for (int64_t step = 1; step <= 4; ++step) {
    lines.push_back(
        {{"step", step},
         {"loss", 2.5},
         {"ce", 2.25},
         {"tokens", 100 * step},
         {"seconds", 0.5},
         {"memory", {{"resident", 1000 * step}, {"peak", 5000}}},
         {"router",
          {{"aux", 2.1},
           {"imbalance", 1.5},
           {"entropy", 1.2},
           {"dropped", 0.3},
           {"layers", {{"load", {{1.5, 0.5}, {1.0, 1.0}}}, {"entropy", {1.0, 1.4}}, {"dropped", {0.1, 0.5}}}}}}});
  }
  lines.back()["validation"] = {{"mean", {{"loss", 2.0}, {"accuracy", 0.5}}}};
  const Json run = ReportData({Run("run", lines)})["runs"][0];
  EXPECT_EQ(run["kind"], "training");
  EXPECT_EQ(run["seconds"], 2.0);
  EXPECT_EQ(run["axes"]["tokens"], (Json{0, 100.0, 200.0, 300.0, 400.0}));
  EXPECT_EQ(run["series"]["ce"], (Json{2.25, 2.25, 2.25, 2.25}));
  EXPECT_EQ(run["series"]["memory.resident"], (Json{1000.0, 2000.0, 3000.0, 4000.0}));
  EXPECT_EQ(run["series"]["router.imbalance"][0], 1.5);
  EXPECT_EQ(run["routers"]["entropy"], (Json{{1.0, 1.0, 1.0, 1.0}, {1.4, 1.4, 1.4, 1.4}}));
  ASSERT_EQ(run["routers"]["load"].size(), 3u);
  EXPECT_EQ(run["routers"]["load"][2]["step"], 4.0);
  EXPECT_EQ(run["routers"]["load"][2]["layers"][0][1], 0.5);
  EXPECT_EQ(run["validations"]["steps"], (Json{4.0}));
  EXPECT_EQ(run["validations"]["tasks"]["mean"]["accuracy"], (Json{0.5}));
  EXPECT_EQ(ReportData({Run("other", Lines(3))})["runs"][0]["kind"], "reinforcement learning");
}

TEST_F(Report, ErrorsSayWhatIsMissing) {
  const auto error_of = [&](const fs::path& run) -> std::string {
    try {
      WriteReport({run}, folder_ / "report.html");
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_of(folder_ / "nowhere"), HasSubstr("nowhere is no folder"));
  EXPECT_THAT(error_of(folder_ / "text"), HasSubstr("neither run.json nor metrics.jsonl"));
  EXPECT_FALSE(fs::exists(folder_ / "report.html"));
}

TEST_F(Report, TurnsOfAnEnvironmentAndAnswersWithoutVerdict) {
  TestFolder folder;
  WriteTinyModel(folder / "model");
  const TextFiles text = TextFiles::FromFolder(folder / "model");
  fs::create_directories(folder / "run");
  WriteFileAtomic(folder / "run/metrics.jsonl", Line(1).dump() + "\n");
  const std::vector<int32_t> first = text.tokenizer.Encode("add", Tokenizer::Special::kPlainText);
  const std::vector<int32_t> reply = text.tokenizer.Encode("5 €", Tokenizer::Special::kPlainText);
  const std::vector<int32_t> last = text.tokenizer.Encode("five", Tokenizer::Special::kPlainText);
  Json answer = {{"text", "five"},   {"finish", "stop"},     {"score", nullptr},
                 {"reason", "none"}, {"ids", Json::array()}, {"logprobs", Json::array()}};
  for (const auto* part : {&first, &reply, &last}) {
    for (const int32_t id : *part) {
      answer["ids"].push_back(id);
      answer["logprobs"].push_back(part == &reply ? Json() : Json(-0.5));
    }
  }
  const size_t a = first.size(), b = a + reply.size();
  answer["turns"] = {{{"begin", 0}, {"end", a}}, {{"begin", b}, {"end", b + last.size()}}};
  Json right = answer;
  right["score"] = 1;
  right["reward"]["total"] = 1;
  GzipLinesWriter(folder / "run/rollouts/batch-000001.jsonl.gz")
      .Add({{"task", "tool"}, {"prompt", "2 + 3"}, {"spread", true}, {"responses", {answer, right}}});
  const Json data = ReportData({folder / "run"}, &text.tokenizer);
  const Json& cell = data["samples"][0]["rows"][0]["cells"][0];
  EXPECT_EQ(cell["score"], 1);  // of those that were judged
  EXPECT_EQ(cell["of"], 2);
  const Json& unjudged = cell["answers"][1];
  EXPECT_TRUE(unjudged["score"].is_null());
  EXPECT_EQ(unjudged["turns"], 2);
  std::string said, written;
  for (size_t i = 0; i < unjudged["pieces"].size(); ++i) {
    const Json& list = unjudged["said"];
    const bool is_said = std::find(list.begin(), list.end(), i) != list.end();
    (is_said ? said : written) += unjudged["pieces"][i].get<std::string>();
    EXPECT_EQ(unjudged["probabilities"][i].is_null(), is_said);
  }
  EXPECT_EQ(said, "5 €");
  EXPECT_EQ(written, "addfive");
}

}  // namespace
}  // namespace fulgur
