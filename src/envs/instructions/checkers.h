// The checkers by kind. Each gets a text that is not blank.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace fulgur::instructions {

// The kwargs of an instruction, with errors that name it.
class Kwargs {
 public:
  Kwargs(const std::string& id, const Json& kwargs) : id_(id), kwargs_(kwargs) {}
  bool Has(const char* key) const;
  std::string Text(const char* key) const;
  int64_t Integer(const char* key) const;
  double Number(const char* key) const;
  std::vector<std::string> Texts(const char* key) const;
  // "less than" or "at least" a number.
  bool Compare(int64_t count, const char* relation, const char* number) const;

 private:
  const std::string& id_;
  const Json& kwargs_;
};

using Checker = bool (*)(const Kwargs& kwargs, std::string_view response);
using Checkers = std::map<std::string, Checker>;

void AddIfEval(Checkers* checkers);          // ifeval.cc: IFEval's 25
void AddIfBenchCounts(Checkers* checkers);   // ifbench_counts.cc: count:*, ratio:*
void AddIfBenchWords(Checkers* checkers);    // ifbench_words.cc: words:*, sentence:*
void AddIfBenchFormats(Checkers* checkers);  // ifbench_formats.cc: format:*, repeat:*
void AddIfBenchCustom(Checkers* checkers);   // ifbench_custom.cc: custom:*

}  // namespace fulgur::instructions
