#include "envs/instructions/instructions.h"

#include <cmath>

#include "base/error.h"
#include "envs/instructions/checkers.h"
#include "text/python_text.h"

namespace fulgur {

namespace instructions {

bool Kwargs::Has(const char* key) const {
  return kwargs_.is_object() && kwargs_.contains(key) && !kwargs_[key].is_null();
}

std::string Kwargs::Text(const char* key) const {
  if (!Has(key) || !kwargs_[key].is_string()) throw Error("instruction {}: \"{}\" must be a text", id_, key);
  return kwargs_[key].get<std::string>();
}

double Kwargs::Number(const char* key) const {
  if (!Has(key) || !kwargs_[key].is_number()) throw Error("instruction {}: \"{}\" must be a number", id_, key);
  return kwargs_[key].get<double>();
}

int64_t Kwargs::Integer(const char* key) const {
  const double value = Number(key);  // the sets have some as 3.0
  if (value != std::floor(value) || std::abs(value) > 1e15) {
    throw Error("instruction {}: \"{}\" is {}; it must be a whole number", id_, key, value);
  }
  return static_cast<int64_t>(value);
}

std::vector<std::string> Kwargs::Texts(const char* key) const {
  if (!Has(key) || !kwargs_[key].is_array()) throw Error("instruction {}: \"{}\" must be a list", id_, key);
  std::vector<std::string> texts;
  for (const Json& text : kwargs_[key]) {
    if (!text.is_string()) throw Error("instruction {}: \"{}\" has an entry that is no text", id_, key);
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

bool Kwargs::Compare(int64_t count, const char* relation, const char* number) const {
  const std::string how = Text(relation);
  if (how == "less than") return count < Integer(number);
  if (how == "at least") return count >= Integer(number);
  throw Error("instruction {}: \"{}\" is \"{}\"; it must be \"less than\" or \"at least\"", id_, relation, how);
}

namespace {

const Checkers& AllCheckers() {
  static const Checkers checkers = [] {
    Checkers all;
    AddIfEval(&all);
    AddIfBenchCounts(&all);
    AddIfBenchWords(&all);
    AddIfBenchFormats(&all);
    AddIfBenchCustom(&all);
    return all;
  }();
  return checkers;
}

}  // namespace

}  // namespace instructions

std::vector<std::string> InstructionIds() {
  std::vector<std::string> ids;
  for (const auto& [id, checker] : instructions::AllCheckers()) ids.push_back(id);
  return ids;
}

bool FollowsStrict(const Instruction& instruction, std::string_view response) {
  const auto checker = instructions::AllCheckers().find(instruction.id);
  if (checker == instructions::AllCheckers().end()) throw Error("there is no instruction \"{}\"", instruction.id);
  if (python::Strip(response).empty()) return false;
  return checker->second(instructions::Kwargs(instruction.id, instruction.kwargs), response);
}

bool FollowsLoose(const Instruction& instruction, std::string_view response) {
  const size_t first = response.find('\n'), last = response.rfind('\n');
  const auto without_first = [](std::string_view text) {
    const size_t end = text.find('\n');
    return end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  };
  const std::string_view rest = python::Strip(without_first(response));
  const std::string_view begin =
      python::Strip(last == std::string_view::npos ? std::string_view() : response.substr(0, last));
  const std::string_view middle =
      python::Strip(first == last ? std::string_view() : response.substr(first + 1, last - first - 1));
  for (const std::string_view form : {response, rest, begin, middle}) {
    if (FollowsStrict(instruction, form)) return true;
    if (form.find('*') != std::string_view::npos && FollowsStrict(instruction, python::Replace(form, "*", ""))) {
      return true;
    }
  }
  return false;
}

}  // namespace fulgur
