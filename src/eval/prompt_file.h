// Prompts of benchmarks, which are others' texts: one file each, with where it is from and under which licence.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace fulgur {

// A file of lines "origin: ..." and "licence: ...", then parts between lines "---": each begins with "system: " or
// "user: " and is that role's text, in which {name} stands for a field.
class PromptFile {
 public:
  // Error that names `where` for a file of another form.
  PromptFile(std::string_view text, const std::string& where);
  static PromptFile FromFile(const std::filesystem::path& path);
  // Of configs/eval/prompts, as they were when Fulgur was built.
  static PromptFile BuiltIn(const std::string& name);

  const std::string& text() const { return text_; }  // all of it: what decides a run
  // The messages with fields filled in. A {name} that is no field stays as it is.
  Json Messages(const std::map<std::string, std::string>& fields) const;

 private:
  std::string text_;
  std::vector<std::pair<std::string, std::string>> parts_;  // role, text
};

// Name and text of each file of configs/eval/prompts, by name.
const std::map<std::string, std::string_view>& BuiltInPrompts();

}  // namespace fulgur
