#include "math/final_answer.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <set>
#include <utility>

#include "base/ascii.h"

namespace fulgur {
namespace {

constexpr size_t kMaxShort = 400;   // bytes of a text that may be an answer as a whole
constexpr int kMaxJoined = 16;      // boxes or formulas that make one answer
constexpr size_t kMaxBetween = 24;  // bytes between two of them

// Without the asterisks and back quotes of Markdown around it.
std::string_view TrimMarkdown(std::string_view text) {
  text = Trim(text);
  const auto mark = [](char c) { return c == '*' || c == '`' || c == '_' || c == '#'; };
  while (!text.empty() && (mark(text.front()) || IsSpace(text.front()))) text.remove_prefix(1);
  while (!text.empty() && (mark(text.back()) || IsSpace(text.back()))) text.remove_suffix(1);
  return text;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return lower;
}

// What stands between two formulas that are one answer: nothing, or one separator. False if it is anything else.
bool IsJoin(std::string_view between, std::string* separator) {
  if (between.size() > kMaxBetween) return false;
  std::string words;
  for (size_t i = 0; i < between.size(); ++i) {
    const char c = between[i];
    if (IsLetter(c)) {
      words += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    } else if (c == '\\') {
      if (between.substr(i, 6) == "\\text{") {
        i += 5;
      } else if (between.substr(i, 6) == "\\qquad") {
        i += 5;
      } else if (between.substr(i, 5) == "\\quad") {
        i += 4;
      } else {
        ++i;  // a space or a bracket of a formula
      }
    } else if (c == ',' || c == ';') {
      words += ',';
    } else if (!IsSpace(c) && c != '$' && c != '}' && c != '*') {
      return false;
    }
  }
  if (words == "and" || words == ",and" || words == "&") *separator = " and ";
  if (words == "or" || words == ",or") *separator = " or ";
  if (words.empty() || words == ",") *separator = ", ";
  return words.empty() || words == "," || words == "and" || words == ",and" || words == "or" || words == ",or";
}

struct Span {
  size_t begin, end;                  // with what is around the content
  size_t content_begin, content_end;  // the content
};

// The box whose command starts at `at`; nullopt if it does not end.
std::optional<Span> BoxAt(std::string_view text, size_t at) {
  size_t open = at + (text.substr(at, 6) == "\\boxed" ? 6 : 5);
  while (open < text.size() && IsSpace(text[open])) ++open;
  if (open >= text.size()) return std::nullopt;
  if (text[open] != '{') {  // \boxed 5
    size_t end = open;
    while (end < text.size() && (IsDigit(text[end]) || IsLetter(text[end]))) ++end;
    if (end == open) return std::nullopt;
    return Span{at, end, open, end};
  }
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && !IsLetter(text[i + 1])) {
      ++i;
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}' && --depth == 0) {
      return Span{at, i + 1, open + 1, i};
    }
  }
  return std::nullopt;
}

size_t LastBox(std::string_view text, size_t before) {
  if (before == 0) return std::string_view::npos;
  const size_t boxed = text.rfind("\\boxed", before - 1), framed = text.rfind("\\fbox", before - 1);
  if (boxed == std::string_view::npos) return framed;
  if (framed == std::string_view::npos) return boxed;
  return std::max(boxed, framed);
}

std::string Content(std::string_view text, const Span& span) {
  return std::string(Trim(text.substr(span.content_begin, span.content_end - span.content_begin)));
}

// The last box with those directly before it. False if there is no box; a reason if it is no answer.
bool Boxed(std::string_view text, std::string* answer, std::string* reason) {
  size_t at = LastBox(text, text.size());
  if (at == std::string_view::npos) return false;
  const auto last = BoxAt(text, at);
  if (!last) {
    *reason = "the last \\boxed{} does not end";
    return true;
  }
  *answer = Content(text, *last);
  if (answer->empty()) *reason = "the last \\boxed{} is empty";
  std::string previous = *answer;
  size_t begin = last->begin;
  for (int k = 1; k < kMaxJoined && !answer->empty(); ++k) {
    at = LastBox(text, begin);
    if (at == std::string_view::npos) break;
    const auto box = BoxAt(text.substr(0, begin), at);
    std::string separator;
    if (!box || !IsJoin(text.substr(box->end, begin - box->end), &separator)) break;
    const std::string content = Content(text, *box);
    if (content != previous) *answer = content + separator + *answer;
    previous = content;
    begin = box->begin;
  }
  return true;
}

