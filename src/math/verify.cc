#include "math/verify.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/ascii.h"
#include "base/error.h"
#include "math/compare.h"
#include "math/final_answer.h"
#include "math/latex_parser.h"
#include "math/words.h"

namespace fulgur {
namespace {

constexpr int64_t kBudget = 4'000'000;

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text.substr(0, 60))
    quoted += static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f ? '?' : c;
  return quoted + (text.size() > 60 ? "...\"" : "\"");
}

// \text{}, \mathrm{} and their like, dollar signs, \left and spaces of LaTeX taken off; runs of white space are one
// space.
std::string Unwrapped(std::string_view text) {
  static constexpr std::string_view kWrappers[] = {"\\text{",   "\\textbf{", "\\textit{", "\\textrm{",
                                                   "\\mathrm{", "\\mathbf{", "\\texttt{", "\\mbox{",
                                                   "\\textsf{", "\\mathsf{", "\\emph{",   "\\operatorname{"};
  static constexpr std::string_view kDropped[] = {"\\left", "\\right", "\\displaystyle", "\\!"};
  static constexpr std::string_view kSpaces[] = {"\\ ", "\\,", "\\;", "\\:", "\\quad", "\\(",
                                                 "\\)", "\\[", "\\]", "~",   "$"};
  std::string plain;
  std::vector<bool> open;
  for (size_t i = 0; i < text.size();) {
    const auto starts = [&](std::string_view what) { return text.substr(i, what.size()) == what; };
    const auto wrapper = std::find_if(std::begin(kWrappers), std::end(kWrappers), starts);
    if (wrapper != std::end(kWrappers)) {
      open.push_back(true);
      i += wrapper->size();
      continue;
    }
    const auto space = std::find_if(std::begin(kSpaces), std::end(kSpaces), starts);
    if (space != std::end(kSpaces)) {
      plain += ' ';
      i += space->size();
      continue;
    }
    const auto dropped = std::find_if(std::begin(kDropped), std::end(kDropped), starts);
    if (dropped != std::end(kDropped) && (i + dropped->size() >= text.size() || !IsLetter(text[i + dropped->size()]))) {
      i += dropped->size();
      continue;
    }
    if (text[i] == '{') {
      open.push_back(false);
    } else if (text[i] == '}' && !open.empty()) {
      const bool wrapped = open.back();
      open.pop_back();
      if (wrapped) {
        ++i;
        continue;
      }
    }
    plain += IsSpace(text[i]) ? ' ' : text[i];
    ++i;
  }
  std::string collapsed;
  for (const char c : plain) {
    if (c != ' ' || (!collapsed.empty() && collapsed.back() != ' ')) collapsed += c;
  }
  return std::string(Trim(collapsed));
}

// Words, for comparison as text: nullopt for what has mathematics in it.
std::optional<std::string> Words(std::string_view text) {
  std::string words = Unwrapped(text);
  while (!words.empty() && (words.back() == '.' || words.back() == ' ')) words.pop_back();
  bool letter = false;
  for (const char c : words) {
    letter = letter || IsLetter(c) || static_cast<unsigned char>(c) >= 0x80;
    if (c == '\\' || c == '{' || c == '}' || c == '^' || c == '_' || c == '=' || c == '?') return std::nullopt;
  }
  if (!letter) return std::nullopt;
  // "on Tuesday", "the circle"
  for (const std::string_view word :
       {"on ", "On ", "in ", "In ", "at ", "At ", "the ", "The ", "a ", "A ", "an ", "An ", "It is ", "it is "}) {
    if (words.size() > word.size() + 1 && words.compare(0, word.size(), word) == 0 && IsLetter(words[word.size()])) {
      words.erase(0, word.size());
      break;
    }
  }
  if (words.size() > 1) {
    for (char& c : words) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  }
  return words;
}

// An answer in words is a few of them; more is a sentence, with which no answer agrees but itself.
bool FewWords(const std::string& words) { return SplitWords(words).size() <= 4; }

