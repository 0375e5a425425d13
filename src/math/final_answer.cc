#include "math/final_answer.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <set>
#include <utility>

#include "base/ascii.h"
#include "math/words.h"
#include "text/output_format.h"

namespace fulgur {
namespace {

constexpr size_t kMaxShort = 400;   // bytes of a text that may be an answer as a whole
constexpr int kMaxJoined = 16;      // boxes or formulas that make one answer
constexpr size_t kMaxBetween = 24;  // bytes between two of them
constexpr size_t kMaxAround = 60;   // and where they are boxes of one sentence

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
  size_t open = at + (text.substr(at, 6) == "\\boxed" ? 6 : text.substr(at, 9) == "\\framebox" ? 9 : 5);
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
  size_t last = std::string_view::npos;
  for (const std::string_view command : {"\\boxed", "\\fbox", "\\framebox"}) {
    const size_t found = text.rfind(command, before - 1);
    if (found != std::string_view::npos && (last == std::string_view::npos || found > last)) last = found;
  }
  return last;
}

std::string Content(std::string_view text, const Span& span) {
  return std::string(Trim(text.substr(span.content_begin, span.content_end - span.content_begin)));
}

// Whether two boxes with this between them leave open which is meant: "6 / 5", "6 vs. 5", "6, or else 5".
bool IsDilemma(std::string_view between) {
  if (between.size() > kMaxBetween) return false;
  std::string rest;
  for (size_t i = 0; i < between.size(); ++i) {
    if (between[i] == '\\' && i + 1 < between.size() && !IsLetter(between[i + 1]))
      ++i;  // \( \) and spaces
    else if (!IsSpace(between[i]) && between[i] != '$' && between[i] != '*')
      rest += between[i];
  }
  if (rest == "/" || rest == "|" || rest == "||") return true;
  for (const std::string& word : SplitWords(between)) {
    if (word == "vs" || word == "versus" || word == "else" || word == "alternatively" || word == "or" ||
        word == "maybe" || word == "perhaps")
      return true;
  }
  return false;
}

// Whether what stands right before or behind the box makes it another value: "is not \boxed{5}", "-\boxed{5}",
// "\boxed{5} million".
bool IsDenied(std::string_view text, const Span& box) {
  size_t end = box.begin;
  if (end > 0 && text[end - 1] == '-' && (end == 1 || text[end - 2] != '-')) return true;
  while (end > 0 && (IsSpace(text[end - 1]) || text[end - 1] == '$' || text[end - 1] == '*' || text[end - 1] == '(' ||
                     text[end - 1] == '[' || text[end - 1] == '\\'))
    --end;
  size_t begin = end;
  while (begin > 0 && (IsLetter(text[begin - 1]) || text[begin - 1] == '\'')) --begin;
  static const std::set<std::string> kDenials = {"not",    "isn't",  "never",    "except", "cannot",
                                                 "wasn't", "aren't", "negative", "minus"};
  if (kDenials.count(Lower(text.substr(begin, end - begin))) > 0) return true;
  std::string_view behind = text.substr(box.end, 40);
  if (behind.substr(0, 1) == "^") return true;
  while (!behind.empty() && (IsSpace(behind[0]) || behind[0] == '$' || behind[0] == '*')) behind.remove_prefix(1);
  for (const std::string_view command : {"\\)", "\\ ", "\\,", "\\text{"}) {
    if (behind.substr(0, command.size()) == command) behind = Trim(behind.substr(command.size()));
  }
  if (behind.empty() || !IsLetter(behind[0])) return false;
  static const std::set<std::string> kScales = {"million", "billion", "trillion", "thousand", "hundred",  "dozen",
                                                "squared", "cubed",   "halves",   "thirds",   "factorial"};
  return kScales.count(SplitWords(behind)[0]) > 0;
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
  if (IsDenied(text, *last)) *reason = "what stands beside the last \\boxed{} makes it another value";
  std::string previous = *answer;
  size_t begin = last->begin;
  for (int k = 1; k < kMaxJoined && !answer->empty(); ++k) {
    at = LastBox(text, begin);
    if (at == std::string_view::npos) break;
    const auto box = BoxAt(text.substr(0, begin), at);
    std::string separator;
    if (!box) break;
    const std::string_view between = text.substr(box->end, begin - box->end);
    if (!IsJoin(between, &separator)) {
      if (IsDilemma(between) && Content(text, *box) != previous) *reason = "two boxes, and which of them is left open";
      break;
    }
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

// Words that go on after a value and its unit.
bool IsUnitVerb(std::string_view word) {
  static const std::set<std::string_view> kVerbs = {"is",    "are",   "was",   "and",  "because", "so",
                                                    "where", "while", "more",  "by",   "be",      "up",
                                                    "off",   "away",  "under", "over", "above",   "below"};
  return kVerbs.count(word) > 0;
}

// Whether the words that lead to a value, and those behind it, leave it what it is: "the area is" 5 "cm", not
// "divisible by" 5, "at least" 5, 5 "squared". Looked at are the words since the last verb or mark that states a value.
bool LeavesValue(std::string_view before, std::string_view after) {
  while (before.size() > 1 && before.substr(before.size() - 2) == "**") before.remove_suffix(2);
  before = Trim(before);
  if (!before.empty() && (static_cast<unsigned char>(before.back()) >= 0x80 ||
                          std::string_view("+-*/^<>~|").find(before.back()) != std::string_view::npos))
    return false;
  if (!after.empty() && std::string_view("+-/^!'").find(after[0]) != std::string_view::npos) return false;
  const size_t mark = before.find_last_of("=:,;.!?$)");
  if (mark != std::string_view::npos) before = before.substr(mark + 1);
  std::vector<std::string> words = SplitWords(before);
  static const std::set<std::string_view> kVerbs = {"is",   "are", "was",   "were", "be",     "equals", "get", "gets",
                                                    "have", "has", "gives", "give", "obtain", "find",   "had", "got"};
  for (size_t i = words.size(); i > 0; --i) {
    if (kVerbs.count(words[i - 1]) > 0) {
      words.erase(words.begin(), words.begin() + static_cast<ptrdiff_t>(i));
      break;
    }
  }
  // "equal to", "a total of": the one place where a preposition before a value states it
  static const std::set<std::string_view> kStates = {
      "equal",    "equals",    "simplifies", "evaluates", "reduces",   "comes",       "amounts", "sums",
      "adds",     "total",     "value",      "answer",    "result",    "maximum",     "minimum", "area",
      "volume",   "length",    "cost",       "price",     "perimeter", "probability", "average", "mean",
      "distance", "remainder", "profit",     "converges", "add",       "corresponds"};
  static const std::set<std::string_view> kPrepositions = {"by",  "of",  "from",  "to",   "with",   "in", "on",
                                                           "per", "for", "after", "into", "before", "at", "since"};
  if (!words.empty() && kPrepositions.count(words.back()) > 0) {
    size_t i = words.size() - 1;
    if (i > 0 && words[i - 1] == "up" && words.back() == "to") {
      words.erase(words.begin() + static_cast<ptrdiff_t>(i) - 1);
      --i;
    }
    if (i == 0 ? words.back() != "to" || words.size() > 1 : kStates.count(words[i - 1]) == 0) return false;
    if (i == 0) return false;
  }
  // "step 5", "equation 5"
  static const std::set<std::string_view> kNumbered = {
      "step", "problem", "equation", "case",    "question", "exercise", "part", "section",   "chapter",
      "page", "example", "figure",   "theorem", "lemma",    "table",    "line", "statement", "round"};
  if (!words.empty() && kNumbered.count(words.back()) > 0) return false;
  std::string lead;
  for (const std::string& word : words) lead += word + " ";
  if (!words.empty() && IsNumberWord(words.back())) return false;
  if (!ChangingWord(lead, WordPlace::kBefore).empty()) return false;
  // Behind it, up to the end of the clause: the first word is what matters most.
  const std::vector<std::string> behind = SplitWords(after.substr(0, after.find_first_of(",;.:(")));
  if (behind.empty()) return true;
  if (behind[0] == "percent" && behind.size() > 1) return false;
  if (behind[0] == "is" || behind[0] == "are" || behind[0] == "was" || behind[0] == "and" || behind[0] == "as" ||
      behind[0] == "because" || behind[0] == "since" || behind[0] == "so" || behind[0] == "in" || behind[0] == "where")
    return true;
  return ChangingWord(behind[0], WordPlace::kAfter).empty() &&
         (behind.size() < 2 || behind[0] == "more" || ChangingWord(behind[1], WordPlace::kAfter).empty() ||
          IsUnitVerb(behind[1]));
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

// The number in a sentence of words that has just one, that it ends in after an equals sign, or that a verb states at
// its end.
void OnlyNumber(std::string_view sentence, std::vector<std::string>* answers) {
  if (IsDoubtful(sentence) || sentence.find_first_of("\\[]{}|<>_") != std::string_view::npos) return;
  std::vector<std::string> numbers = PlainNumbers(sentence);
  const size_t equals = sentence.rfind('=');
  const std::vector<std::string> all = numbers;
  if (numbers.size() > 1 && equals != std::string_view::npos) {
    const std::string_view end = Trim(sentence.substr(equals + 1));
    numbers = PlainNumbers(end);
    if (numbers.size() == 1 && numbers[0] != end) numbers.clear();
  }
  if (numbers.size() != 1 && !all.empty()) {
    // "... is 5" at the end
    const std::string& last = all.back();
    const size_t at = sentence.rfind(last);
    const std::vector<std::string> words = SplitWords(sentence.substr(0, at));
    const bool verb = at > 0 && IsSpace(sentence[at - 1]) && !words.empty() &&
                      (words.back() == "is" || words.back() == "are" || words.back() == "equals") &&
                      Trim(sentence.substr(0, at)).back() == words.back().back();
    if (verb && Trim(sentence.substr(at + last.size())).empty()) numbers = {last};
  }
  if (numbers.size() != 1) return;
  const size_t at = sentence.rfind(numbers[0]);
  if (!LeavesValue(sentence.substr(0, at), sentence.substr(at + numbers[0].size()))) return;
  answers->push_back(numbers[0]);
}

// "12" of "12 (since 3*4=12)" and "12, since 3*4=12".
std::string_view WithoutRemark(std::string_view text) {
  static constexpr std::string_view kRemarks[] = {"since ", "because ", "as ", "i.e. ",
                                                  "from ",  "see ",     "by ", "which "};
  for (const std::string_view open : {" (", ", ", " "}) {
    for (const std::string_view remark : kRemarks) {
      if (open == " " && remark != "since " && remark != "because ") continue;
      const size_t at = text.find(std::string(open) + std::string(remark));
      if (at == std::string_view::npos || at == 0) continue;
      if (open == " (" && text.back() != ')') continue;
      if (!IsDoubtful(text.substr(at))) return text.substr(0, at);
    }
  }
  return text;
}

// Whether a verb and a number stand behind a formula: "The largest $n$ is 34".
bool NumberBehind(std::string_view rest) {
  const std::vector<std::string> words = SplitWords(rest);
  return !words.empty() && (words[0] == "is" || words[0] == "are" || words[0] == "equals") &&
         PlainNumbers(rest).size() == 1;
}

// What may be the answer in a sentence that ends in it.
void FromSentence(std::string_view sentence, std::vector<std::string>* answers) {
  const std::string_view bare = TrimMarkdown(sentence);
  if (bare.empty()) return;
  answers->emplace_back(bare);
  if (const std::string_view value = WithoutRemark(bare); value.size() < bare.size()) answers->emplace_back(value);
  const std::vector<Span> spans = Formulas(bare);
  if (!spans.empty()) {
    size_t begin = 0, end = 0;
    std::string joined = LastJoined(bare, spans, &begin, &end);
    const std::string_view rest = bare.substr(end);
    if (NumberBehind(rest)) {
      if (!IsDoubtful(bare)) OnlyNumber(rest, answers);
      return;
    }
    if (!IsDoubtful(std::string(bare.substr(0, begin)) + " " + std::string(rest)) &&
        LeavesValue(bare.substr(0, begin), rest))
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
  const std::string_view keyword = lower.find("answer") != std::string::npos   ? "answer"
                                   : lower.find("option") != std::string::npos ? "option"
                                                                               : "choice";
  for (int tries = 0; tries < 8 && at > 0; ++tries) {
    at = lower.rfind(keyword, at - 1);
    if (at == std::string::npos) break;
    // "option B is correct"
    if (keyword != "answer") {
      const std::string_view named = Trim(text.substr(at + 6, 12));
      const size_t letter = !named.empty() && named[0] == '(' ? 1 : 0;
      if (named.size() > letter + 1 && named[letter] >= 'A' && named[letter] <= 'J' && !IsLetter(named[letter + 1]) &&
          !IsDoubtful(text.substr(SentenceBegin(text, at), SentenceEnd(text, at) - SentenceBegin(text, at)))) {
        answers->emplace_back(1, named[letter]);
        return true;
      }
    }
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
      if (IsDoubtful(after) || !LeavesValue("", after)) {
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
    const std::string_view before = text.substr(from, begin - from);
    const std::string_view after = text.substr(end, SentenceEnd(text, end) - end);
    if (IsDoubtful(std::string(before) + " " + std::string(after))) return;
    if (NumberBehind(after)) {
      OnlyNumber(after, answers);
      return;
    }
    if (!LeavesValue(before, after)) return;
    answers->push_back(std::move(joined));
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
  const size_t length = response.size();
  response = AfterThinking(response);
  if (response.size() == length && Trim(response).starts_with(kThinkOpen)) {
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
  // Tags around the answer, and what a chat's format adds behind it.
  const size_t close = response.rfind("</answer>");
  const size_t open = close == std::string_view::npos ? close : response.rfind("<answer>", close);
  if (open != std::string_view::npos) {
    FromSentence(response.substr(open + 8, close - open - 8), &answers);
    if (answers.empty()) *reason = "<answer> has no answer in it";
    return answers;
  }
  response = response.substr(0, response.find("<|im_"));
  if (!Announced(response, &answers)) Unannounced(response, &answers);
  if (answers.empty()) *reason = "no \\boxed{} and no other final answer";
  return answers;
}

std::string BoxesOfSentence(std::string_view text) {
  text = AfterThinking(text);
  std::string all;
  size_t end = std::string_view::npos;
  int count = 0;
  for (size_t at = LastBox(text, text.size()); at != std::string_view::npos && count < kMaxJoined;
       at = LastBox(text, at)) {
    const auto box = BoxAt(text, at);
    if (!box) return "";
    if (count > 0) {
      const std::string_view between = text.substr(box->end, end - box->end);
      const size_t stop = SentenceEnd(text, box->end);
      if (stop < end || between.size() > kMaxAround) break;
      const std::vector<std::string> words = SplitWords(between);
      const bool joins =
          between.find(',') != std::string_view::npos || std::find(words.begin(), words.end(), "and") != words.end();
      if (!joins || IsDoubtful(between)) break;
    }
    all = Content(text, *box) + (all.empty() ? "" : ", ") + all;
    end = box->begin;
    ++count;
  }
  return count > 1 ? all : "";
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