// Formulas between dollar signs and \( \) \[ \].
std::vector<Span> Formulas(std::string_view text) {
  std::vector<Span> spans;
  std::set<std::string_view> missing;  // closing signs that do not come any more
  for (size_t i = 0; i < text.size(); ++i) {
    std::string_view open, close;
    if (text[i] == '\\' && i + 1 < text.size()) {
      if (text[i + 1] == '(') open = "\\(", close = "\\)";
      if (text[i + 1] == '[') open = "\\[", close = "\\]";
      if (text[i + 1] == '\\') ++i;
      if (open.empty()) {
        if (i + 1 < text.size() && text[i + 1] == '$') ++i;
        continue;
      }
    } else if (text[i] == '$') {
      open = close = text.substr(i, 2) == "$$" ? "$$" : "$";
    } else {
      continue;
    }
    if (missing.count(close) > 0) continue;
    const size_t begin = i + open.size();
    size_t end = text.find(close, begin);
    while (end != std::string_view::npos && end > begin && text[end - 1] == '\\' && close[0] == '$')
      end = text.find(close, end + 1);
    if (end == std::string_view::npos) {
      missing.insert(close);
      continue;
    }
    const size_t after = end + close.size();
    if (!Trim(text.substr(begin, end - begin)).empty()) spans.push_back({i, after, begin, end});
    i = after - 1;
  }
  return spans;
}

// The formulas from `first` on that make one answer; sets `last` to the end of them.
std::string Joined(std::string_view text, const std::vector<Span>& spans, size_t first, size_t* last) {
  std::string answer = Content(text, spans[first]);
  size_t k = first;
  for (; k + 1 < spans.size() && k + 1 < first + kMaxJoined; ++k) {
    std::string separator;
    if (!IsJoin(text.substr(spans[k].end, spans[k + 1].begin - spans[k].end), &separator)) break;
    if (separator == ", " && spans[k + 1].begin - spans[k].end <= 1 && text.substr(spans[k].end, 1) != ",") break;
    answer += separator + Content(text, spans[k + 1]);
  }
  *last = spans[k].end;
  std::string_view rest = Trim(text.substr(*last, 12));
  if (rest.substr(0, 1) == "%" || rest.substr(0, 2) == "\\%" || rest.substr(0, 7) == "percent") answer += "\\%";
  return answer;
}

// The formulas at the end that make one answer.
std::string LastJoined(std::string_view text, const std::vector<Span>& spans, size_t* begin, size_t* end) {
  size_t first = spans.size() - 1;
  std::string separator;
  while (first > 0 && spans.size() - first < kMaxJoined &&
         IsJoin(text.substr(spans[first - 1].end, spans[first].begin - spans[first - 1].end), &separator)) {
    --first;
  }
  *begin = spans[first].begin;
  return Joined(text, spans, first, end);
}

// Where the sentence that starts at `begin` ends: at a full stop before a space, a line's end, or the end.
size_t SentenceEnd(std::string_view text, size_t begin) {
  for (size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '\n') return i;
    if ((text[i] == '.' || text[i] == '!' || text[i] == '?') && (i + 1 == text.size() || IsSpace(text[i + 1]))) {
      if (text[i] == '!' && i > 0 && (IsDigit(text[i - 1]) || text[i - 1] == ')')) continue;  // a factorial
      return text[i] == '?' ? i + 1 : i;
    }
  }
  return text.size();
}
size_t SentenceBegin(std::string_view text, size_t at) {
  for (size_t i = at; i > 0; --i) {
    if (text[i - 1] == '\n') return i;
    if (i >= 2 && IsSpace(text[i - 1]) && (text[i - 2] == '.' || text[i - 2] == '?' || text[i - 2] == '!')) return i;
  }
  return 0;
}

