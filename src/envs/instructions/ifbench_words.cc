// The kinds words:* and sentence:* of IFBench. Origin of the rules: allenai/IFBench.
#include <algorithm>
#include <map>
#include <set>

#include "envs/instructions/checkers.h"
#include "envs/instructions/language.h"
#include "text/python_text.h"
#include "unicode/characters.h"
#include "unicode/regex.h"

namespace fulgur::instructions {

namespace {

using python::kPunctuation;

const std::string& PunctuationAndSpace() {
  static const std::string characters = std::string(kPunctuation) + " ";
  return characters;
}

// Lower case, without any punctuation, split at white space.
std::vector<std::string> PlainWords(std::string_view text) {
  const std::string plain = python::Lower(python::Without(text, kPunctuation));
  std::vector<std::string> words;
  for (const std::string_view word : python::SplitWords(plain)) words.emplace_back(word);
  return words;
}

char32_t First(std::string_view word) {
  size_t at = 0;
  return unicode::DecodeAt(word, &at);
}

bool Alphabet(const Kwargs&, std::string_view response) {
  const std::vector<std::string> words = PlainWords(response);
  if (words.empty()) return false;
  char32_t letter = First(words[0]);
  if (letter < U'a' || letter > U'z') return false;
  for (size_t i = 1; i < words.size(); ++i) {
    letter = letter == U'z' ? U'a' : letter + 1;
    if (First(words[i]) != letter) return false;
  }
  return true;
}

bool Vowels(const Kwargs&, std::string_view response) {
  const std::string text = python::Lower(python::Strip(response));
  if (text.find('\n') != std::string::npos) return false;
  const std::string_view vowels = "aeiou";
  return std::count_if(vowels.begin(), vowels.end(), [&](char v) { return text.find(v) != std::string::npos; }) <= 3;
}

bool Consonants(const Kwargs&, std::string_view response) {
  const auto consonant = [](char c) {
    return c >= 'a' && c <= 'z' && std::string_view("aeiou").find(c) == std::string_view::npos;
  };
  const std::string text = python::Lower(response);
  for (const std::string_view word : python::SplitWords(text)) {
    bool cluster = false;
    for (size_t i = 0; i + 1 < word.size(); ++i) cluster |= consonant(word[i]) && consonant(word[i + 1]);
    if (!cluster) return false;
  }
  return true;
}

// Each sentence has more words that alliterate with a neighbour than the one before it.
bool AlliterationIncrement(const Kwargs&, std::string_view response) {
  int64_t previous = -1;
  for (const std::string_view sentence : Sentences(response)) {
    const std::string text = python::Lower(sentence);
    std::vector<char32_t> initials;
    for (const std::string_view word : python::SplitWords(text)) {
      const std::string_view bare = python::StripLeft(word, PunctuationAndSpace());
      if (!bare.empty()) initials.push_back(First(bare));
    }
    int64_t count = 0;
    bool running = false;
    for (size_t i = 0; i + 1 < initials.size(); ++i) {
      const bool same = initials[i] == initials[i + 1];
      if (same) count += running ? 1 : 2;
      running = same;
    }
    if (count <= previous) return false;
    previous = count;
  }
  return true;
}

bool Palindromes(const Kwargs&, std::string_view response) {
  int64_t count = 0;
  for (const std::string& word : PlainWords(response)) {
    const std::u32string points = python::CodePoints(word);
    count += points.size() >= 5 && std::equal(points.begin(), points.end(), points.rbegin());
  }
  return count >= 10;
}

bool PrimeLengths(const Kwargs&, std::string_view response) {
  for (const std::string& word : PlainWords(response)) {
    const size_t length = python::Length(word);
    bool prime = length >= 2 && length < 100;
    for (size_t d = 2; d * d <= length; ++d) prime &= length % d != 0;
    if (!prime) return false;
  }
  return true;
}

bool StartVerb(const Kwargs&, std::string_view response) {
  const std::vector<std::string> words = WordTokens(response);
  return !words.empty() && MayBeVerb(words[0]);
}

bool Repeats(const Kwargs& kwargs, std::string_view response) {
  std::map<std::string, int64_t> counts;
  for (const std::string& word : PlainWords(response)) ++counts[word];
  const int64_t most = kwargs.Integer("small_n");
  return std::all_of(counts.begin(), counts.end(), [&](const auto& entry) { return entry.second <= most; });
}

// Odd and even numbers of syllables in turn.
bool OddEvenSyllables(const Kwargs&, std::string_view response) {
  int previous = -1;
  for (const std::string& word : PlainWords(response)) {
    const int parity = CountSyllables(word) % 2;
    if (parity == previous) return false;
    previous = parity;
  }
  return true;
}

bool LastFirst(const Kwargs&, std::string_view response) {
  const std::vector<std::string_view> sentences = Sentences(response);
  for (size_t i = 0; i + 1 < sentences.size(); ++i) {
    const auto last = python::SplitWords(python::StripRight(sentences[i], PunctuationAndSpace()));
    const auto first = python::SplitWords(python::StripLeft(sentences[i + 1], PunctuationAndSpace()));
    if (last.empty() || first.empty() || python::Lower(last.back()) != python::Lower(first[0])) return false;
  }
  return true;
}

bool ParagraphLastFirst(const Kwargs&, std::string_view response) {
  const std::string text = python::Lower(response);
  for (const std::string_view line : python::Split(text, "\n")) {
    const auto words = python::SplitWords(python::Strip(python::Strip(line), PunctuationAndSpace()));
    if (!words.empty() && words[0] != words.back()) return false;
  }
  return true;
}

bool NoConsecutive(const Kwargs&, std::string_view response) {
  const std::vector<std::string> words = PlainWords(response);
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    if (First(words[i]) == First(words[i + 1])) return false;
  }
  return true;
}

bool KeywordPosition(const Kwargs& kwargs, std::string_view response) {
  const std::vector<std::string_view> sentences = Sentences(response);
  const int64_t n = kwargs.Integer("n"), m = kwargs.Integer("m");
  if (n < 1 || m < 1 || static_cast<int64_t>(sentences.size()) < n) return false;
  std::vector<std::string> words;
  for (const std::string& token : WordTokens(sentences[static_cast<size_t>(n - 1)])) {
    const std::u32string points = python::CodePoints(token);
    const auto letter_or_digit = [](char32_t c) { return unicode::IsAlpha(c) || unicode::IsNumeric(c); };
    if (std::any_of(points.begin(), points.end(), letter_or_digit)) words.push_back(token);
  }
  return static_cast<int64_t>(words.size()) >= m &&
         python::Lower(words[static_cast<size_t>(m - 1)]) == python::Lower(python::Strip(kwargs.Text("keyword")));
}

bool WordsPosition(const Kwargs& kwargs, std::string_view response) {
  const std::vector<std::string> words = WordTokens(response);
  const std::string keyword = python::Lower(python::Strip(kwargs.Text("keyword")));
  if (words.size() < 2) return false;
  // Punctuation at the end does not count as the last word.
  const bool punctuation = kPunctuation.find(words.back()) != std::string_view::npos;
  const size_t from_end = punctuation ? 3 : 2;
  return words.size() >= from_end && python::Lower(words[1]) == keyword &&
         python::Lower(words[words.size() - from_end]) == keyword;
}

bool SentenceKeyword(const Kwargs& kwargs, std::string_view response) {
  const std::vector<std::string_view> sentences = Sentences(response);
  const int64_t n = kwargs.Integer("N");
  if (n < 1 || static_cast<int64_t>(sentences.size()) < n) return false;
  const Regex word("\\b" + Regex::Quote(kwargs.Text("word")) + "\\b", Regex::kIgnoreCase);
  return word.Contains(sentences[static_cast<size_t>(n - 1)]);
}

bool SentenceIncrement(const Kwargs& kwargs, std::string_view response) {
  const std::vector<std::string_view> sentences = Sentences(response);
  const int64_t step = kwargs.Integer("small_n");
  for (size_t i = 1; i < sentences.size(); ++i) {
    const auto before = static_cast<int64_t>(PlainWords(sentences[i - 1]).size());
    if (static_cast<int64_t>(PlainWords(sentences[i]).size()) != before + step) return false;
  }
  return true;
}

}  // namespace

void AddIfBenchWords(Checkers* checkers) {
  checkers->insert({
      {"words:alphabet", Alphabet},
      {"words:vowel", Vowels},
      {"words:consonants", Consonants},
      {"words:palindrome", Palindromes},
      {"words:prime_lengths", PrimeLengths},
      {"words:start_verb", StartVerb},
      {"words:repeats", Repeats},
      {"words:odd_even_syllables", OddEvenSyllables},
      {"words:last_first", LastFirst},
      {"words:paragraph_last_first", ParagraphLastFirst},
      {"words:no_consecutive", NoConsecutive},
      {"words:keywords_specific_position", KeywordPosition},
      {"words:words_position", WordsPosition},
      {"sentence:alliteration_increment", AlliterationIncrement},
      {"sentence:keyword", SentenceKeyword},
      {"sentence:increment", SentenceIncrement},
  });
}

}  // namespace fulgur::instructions
