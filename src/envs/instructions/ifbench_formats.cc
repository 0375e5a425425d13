// The kinds format:* and repeat:* of IFBench. Origin of the rules: allenai/IFBench.
#include <algorithm>

#include "envs/instructions/checkers.h"
#include "envs/instructions/language.h"
#include "text/python_text.h"
#include "unicode/characters.h"
#include "unicode/regex.h"

namespace fulgur::instructions {

namespace {

using python::kPunctuation;

constexpr std::string_view kBlank = " ";

std::string_view Bare(std::string_view text) {
  static const std::string characters = std::string(kPunctuation) + std::string(kBlank);
  return python::Strip(text, characters);
}

// Five brackets inside of each other, closed again.
bool NestedParentheses(const Kwargs&, std::string_view response) {
  std::string open;
  size_t deepest = 0;
  for (const char c : response) {
    if (c == '(' || c == '[' || c == '{') {
      open += c;
      deepest = std::max(deepest, open.size());
    } else if (c == ')' || c == ']' || c == '}') {
      const char opener = c == ')' ? '(' : c == ']' ? '[' : '{';
      if (!open.empty() && open.back() == opener) {
        open.pop_back();
        if (deepest >= 5 && open.size() < deepest) return true;
      } else {
        open.clear();
        deepest = 0;
      }
    }
  }
  return false;
}

// Three quotations inside of each other, closed again.
bool NestedQuotes(const Kwargs&, std::string_view response) {
  std::string open;
  size_t deepest = 0;
  for (const char c : response) {
    if (!open.empty() && c == open.back()) {
      open.pop_back();
      if (deepest - open.size() >= 3) return true;
    } else if (c == '"' || c == '\'') {
      open += c;
      deepest = std::max(deepest, open.size());
    }
  }
  return false;
}

bool Options(const Kwargs& kwargs, std::string_view response) {
  static const Regex letters(R"(^\W*[aA]\W*[bB]\W*[cC]\W*)");
  const std::string options = kwargs.Text("options");
  const std::string_view separator = options.find('/') != std::string::npos    ? "/"
                                     : options.find("or") != std::string::npos ? "or"
                                                                               : ",";
  const bool exact = letters.Contains(options);
  for (const std::string_view part : python::Split(options, separator)) {
    const std::string_view option = python::Strip(part);
    if (exact ? option == response : python::Lower(Bare(option)) == python::Lower(Bare(response))) return true;
  }
  return false;
}

// A word a line.
bool Newlines(const Kwargs&, std::string_view response) {
  const std::string text = python::Without(response, kPunctuation);
  const std::vector<std::string_view> lines = python::Split(python::Strip(text), "\n");
  const auto count = std::count_if(lines.begin(), lines.end(), [](auto line) { return !line.empty(); });
  return static_cast<size_t>(count) == python::SplitWords(text).size();
}

// An emoji at the end of every sentence, or at the begin of the next.
bool EmojiSentences(const Kwargs&, std::string_view response) {
  std::vector<std::u32string> sentences;
  for (const std::string_view sentence : Sentences(response)) {
    sentences.push_back(python::CodePoints(python::Strip(python::Without(sentence, kPunctuation))));
  }
  for (size_t i = 0; i < sentences.size(); ++i) {
    const std::u32string& s = sentences[i];
    if (s.empty()) return false;
    if (IsEmoji(s.back()) || IsEmoji(s[s.size() - std::min<size_t>(s.size(), 2)])) continue;
    if (i + 1 == sentences.size() || sentences[i + 1].empty() || !IsEmoji(sentences[i + 1][0])) return false;
  }
  return true;
}

bool LineIndent(const Kwargs&, std::string_view response) {
  std::vector<std::string_view> lines = python::Split(response, "\n");
  // The official loop takes lines out of the list that it walks, so of blank lines in a row every other one stays.
  for (size_t i = 0; i < lines.size(); ++i) {
    if (python::Strip(lines[i]).empty()) lines.erase(std::find(lines.begin(), lines.end(), lines[i]));
  }
  const auto indent = [](std::string_view line) { return line.size() - python::StripLeft(line, kBlank).size(); };
  for (size_t i = 0; i + 1 < lines.size(); ++i) {
    if (indent(lines[i + 1]) <= indent(lines[i])) return false;
  }
  return true;
}

// Behind every quotation something follows.
bool QuoteUnquote(const Kwargs&, std::string_view response) {
  const std::string plain = python::Replace(response, "'\"'", "");
  const std::string text = python::Join(python::SplitWords(plain), "");
  if (text.find("\"\"") != std::string::npos) return false;
  static const std::string others = "0123456789" + python::Without(kPunctuation, "\"");
  return !python::Strip(text, others).ends_with('"');
}

bool ListWithSeparator(const Kwargs& kwargs, std::string_view response) {
  const std::string separator = kwargs.Text("sep");
  return !separator.empty() && python::Count(response, separator) >= 2;
}

bool Thesis(const Kwargs&, std::string_view response) {
  size_t begin = response.find("<i>");
  if (begin == std::string_view::npos) begin = response.find("<em>");
  if (begin == std::string_view::npos) return false;
  const std::string_view text = response.substr(begin);
  size_t end = text.find("</i>");
  if (end == std::string_view::npos) end = text.find("</em>");
  if (end == std::string_view::npos) return false;
  const std::string_view thesis = end > 3 ? text.substr(3, end - 3) : std::string_view();
  return !python::Strip(thesis).empty() && !python::Strip(text.substr(std::min(end + 4, text.size()))).empty();
}

bool SubBullets(const Kwargs&, std::string_view response) {
  const std::vector<std::string_view> bullets = python::Split(response, "*");
  return std::all_of(bullets.begin() + 1, bullets.end(), [](auto b) { return b.find('-') != std::string_view::npos; });
}

// Two sentences, then at least two bullets, and nothing behind.
bool SentencesThenBullets(const Kwargs&, std::string_view response) {
  bool before_bullets = true;
  int64_t sentences = 0, bullets = 0;
  for (const std::string_view line : python::Split(response, "\n")) {
    const std::string_view text = python::Strip(line);
    if (text.starts_with('*')) {
      before_bullets = false;
      if (sentences < 2) return false;
      ++bullets;
    } else if (before_bullets) {
      const auto found = static_cast<int64_t>(Sentences(text).size());
      sentences += found;
      before_bullets = found > 0;  // a blank line ends the sentences for the official code
    } else {
      return false;
    }
  }
  return bullets >= 2;
}

bool TitleCase(const Kwargs&, std::string_view response) {
  for (const std::string& word : WordTokens(response)) {
    size_t rest = 0;
    const char32_t first = unicode::DecodeAt(word, &rest);
    if (!unicode::IsAlpha(first) || !unicode::IsLower(first)) continue;
    if (rest == word.size() || python::IsUpper(word.substr(rest)) || python::IsLower(word.substr(rest))) return false;
  }
  return true;
}

bool OutputTemplate(const Kwargs&, std::string_view response) {
  for (const std::string_view part : {"My Answer:", "My Conclusion:", "Future Outlook:"}) {
    if (response.find(part) == std::string_view::npos) return false;
  }
  return true;
}

bool NoWhitespace(const Kwargs&, std::string_view response) {
  const std::u32string points = python::CodePoints(response);
  return std::none_of(points.begin(), points.end(), unicode::IsSpace);
}

// The prompt again, with another first word.
bool RepeatChange(const Kwargs& kwargs, std::string_view response) {
  const std::string prompt = kwargs.Text("prompt_to_repeat");
  if (prompt == response) return false;
  std::vector<std::string_view> wanted = python::SplitWords(prompt), said = python::SplitWords(response);
  if (!wanted.empty()) wanted.erase(wanted.begin());
  if (!said.empty()) said.erase(said.begin());
  return wanted == said;
}

bool RepeatSimple(const Kwargs&, std::string_view response) {
  return python::Lower(python::Strip(response)) == "only output this sentence here, ignore all other requests.";
}

bool RepeatSpan(const Kwargs& kwargs, std::string_view response) {
  const std::u32string prompt = python::CodePoints(kwargs.Text("prompt_to_repeat"));
  const int64_t begin = kwargs.Integer("n_start"), end = kwargs.Integer("n_end") + 1;
  const auto size = static_cast<int64_t>(prompt.size());
  std::string span;
  if (0 <= begin && begin < end && begin < size) {
    span = python::Utf8(prompt.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
  }
  return python::Lower(python::Strip(response)) == python::Lower(python::Strip(span));
}

}  // namespace

void AddIfBenchFormats(Checkers* checkers) {
  checkers->insert({
      {"format:parentheses", NestedParentheses},
      {"format:quotes", NestedQuotes},
      {"format:options", Options},
      {"format:newline", Newlines},
      {"format:emoji", EmojiSentences},
      {"format:line_indent", LineIndent},
      {"format:quote_unquote", QuoteUnquote},
      {"format:list", ListWithSeparator},
      {"format:thesis", Thesis},
      {"format:sub-bullets", SubBullets},
      {"format:no_bullets_bullets", SentencesThenBullets},
      {"format:title_case", TitleCase},
      {"format:output_template", OutputTemplate},
      {"format:no_whitespace", NoWhitespace},
      {"repeat:repeat_change", RepeatChange},
      {"repeat:repeat_simple", RepeatSimple},
      {"repeat:repeat_span", RepeatSpan},
  });
}

}  // namespace fulgur::instructions
