#include "eval/curate.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/ascii.h"
#include "base/error.h"
#include "base/records.h"
#include "base/rng.h"
#include "eval/decontaminate.h"
#include "eval/problem_file.h"
#include "math/final_answer.h"
#include "math/verify.h"

namespace fulgur {
namespace {

constexpr size_t kShingle = 3;  // words of a run by which problems are compared

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return lower;
}

// Words in lower case: runs of letters and apostrophes.
std::vector<std::string> WordsOf(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ' ';
    if (IsLetter(c) || (c == '\'' && !word.empty())) {
      word += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, ""));
    }
  }
  return words;
}

bool IsAsk(const std::string& word) {
  static const std::set<std::string> kAsks = {
      "find",  "determine", "compute", "calculate", "evaluate", "solve", "what",     "how",  "which", "who",
      "when",  "where",     "why",     "is",        "are",      "does",  "do",       "can",  "write", "give",
      "state", "express",   "prove",   "show",      "sketch",   "draw",  "simplify", "list", "count", "describe"};
  return kAsks.count(word) > 0;
}

// The first word of what follows, past "If x = 2," and the like is not looked for.
std::string FirstWord(std::string_view text) {
  const std::vector<std::string> words = WordsOf(text.substr(0, 60));
  return words.empty() ? "" : words[0];
}

// A mark of a part at `at`: "(a)", "(2)", "b)", "3."; its number from 1, and where it ends. 0 if there is none. Without
// a bracket before it, it has to begin a line.
int PartMark(std::string_view text, size_t at, size_t* end) {
  const bool bracket = text[at] == '(';
  size_t i = at + (bracket ? 1 : 0);
  if (i >= text.size()) return 0;
  const bool line = at == 0 || text[at - 1] == '\n';
  const bool apart = line || IsSpace(text[at - 1]);
  if (!apart || (!bracket && !line)) return 0;
  static constexpr std::array<std::string_view, 5> kRoman = {"i", "ii", "iii", "iv", "v"};
  int number = 0;
  size_t length = 0;
  for (size_t r = 0; r < kRoman.size(); ++r) {
    if (text.substr(i, kRoman[r].size()) == kRoman[r] && kRoman[r].size() > length) {
      number = static_cast<int>(r) + 1;
      length = kRoman[r].size();
    }
  }
  if (length == 0) {
    if (text[i] >= 'a' && text[i] <= 'h') number = text[i] - 'a' + 1;
    if (text[i] >= '1' && text[i] <= '9') number = text[i] - '0';
    length = number > 0 ? 1 : 0;
  }
  if (number == 0 || i + length >= text.size()) return 0;
  const char close = text[i + length];
  if (bracket ? close != ')' : (close != ')' && close != '.')) return 0;
  *end = i + length + 1;
  return number;
}

// Parts in order, from the first: how many ask for something.
int AskingParts(std::string_view text) {
  int next = 1, asking = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    size_t end = 0;
    if (PartMark(text, i, &end) != next) continue;
    ++next;
    // The part asks if its first word does, or if it has a question mark before the next part.
    size_t stop = end;
    size_t ignored = 0;
    while (stop < text.size() && PartMark(text, stop, &ignored) != next) ++stop;
    const std::string_view part = text.substr(end, stop - end);
    if (IsAsk(FirstWord(part)) || part.find('?') != std::string_view::npos) ++asking;
  }
  return asking;
}

// What a record asks and answers.
struct Record {
  Json json;
  std::string prompt;
  std::vector<std::string> golds;
};

std::string BoxOf(const std::string& solution) {
  if (solution.find("\\boxed") == std::string::npos && solution.find("\\fbox") == std::string::npos) return "";
  std::string reason;
  const std::vector<std::string> answers = FinalAnswers(solution, &reason);
  return answers.empty() ? "" : answers[0];
}

