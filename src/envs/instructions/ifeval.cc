// The kinds of IFEval. Origin of the rules: google-research/instruction_following_eval, as lm-evaluation-harness and
// IFBench have them.
#include <algorithm>
#include <set>

#include "envs/instructions/checkers.h"
#include "envs/instructions/language.h"
#include "text/python_text.h"
#include "unicode/regex.h"

namespace fulgur::instructions {

namespace {

int64_t Size(const auto& list) { return static_cast<int64_t>(list.size()); }

bool KeywordExistence(const Kwargs& kwargs, std::string_view response) {
  for (const std::string& keyword : kwargs.Texts("keywords")) {
    if (!Regex(keyword, Regex::kIgnoreCase).Contains(response)) return false;
  }
  return true;
}

bool KeywordFrequency(const Kwargs& kwargs, std::string_view response) {
  const std::string keyword(python::Strip(kwargs.Text("keyword")));
  return kwargs.Compare(Size(Regex(keyword, Regex::kIgnoreCase).FindAll(response)), "relation", "frequency");
}

bool ForbiddenWords(const Kwargs& kwargs, std::string_view response) {
  for (const std::string& word : kwargs.Texts("forbidden_words")) {
    if (Regex("\\b" + word + "\\b", Regex::kIgnoreCase).Contains(response)) return false;
  }
  return true;
}

bool LetterFrequency(const Kwargs& kwargs, std::string_view response) {
  const std::string letter = python::Lower(python::Strip(kwargs.Text("letter")));
  const int64_t count =
      python::Length(letter) == 1 ? static_cast<int64_t>(python::Count(python::Lower(response), letter)) : 0;
  return kwargs.Compare(count, "let_relation", "let_frequency");
}

bool ResponseLanguage(const Kwargs& kwargs, std::string_view response) {
  const std::string detected = DetectLanguage(response);
  return detected.empty() || detected == kwargs.Text("language");  // the official code lets pass what it cannot tell
}

bool NumberOfSentences(const Kwargs& kwargs, std::string_view response) {
  return kwargs.Compare(Size(Sentences(response)), "relation", "num_sentences");
}

bool NumberOfParagraphs(const Kwargs& kwargs, std::string_view response) {
  static const Regex divider(R"(\s?\*\*\*\s?)");
  const std::vector<std::string_view> parts = divider.Split(response);
  int64_t count = Size(parts);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!python::Strip(parts[i]).empty()) continue;
    if (i != 0 && i + 1 != parts.size()) return false;
    --count;
  }
  return count == kwargs.Integer("num_paragraphs");
}

bool NumberOfWords(const Kwargs& kwargs, std::string_view response) {
  return kwargs.Compare(Size(WordRuns(response)), "relation", "num_words");
}

bool NthParagraphFirstWord(const Kwargs& kwargs, std::string_view response) {
  const std::vector<std::string_view> paragraphs = python::Split(response, "\n\n");
  const int64_t nth = kwargs.Integer("nth_paragraph");
  const int64_t count =
      std::count_if(paragraphs.begin(), paragraphs.end(), [](auto p) { return !python::Strip(p).empty(); });
  if (nth > count || nth < 1) return false;
  const std::string_view paragraph = python::Strip(paragraphs[static_cast<size_t>(nth - 1)]);
  if (paragraph.empty()) return false;
  std::string_view word = python::StripLeft(python::StripLeft(python::SplitWords(paragraph)[0], "'"), "\"");
  word = word.substr(0, word.find_first_of(".,?!'\""));
  return count == kwargs.Integer("num_paragraphs") && python::Lower(word) == python::Lower(kwargs.Text("first_word"));
}

bool NumberOfPlaceholders(const Kwargs& kwargs, std::string_view response) {
  static const Regex placeholder(R"(\[.*?\])");
  return Size(placeholder.FindAll(response)) >= kwargs.Integer("num_placeholders");
}

bool Postscript(const Kwargs& kwargs, std::string_view response) {
  const std::string marker(python::Strip(kwargs.Text("postscript_marker")));
  const std::string pattern = marker == "P.P.S"  ? R"(\s*p\.\s?p\.\s?s.*$)"
                              : marker == "P.S." ? R"(\s*p\.\s?s\..*$)"
                                                 : R"(\s*)" + python::Lower(marker) + R"(.*$)";
  return Regex(pattern, Regex::kMultiline).Contains(python::Lower(response));
}

bool NumberOfBullets(const Kwargs& kwargs, std::string_view response) {
  static const Regex stars(R"(^\s*\*[^\*].*$)", Regex::kMultiline), dashes(R"(^\s*-.*$)", Regex::kMultiline);
  return Size(stars.FindAll(response)) + Size(dashes.FindAll(response)) == kwargs.Integer("num_bullets");
}

bool ConstrainedResponse(const Kwargs&, std::string_view response) {
  for (const std::string_view option : {"My answer is yes.", "My answer is no.", "My answer is maybe."}) {
    if (python::Strip(response).find(option) != std::string_view::npos) return true;
  }
  return false;
}

