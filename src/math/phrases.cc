#include "math/phrases.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "base/ascii.h"
#include "math/words.h"

namespace fulgur {

std::optional<std::string> ModulusPhrase(std::string_view lower) {
  const bool bracket = lower.front() == '(' && lower.back() == ')';
  if (bracket) lower = Trim(lower.substr(1, lower.size() - 2));
  for (const std::string_view word : {"modulo ", "mod "}) {
    if (lower.substr(0, word.size()) != word) continue;
    const std::string_view rest = Trim(lower.substr(word.size()));
    if (!rest.empty() && std::all_of(rest.begin(), rest.end(), IsDigit)) return std::string(rest);
  }
  return std::nullopt;
}

std::optional<std::string> RoundedPhrase(std::string_view lower) {
  const bool bracket = lower.front() == '(' && lower.back() == ')';
  if (bracket) lower = Trim(lower.substr(1, lower.size() - 2));
  bool said = false;
  for (const std::string_view word : {"or ", "that is, ", "i.e., ", "i.e. ", "about ", "approximately ", "approx. ",
                                      "approx ", "roughly ", "around "}) {
    if (lower.substr(0, word.size()) != word) continue;
    said = said || (word[0] != 'o' && word[0] != 't' && word[0] != 'i');
    lower = Trim(lower.substr(word.size()));
  }
  if (!said || lower.empty() || !(IsDigit(lower[0]) || lower[0] == '-' || lower[0] == '.')) return std::nullopt;
  const bool number =
      std::all_of(lower.begin(), lower.end(), [](char c) { return IsDigit(c) || c == '.' || c == '-' || c == ','; });
  return number ? std::optional<std::string>(lower) : std::nullopt;
}

std::optional<std::string> ConditionText(std::string_view text, bool lead) {
  static const std::set<std::string_view> kLeads = {"where", "for", "with", "given"};
  static const std::set<std::string_view> kFillers = {"where", "for",  "with",  "given",     "all",     "any", "every",
                                                      "each",  "some", "a",     "an",        "the",     "is",  "are",
                                                      "that",  "and",  "being", "arbitrary", "denotes", "of",  "be"};
  static const std::map<std::string_view, std::string_view> kSets = {{"integer", "Z"},
                                                                     {"integers", "Z"},
                                                                     {"integral", "Z"},
                                                                     {"natural", "N"},
                                                                     {"natural number", "N"},
                                                                     {"natural numbers", "N"},
                                                                     {"naturals", "N"},
                                                                     {"positive integer", "Z^+"},
                                                                     {"positive integers", "Z^+"},
                                                                     {"non-negative integer", "N"},
                                                                     {"nonnegative integer", "N"},
                                                                     {"non-negative integers", "N"},
                                                                     {"nonnegative integers", "N"},
                                                                     {"real", "R"},
                                                                     {"real number", "R"},
                                                                     {"real numbers", "R"},
                                                                     {"reals", "R"},
                                                                     {"constant", "R"},
                                                                     {"real constant", "R"},
                                                                     {"integer values", "Z"},
                                                                     {"integer constant", "Z"},
                                                                     {"constant of integration", "R"},
                                                                     {"constant integration", "R"},
                                                                     {"integration constant", "R"},
                                                                     {"whole number", "Z"},
                                                                     {"whole numbers", "Z"}};
  for (const char c : text) {
    if (!IsLetter(c) && c != ' ' && c != '-' && c != ',' && c != '.' && c != '(' && c != ')') return std::nullopt;
  }
  const std::vector<std::string> words = SplitWords(text);
  if (words.empty() || (lead && kLeads.count(words[0]) == 0)) return std::nullopt;
  std::string rest;
  for (const std::string& word : words) {
    if (kFillers.count(word) == 0) rest += (rest.empty() ? "" : " ") + word;
  }
  if (rest.empty()) return lead ? std::optional<std::string>("") : std::nullopt;
  const auto set = kSets.find(rest);
  return set == kSets.end() ? std::nullopt : std::optional<std::string>(set->second);
}

}  // namespace fulgur