Record ReadRecord(Json line, const std::string& where) {
  Record record;
  for (const char* key : {"prompt", "problem", "question"}) {
    if (!line.contains(key) || !line[key].is_string()) continue;
    record.prompt = line[key].get<std::string>();
    if (std::strcmp(key, "prompt") != 0) {
      line["prompt"] = record.prompt;
      line.erase(key);
    }
    break;
  }
  if (!line.contains("prompt") || !line["prompt"].is_string()) {
    const char* key = line.contains("prompt") ? "prompt" : "messages";
    if (!line.contains(key) || !line[key].is_array() || line[key].empty() || !line[key].back().is_object() ||
        !line[key].back().contains("content") || !line[key].back()["content"].is_string()) {
      throw Error("{}: there is no \"prompt\", \"problem\", \"question\" or \"messages\" with text", where);
    }
    record.prompt = line[key].back()["content"].get<std::string>();
  }
  if (!line.contains("answer") && line.contains("solution") && line["solution"].is_string()) {
    line["answer"] = BoxOf(line["solution"].get<std::string>());
  }
  record.golds = GoldAnswers(line, where);
  record.json = std::move(line);
  return record;
}

// Puts another question in the place of the record's.
void SetPrompt(Record* record, const std::string& prompt) {
  record->prompt = prompt;
  for (const char* key : {"prompt", "messages"}) {
    if (!record->json.contains(key)) continue;
    if (record->json[key].is_string()) {
      record->json[key] = prompt;
    } else {
      record->json[key].back()["content"] = prompt;
    }
    return;
  }
}

// The letter that an answer names, "B", "(B)", "\text{B}", from 0; nullopt for another answer.
std::optional<size_t> LetterOf(std::string_view answer) {
  std::string letters;
  for (size_t i = 0; i < answer.size(); ++i) {
    if (answer[i] == '\\') {
      while (i + 1 < answer.size() && IsLetter(answer[i + 1])) ++i;
    } else if (IsLetter(answer[i])) {
      letters += answer[i];
    } else if (!IsSpace(answer[i]) && std::string_view("(){}.$*:").find(answer[i]) == std::string_view::npos) {
      return std::nullopt;
    }
  }
  if (letters.size() != 1 || letters[0] < 'A' || letters[0] > 'J') return std::nullopt;
  return static_cast<size_t>(letters[0] - 'A');
}

// Whether a question without its choices cannot be answered, or has more than one answer.
bool NeedsChoices(std::string_view stem) {
  const std::string lower = Lower(stem);
  for (const char* phrase :
       {"of the following", "of these", "following statement", "following option", "following is", "following are",
        "the options", "the choices", "which statement", "which option", "which one", "closest to", "nearest to",
        "could be", "may be equal", "can be equal", "cannot be"}) {
    if (lower.find(phrase) != std::string::npos) return true;
  }
  return false;
}

// Makes a multiple choice open. "" if that is done, otherwise why it cannot be.
std::string OpenChoices(const MultipleChoice& choice, Record* record) {
  if (choice.choices.size() < 3) return "it has two choices";
  if (NeedsChoices(choice.stem)) return "the question is about its choices";
  std::vector<std::string> golds;
  for (const std::string& gold : record->golds) {
    const auto letter = LetterOf(gold);
    if (!letter) {
      golds.push_back(gold);
    } else if (*letter < choice.choices.size()) {
      golds.push_back(choice.choices[*letter]);
    } else {
      return fmt::format("there is no choice {}", static_cast<char>('A' + *letter));
    }
  }
  for (const std::string& gold : golds) {
    const std::string lower = Lower(gold);
    if (lower.find("none of") != std::string::npos || lower.find("all of") != std::string::npos ||
        lower.find("of the above") != std::string::npos || lower.find("not enough") != std::string::npos) {
      return "the answer is about the other choices";
    }
  }
  SetPrompt(record, choice.stem);
  record->golds = golds;
  record->json["answer"] = golds.size() == 1 ? Json(golds[0]) : Json(golds);
  return "";
}

// Hashes of the runs of three words (of letters and digits, in lower case), each once, in order; of fewer words, of
// all.
std::vector<uint64_t> Shingles(std::string_view text) {
  std::vector<uint64_t> words, shingles;
  uint64_t hash = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(i < text.size() ? text[i] : ' ');
    if (IsLetter(static_cast<char>(byte)) || IsDigit(static_cast<char>(byte)) || byte >= 128) {
      const unsigned char lower = byte >= 'A' && byte <= 'Z' ? static_cast<unsigned char>(byte + 32) : byte;
      hash = Mix(hash + 1, lower);
    } else if (hash != 0) {
      words.push_back(std::exchange(hash, 0));
    }
  }
  const size_t n = std::min(kShingle, words.size());
  for (size_t i = 0; n > 0 && i + n <= words.size(); ++i) {
    uint64_t run = n;
    for (size_t k = 0; k < n; ++k) run = Mix(run, words[i + k]);
    shingles.push_back(run);
  }
  std::sort(shingles.begin(), shingles.end());
  shingles.erase(std::unique(shingles.begin(), shingles.end()), shingles.end());
  return shingles;
}

