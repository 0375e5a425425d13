// The kinds custom:* of IFBench. Origin of the rules: allenai/IFBench.
#include <algorithm>

#include "envs/instructions/checkers.h"
#include "envs/instructions/language.h"
#include "text/normalizer.h"
#include "text/python_text.h"
#include "unicode/regex.h"

namespace fulgur::instructions {

namespace {

using python::kPunctuation;

// Without accents; what is then not ASCII is left out.
std::string Ascii(std::string_view text) {
  static const Json kind = {{"type", "NFKD"}};
  static const Normalizer decompose(&kind, "NFKD");
  std::string ascii = decompose.Apply(text);
  std::erase_if(ascii, [](char c) { return (c & 0x80) != 0; });
  return ascii;
}

using Rows = std::vector<std::vector<std::string>>;

// Comma-separated values as Python's csv.reader reads them: quotes only at a field's begin, "" in them for one quote; a
// line without any field is a row without any.
Rows ReadCsv(std::string_view text, char delimiter) {
  Rows rows;
  size_t at = 0;
  while (at < text.size()) {
    std::vector<std::string> row;
    bool end_of_row = false;
    if (text[at] == '\n') {
      ++at;
      rows.push_back(row);
      continue;
    }
    while (!end_of_row) {
      std::string field;
      bool quoted = at < text.size() && text[at] == '"';
      if (quoted) ++at;
      while (true) {
        if (at >= text.size()) {
          end_of_row = true;
          break;
        }
        const char c = text[at++];
        if (quoted) {
          if (c != '"') {
            field += c;
          } else if (at < text.size() && text[at] == '"') {
            field += '"';
            ++at;
          } else {
            quoted = false;  // what follows up to the delimiter still belongs to the field
          }
        } else if (c == delimiter) {
          break;
        } else if (c == '\n' || c == '\r') {
          if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
          end_of_row = true;
          break;
        } else {
          field += c;
        }
      }
      row.push_back(field);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

bool Multiples(const Kwargs&, std::string_view response) {
  static const Regex digits(R"(\d+)");
  std::vector<std::string> numbers;
  for (const Regex::Match& match : digits.FindAll(response)) numbers.emplace_back(match[0]);
  return numbers == std::vector<std::string>{"14", "21", "28", "35", "42", "49"};
}

// Four questions of five options each, every one longer than the one before.
bool MultipleChoice(const Kwargs&, std::string_view response) {
  static const Regex divider(R"(\n*(?:Question \d+[\.|\):;]?\s*))"), option(R"(^[A-Ea-e][\.|\)]\s*\w+)");
  if (!response.starts_with("Question")) return false;
  size_t questions = 0, longest = 0;
  for (const std::string_view part : divider.Split(response)) {
    const std::string_view question = python::Strip(part);
    if (question.empty()) continue;
    std::string text;
    int options = 0;
    for (const std::string_view line : python::Split(question, "\n")) {
      const std::string_view stripped = python::Strip(line);
      if (option.Contains(stripped)) {
        ++options;
      } else if (options == 0) {
        text += " " + std::string(stripped);
      }
    }
    const size_t length = python::Length(python::Strip(text));
    if (options != 5 || (questions > 0 && length <= longest)) return false;
    longest = length;
    ++questions;
  }
  return questions == 4;
}

// The countries of Africa, from Zimbabwe on, against the alphabet.
bool ReverseNewline(const Kwargs&, std::string_view response) {
  static const std::string strip = std::string(kPunctuation) + " ";
  std::vector<std::string> lines;
  for (const std::string_view line : python::Split(response, "\n")) {
    const std::string_view stripped = python::Strip(line, strip);
    if (stripped.empty()) continue;
    if (lines.empty() && stripped.find("Zimbabwe") == std::string_view::npos) continue;
    lines.push_back(Ascii(stripped));
  }
  return lines.size() >= 52 && std::is_sorted(lines.begin(), lines.end(), std::greater<>());
}

bool WordReverse(const Kwargs&, std::string_view response) {
  const std::string plain = python::Without(python::Lower(python::Strip(response)), kPunctuation);
  std::vector<std::string_view> words = python::SplitWords(plain);
  std::reverse(words.begin(), words.end());
  const std::string text = python::Join(words, " ");
  if (text.find("bald eagle") == std::string::npos) return false;
  const std::vector<std::string_view> sentences = Sentences(text);
  return std::find(sentences.begin(), sentences.end(), text) != sentences.end();
}

bool CharacterReverse(const Kwargs&, std::string_view response) {
  return python::Lower(response).find("elgae dlab") != std::string::npos;
}

bool SentenceAlphabet(const Kwargs&, std::string_view response) {
  const std::vector<std::string_view> sentences = Sentences(response);
  if (sentences.size() != 26) return false;
  for (size_t i = 0; i < sentences.size(); ++i) {
    if (python::Lower(sentences[i]).front() != static_cast<char>('a' + i)) return false;
  }
  return true;
}

// The capitals of Europe from north to south, as the instruction's code lists them.
bool EuropeanCapitals(const Kwargs&, std::string_view response) {
  constexpr std::string_view kOrder =
      "Reykjavik Helsinki Oslo Tallinn Stockholm Riga Moscow Copenhagen Vilnius Minsk Dublin Berlin Amsterdam Warsaw "
      "London "
      "Brussels Prague Luxembourg Paris Vienna Bratislava Budapest Vaduz Chisinau Bern Ljubljana Zagreb";
  const std::string text = Ascii(response);
  std::vector<std::string_view> capitals;
  for (const std::string_view part : python::Split(text, ",")) {
    if (const std::string_view capital = python::Strip(part); !capital.empty()) capitals.push_back(capital);
  }
  return capitals == python::SplitWords(kOrder);
}

bool CityCsv(const Kwargs&, std::string_view response) {
  const Rows rows = ReadCsv(response, ',');
  if (rows.size() != 8 || rows[0] != std::vector<std::string>{"ID", "Country", "City", "Year", "Count"}) return false;
  return std::all_of(rows.begin() + 1, rows.end(), [](const auto& row) { return row.size() == 5; });
}

std::string_view FirstLine(std::string_view text) { return python::Strip(text.substr(0, text.find('\n'))); }

// With every quote tripled, the values keep their quotes when they are read.
Rows ReadWithQuotes(std::string_view text, char delimiter) {
  return ReadCsv(python::Replace(text, "\"", "\"\"\""), delimiter);
}

bool SpecialCharacterCsv(const Kwargs&, std::string_view response) {
  static const Regex header(
      R"(^(ProductID|"ProductID"),[ \t]*(Category|"Category"),[ \t]*(Brand|"Brand"),[ \t]*(Price|"Price"),[ \t]*(Stock|"Stock")$)");
  static const Regex special(R"(^".*[^\d\w\s].*")");
  if (!header.Contains(FirstLine(response))) return false;
  const Rows rows = ReadWithQuotes(response, ',');
  if (rows.size() != 15) return false;
  for (size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].size() != 5) return false;
    for (const std::string& field : rows[i]) {
      if (special.Contains(field)) return true;
    }
  }
  return false;
}

bool QuotesCsv(const Kwargs&, std::string_view response) {
  static const Regex header(
      R"(^(StudentID|"StudentID")\t *(Subject|"Subject")\t *(Grade|"Grade")\t *(Semester|"Semester")\t *(Score|"Score")$)");
  if (!header.Contains(FirstLine(response))) return false;
  const Rows rows = ReadWithQuotes(response, '\t');
  if (rows.size() != 4) return false;
  for (const auto& row : rows) {
    if (row.size() != 5) return false;
    for (const std::string& field : row) {
      const std::string_view value = python::Strip(field);
      if (!value.starts_with('"') || !value.ends_with('"')) return false;
    }
  }
  return true;
}

bool DateList(const Kwargs&, std::string_view response) {
  static const Regex pattern(R"(^([0-9]{4})-([0-9]{2})-([0-9]{2})$)");
  for (const std::string_view part : python::Split(python::Strip(response), ",")) {
    const auto date = pattern.Search(python::Strip(part));
    if (!date) return false;
    const auto number = [&](size_t group) { return std::stoi(std::string((*date)[group])); };
    const int year = number(1), month = number(2), day = number(3);
    if (year < 1769 || year > 1821 || month > 12) return false;
    // The official code knows no month 0 to refuse its days.
    const int days = month == 0                                              ? 99
                     : month == 2                                            ? 29
                     : month == 4 || month == 6 || month == 9 || month == 11 ? 30
                                                                             : 31;
    if (day > days) return false;
  }
  return true;
}

}  // namespace

void AddIfBenchCustom(Checkers* checkers) {
  checkers->insert({
      {"custom:multiples", Multiples},
      {"custom:mcq_count_length", MultipleChoice},
      {"custom:reverse_newline", ReverseNewline},
      {"custom:word_reverse", WordReverse},
      {"custom:character_reverse", CharacterReverse},
      {"custom:sentence_alphabet", SentenceAlphabet},
      {"custom:european_capitals_sort", EuropeanCapitals},
      {"custom:csv_city", CityCsv},
      {"custom:csv_special_character", SpecialCharacterCsv},
      {"custom:csv_quotes", QuotesCsv},
      {"custom:date_format_list", DateList},
  });
}

}  // namespace fulgur::instructions
