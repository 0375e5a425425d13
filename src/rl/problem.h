// Problems to learn from by trial, and what an answer to one is worth.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/generation.h"
#include "envs/task.h"
#include "train/data.h"

namespace fulgur {

struct Problem {
  std::string source;  // name of the source that it is from
  std::string task;    // what its pass rate is counted under: the task's name, or the source's
  int difficulty = 0;  // 0: it has none
  uint64_t id = 0;     // with source and difficulty makes it again: the instance's seed, or the record's number
  std::string prompt;  // what the user says
  std::function<Score(std::string_view answer)> judge;  // the text after the thinking; never throws
};

// A problem of a task; the instance must be the task's.
Problem MakeTaskProblem(const Task& task, const TaskInstance& instance, const std::string& source);

// Judges an answer (the text after the thinking) by a gold answer. Whatever the text: never throws.
using AnswerChecker = std::function<Score(const std::string& gold, std::string_view answer)>;
// By name; Error that lists the names for another one:
//   exact   the last \boxed{} and the gold answer are the same text once spaces, letter case, and LaTeX's spelling of
//           plain characters are put aside, or the same whole number
//   math    the two are the same value or expression (math/verify.h)
AnswerChecker GetAnswerChecker(const std::string& name);

// Problems of a JSON-lines file of {"prompt", "answer"}, both strings.
class ProblemFile {
 public:
  // Throws Error that names the file, and the line without the keys.
  ProblemFile(const std::filesystem::path& path, std::string source, const std::string& checker);
  size_t size() const { return lines_.size(); }
  Problem Get(size_t i) const;
  std::string Prompt(size_t i) const;

 private:
  JsonLines lines_;
  std::string source_;
  AnswerChecker checker_;
};

// What a response is worth: the sum of the parts.
struct RewardConfig {
  double correct = 1;   // times the score of the answer, 0 to 1
  double format = 0.1;  // if the response has the form that IsWellFormed demands
  // Soft penalty of long responses (DAPO, Yu et al. 2025, section 3.4): of the window's last `buffer` tokens, each
  // costs overlong / buffer, so that a response as long as the window loses all of `overlong`. 0 tokens: no penalty.
  int64_t overlong_buffer = 0;
  double overlong = 1;
};

struct Reward {
  double score = 0;  // of the answer, 0 to 1
  bool format = false;
  double correct_part = 0, format_part = 0, overlong_part = 0;
  double total() const { return correct_part + format_part + overlong_part; }
  std::string reason;  // why the score is not 1
};

// <think>, some thinking, </think>, then an answer with exactly one \boxed{}, ended by the model itself. The tags once
// each, nothing but white space before them. starts_in_thinking: the prompt has already opened it.
bool IsWellFormed(std::string_view text, FinishReason finish, bool starts_in_thinking);

// text: the response without its stop token; tokens: how many it has; window: most tokens that a response may have.
Reward ScoreResponse(const RewardConfig& config, const Problem& problem, std::string_view text, FinishReason finish,
                     bool starts_in_thinking, int64_t tokens, int64_t window);

}  // namespace fulgur
