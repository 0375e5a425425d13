#include "eval/problem_file.h"

#include <utility>

#include "base/error.h"

namespace fulgur {
namespace {

// Where the prompt stands in the record. Error if it has none.
const Json& PromptOf(const Json& record, const std::string& where) {
  for (const char* key : {"prompt", "messages"}) {
    if (record.contains(key)) return record[key];
  }
  throw Error("{}: there is no \"prompt\"", where);
}

Json MessagesOf(const Json& prompt, const std::string& where) {
  if (prompt.is_string()) return Json::array({{{"role", "user"}, {"content", prompt}}});
  if (!prompt.is_array() || prompt.empty()) {
    throw Error("{}: the prompt must be a string or a list of messages, not {}", where, prompt.dump());
  }
  for (size_t i = 0; i < prompt.size(); ++i) {
    if (!prompt[i].is_object() || !prompt[i].contains("role") || !prompt[i]["role"].is_string() ||
        !prompt[i].contains("content")) {
      throw Error("{}: message {} of the prompt must be an object with \"role\" and \"content\"", where, i + 1);
    }
  }
  if (prompt.back()["role"] == "assistant") {
    throw Error("{}: the prompt ends with what the assistant says, so there is nothing to answer", where);
  }
  return prompt;
}

// The text of the last message of a user, for people to read.
std::string PromptText(const Json& messages) {
  for (auto m = messages.rbegin(); m != messages.rend(); ++m) {
    if ((*m)["role"] != "user") continue;
    const Json& content = (*m)["content"];
    if (content.is_string()) return content.get<std::string>();
    std::string text;
    for (const Json& part : content) {
      if (part.is_object() && part.contains("text") && part["text"].is_string())
        text += part["text"].get<std::string>();
    }
    return text;
  }
  return messages.back()["content"].dump();
}

std::string GoldText(const Json& answer, const std::string& where) {
  if (answer.is_string()) return answer.get<std::string>();
  if (answer.is_number()) return answer.dump();
  throw Error("{}: \"answer\" must be a string, a number, or a list of them, not {}", where, answer.dump());
}

}  // namespace

std::vector<std::string> GoldAnswers(const Json& record, const std::string& where) {
  if (!record.is_object() || !record.contains("answer")) throw Error("{}: there is no \"answer\"", where);
  const Json& answer = record["answer"];
  if (!answer.is_array()) return {GoldText(answer, where)};
  std::vector<std::string> golds;
  for (const Json& one : answer) golds.push_back(GoldText(one, where));
  if (golds.empty()) throw Error("{}: \"answer\" is an empty list", where);
  return golds;
}

ProblemFile::ProblemFile(const std::filesystem::path& path, std::string source, bool answers)
    : lines_(path, ""), source_(std::move(source)) {
  for (size_t i = 0; i < lines_.size(); ++i) {
    const Json line = lines_.Get(i);
    const std::string where = lines_.Where(i);
    MessagesOf(PromptOf(line, where), where);
    if (answers) GoldAnswers(line, where);
  }
}

Problem ProblemFile::Get(size_t i) const {
  Problem problem;
  problem.record = lines_.Get(i);
  problem.source = problem.task = source_;
  problem.id = i;
  problem.messages = MessagesOf(PromptOf(problem.record, lines_.Where(i)), lines_.Where(i));
  problem.prompt = PromptText(problem.messages);
  return problem;
}

}  // namespace fulgur
