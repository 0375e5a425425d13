#define PCRE2_CODE_UNIT_WIDTH 8
#include "unicode/regex.h"

#include <pcre2.h>

#include <utility>

#include "base/error.h"

namespace fulgur {

namespace {

constexpr uint32_t kMaxSteps = 20'000'000;

std::string Message(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof(text));
  return reinterpret_cast<const char*>(text);
}

}  // namespace

void Regex::FreeCode::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

Regex::Regex(std::string_view pattern, unsigned flags) : pattern_(pattern) {
  uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_ALT_CIRCUMFLEX | PCRE2_MATCH_INVALID_UTF;
  if (flags & kIgnoreCase) options |= PCRE2_CASELESS;
  if (flags & kMultiline) options |= PCRE2_MULTILINE;
  if (flags & kDotAll) options |= PCRE2_DOTALL;
  if (flags & kExtended) options |= PCRE2_EXTENDED;
  const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options, &error, &offset,
                            context.get()));
  if (!code_) throw Error("regular expression \"{}\": {} at byte {}", pattern, Message(error), offset);
}

std::optional<Regex::Match> Regex::SearchFrom(std::string_view text, size_t from, unsigned options) const {
  const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context(
      pcre2_match_context_create(nullptr), pcre2_match_context_free);
  pcre2_set_match_limit(context.get(), kMaxSteps);
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
      pcre2_match_data_create_from_pattern(code_.get(), nullptr), pcre2_match_data_free);
  const int found = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, options,
                                data.get(), context.get());
  if (found == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (found < 0) throw Error("regular expression \"{}\": {}", pattern_, Message(found));
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data.get());
  Match match{ends[0], ends[1], {}};
  for (uint32_t group = 0; group < pcre2_get_ovector_count(data.get()); ++group) {
    const PCRE2_SIZE begin = ends[2 * group], end = ends[2 * group + 1];
    if (static_cast<int>(group) < found && begin != PCRE2_UNSET) {
      match.groups.emplace_back(text.substr(begin, end - begin));
    } else {
      match.groups.emplace_back();
    }
  }
  return match;
}

std::optional<Regex::Match> Regex::Search(std::string_view text, size_t from) const {
  return SearchFrom(text, from, 0);
}

std::vector<Regex::Match> Regex::FindAll(std::string_view text) const {
  std::vector<Match> matches;
  size_t from = 0;
  unsigned options = 0;
  while (from <= text.size()) {
    std::optional<Match> match = SearchFrom(text, from, options);
    if (!match) break;
    from = match->end;
    // Behind an empty match the next has to lead on.
    options = match->begin == match->end ? PCRE2_NOTEMPTY_ATSTART : 0;
    matches.push_back(std::move(*match));
  }
  return matches;
}

std::string Regex::Replace(std::string_view text, const std::function<std::string(const Match&)>& replacement) const {
  std::string out;
  size_t done = 0;
  for (const Match& match : FindAll(text)) {
    out += text.substr(done, match.begin - done);
    out += replacement(match);
    done = match.end;
  }
  return out += text.substr(done);
}

std::string Regex::Replace(std::string_view text, std::string_view replacement) const {
  return Replace(text, [&](const Match&) { return std::string(replacement); });
}

std::vector<std::string_view> Regex::Split(std::string_view text) const {
  std::vector<std::string_view> parts;
  size_t done = 0;
  for (const Match& match : FindAll(text)) {
    parts.push_back(text.substr(done, match.begin - done));
    done = match.end;
  }
  parts.push_back(text.substr(done));
  return parts;
}

std::string Regex::Quote(std::string_view literal) {
  std::string quoted;
  for (const char c : literal) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
    if (!plain) quoted += '\\';
    quoted += c;
  }
  return quoted;
}

}  // namespace fulgur