double Jaccard(const std::vector<uint64_t>& a, const std::vector<uint64_t>& b) {
  size_t both = 0;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    both += a[i] == b[j] ? 1 : 0;
    if (a[i] < b[j]) {
      ++i;
    } else if (b[j] < a[i]) {
      ++j;
    } else {
      ++i, ++j;
    }
  }
  const size_t all = a.size() + b.size() - both;
  return all == 0 ? 0 : static_cast<double>(both) / static_cast<double>(all);
}

// Without white space and letter case.
std::string Squeezed(std::string_view text) {
  std::string squeezed = Lower(text);
  std::erase_if(squeezed, IsSpace);
  return squeezed;
}

bool AnswersAgree(const Record& a, const Record& b) {
  return std::any_of(b.golds.begin(), b.golds.end(),
                     [&](const std::string& gold) { return VerifyMath(a.golds, gold).value == 1; });
}

// Finds the kept problems that a problem is like. Exact: two sets of which a part of at least `similarity` is common
// share one of the rarest (1 - similarity) n + 1 elements of each, so only these are looked up (prefix filtering,
// Chaudhuri et al. 2006). Rare by the order of their counts over all problems.
class SimilarProblems {
 public:
  SimilarProblems(const std::vector<std::vector<uint64_t>>& all, double similarity)
      : all_(all), similarity_(similarity) {
    for (const auto& shingles : all) {
      for (const uint64_t shingle : shingles) ++count_[shingle];
    }
  }

  // The kept ones that are like problem i, in order.
  std::vector<size_t> Find(size_t i) const {
    std::set<size_t> candidates, like;
    for (const uint64_t shingle : Prefix(i)) {
      const auto found = kept_.find(shingle);
      if (found != kept_.end()) candidates.insert(found->second.begin(), found->second.end());
    }
    for (const size_t j : candidates) {
      if (Jaccard(all_[i], all_[j]) >= similarity_) like.insert(j);
    }
    return {like.begin(), like.end()};
  }
  void Keep(size_t i) {
    for (const uint64_t shingle : Prefix(i)) kept_[shingle].push_back(i);
  }

 private:
  std::vector<uint64_t> Prefix(size_t i) const {
    std::vector<uint64_t> shingles = all_[i];
    std::sort(shingles.begin(), shingles.end(), [this](uint64_t a, uint64_t b) {
      const size_t x = count_.at(a), y = count_.at(b);
      return x != y ? x < y : a < b;
    });
    const auto rare = static_cast<size_t>((1 - similarity_) * static_cast<double>(shingles.size())) + 1;
    shingles.resize(std::min(shingles.size(), rare));
    return shingles;
  }

  const std::vector<std::vector<uint64_t>>& all_;
  double similarity_;
  std::unordered_map<uint64_t, size_t> count_;
  std::unordered_map<uint64_t, std::vector<size_t>> kept_;
};

