#include <set>

#include "envs/instructions/language.h"
#include "text/python_text.h"
#include "unicode/characters.h"
#include "unicode/regex.h"

namespace fulgur::instructions {

namespace {

bool IsAbbreviation(const std::string& lower) {
  static const std::set<std::string, std::less<>> set = [] {
    constexpr std::string_view kAbbreviations =
        "dr mr mrs ms prof rev st jr sr gen col capt lt sgt maj adm sen rep reps gov hon messrs inc corp co ltd cie vs "
        "ok "
        "a.m p.m u.s u.k u.n u.s.a u.s.s.r d.c n.y a.d b.c e.g i.e m.d ph.d jan feb aug sept oct nov dec ave blvd ft "
        "mg "
        "ala ariz calif colo conn fla ga ky la md mich minn mont neb nev okla pa penn tenn va vt wis n.c n.d n.h n.j "
        "n.m "
        "s.c s.d r.i j.j j.b m.j w.w r.h l.a n.v s.a s.p.a h.c c.a d.h";
    std::set<std::string, std::less<>> words;
    for (const std::string_view word : python::SplitWords(kAbbreviations)) words.emplace(word);
    return words;
  }();
  return set.contains(lower);
}

bool FirstIs(std::string_view word, bool (*is)(char32_t)) {
  size_t at = 0;
  return !word.empty() && is(unicode::DecodeAt(word, &at));
}

// Without quotation marks and brackets at its begin and end.
std::string_view Bare(std::string_view word) { return python::Strip(word, "\"'()[]{}`"); }

// Whether a sentence ends behind this word, which ends with . ? or ! and what closes it, before `next`.
bool EndsSentence(std::string_view word, std::string_view next) {
  const std::string_view bare = python::StripRight(word, "\"')]}*_`");
  if (bare.empty()) return true;
  if (bare.back() != '.') return true;  // ? or !
  const std::string_view following = Bare(next);
  const bool capital = FirstIs(following, unicode::IsUpper), small = FirstIs(following, unicode::IsLower);
  if (bare.ends_with("..")) return !small && !following.empty();
  std::string type = python::Lower(Bare(bare.substr(0, bare.size() - 1)));
  if (const size_t dash = type.rfind('-'); dash != std::string::npos && IsAbbreviation(type.substr(dash + 1))) {
    type = type.substr(dash + 1);
  }
  const bool initial = python::Length(type) == 1 && FirstIs(type, unicode::IsAlpha);
  if (initial && type != "i") return !capital && !small;
  if (!IsAbbreviation(type)) {
    // "3." before a capital letter numbers a list as often as it ends a sentence; Punkt takes both for an end.
    return !(small && type.find_first_not_of("0123456789") == std::string::npos);
  }
  // Behind an abbreviation only a word that usually begins sentences tells of a new one.
  return capital && IsStopWord(python::Lower(following));
}

}  // namespace

std::vector<std::string_view> Sentences(std::string_view text) {
  // A word that ends with a terminator and perhaps closing quotes or brackets, white space, and the next word.
  static const Regex end(R"(\S*[.?!][?!)\";}\]*:@'({\[]*(?=\s+(\S+)))");
  std::vector<std::string_view> sentences;
  const auto add = [&](std::string_view sentence) {
    if (const std::string_view stripped = python::Strip(sentence); !stripped.empty()) sentences.push_back(stripped);
  };
  size_t begin = 0;
  for (const Regex::Match& match : end.FindAll(text)) {
    if (!EndsSentence(match[0], match[1])) continue;
    add(text.substr(begin, match.end - begin));
    begin = match.end;
  }
  add(text.substr(begin));
  return sentences;
}

}  // namespace fulgur::instructions
