#include "envs/answer.h"

#include <array>
#include <cstdlib>

#include "base/ascii.h"

namespace fulgur {
namespace {

struct Spelling {
  std::string_view from, to;
};

// Commands are whole words: \time is not \times.
constexpr Spelling kCommands[] = {
    {"times", "*"},  {"cdot", "*"},   {"ast", "*"},    {"div", "/"},    {"left", ""},    {"right", ""},
    {"lt", "<"},     {"gt", ">"},     {"langle", "<"}, {"rangle", ">"}, {"lbrace", "{"}, {"rbrace", "}"},
    {"lbrack", "["}, {"rbrack", "]"}, {"bmod", "%"},   {"quad", " "},   {"qquad", " "},  {"displaystyle", ""}};
// Their argument's braces are dropped.
constexpr std::string_view kWrappers[] = {"text", "textbf", "textit", "texttt", "mathrm", "mathbf", "mathtt"};
constexpr Spelling kSymbols[] = {{"\xc3\x97", "*"},
                                 {"\xc2\xb7", "*"},
                                 {"\xe2\x8b\x85", "*"},
                                 {"\xe2\x88\x97", "*"},
                                 {"\xc3\xb7", "/"},
                                 {"\xe2\x88\x92", "-"},
                                 {"\xe2\x80\x93", "-"},
                                 {"\xc2\xa0", " "},
                                 {"$", " "},
                                 {"\\,", " "},
                                 {"\\;", " "},
                                 {"\\!", ""},
                                 {"\\ ", " "},
                                 {"\\:", " "},
                                 {"\\{", "{"},
                                 {"\\}", "}"},
                                 {"\\%", "%"},
                                 {"{,}", ","},
                                 {"~", " "}};

}  // namespace

std::string PlainAnswer(std::string_view text) {
  std::string plain;
  std::vector<bool> open;  // for every brace that is open: whether it belongs to a wrapper
  for (size_t i = 0; i < text.size();) {
    bool done = false;
    for (const Spelling& symbol : kSymbols) {
      if (text.substr(i, symbol.from.size()) == symbol.from) {
        plain += symbol.to;
        i += symbol.from.size();
        done = true;
        break;
      }
    }
    if (done) continue;
    if (text[i] == '\\') {
      size_t end = i + 1;
      while (end < text.size() && IsLetter(text[end])) ++end;
      const std::string_view word = text.substr(i + 1, end - i - 1);
      for (const Spelling& command : kCommands) {
        if (word == command.from) {
          plain += command.to;
          i = end;
          done = true;
          break;
        }
      }
      for (const std::string_view wrapper : kWrappers) {
        if (word == wrapper && text.substr(end, 1) == "{") {
          open.push_back(true);
          i = end + 1;
          done = true;
          break;
        }
      }
      if (done) continue;
    } else if (text[i] == '{') {
      open.push_back(false);
    } else if (text[i] == '}' && !open.empty()) {
      const bool wrapper = open.back();
      open.pop_back();
      if (wrapper) {
        ++i;
        continue;
      }
    }
    plain += text[i++];
  }
  return std::string(Trim(plain));
}

bool ParseInteger(std::string_view text, int64_t* value) {
  text = Trim(text);
  bool negative = false;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    negative = text.front() == '-';
    text = Trim(text.substr(1));
  }
  std::string digits;
  const bool grouped = text.find(',') != std::string_view::npos;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool comma_here = grouped && (text.size() - i) % 4 == 0;
    if (comma_here ? text[i] != ',' || i == 0 : !IsDigit(text[i])) return false;
    if (!comma_here) digits += text[i];
    if (digits.size() > 18) return false;
  }
  if (digits.empty() || (digits.size() > 1 && digits[0] == '0')) return false;
  int64_t magnitude = 0;
  for (const char c : digits) magnitude = magnitude * 10 + (c - '0');
  *value = negative ? -magnitude : magnitude;
  return !negative || magnitude != 0;
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> pieces(1);
  for (const char c : text) {
    if (!IsSpace(c) && c != ',' && c != ';') {
      pieces.back() += c;
    } else if (!pieces.back().empty()) {
      pieces.emplace_back();
    }
  }
  if (pieces.back().empty()) pieces.pop_back();
  return pieces;
}

std::string ToLower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

Score JudgeInteger(int64_t expected, std::string_view answer) {
  int64_t value = 0;
  if (!ParseInteger(answer, &value)) return {0, fmt::format("{} is not a whole number", Quoted(answer))};
  if (value != expected) return {0, fmt::format("{} is wrong", value)};
  return {1, ""};
}

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text.substr(0, 40)) {
    quoted += static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f ? '?' : c;
  }
  return quoted + (text.size() > 40 ? "...\"" : "\"");
}

std::string BoxedAnswer(std::string_view answer) { return fmt::format("The answer is \\boxed{{{}}}.", answer); }

std::string ColumnSum(int64_t a, int64_t b) {
  std::string lines, have;
  int64_t carry = 0;
  do {
    const int64_t x = a % 10, y = b % 10, sum = x + y + carry;
    have.insert(0, std::to_string(sum % 10));
    lines += fmt::format("{}+{}+{}: {}+{}+{}={} have {}\n", a, b, carry, x, y, carry, sum, have);
    a /= 10, b /= 10, carry = sum / 10;
  } while (a != 0 || b != 0 || carry != 0);
  return lines;
}

std::string ColumnDifference(int64_t a, int64_t b) {
  std::string lines, have;
  int64_t borrow = 0;
  do {
    const int64_t x = a % 10, y = b % 10, difference = x - y - borrow;
    const int64_t digit = difference < 0 ? difference + 10 : difference;
    have.insert(0, std::to_string(digit));
    lines += fmt::format("{}-{}-{}: {}-{}-{}={}{} have {}\n", a, b, borrow, x, y, borrow, difference,
                         difference < 0 ? fmt::format("+10={}", digit) : "", have);
    a /= 10, b /= 10, borrow = difference < 0 ? 1 : 0;
  } while (a != 0 || b != 0);
  return lines;
}

}  // namespace fulgur