bool IsNothing(const std::string& words) {
  return words == "no solution" || words == "no solutions" || words == "no real solutions" ||
         words == "no real solution" || words == "there is no solution" || words == "there are no solutions" ||
         words == "empty set" || words == "none" || words == "null set";
}

// "(B)", "B", "B.", "(B) 5", "option B": the letter, and what follows it.
struct Choice {
  char letter = 0;
  bool marked = false;  // by brackets, or by the word before it
  std::string rest;
};
std::optional<Choice> ReadChoice(std::string_view text) {
  std::string plain = Unwrapped(text);
  Choice choice;
  for (const std::string_view word : {"option ", "Option ", "choice ", "Choice ", "answer ", "Answer "}) {
    if (plain.compare(0, word.size(), word) == 0) {
      plain.erase(0, word.size());
      choice.marked = true;
      break;
    }
  }
  size_t at = 0;
  const bool bracket = !plain.empty() && plain[0] == '(';
  if (bracket) at = 1;
  if (at >= plain.size() || plain[at] < 'A' || plain[at] > 'J') return std::nullopt;
  choice.letter = plain[at++];
  if (bracket) {
    if (at >= plain.size() || plain[at] != ')') return std::nullopt;
    choice.marked = true;
    ++at;
  } else if (at < plain.size()) {
    if (plain[at] != '.' && plain[at] != ')' && plain[at] != ':') return std::nullopt;
    ++at;
    if (at < plain.size() && plain[at] != ' ') return std::nullopt;
    choice.marked = choice.marked || plain[at - 1] != ':';
  }
  choice.rest = std::string(Trim(std::string_view(plain).substr(at)));
  while (!choice.rest.empty() && choice.rest.back() == '.') choice.rest.pop_back();
  // A second letter makes it a list of choices.
  for (size_t i = 0; i < choice.rest.size(); ++i) {
    const char before = i > 0 ? choice.rest[i - 1] : ' ', after = i + 1 < choice.rest.size() ? choice.rest[i + 1] : '.';
    const bool letter = choice.rest[i] >= 'A' && choice.rest[i] <= 'J';
    if (letter && (before == ' ' || before == '(' || before == ',') &&
        (after == ')' || after == '.' || after == ':' || after == ',')) {
      return std::nullopt;
    }
  }
  if (!choice.rest.empty() && !IsLetter(choice.rest[0]) && !IsDigit(choice.rest[0]) && choice.rest[0] != '\\' &&
      choice.rest[0] != '-' && choice.rest[0] != '.' && choice.rest[0] != '$') {
    return std::nullopt;  // "(A + B)", "A, B"
  }
  return choice;
}