bool HighlightedSections(const Kwargs& kwargs, std::string_view response) {
  static const Regex single(R"(\*[^\n\*]*\*)"), twice(R"(\*\*[^\n\*]*\*\*)");
  int64_t count = 0;
  for (const Regex* pattern : {&single, &twice}) {
    for (const Regex::Match& match : pattern->FindAll(response)) {
      count += !python::Strip(python::Strip(match[0], "*")).empty();
    }
  }
  return count >= kwargs.Integer("num_highlights");
}

bool MultipleSections(const Kwargs& kwargs, std::string_view response) {
  const Regex divider(R"(\s?)" + std::string(python::Strip(kwargs.Text("section_spliter"))) + R"(\s?\d+\s?)");
  return Size(divider.Split(response)) - 1 >= kwargs.Integer("num_sections");
}

bool JsonFormat(const Kwargs&, std::string_view response) {
  std::string_view text = python::Strip(response);
  for (const std::string_view fence : {"```json", "```Json", "```JSON", "```"})
    text = python::RemovePrefix(text, fence);
  return python::ParseJson(python::Strip(python::RemoveSuffix(text, "```"))).has_value();
}

bool Title(const Kwargs&, std::string_view response) {
  static const Regex title(R"(<<[^\n]+>>)");
  for (const Regex::Match& match : title.FindAll(response)) {
    if (!python::Strip(python::StripRight(python::StripLeft(match[0], "<"), ">")).empty()) return true;
  }
  return false;
}

bool TwoResponses(const Kwargs&, std::string_view response) {
  const std::vector<std::string_view> parts = python::Split(response, "******");
  std::vector<std::string_view> answers;
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string_view answer = python::Strip(parts[i]);
    if (!answer.empty()) {
      answers.push_back(answer);
    } else if (i != 0 && i + 1 != parts.size()) {
      return false;
    }
  }
  return answers.size() == 2 && answers[0] != answers[1];
}

bool RepeatPrompt(const Kwargs& kwargs, std::string_view response) {
  return python::Lower(python::Strip(response))
      .starts_with(python::Lower(python::Strip(kwargs.Text("prompt_to_repeat"))));
}

bool EndsWith(const Kwargs& kwargs, std::string_view response) {
  const std::string end = python::Lower(python::Strip(kwargs.Text("end_phrase")));
  return python::Lower(python::Strip(python::Strip(response), "\"")).ends_with(end);
}

bool Quotation(const Kwargs&, std::string_view response) {
  const std::string_view text = python::Strip(response);
  return text.size() > 1 && text.front() == '"' && text.back() == '"';
}

bool CapitalWordFrequency(const Kwargs& kwargs, std::string_view response) {
  const std::vector<std::string> words = WordTokens(response);
  return kwargs.Compare(std::count_if(words.begin(), words.end(), [](const auto& w) { return python::IsUpper(w); }),
                        "capital_relation", "capital_frequency");
}

bool MayBeEnglish(std::string_view response) {
  const std::string language = DetectLanguage(response);
  return language.empty() || language == "en";
}

bool EnglishCapital(const Kwargs&, std::string_view response) {
  return python::IsUpper(response) && MayBeEnglish(response);
}

bool EnglishLowercase(const Kwargs&, std::string_view response) {
  return python::IsLower(response) && MayBeEnglish(response);
}

bool NoComma(const Kwargs&, std::string_view response) { return response.find(',') == std::string_view::npos; }

}  // namespace

void AddIfEval(Checkers* checkers) {
  checkers->insert({
      {"keywords:existence", KeywordExistence},
      {"keywords:frequency", KeywordFrequency},
      {"keywords:forbidden_words", ForbiddenWords},
      {"keywords:letter_frequency", LetterFrequency},
      {"language:response_language", ResponseLanguage},
      {"length_constraints:number_sentences", NumberOfSentences},
      {"length_constraints:number_paragraphs", NumberOfParagraphs},
      {"length_constraints:number_words", NumberOfWords},
      {"length_constraints:nth_paragraph_first_word", NthParagraphFirstWord},
      {"detectable_content:number_placeholders", NumberOfPlaceholders},
      {"detectable_content:postscript", Postscript},
      {"detectable_format:number_bullet_lists", NumberOfBullets},
      {"detectable_format:constrained_response", ConstrainedResponse},
      {"detectable_format:number_highlighted_sections", HighlightedSections},
      {"detectable_format:multiple_sections", MultipleSections},
      {"detectable_format:json_format", JsonFormat},
      {"detectable_format:title", Title},
      {"combination:two_responses", TwoResponses},
      {"combination:repeat_prompt", RepeatPrompt},
      {"startend:end_checker", EndsWith},
      {"startend:quotation", Quotation},
      {"change_case:capital_word_frequency", CapitalWordFrequency},
      {"change_case:english_capital", EnglishCapital},
      {"change_case:english_lowercase", EnglishLowercase},
      {"punctuation:no_comma", NoComma},
  });
}

}  // namespace fulgur::instructions
