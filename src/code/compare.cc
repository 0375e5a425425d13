#include "code/compare.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/ascii.h"
#include "base/error.h"

namespace fulgur {
namespace {

constexpr double kTolerance = 1e-6;

bool IsBlank(char c) { return IsSpace(c) || c == '\v' || c == '\f'; }

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t i = 0; i < text.size();) {
    while (i < text.size() && IsBlank(text[i])) ++i;
    const size_t begin = i;
    while (i < text.size() && !IsBlank(text[i])) ++i;
    if (i > begin) words.push_back(text.substr(begin, i - begin));
  }
  return words;
}

// Lines without white space at their ends; empty ones at the end of the text do not count.
std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(Trim(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

// A decimal number: sign, digits with at most one point, exponent. No hexadecimal, no nan, no inf.
std::optional<double> Decimal(std::string_view word) {
  if (word.size() > 400) return std::nullopt;
  std::string_view rest = word;
  if (!rest.empty() && (rest[0] == '+' || rest[0] == '-')) rest.remove_prefix(1);
  if (rest.empty() || !(IsDigit(rest[0]) || (rest[0] == '.' && rest.size() > 1 && IsDigit(rest[1]))))
    return std::nullopt;
  if (word[0] == '+') word.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

bool IsFractional(std::string_view word) {
  return word.find_first_of(".eE") != std::string_view::npos && Decimal(word).has_value();
}

bool Near(double expected, double actual) {
  return std::abs(expected - actual) <= kTolerance * std::max(1.0, std::abs(expected));
}

std::string Lower(std::string_view word) {
  std::string lower(word);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

bool SameWord(std::string_view expected, std::string_view actual) {
  if (expected == actual) return true;
  if (IsFractional(expected)) {
    const auto value = Decimal(actual);
    return value && Near(*Decimal(expected), *value);
  }
  if (expected.size() > 3 || expected.size() != actual.size()) return false;
  const std::string lower = Lower(expected);
  return (lower == "yes" || lower == "no") && lower == Lower(actual);
}

std::string CompareWords(std::string_view expected, std::string_view actual) {
  const auto wanted = Words(expected), given = Words(actual);
  for (size_t i = 0; i < std::min(wanted.size(), given.size()); ++i) {
    if (!SameWord(wanted[i], given[i])) return fmt::format("word {} of the output is wrong", i + 1);
  }
  if (wanted.size() == given.size()) return "";
  return fmt::format("the output has {} words instead of {}", given.size(), wanted.size());
}

std::string CompareLines(std::string_view expected, std::string_view actual) {
  const auto wanted = Lines(expected), given = Lines(actual);
  for (size_t i = 0; i < std::min(wanted.size(), given.size()); ++i) {
    if (wanted[i] != given[i] && !CompareWords(wanted[i], given[i]).empty()) {
      return fmt::format("line {} of the output is wrong", i + 1);
    }
  }
  if (wanted.size() == given.size()) return "";
  return fmt::format("the output has {} lines instead of {}", given.size(), wanted.size());
}

// Words of lines, so that white space does not matter, in order.
std::vector<std::string> Members(std::string_view text, bool lines) {
  std::vector<std::string> members;
  if (!lines) {
    for (const std::string_view word : Words(text)) members.emplace_back(word);
  } else {
    for (const std::string_view line : Lines(text)) {
      std::string member;
      for (const std::string_view word : Words(line)) member += (member.empty() ? "" : " ") + std::string(word);
      members.push_back(std::move(member));
    }
  }
  std::sort(members.begin(), members.end());
  return members;
}

std::string CompareSets(std::string_view expected, std::string_view actual) {
  const bool lines = Lines(expected).size() > 1;
  return Members(expected, lines) == Members(actual, lines) ? "" : "the output does not have the expected members";
}

// --- JSON, with the digits of numbers kept

struct Value {
  enum class Kind { kNull, kBool, kNumber, kText, kList, kSet, kObject } kind = Kind::kNull;
  bool truth = false;
  std::string text;  // of a text, or a number as it is written
  std::vector<Value> items;
  std::vector<std::pair<std::string, Value>> members;
};

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::optional<Value> Whole() {
    Value value;
    if (!Read(&value, 0)) return std::nullopt;
    Space();
    if (at_ != text_.size()) return std::nullopt;
    return value;
  }

 private:
  void Space() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }
  bool Next(char c) {
    Space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool Literal(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  bool ReadText(std::string* out) {
    const size_t begin = at_;
    if (!Next('"')) return false;
    for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    if (at_ >= text_.size()) return false;
    ++at_;
    try {
      *out = ParseJson(text_.substr(begin, at_ - begin), "a text").get<std::string>();
    } catch (const std::exception&) {
      return false;
    }
    return true;
  }

  bool ReadNumber(std::string* out) {
    const size_t begin = at_;
    while (at_ < text_.size() &&
           (IsDigit(text_[at_]) || std::string_view("+-.eE").find(text_[at_]) != std::string_view::npos))
      ++at_;
    *out = text_.substr(begin, at_ - begin);
    return IsWhole(*out) || Decimal(*out).has_value();
  }

  bool ReadList(char end, std::vector<Value>* items, int depth) {
    if (Next(end)) return true;
    do {
      items->emplace_back();
      if (!Read(&items->back(), depth + 1)) return false;
    } while (Next(','));
    return Next(end);
  }

  bool ReadObject(Value* value, int depth) {
    if (Next('}')) return true;
    do {
      Space();
      value->members.emplace_back();
      auto& [key, member] = value->members.back();
      if (!ReadText(&key) || !Next(':') || !Read(&member, depth + 1)) return false;
    } while (Next(','));
    return Next('}');
  }

  bool Read(Value* value, int depth) {
    Space();
    if (depth > 500 || at_ >= text_.size()) return false;
    const char c = text_[at_];
    if (c == '"') {
      value->kind = Value::Kind::kText;
      return ReadText(&value->text);
    }
    if (c == '[') {
      ++at_;
      value->kind = Value::Kind::kList;
      return ReadList(']', &value->items, depth);
    }
    if (c == '{') {
      ++at_;
      value->kind = Value::Kind::kObject;
      if (!ReadObject(value, depth)) return false;
      // How the drivers write a set.
      if (value->members.size() == 1 && value->members[0].first == "__set__" &&
          value->members[0].second.kind == Value::Kind::kList) {
        std::vector<Value> items = std::move(value->members[0].second.items);
        *value = {};
        value->kind = Value::Kind::kSet;
        value->items = std::move(items);
      }
      return true;
    }
    if (Literal("null")) return true;
    if (Literal("true") || Literal("false")) {
      value->kind = Value::Kind::kBool;
      value->truth = c == 't';
      return true;
    }
    value->kind = Value::Kind::kNumber;
    return ReadNumber(&value->text);
  }

 public:
  static bool IsWhole(std::string_view number) {
    if (!number.empty() && number[0] == '-') number.remove_prefix(1);
    return !number.empty() && std::all_of(number.begin(), number.end(), IsDigit);
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

// A whole number without leading zeros; -0 is 0.
std::string Normal(std::string_view number) {
  const bool negative = !number.empty() && number[0] == '-';
  if (negative) number.remove_prefix(1);
  while (number.size() > 1 && number[0] == '0') number.remove_prefix(1);
  return (negative && number != "0" ? "-" : "") + std::string(number);
}

bool SameNumber(const std::string& expected, const std::string& actual) {
  const bool wanted = Reader::IsWhole(expected), given = Reader::IsWhole(actual);
  if (wanted && given) return Normal(expected) == Normal(actual);
  const auto e = Decimal(expected), a = Decimal(actual);
  if (!e || !a) return false;
  if (!wanted) return Near(*e, *a);
  return *e == *a && std::abs(*e) <= 9007199254740992.0;  // 5.0 for 5
}

const std::string* AsNumber(const Value& value) {
  static const std::string zero = "0", one = "1";
  if (value.kind == Value::Kind::kNumber) return &value.text;
  if (value.kind == Value::Kind::kBool) return value.truth ? &one : &zero;
  return nullptr;
}

bool Same(const Value& expected, const Value& actual);

bool SameAnyOrder(const std::vector<Value>& expected, const std::vector<Value>& actual) {
  if (expected.size() != actual.size()) return false;
  std::vector<bool> used(actual.size());
  for (const Value& wanted : expected) {
    bool found = false;
    for (size_t i = 0; i < actual.size() && !found; ++i) {
      if (used[i] || !Same(wanted, actual[i])) continue;
      used[i] = found = true;
    }
    if (!found) return false;
  }
  return true;
}

bool Same(const Value& expected, const Value& actual) {
  using Kind = Value::Kind;
  if (const std::string* e = AsNumber(expected), *a = AsNumber(actual); e != nullptr && a != nullptr)
    return SameNumber(*e, *a);
  const bool set = expected.kind == Kind::kSet || actual.kind == Kind::kSet;
  const bool lists = (expected.kind == Kind::kList || expected.kind == Kind::kSet) &&
                     (actual.kind == Kind::kList || actual.kind == Kind::kSet);
  if (lists && set) return SameAnyOrder(expected.items, actual.items);
  if (expected.kind != actual.kind) return false;
  if (expected.kind == Kind::kText) return expected.text == actual.text;
  if (expected.kind == Kind::kList) {
    if (expected.items.size() != actual.items.size()) return false;
    for (size_t i = 0; i < expected.items.size(); ++i) {
      if (!Same(expected.items[i], actual.items[i])) return false;
    }
    return true;
  }
  if (expected.kind == Kind::kObject) {
    if (expected.members.size() != actual.members.size()) return false;
    for (const auto& [key, wanted] : expected.members) {
      const auto found =
          std::find_if(actual.members.begin(), actual.members.end(), [&](const auto& m) { return m.first == key; });
      if (found == actual.members.end() || !Same(wanted, found->second)) return false;
    }
  }
  return true;  // null
}

}  // namespace

std::string CompareOutput(CodeProblem::Compare how, std::string_view expected, std::string_view actual) {
  switch (how) {
    case CodeProblem::Compare::kTokens:
      return CompareWords(expected, actual);
    case CodeProblem::Compare::kLines:
      return CompareLines(expected, actual);
    case CodeProblem::Compare::kSet:
      return CompareSets(expected, actual);
  }
  return "";
}

std::string CompareJson(std::string_view expected, std::string_view actual, bool alternatives) {
  const auto wanted = Reader(expected).Whole(), given = Reader(actual).Whole();
  if (!wanted) throw Error("an expected result cannot be read: {}", expected.substr(0, 100));
  if (!given) return "the result is no JSON value";
  if (Same(*wanted, *given)) return "";
  if (alternatives && wanted->kind == Value::Kind::kList && wanted->items.size() == 1 && Same(wanted->items[0], *given))
    return "";
  return "the result is wrong";
}

}  // namespace fulgur