// The words of a text without its commands, \text and \mathrm.
std::string WithoutCommands(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      while (i + 1 < text.size() && IsLetter(text[i + 1])) ++i;
      plain += ' ';
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// What follows a label: 5 of "\text{Area} = 5", "P(X = 2) = 5", "Area: 5". Only tried on what cannot be read as a
// whole.
std::optional<std::string> AfterLabel(std::string_view text) {
  int depth = 0;
  bool letter = false;
  for (size_t i = 0; i < text.size() && i < 80; ++i) {
    const char c = text[i];
    letter = letter || IsLetter(c);
    if (c == '{' || c == '(' || c == '[') ++depth;
    if (c == '}' || c == ')' || c == ']') --depth;
    if (depth != 0) {
      if (c == ':' && i + 1 < text.size() && letter &&
          text.substr(0, i).find('=') == std::string_view::npos) {  // \text{Area: } 5
        const size_t close = text.find('}', i);
        if (close != std::string_view::npos && Trim(text.substr(i + 1, close - i - 1)).empty() && depth == 1 &&
            Trim(text).substr(0, 6) == "\\text{" &&
            ChangingWord(WithoutCommands(text.substr(0, i)), WordPlace::kLabel).empty()) {
          return std::string(text.substr(close + 1));
        }
      }
      continue;
    }
    if (c == '<' || c == '>' || c == ',' || c == ';' || c == '!' || c == '?') return std::nullopt;
    if ((c == '=' || c == ':') && letter) {
      const std::string_view label = text.substr(0, i);
      if (IsDoubtful(label) || !ChangingWord(WithoutCommands(label), WordPlace::kLabel).empty() ||
          label.find(". ") != std::string_view::npos || std::count(label.begin(), label.end(), ' ') > 6)
        return std::nullopt;
      return std::string(text.substr(i + 1));
    }
  }
  return std::nullopt;
}

std::vector<ExprPtr> Read(std::string_view text, std::string* reason) {
  std::vector<ExprPtr> readings = ReadMath(text, reason);
  if (!readings.empty()) return readings;
  const auto rest = AfterLabel(text);
  std::string ignored;
  return rest ? ReadMath(*rest, &ignored) : readings;
}

// "The answer is 5" in a box.
std::string_view WithoutAnnouncement(std::string_view text) {
  for (const std::string_view phrase :
       {"The final answer is", "the final answer is", "The answer is", "the answer is", "\\text{The answer is }",
        "\\text{The answer is}", "\\text{Answer: }", "Answer:"}) {
    if (Trim(text).substr(0, phrase.size()) == phrase) return Trim(Trim(text).substr(phrase.size()));
  }
  return text;
}

MathScore JudgeMath(const std::vector<ExprPtr>& golds, const std::vector<ExprPtr>& answers) {
  Budget budget(kBudget);
  std::string reason;
  for (const ExprPtr& gold : golds) {
    for (const ExprPtr& answer : answers) {
      if (SameAnswer(gold, answer, &budget, &reason)) return {1, ""};
    }
  }
  return {0, reason};
}

// "am" or "pm" of a time of day.
std::string HalfOfDay(std::string_view text) {
  if (text.find(':') == std::string_view::npos) return "";
  std::string letters;
  for (const char c : Unwrapped(text)) {
    if (IsLetter(c)) letters += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  }
  return letters == "am" || letters == "pm" ? letters : "";
}

MathScore Judge(const std::vector<std::string>& golds, const std::vector<std::string>& answers) {
  std::string gold_reason, answer_reason;
  std::vector<ExprPtr> gold_readings, answer_readings;
  std::string gold = golds[0], answer = answers[0];
  // Words.
  const auto gold_words = Words(gold), answer_words = Words(answer);
  if (gold_words && answer_words && *gold_words == *answer_words) return {1, ""};
  // Letters of a multiple choice.
  const auto gold_choice = ReadChoice(gold), answer_choice = ReadChoice(answer);
  if (gold_choice && answer_choice && (gold_choice->marked || answer_choice->marked || answer_choice->rest.empty())) {
    if (gold_choice->letter != answer_choice->letter) return {0, fmt::format("{} is another choice", Quoted(answer))};
    if (gold_choice->rest.empty() || answer_choice->rest.empty()) return {1, ""};
    const MathScore rest = Judge({gold_choice->rest}, {answer_choice->rest});
    return rest.value > 0 ? rest : MathScore{0, "the choice's letter with another value"};
  }
  if (gold_choice && !gold_choice->rest.empty() && !answer_choice) return Judge({gold_choice->rest}, answers);
  if (answer_choice && !answer_choice->rest.empty() && !gold_choice) return Judge(golds, {answer_choice->rest});

  const std::string gold_half = HalfOfDay(gold), answer_half = HalfOfDay(answer);
  if (!gold_half.empty() && !answer_half.empty() && gold_half != answer_half)
    return {0, fmt::format("{} is in the other half of the day", Quoted(answer))};

  for (const std::string& text : golds) {
    gold_readings = Read(text, &gold_reason);
    if (!gold_readings.empty()) break;
  }
  for (const std::string& text : answers) {
    if (text.find('?') != std::string::npos) return {0, "the answer is a question"};
    answer_readings = Read(WithoutAnnouncement(text), &answer_reason);
    answer = text;
    if (!answer_readings.empty()) break;
  }
  // The empty set in words.
  if (answer_words && IsNothing(*answer_words) && gold_readings.size() == 1 &&
      gold_readings[0]->kind == Kind::kEmptySet)
    return {1, ""};
  if (gold_words && IsNothing(*gold_words) && answer_readings.size() == 1 &&
      answer_readings[0]->kind == Kind::kEmptySet)
    return {1, ""};
  if (answer_readings.empty()) {
    for (const std::string& text : golds) {
      for (const std::string& other : answers) {
        const auto a = Words(text), b = Words(WithoutAnnouncement(other));
        if (a && b && *a == *b) return {1, ""};
      }
    }
    const bool unreadable = gold_readings.empty() && !(gold_words && FewWords(*gold_words)) && !gold_choice;
    const std::string quoted = Quoted(answers[0]);
    return {0, fmt::format("{} cannot be read: {}", quoted, answer_reason), unreadable};
  }
  if (gold_readings.empty()) {
    if (gold_words && FewWords(*gold_words)) return {0, fmt::format("{} is not {}", Quoted(answer), Quoted(golds[0]))};
    return {0, fmt::format("the gold answer {} cannot be read: {}", Quoted(golds[0]), gold_reason),
            /*gold_unreadable=*/true};
  }
  MathScore score = JudgeMath(gold_readings, answer_readings);
  if (score.value < 1) score.reason = fmt::format("{} is {}", Quoted(answer), score.reason);
  return score;
}

std::string Printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  }
  return text;
}

}  // namespace

