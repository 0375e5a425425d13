// fulgur data: files of problems looked through and made fit for training.
#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apps/commands.h"
#include "apps/data_needles.h"
#include "apps/option_checks.h"
#include "apps/sampling_options.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "eval/curate.h"

namespace fulgur {
namespace {

constexpr size_t kExamples = 2;  // shown of each reason

struct Options {
  std::string file, out, left_out;
  std::vector<std::string> against;
  CurateOptions curate;
  bool json = false;
};

std::string OneLine(const Json& record) {
  std::string text;
  for (const char* key : {"prompt", "problem", "question", "messages"}) {
    if (!record.contains(key)) continue;
    text = record[key].is_string() ? record[key].get<std::string>() : record[key].dump();
    break;
  }
  for (char& c : text) c = c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
  if (text.size() <= 90) return text;
  size_t end = 87;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // not within a character
  return text.substr(0, end) + "...";
}

void PrintCounts(const CuratedProblems& curated, const Options& options) {
  Print(fmt::format("{} problems, {} kept in {}, {} left out in {}\n", curated.problems, curated.kept.size(),
                    options.out, curated.left_out.size(), options.left_out));
  if (curated.opened > 0)
    Print(fmt::format("{} of those kept were multiple choice and are open now\n", curated.opened));
  for (const auto& [reason, count] : curated.Counts()) {
    Print(fmt::format("\n{:>8}  {}\n", count, reason));
    size_t shown = 0;
    for (const LeftOutProblem& problem : curated.left_out) {
      if (problem.reason != reason || shown++ >= kExamples) continue;
      const std::string line = problem.where.substr(problem.where.rfind("line "));
      Print(fmt::format("          {}: {}{}\n", line, OneLine(problem.record),
                        problem.detail.empty() ? "" : " (" + problem.detail + ")"));
    }
  }
}

void Run(Options options) {
  const std::filesystem::path out = options.out;
  if (options.left_out.empty())
    options.left_out = (out.parent_path() / (out.stem().string() + ".left-out.jsonl")).string();
  for (const std::string& path : {options.out, options.left_out}) {
    std::error_code ignored;
    if (std::filesystem::equivalent(path, options.file, ignored)) throw Error("{} would be overwritten", options.file);
  }
  if (std::filesystem::path(options.left_out) == out) throw Error("--out and --left-out are the same file");
  for (const std::string& path : options.against) options.curate.against.emplace_back(path);
  const CuratedProblems curated = CurateProblems(options.file, options.curate);
  std::string kept, left_out;
  for (const Json& record : curated.kept) kept += JsonLine(record);
  for (const LeftOutProblem& problem : curated.left_out) {
    Json line = {{"where", problem.where}, {"reason", problem.reason}};
    if (!problem.detail.empty()) line["detail"] = problem.detail;
    line["record"] = problem.record;
    left_out += JsonLine(line);
  }
  WriteFileAtomic(options.left_out, left_out);
  WriteFileAtomic(out, kept);
  if (!options.json) return PrintCounts(curated, options);
  Print(JsonLine({{"problems", curated.problems},
                  {"kept", curated.kept.size()},
                  {"opened", curated.opened},
                  {"left_out", curated.left_out.size()},
                  {"reasons", curated.Counts()},
                  {"out", options.out},
                  {"left_out_file", options.left_out}}));
}

}  // namespace

void AddData(CLI::App& parent) {
  CLI::App* data = parent.add_subcommand("data", "Look through files of problems, make long conversations");
  data->require_subcommand(1);
  AddDataNeedles(*data);
  auto options = std::make_shared<Options>();
  CLI::App* app = data->add_subcommand(
      "curate", "Leave out of a file of problems what reinforcement learning should not have; docs/rl.md says what");
  app->add_option("file", options->file, "JSON lines of {\"prompt\", \"answer\"}")->required();
  app->add_option("--out", options->out, "Where the problems that are kept go")->required();
  app->add_option("--left-out", options->left_out,
                  "Where the others go, each with the reason (default: OUT's name with .left-out.jsonl)");
  app->add_option("--against", options->against,
                  "Files of training or test data (JSON lines) to keep apart from: problems that share a run of words "
                  "with a text of these are left out");
  app->add_option("--words", options->curate.words, "Words of such a run")
      ->capture_default_str()
      ->check(WholeNumber(1, 1000));
  app->add_option("--similarity", options->curate.similarity,
                  "Part of their runs of three words that near duplicates have in common")
      ->capture_default_str()
      ->check(Number(0.1, 1));
  app->add_flag("--json", options->json, "Print the counts as one JSON object");
  SetAction(*app, [options] { Run(*options); });
}

}  // namespace fulgur