// Why a problem by itself is left out; makes a multiple choice open.
struct Verdict {
  std::string reason, detail;
  bool opened = false;
};
Verdict JudgeAlone(Record* record, const Decontaminator& decontaminator) {
  if (Trim(record->prompt).empty()) return {"empty prompt", "", false};
  if (const auto match = decontaminator.Find(record->prompt)) {
    return {"in the files to keep apart from", fmt::format("\"{}\", {}", match->words, match->where), false};
  }
  Verdict verdict;
  const MultipleChoice choice = SplitChoices(record->prompt);
  if (!choice.choices.empty()) {
    const std::string why = OpenChoices(choice, record);
    if (!why.empty()) return {"multiple choice that cannot be made open", why, false};
    verdict.opened = true;
  } else if (std::any_of(record->golds.begin(), record->golds.end(), [&](const std::string& gold) {
               const auto letter = LetterOf(gold);
               return letter && NeedsChoices(record->prompt);
             })) {
    return {"multiple choice that cannot be made open", "its choices are missing", false};
  }
  if (AsksForProof(record->prompt)) return {"asks for a proof", "", false};
  if (AsksSeveralQuestions(record->prompt)) return {"asks several questions", "", false};
  for (const std::string& gold : record->golds) {
    if (AskingParts(gold) > 1 || gold.find("(b)") != std::string::npos || gold.find("(ii)") != std::string::npos)
      return {"asks several questions", "the answer has parts", false};
    if (IsTrueOrFalse(record->prompt, gold)) return {"true or false", "", false};
  }
  std::string why;
  GoldKind kind = GoldKind::kEmpty;
  for (const std::string& gold : record->golds) {
    kind = ClassifyGold(gold, &why);
    if (kind == GoldKind::kReadable) return verdict;
  }
  if (kind == GoldKind::kEmpty) return {"empty answer", "", false};
  return {"answer that cannot be checked", why, false};
}

}  // namespace

std::map<std::string, size_t> CuratedProblems::Counts() const {
  std::map<std::string, size_t> counts;
  for (const LeftOutProblem& problem : left_out) ++counts[problem.reason];
  return counts;
}

bool AsksSeveralQuestions(std::string_view prompt) {
  return std::count(prompt.begin(), prompt.end(), '?') > 1 || AskingParts(prompt) > 1;
}

bool AsksForProof(std::string_view prompt) {
  const std::vector<std::string> words = WordsOf(prompt);
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "prove" || word == "disprove") return true;
    const bool that = i + 1 < words.size() && words[i + 1] == "that";
    if (that &&
        (word == "show" || word == "demonstrate" || word == "verify" || word == "establish" || word == "deduce"))
      return true;
  }
  return false;
}

bool IsTrueOrFalse(std::string_view prompt, std::string_view answer) {
  std::string reason;
  const std::vector<std::string> texts = FinalAnswers(answer, &reason);
  std::vector<std::string> words = WordsOf(texts.empty() ? answer : std::string_view(texts[0]));
  std::erase_if(words, [](const std::string& word) { return word == "text" || word == "textbf" || word == "mathrm"; });
  static const std::set<std::string> kTwo = {"yes", "no", "true", "false", "correct", "incorrect", "right", "wrong"};
  if (!words.empty() && kTwo.count(words[0]) > 0 && words.size() <= 2 && !(words[0] == "no" && words.size() == 2))
    return true;
  const std::string lower = Lower(prompt);
  return lower.find("true or false") != std::string::npos || lower.find("yes or no") != std::string::npos ||
         lower.find("true/false") != std::string::npos || lower.find("yes/no") != std::string::npos;
}