// Numbers and plain sums, products and equations of them, as in "so 2 + 3 = 5 apples".
std::vector<std::string> PlainNumbers(std::string_view text) {
  std::vector<std::string> runs;
  const auto part = [](char c) {
    return IsDigit(c) || c == '.' || c == ',' || c == '/' || c == '+' || c == '-' || c == '*' || c == '=' || c == '^' ||
           c == '(' || c == ')' || c == '%' || c == '!';
  };
  for (size_t i = 0; i < text.size() && runs.size() < 8;) {
    const bool starts = IsDigit(text[i]) || (text[i] == '-' && i + 1 < text.size() && IsDigit(text[i + 1])) ||
                        (text[i] == '.' && i + 1 < text.size() && IsDigit(text[i + 1])) || text[i] == '(';
    if (!starts || (i > 0 && (IsLetter(text[i - 1]) || IsDigit(text[i - 1])))) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < text.size() &&
           (part(text[end]) || (text[end] == ' ' && end + 1 < text.size() && part(text[end + 1])))) {
      ++end;
    }
    size_t last = end;
    while (last > i &&
           (text[last - 1] == '.' || text[last - 1] == ',' || text[last - 1] == ' ' || text[last - 1] == '=' ||
            text[last - 1] == '(' || text[last - 1] == '-' || text[last - 1] == '+')) {
      --last;
    }
    const bool word =
        end < text.size() && IsLetter(text[end]) && last == end && end + 1 < text.size() && IsDigit(text[end + 1]);
    if (last > i && !word &&
        std::any_of(text.begin() + static_cast<ptrdiff_t>(i), text.begin() + static_cast<ptrdiff_t>(last), IsDigit)) {
      runs.emplace_back(text.substr(i, last - i));
    }
    i = std::max(end, i + 1);
  }
  return runs;
}

// The number in a sentence of words that has just one, or that it ends in after an equals sign.
void OnlyNumber(std::string_view sentence, std::vector<std::string>* answers) {
  if (IsDoubtful(sentence) || sentence.find_first_of("\\[]{}|<>_") != std::string_view::npos) return;
  std::vector<std::string> numbers = PlainNumbers(sentence);
  const size_t equals = sentence.rfind('=');
  if (numbers.size() > 1 && equals != std::string_view::npos) {
    const std::string_view end = Trim(sentence.substr(equals + 1));
    numbers = PlainNumbers(end);
    if (numbers.size() == 1 && numbers[0] != end) return;
  }
  if (numbers.size() == 1) answers->push_back(numbers[0]);
}

// What may be the answer in a sentence that ends in it.
void FromSentence(std::string_view sentence, std::vector<std::string>* answers) {
  const std::string_view bare = TrimMarkdown(sentence);
  if (bare.empty()) return;
  answers->emplace_back(bare);
  const std::vector<Span> spans = Formulas(bare);
  if (!spans.empty()) {
    size_t begin = 0, end = 0;
    std::string joined = LastJoined(bare, spans, &begin, &end);
    if (!IsDoubtful(std::string(bare.substr(0, begin)) + " " + std::string(bare.substr(end))))
      answers->push_back(std::move(joined));
    return;
  }
  OnlyNumber(bare, answers);
}

// After "the answer is", "Answer:", "####".
bool Announced(std::string_view text, std::vector<std::string>* answers) {
  const std::string lower = Lower(text);
  size_t tail = std::string::npos;
  size_t at = lower.size();
  for (int tries = 0; tries < 8 && at > 0; ++tries) {
    at = lower.rfind("answer", at - 1);
    if (at == std::string::npos) break;
    // "is", "are", ":" or "=" soon after, in the same line
    const std::string_view near = std::string_view(lower).substr(at + 6, 100);
    size_t best = std::string::npos;
    for (const std::string_view sign : {" is ", " is:", " is\n", " are ", " are:", ":", " = ", " is $", "** is"}) {
      const size_t found = near.find(sign);
      if (found == std::string_view::npos) continue;
      size_t end = found + sign.size();
      if (sign.back() == '$' || sign.back() == '\n') --end;
      if (near.substr(0, found).find('\n') != std::string_view::npos) continue;
      if (near.substr(0, found).find(". ") != std::string_view::npos) continue;
      if (best == std::string::npos || end < best) best = end;
    }
    if (best != std::string::npos) {
      tail = at + 6 + best;
      break;
    }
  }
  const size_t hashes = lower.rfind("####");
  if (hashes != std::string::npos && (tail == std::string::npos || hashes > tail)) tail = hashes + 4;
  if (tail == std::string::npos) return false;
  while (tail < text.size() && (IsSpace(text[tail]) || text[tail] == '*' || text[tail] == ':' || text[tail] == '_'))
    ++tail;
  std::string_view rest = text.substr(tail);
  // A formula right there may have full stops and line ends in it.
  const std::string_view start = rest.substr(0, 2);
  if (start == "\\[" || start == "\\(" || (!start.empty() && start[0] == '$')) {
    const std::vector<Span> spans = Formulas(rest.substr(0, 4 * 4096));
    if (!spans.empty() && spans[0].begin == 0) {
      size_t end = 0;
      std::string joined = Joined(rest, spans, 0, &end);
      const std::string_view after = rest.substr(end, SentenceEnd(rest, end) - end);
      // The unit behind the formula belongs to it; a doubt takes it back.
      if (IsDoubtful(after)) {
        answers->emplace_back(Trim(rest.substr(0, SentenceEnd(rest, end))));
      } else {
        answers->push_back(std::move(joined));
      }
      return true;
    }
  }
  FromSentence(rest.substr(0, SentenceEnd(rest, 0)), answers);
  return true;
}

