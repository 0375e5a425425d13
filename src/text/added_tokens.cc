#include "text/added_tokens.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "unicode/unicode.h"

namespace fulgur {
namespace {

std::optional<char32_t> FirstCharacter(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const Utf8Step step = DecodeUtf8(text);
  return step.kind == Utf8Step::kCharacter ? std::optional(step.code_point) : std::nullopt;
}

// Where the last character of `text` begins.
size_t LastBegin(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

// \w, as regular expressions over Unicode have it.
bool IsWordCharacter(char32_t c) {
  static const CodePointSet set = [] {
    CodePointSet word;
    for (const char* category : {"L", "M", "Nd", "Nl", "Pc"}) word.Add(*CodePointSet::OfCategory(category));
    word.Add(0x200C, 0x200E);                                                                  // joiners
    for (const char32_t c : {0x24B6, 0x24D0, 0x1F130, 0x1F150, 0x1F170}) word.Add(c, c + 26);  // letters in circles
    word.Normalize();
    return word;
  }();
  return set.Contains(c);
}

bool IsSpace(char32_t c) { return CodePointSet::WhiteSpace().Contains(c); }

}  // namespace

void AddedTokenMatcher::Add(AddedToken token) {
  if (token.content.empty()) return;
  const size_t length = token.content.size();
  std::vector<size_t>& lengths = lengths_[static_cast<uint8_t>(token.content[0])];
  const auto at = std::lower_bound(lengths.begin(), lengths.end(), length, std::greater<>());
  if (at == lengths.end() || *at != length) lengths.insert(at, length);
  std::string content = token.content;
  tokens_.emplace(std::move(content), std::move(token));
}

bool AddedTokenMatcher::StandsAlone(std::string_view text, size_t start, size_t stop) {
  const std::string_view before = text.substr(0, start);
  const auto left = before.empty() ? std::nullopt : FirstCharacter(before.substr(LastBegin(before)));
  const auto right = FirstCharacter(text.substr(stop));
  return !(left && IsWordCharacter(*left)) && !(right && IsWordCharacter(*right));
}

size_t AddedTokenMatcher::WithSpaceBefore(std::string_view text, size_t begin, size_t start) {
  while (start > begin) {
    const size_t last = begin + LastBegin(text.substr(begin, start - begin));
    const auto c = FirstCharacter(text.substr(last, start - last));
    if (!c || !IsSpace(*c)) break;
    start = last;
  }
  return start;
}

size_t AddedTokenMatcher::WithSpaceBehind(std::string_view text, size_t stop) {
  while (stop < text.size()) {
    const Utf8Step step = DecodeUtf8(text.substr(stop));
    if (step.kind != Utf8Step::kCharacter || !IsSpace(step.code_point)) break;
    stop += step.length;
  }
  return stop;
}

}  // namespace fulgur
