#include "apps/chat_guide.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/error.h"
#include "model/model_folder.h"

namespace fulgur {
namespace {

constexpr int kExamplesPerTask = 3;
constexpr size_t kShown = 3;
constexpr size_t kMostNamed = 12;  // tasks
constexpr int64_t kSmallModel = 100'000'000;

// A few words without a number, a formula, a list or anything else that the problems of the tasks are made of.
bool IsNoProblem(std::string_view text) {
  constexpr std::string_view kPunctuation = " .,!?'\"-";
  constexpr int kMostWords = 12;
  int words = 0;
  bool in_word = false;
  for (const char c : text) {
    const bool letter = std::isalpha(static_cast<unsigned char>(c)) != 0 || (c & 0x80) != 0;
    if (!letter && kPunctuation.find(c) == std::string_view::npos) return false;
    words += c != ' ' && !in_word;
    in_word = c != ' ';
  }
  return words <= kMostWords;
}

}  // namespace

ChatGuide::ChatGuide(const std::filesystem::path& model, int64_t parameters)
    : name_(ModelName(model)), examples_(ExampleProblems(model, kExamplesPerTask)) {
  only_tasks_ = !examples_.empty() && parameters < kSmallModel;
  // The shortest first, which are the easiest to read, but one of each task before the next of any.
  const auto round = static_cast<std::ptrdiff_t>(examples_.size()) / kExamplesPerTask;
  for (int i = 0; i < kExamplesPerTask; ++i) {
    std::stable_sort(examples_.begin() + i * round, examples_.begin() + (i + 1) * round,
                     [](const auto& a, const auto& b) { return a.prompt.size() < b.prompt.size(); });
  }
}

std::string ChatGuide::Introduction() const {
  if (examples_.empty()) return name_;
  std::vector<std::string> tasks;
  for (const ExampleProblem& example : examples_) {
    if (std::find(tasks.begin(), tasks.end(), example.task) == tasks.end()) tasks.push_back(example.task);
  }
  std::sort(tasks.begin(), tasks.end());
  const size_t named = std::min(tasks.size(), kMostNamed);
  return fmt::format("{} was trained to solve problems of {}{}: {}{}.", name_,
                     tasks.size() == 1 ? "one kind" : fmt::format("{} kinds", tasks.size()),
                     only_tasks_ ? ", and can do nothing else" : "",
                     fmt::join(tasks.begin(), tasks.begin() + static_cast<std::ptrdiff_t>(named), ", "),
                     named < tasks.size() ? fmt::format(" and {} more", tasks.size() - named) : "");
}

std::string ChatGuide::Examples() const {
  std::string text;
  for (size_t i = 0; i < std::min(kShown, examples_.size()); ++i) {
    std::string prompt = examples_[(first_ + i) % examples_.size()].prompt;
    for (size_t at = 0; (at = prompt.find('\n', at)) != std::string::npos; at += 1 + kIndent) {
      prompt.insert(at + 1, kIndent, ' ');
    }
    text += fmt::format("{}/try {} {}", text.empty() ? "" : "\n", i + 1, prompt);
  }
  return text;
}

void ChatGuide::NextExamples() {
  if (!examples_.empty()) first_ = (first_ + kShown) % examples_.size();
}

const std::string& ChatGuide::Example(std::string_view number) const {
  const size_t shown = std::min(kShown, examples_.size());
  if (shown == 0) throw Error("there are no examples: this model's folder has no tasks.json");
  if (number.size() != 1 || number[0] < '1' || number[0] > static_cast<char>('0' + shown)) {
    throw Error("/try takes a number from 1 to {}, not \"{}\"", shown, number);
  }
  return examples_[(first_ + static_cast<size_t>(number[0] - '1')) % examples_.size()].prompt;
}

std::string ChatGuide::InPlaceOfModel(const std::string& question) {
  if (!only_tasks_ || !IsNoProblem(question)) return {};
  if (question == refused_) {
    only_tasks_ = false;
    return {};
  }
  refused_ = question;
  return fmt::format(
      "[Fulgur, not the model: {} solves problems of the kinds it was trained on and cannot talk. Type /try 1 for one, "
      "/try for others. To ask the model nevertheless, send the same again.]",
      name_);
}

}  // namespace fulgur