void Unannounced(std::string_view text, std::vector<std::string>* answers) {
  const std::string_view bare = TrimMarkdown(text);
  if (bare.size() <= kMaxShort) answers->emplace_back(bare);
  const std::vector<Span> spans = Formulas(text);
  if (!spans.empty()) {
    size_t begin = 0, end = 0;
    std::string joined = LastJoined(text, spans, &begin, &end);
    const size_t from = SentenceBegin(text, begin);
    const std::string around = std::string(text.substr(from, begin - from)) + " " +
                               std::string(text.substr(end, SentenceEnd(text, end) - end));
    if (!IsDoubtful(around)) answers->push_back(std::move(joined));
    return;
  }
  // The last sentence with a digit in it.
  const size_t digit = text.find_last_of("0123456789");
  if (digit == std::string_view::npos) return;
  const size_t begin = SentenceBegin(text, digit);
  const std::string_view sentence = text.substr(begin, SentenceEnd(text, digit) - begin);
  OnlyNumber(sentence, answers);
}

}  // namespace

bool IsDoubtful(std::string_view sentence) {
  static const std::set<std::string_view> kWords = {
      "not",     "isn't",    "never", "neither", "nor",    "wrong", "incorrect", "or",    "either", "maybe",
      "perhaps", "possibly", "could", "might",   "cannot", "can't", "unless",    "don't", "if",     "guess"};
  if (sentence.find('?') != std::string_view::npos) return true;
  const std::string lower = Lower(sentence);
  for (size_t i = 0; i < lower.size();) {
    size_t end = i;
    while (end < lower.size() && (IsLetter(lower[end]) || lower[end] == '\'')) ++end;
    if (end > i && kWords.count(std::string_view(lower).substr(i, end - i)) > 0) return true;
    i = end + 1;
  }
  return false;
}

std::vector<std::string> FinalAnswers(std::string_view response, std::string* reason) {
  std::vector<std::string> answers;
  const size_t thought = response.rfind("</think>");
  if (thought != std::string_view::npos) {
    response = response.substr(thought + 8);
  } else if (Trim(response).substr(0, 7) == "<think>") {
    *reason = "the thinking does not end";
    return answers;
  }
  if (Trim(response).empty()) {
    *reason = "the response is empty";
    return answers;
  }
  std::string boxed;
  if (Boxed(response, &boxed, reason)) {
    if (reason->empty()) answers.push_back(std::move(boxed));
    return answers;
  }
  if (!Announced(response, &answers)) Unannounced(response, &answers);
  if (answers.empty()) *reason = "no \\boxed{} and no other final answer";
  return answers;
}

std::vector<std::string> GoldAnswers(std::string_view gold) {
  std::vector<std::string> answers;
  std::string boxed, reason;
  if (Boxed(gold, &boxed, &reason)) {
    if (reason.empty()) answers.push_back(std::move(boxed));
    return answers;
  }
  const std::string_view bare = TrimMarkdown(gold);
  if (bare.empty()) return answers;
  answers.emplace_back(bare);
  if (!Announced(gold, &answers)) Unannounced(gold, &answers);
  return answers;
}

}  // namespace fulgur
