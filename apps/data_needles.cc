// fulgur data needles: long conversations in which one answer has to be found again.
#include "apps/data_needles.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "apps/commands.h"
#include "apps/option_checks.h"
#include "apps/sampling_options.h"
#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "eval/needles.h"

namespace fulgur {
namespace {

struct Options {
  std::vector<int64_t> lengths{2000, 8000, 32000}, needles{2};
  int64_t count = 20, questions = 1;
  std::string kind = "conversations", form = "benchmark";
  uint64_t seed = 1;
  std::string out;
};

// A line for each question, or one with all of them as a chat to train on.
std::vector<Json> FactRecords(const Options& options, int64_t length, int64_t needles, int64_t i) {
  const FactText task =
      MakeFactText(length, static_cast<int>(needles), static_cast<int>(std::min(options.questions, needles)),
                   Mix(options.seed, static_cast<uint64_t>(i)));
  std::vector<Json> records;
  Json chat = Json::array();
  for (size_t q = 0; q < task.questions.size(); ++q) {
    const auto& [question, answer] = task.questions[q];
    const bool whole = options.form == "benchmark" || q == 0;
    const Json asked = {{"role", "user"}, {"content", whole ? task.text + "\n\n" + question : question}};
    records.push_back({{"id", fmt::format("{}-{}-{}-{}", length, needles, i + 1, q + 1)},
                       {"prompt", {asked}},
                       {"answer", answer},
                       {"length", length}});
    chat.push_back(asked);
    chat.push_back({{"role", "assistant"}, {"content", answer}});
  }
  if (options.form == "chats") return {Json{{"messages", chat}}};
  return records;
}

Json Conversation(const Options& options, int64_t length, int64_t needles, int64_t i) {
  Json task = MakeNeedleTask(length, static_cast<int>(needles), Mix(options.seed, static_cast<uint64_t>(i)));
  task["id"] = fmt::format("{}-{}-{}", length, needles, i + 1);
  return task;
}

void Run(const Options& options) {
  const bool facts = options.kind == "facts";
  if (!facts && (options.questions != 1 || options.form != "benchmark")) {
    throw Error("--questions and --form are for --kind facts");
  }
  std::string lines;
  int64_t records = 0;
  for (const int64_t length : options.lengths) {
    for (const int64_t needles : options.needles) {
      if (!facts && needles > 8) throw Error("--needles must be from 1 to 8 in conversations");
      for (int64_t i = 0; i < options.count; ++i) {
        const std::vector<Json> made = facts ? FactRecords(options, length, needles, i)
                                             : std::vector<Json>{Conversation(options, length, needles, i)};
        for (const Json& record : made) lines += JsonLine(record);
        records += static_cast<int64_t>(made.size());
      }
    }
  }
  WriteFileAtomic(options.out, lines);
  Print(fmt::format("{} records in {}\n", records, options.out));
}

}  // namespace

void AddDataNeedles(CLI::App& data) {
  auto options = std::make_shared<Options>();
  CLI::App* app = data.add_subcommand(
      "needles", "Make texts of any length in which something has to be found again; docs/evaluation.md");
  app->add_option("--kind", options->kind,
                  "conversations: one answer of many is asked for again, as in MRCR (eval --benchmark mrcr). facts: a "
                  "sentence of a text is asked for (eval --benchmark needles)")
      ->capture_default_str()
      ->check(CLI::IsMember({"conversations", "facts"}));
  app->add_option("--lengths", options->lengths, "Their lengths in characters")
      ->delimiter(',')
      ->capture_default_str()
      ->check(WholeNumber(1, 100000000));
  app->add_option("--count", options->count, "Texts of each length and number of needles")
      ->capture_default_str()
      ->check(WholeNumber(1, 1000000));
  app->add_option("--needles", options->needles, "How often the request comes; how many facts a text has")
      ->delimiter(',')
      ->capture_default_str()
      ->check(WholeNumber(1, kMostFacts));
  app->add_option("--questions", options->questions, "Of facts: questions on each text, at most one for each")
      ->capture_default_str()
      ->check(WholeNumber(1, kMostFacts));
  app->add_option("--form", options->form, "Of facts: for eval, or chats with their answers, for train")
      ->capture_default_str()
      ->check(CLI::IsMember({"benchmark", "chats"}));
  app->add_option("--seed", options->seed, "Which conversations")->capture_default_str()->check(Seed());
  app->add_option("--out", options->out, "File of JSON lines")->required();
  SetAction(*app, [options] { Run(*options); });
}

}  // namespace fulgur