namespace {

MathScore VerifyOne(std::string_view gold, std::string_view response) {
  try {
    const std::vector<std::string> golds = GoldAnswers(gold);
    if (golds.empty()) return {0, "the gold answer is empty", /*gold_unreadable=*/true};
    std::string reason;
    const std::vector<std::string> answers = FinalAnswers(response, &reason);
    if (answers.empty()) return {0, reason};
    // The same text is the same answer, whatever it says.
    if (Trim(answers[0]) == Trim(golds[0])) return {1, ""};
    MathScore score = Judge(golds, answers);
    if (score.value < 1) {
      // Several boxes in one sentence, for a gold answer of as many values.
      const std::string all = BoxesOfSentence(response);
      const std::string all_golds = BoxesOfSentence(gold);
      if (!all.empty() && Judge(golds, {all}).value == 1) return {1, ""};
      if (!all_golds.empty() && Judge({all_golds}, answers).value == 1) return {1, ""};
    }
    return score;
  } catch (const Error& e) {
    return {0, e.what()};
  }
}

}  // namespace

MathScore VerifyMath(std::string_view gold, std::string_view response) {
  MathScore score = VerifyOne(gold, response);
  score.reason = Printable(std::move(score.reason));
  return score;
}

MathScore VerifyMath(const std::vector<std::string>& golds, std::string_view response) {
  MathScore score{0, "there is no gold answer", /*gold_unreadable=*/true};
  for (const std::string& gold : golds) {
    MathScore one = VerifyMath(gold, response);
    if (one.value == 1) return one;
    // Of the reasons, the first about a gold answer that can be read.
    if (score.gold_unreadable && (!one.gold_unreadable || &gold == &golds[0])) score = std::move(one);
  }
  return score;
}

GoldKind ClassifyGold(std::string_view gold, std::string* reason) {
  try {
    const std::vector<std::string> golds = GoldAnswers(gold);
    if (golds.empty()) {
      *reason = "it is empty";
      return GoldKind::kEmpty;
    }
    if (ReadChoice(golds[0])) return GoldKind::kReadable;
    for (const std::string& text : golds) {
      if (!Read(text, reason).empty()) return GoldKind::kReadable;
    }
    const auto words = Words(golds[0]);
    if (words && FewWords(*words)) return GoldKind::kReadable;
    *reason = Printable(*reason);
    if (SplitWords(WithoutCommands(golds[0])).size() <= 4) return GoldKind::kUnreadable;
    *reason = "it is a sentence";
    return GoldKind::kProse;
  } catch (const Error& e) {
    *reason = Printable(e.what());
    return GoldKind::kUnreadable;
  }
}

}  // namespace fulgur
