// The answers that a report shows: samples beside each other, and all rollouts of a run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"

namespace fulgur {

class Tokenizer;

// The tokenizer of a run: from its model/, or where its config's "model" says; null if there is none.
std::unique_ptr<Tokenizer> FindTokenizer(const std::filesystem::path& run, const Json& config);

// A response of a rollout file as a page shows it: {"reward", "score", "format", "finish", "reason", "advantage",
// "tokens", "pieces": texts, "probabilities": of each in thousandths, null where nothing was sampled, ...}, at most
// `most` tokens of it. ratios: the logarithms of its tokens' ratios to the policy that sampled them, which become
// "log_ratios" of the pieces; null: not known.
Json ReportedAnswer(const Json& answer, const Tokenizer* tokenizer, size_t most, const Json& ratios = nullptr);

struct SampleColumn {
  std::string title;
  std::filesystem::path path;  // of a file of rollouts
  const Tokenizer* tokenizer = nullptr;
};

// Rows of a task each. same_problem: every column shows the problem of the first one; otherwise a problem of the task,
// of the same difficulty and with a spread of rewards if there is one.
Json SampleTable(const std::string& title, const std::vector<SampleColumn>& columns, bool same_problem);

// Makes scripts of all rollouts of a run, one a file of rollouts, in the folder `scripts`; those that are there and not
// older than their file stay, those whose file is gone are removed. Returns what the page has to know of them:
// [{"name", "title", "file", "groups", "answers"}], `file` relative to `base`.
Json WriteRolloutScripts(const std::filesystem::path& run, const std::filesystem::path& scripts,
                         const std::filesystem::path& base, const Tokenizer* tokenizer);

}  // namespace fulgur
