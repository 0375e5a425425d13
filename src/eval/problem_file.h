// Files of problems with their answers.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/records.h"
#include "envs/problem.h"

namespace fulgur {

// Problems of a JSON-lines file of {"prompt", "answer"}. The prompt is a text, which the user says, or a list of
// messages that ends with what the model is to answer; "messages" may stand for it. The answer is a text, a number, or
// a list of them of which any is right.
class ProblemFile {
 public:
  // Throws Error that names the file, the line, and what is wrong with it. answers: whether each line needs one.
  ProblemFile(const std::filesystem::path& path, std::string source, bool answers = true);
  size_t size() const { return lines_.size(); }
  Problem Get(size_t i) const;  // its record is the line

 private:
  Records lines_;
  std::string source_;
};

// The right answers of such a line. Throws Error that names `where` if there are none.
std::vector<std::string> GoldAnswers(const Json& record, const std::string& where);

}  // namespace fulgur
