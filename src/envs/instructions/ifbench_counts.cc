// The kinds count:* and ratio:* of IFBench. Origin of the rules: allenai/IFBench.
#include <algorithm>
#include <set>

#include "envs/instructions/checkers.h"
#include "envs/instructions/language.h"
#include "text/python_text.h"
#include "unicode/characters.h"
#include "unicode/regex.h"

namespace fulgur::instructions {

namespace {

using python::kPunctuation;

int64_t Size(const auto& list) { return static_cast<int64_t>(list.size()); }

// A word without punctuation around it.
std::string_view Bare(std::string_view word) { return python::Strip(word, std::string(kPunctuation) + " "); }

bool WordCountRange(const Kwargs& kwargs, std::string_view response) {
  const int64_t count = Size(WordRuns(response));
  return kwargs.Integer("min_words") <= count && count <= kwargs.Integer("max_words");
}

bool UniqueWordCount(const Kwargs& kwargs, std::string_view response) {
  std::set<std::string> words;
  for (const std::string_view word : python::SplitWords(python::Lower(response))) words.emplace(Bare(word));
  return Size(words) >= kwargs.Integer("N");
}

bool StopWords(const Kwargs& kwargs, std::string_view response) {
  const std::vector<std::string_view> words = WordRuns(response);
  if (words.empty()) return false;
  const auto stops =
      std::count_if(words.begin(), words.end(), [](auto word) { return IsStopWord(python::Lower(word)); });
  return static_cast<double>(stops) / static_cast<double>(words.size()) * 100 <= kwargs.Number("percentage");
}

int64_t SentencesThatEnd(std::string_view response, char end) {
  const std::vector<std::string_view> sentences = Sentences(response);
  return std::count_if(sentences.begin(), sentences.end(), [&](auto s) { return s.ends_with(end); });
}

bool SentenceTypes(const Kwargs&, std::string_view response) {
  return SentencesThatEnd(response, '.') == 2 * SentencesThatEnd(response, '?');
}

bool SentenceBalance(const Kwargs&, std::string_view response) {
  const int64_t statements = SentencesThatEnd(response, '.');
  return statements == SentencesThatEnd(response, '?') && statements == SentencesThatEnd(response, '!');
}

bool Conjunctions(const Kwargs& kwargs, std::string_view response) {
  static const std::set<std::string> conjunctions = {"and", "but", "for", "nor", "or", "so", "yet"};
  std::set<std::string> found;  // as written, so that "And" and "and," count as well as "and"
  for (const std::string_view word : python::SplitWords(response)) {
    if (conjunctions.contains(python::Lower(Bare(word)))) found.emplace(word);
  }
  return Size(found) >= kwargs.Integer("small_n");
}

bool PersonNames(const Kwargs& kwargs, std::string_view response) {
  // The names that the instruction's text lists.
  constexpr std::string_view kNames =
      "Emma Liam Sophia Jackson Olivia Noah Ava Lucas Isabella Mason Mia Ethan Charlotte Alexander Amelia Benjamin "
      "Harper "
      "Leo Zoe Daniel Chloe Samuel Lily Matthew Grace Owen Abigail Gabriel Ella Jacob Scarlett Nathan Victoria Elijah "
      "Layla Nicholas Audrey David Hannah Christopher Penelope Thomas Nora Andrew Aria Joseph Claire Ryan Stella "
      "Jonathan";
  const std::vector<std::string_view> runs = WordRuns(response);
  const std::set<std::string_view> words(runs.begin(), runs.end());
  int64_t count = 0;
  for (const std::string_view name : python::SplitWords(kNames)) count += words.contains(name);
  return count >= kwargs.Integer("N");
}

// Threes of neighbouring characters, which is what the official code compares.
std::set<std::u32string> Trigrams(std::string_view text) {
  const std::u32string points = python::CodePoints(text);
  std::set<std::u32string> trigrams;
  for (size_t i = 0; i + 3 <= points.size(); ++i) trigrams.insert(points.substr(i, 3));
  return trigrams;
}

bool Overlap(const Kwargs& kwargs, std::string_view response) {
  const std::set<std::u32string> said = Trigrams(response), reference = Trigrams(kwargs.Text("reference_text"));
  if (said.empty()) return false;
  const auto shared = std::count_if(said.begin(), said.end(), [&](const auto& t) { return reference.contains(t); });
  const double percent = static_cast<double>(shared) / static_cast<double>(said.size()) * 100;
  const double wanted = kwargs.Number("percentage");
  return wanted - 2 <= percent && percent <= wanted + 2;
}

bool Numbers(const Kwargs& kwargs, std::string_view response) {
  static const Regex digits(R"(\d+)");
  return Size(digits.FindAll(python::Without(response, kPunctuation))) == kwargs.Integer("N");
}

bool PunctuationCover(const Kwargs&, std::string_view response) {
  const bool question_first = response.find("?!") != std::string_view::npos;
  if (!question_first && response.find("!?") == std::string_view::npos &&
      response.find("‽") == std::string_view::npos) {
    return false;
  }
  // The interrobang itself does not count for its signs.
  const std::string rest = python::Replace(response, question_first ? "?!" : "!?", "", 1);
  for (const char sign : std::string_view(".,!?;:")) {
    if (rest.find(sign) == std::string::npos) return false;
  }
  return true;
}

// Each sentence as many characters as the others, and three of them.
bool SentenceWords(const Kwargs&, std::string_view response) {
  const std::vector<std::string_view> sentences = Sentences(response);
  if (sentences.size() != 3) return false;
  const auto length = [&](size_t i) { return python::Length(python::Strip(sentences[i])); };
  return length(0) == length(1) && length(1) == length(2);
}

bool JapaneseWords(const Kwargs& kwargs, std::string_view response) {
  static const Regex japanese(R"([\x{3040}-\x{30ff}\x{4e00}-\x{9fff}])");
  const int64_t every = kwargs.Integer("N");
  if (every < 1) return true;
  const std::vector<std::string_view> words = python::SplitWords(response);
  for (size_t i = static_cast<size_t>(every - 1); i < words.size(); i += static_cast<size_t>(every)) {
    const std::string_view word = Bare(words[i]);
    const std::u32string points = python::CodePoints(word);
    const bool digits = std::all_of(points.begin(), points.end(), unicode::IsDecimal);
    if (!word.empty() && !digits && !japanese.Contains(word)) return false;
  }
  return true;
}

bool Pronouns(const Kwargs& kwargs, std::string_view response) {
  static const std::set<std::string, std::less<>> pronouns = [] {
    constexpr std::string_view kPronouns =
        "i me we us you he him she her it they them my mine our ours your yours his hers its their theirs myself "
        "ourselves "
        "yourself yourselves himself herself itself themselves this that these those who whom whose which what whoever "
        "whomever whatever whichever anybody anyone anything everybody everyone everything nobody nothing somebody "
        "someone "
        "something each either neither both all some any none";
    std::set<std::string, std::less<>> set;
    for (const std::string_view word : python::SplitWords(kPronouns)) set.emplace(word);
    return set;
  }();
  const std::vector<std::string> words = WordTokens(python::Lower(python::Replace(response, "/", " ")));
  const auto count =
      std::count_if(words.begin(), words.end(), [&](const auto& word) { return pronouns.contains(word); });
  return count >= kwargs.Integer("N");
}

bool KeywordsMultiple(const Kwargs& kwargs, std::string_view response) {
  const std::string text = python::Lower(response);
  constexpr std::pair<const char*, size_t> kTimes[] = {
      {"keyword1", 1}, {"keyword2", 2}, {"keyword3", 3}, {"keyword4", 5}, {"keyword5", 7}};
  for (const auto& [key, times] : kTimes) {
    const std::string keyword = python::Lower(python::Strip(kwargs.Text(key)));
    if (keyword.empty() || python::Count(text, keyword) != times) return false;
  }
  return true;
}

}  // namespace

void AddIfBenchCounts(Checkers* checkers) {
  checkers->insert({
      {"count:word_count_range", WordCountRange},
      {"count:unique_word_count", UniqueWordCount},
      {"count:conjunctions", Conjunctions},
      {"count:person_names", PersonNames},
      {"count:numbers", Numbers},
      {"count:punctuation", PunctuationCover},
      {"count:words_japanese", JapaneseWords},
      {"count:pronouns", Pronouns},
      {"count:keywords_multiple", KeywordsMultiple},
      {"ratio:stop_words", StopWords},
      {"ratio:sentence_type", SentenceTypes},
      {"ratio:sentence_balance", SentenceBalance},
      {"ratio:overlap", Overlap},
      {"ratio:sentence_words", SentenceWords},
  });
}

}  // namespace fulgur::instructions
