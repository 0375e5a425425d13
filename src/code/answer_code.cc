#include "code/answer_code.h"

#include <algorithm>
#include <optional>

#include "base/ascii.h"
#include "base/error.h"

namespace fulgur {
namespace {

struct Fence {
  char mark = 0;
  size_t length = 0;
  std::string_view info;
};

// A line that opens or closes a block: at most three spaces, at least three marks.
std::optional<Fence> FenceOf(std::string_view line) {
  size_t at = 0;
  while (at < line.size() && line[at] == ' ') ++at;
  if (at > 3 || at >= line.size() || (line[at] != '`' && line[at] != '~')) return std::nullopt;
  Fence fence;
  fence.mark = line[at];
  while (at < line.size() && line[at] == fence.mark) {
    ++at;
    ++fence.length;
  }
  if (fence.length < 3) return std::nullopt;
  fence.info = Trim(line.substr(at));
  if (fence.mark == '`' && fence.info.find('`') != std::string_view::npos) return std::nullopt;
  return fence;
}

}  // namespace

Language GuessLanguage(const CodeProblem& problem, std::string_view code) {
  if (problem.language == Language::kLua) return Language::kLua;
  return code.find("#include") != std::string_view::npos ? Language::kCpp : Language::kPython3;
}

AnswerCode CodeOf(const CodeProblem& problem, std::string_view response) {
  AnswerCode answer;
  std::optional<Fence> open;
  size_t block = 0;
  bool fences = false, found = false;
  std::string other;
  for (size_t begin = 0; begin < response.size();) {
    const size_t end = std::min(response.find('\n', begin), response.size());
    std::string_view line = response.substr(begin, end - begin);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const auto fence = FenceOf(line);
    if (fence && !open) {
      open = fence;
      fences = true;
      block = std::min(end + 1, response.size());
    } else if (fence && fence->mark == open->mark && fence->length >= open->length && fence->info.empty()) {
      const std::string_view info = open->info.substr(0, open->info.find_first_of(" \t{,:"));
      const std::string_view code = response.substr(block, begin - block);
      const auto language =
          info.empty() ? std::optional(GuessLanguage(problem, code)) : LanguageFromName(std::string(info));
      if (language) {
        answer.program = {*language, std::string(code), {}};
        found = true;
      } else {
        other = info;
      }
      open.reset();
    }
    begin = end + 1;
  }
  if (found) {
    if (Trim(answer.program.code).empty()) answer.problem = "the block of code is empty";
    return answer;
  }
  if (!fences && problem.forgeable && !Trim(response).empty()) {
    answer.program = {Language::kPython3, std::string(response), {}};
  } else if (open) {
    answer.problem = "the block of code is not closed";
  } else if (!other.empty()) {
    answer.problem = fmt::format("the language \"{}\" is not judged; python3, cpp and lua are", other);
  } else {
    answer.problem = "there is no block of code";
  }
  return answer;
}

}  // namespace fulgur