MultipleChoice SplitChoices(std::string_view prompt) {
  // Marks of A, B, C, ... in order: "(A)", "\textbf{(A)}", and at the begin of a line "A." and "A)".
  struct Mark {
    size_t begin, end;
  };
  const auto mark_at = [&](size_t i, char letter) -> std::optional<Mark> {
    const bool line = i == 0 || prompt[i - 1] == '\n';
    if (prompt[i] == '(' && i + 2 < prompt.size() && prompt[i + 1] == letter && prompt[i + 2] == ')') {
      size_t begin = i, end = i + 3;
      for (const std::string_view command :
           {"\\textbf{", "\\text{", "\\mathrm{", "\\mathbf{", "\\textrm{", "\\mbox{"}) {
        if (begin < command.size() || prompt.substr(begin - command.size(), command.size()) != command) continue;
        begin -= command.size();
        while (end < prompt.size() && (IsSpace(prompt[end]) || prompt[end] == '}')) {
          if (prompt[end++] == '}') break;
        }
        break;
      }
      // P(A) is none, \quad(A) is.
      const bool spaced = begin >= 4 && prompt.substr(begin - 4, 4) == "quad";
      if (begin == i && begin > 0 && !spaced && (IsLetter(prompt[begin - 1]) || prompt[begin - 1] == '('))
        return std::nullopt;
      return Mark{begin, end};
    }
    if (line && prompt[i] == letter && i + 2 < prompt.size() &&
        (prompt[i + 1] == '.' || prompt[i + 1] == ')' || prompt[i + 1] == ':') && IsSpace(prompt[i + 2])) {
      return Mark{i, i + 2};
    }
    return std::nullopt;
  };
  std::vector<Mark> marks;
  for (size_t i = 0; i < prompt.size() && marks.size() < 10; ++i) {
    const auto mark = mark_at(i, static_cast<char>('A' + marks.size()));
    if (!mark) continue;
    marks.push_back(*mark);
    i = mark->end - 1;
  }
  MultipleChoice result;
  if (marks.size() < 2) return result;
  // What is left of the formula that the choices stood in, and its spaces.
  const auto clean = [](std::string_view text) {
    while (true) {
      const std::string_view before = text;
      text = Trim(text);
      for (const std::string_view space : {"\\qquad", "\\quad", "\\ ", "\\\\", "~", "\\,", "\\;", "$$"}) {
        if (text.size() >= space.size() && text.substr(0, space.size()) == space) text.remove_prefix(space.size());
        if (text.size() >= space.size() && text.substr(text.size() - space.size()) == space)
          text.remove_suffix(space.size());
      }
      if (text == before) break;
    }
    std::string cleaned(text);
    if (std::count(cleaned.begin(), cleaned.end(), '$') % 2 == 1) {
      if (cleaned.back() == '$') {
        cleaned.pop_back();
      } else if (cleaned.front() == '$') {
        cleaned.erase(0, 1);
      }
    }
    return std::string(Trim(cleaned));
  };
  result.stem = clean(prompt.substr(0, marks[0].begin));
  if (!result.stem.empty() && result.stem.back() == '$' &&
      std::count(result.stem.begin(), result.stem.end(), '$') % 2 == 1) {
    result.stem.pop_back();
  }
  for (size_t k = 0; k < marks.size(); ++k) {
    const size_t end = k + 1 < marks.size() ? marks[k + 1].begin : prompt.size();
    std::string choice = clean(prompt.substr(marks[k].end, end - marks[k].end));
    while (!choice.empty() && (choice.back() == ';' || choice.back() == ',' || choice.back() == '.')) choice.pop_back();
    result.choices.push_back(clean(choice));
  }
  return result;
}

CuratedProblems CurateProblems(const std::filesystem::path& file, const CurateOptions& options) {
  const Records lines(file, "");
  CuratedProblems result;
  result.problems = lines.size();
  std::vector<Record> records;
  std::vector<Verdict> verdicts;
  std::vector<std::vector<uint64_t>> shingles;
  std::vector<std::string> prompts;
  for (size_t i = 0; i < lines.size(); ++i) {
    records.push_back(ReadRecord(lines.Get(i), lines.Where(i)));
    prompts.push_back(records.back().prompt);
  }
  const Decontaminator decontaminator(options.words, prompts, ReadReferenceTexts(options.against));
  for (Record& record : records) {
    const Record original = record;
    verdicts.push_back(JudgeAlone(&record, decontaminator));
    if (!verdicts.back().reason.empty()) record = original;
    shingles.push_back(verdicts.back().reason.empty() ? Shingles(record.prompt) : std::vector<uint64_t>());
  }
  // Every problem against those kept before it.
  SimilarProblems similar(shingles, options.similarity);
  for (size_t i = 0; i < records.size(); ++i) {
    Verdict& verdict = verdicts[i];
    if (verdict.reason.empty()) {
      for (const size_t j : similar.Find(i)) {
        const bool same = Squeezed(records[i].prompt) == Squeezed(records[j].prompt);
        const bool agree = AnswersAgree(records[j], records[i]);
        if (!same && !agree) continue;  // other numbers, another problem
        verdict.reason = agree ? "near duplicate" : "another answer to the same question";
        verdict.detail = fmt::format("of {}", lines.Where(j));
        break;
      }
    }
    if (verdict.reason.empty()) {
      similar.Keep(i);
      result.opened += verdict.opened ? 1 : 0;
      result.kept.push_back(std::move(records[i].json));
    } else {
      result.left_out.push_back({lines.Where(i), verdict.reason, verdict.detail, lines.Get(i)});
    }
  }
  return result;
}

}  // namespace fulgur
