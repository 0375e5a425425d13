#include <algorithm>
#include <set>

#include "envs/instructions/language.h"
#include "text/python_text.h"
#include "unicode/characters.h"
#include "unicode/regex.h"

namespace fulgur::instructions {

namespace {

// `\1` in the replacement is the first group, `\0` all of the match.
std::string Substitute(const Regex& pattern, std::string_view text, std::string_view replacement) {
  return pattern.Replace(text, [&](const Regex::Match& match) {
    std::string out;
    for (size_t i = 0; i < replacement.size(); ++i) {
      if (replacement[i] == '\\' && i + 1 < replacement.size()) {
        out += match[static_cast<size_t>(replacement[++i] - '0')];
      } else {
        out += replacement[i];
      }
    }
    return out;
  });
}

struct Rule {
  Regex pattern;
  const char* replacement;
};

// The Penn Treebank's conventions as NLTK applies them: one rewriting after another puts spaces around what is a token
// of its own.
const std::vector<Rule>& TreebankRules() {
  static const std::vector<Rule>* rules = [] {
    auto* list = new std::vector<Rule>;
    const auto add = [&](const char* pattern, const char* replacement, unsigned flags = 0) {
      list->push_back({Regex(pattern, flags), replacement});
    };
    add("([«“‘„]|[`]+)", " \\1 ");
    add("^\"", "``");
    add("(``)", " \\1 ");
    add("([ \\(\\[{<])(\"|'{2})", "\\1 `` ");
    add("(')(?!re|ve|ll|m|t|s|d|n)(\\w)\\b", "\\1 \\2", Regex::kIgnoreCase);
    add("([^\\.])(\\.)([\\]\\)}>\"'»”’ ]*)\\s*$", "\\1 \\2 \\3 ");
    add("([:,])([^\\d])", " \\1 \\2");
    add("([:,])$", " \\1 ");
    add("\\.{2,}", " \\0 ");
    add("[;@#$%&]", " \\0 ");
    add("([^\\.])(\\.)([\\]\\)}>\"']*)\\s*$", "\\1 \\2\\3 ");
    add("[?!]", " \\0 ");
    add("([^'])' ", "\\1 ' ");
    add("[*]", " \\0 ");
    add("[\\]\\[\\(\\)\\{\\}<>]", " \\0 ");
    add("--", " -- ");
    return list;
  }();
  return *rules;
}

const std::vector<Rule>& EndRules() {
  static const std::vector<Rule>* rules = [] {
    auto* list = new std::vector<Rule>;
    const auto add = [&](const char* pattern, const char* replacement, unsigned flags = 0) {
      list->push_back({Regex(pattern, flags), replacement});
    };
    add("([»”’])", " \\1 ");
    add("''", " '' ");
    add("\"", " '' ");
    add("\\s+", " ");
    add("([^' ])('[sS]|'[mM]|'[dD]|') ", "\\1 \\2 ");
    add("([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", "\\1 \\2 ");
    for (const char* pattern : {"\\b(can)(not)\\b", "\\b(d)('ye)\\b", "\\b(gim)(me)\\b", "\\b(gon)(na)\\b",
                                "\\b(got)(ta)\\b", "\\b(lem)(me)\\b", "\\b(more)('n)\\b", "\\b(wan)(na)(?=\\s)"}) {
      add(pattern, " \\1 \\2 ", Regex::kIgnoreCase);
    }
    add(" ('t)(is)\\b", " \\1 \\2 ", Regex::kIgnoreCase);
    add(" ('t)(was)\\b", " \\1 \\2 ", Regex::kIgnoreCase);
    return list;
  }();
  return *rules;
}

}  // namespace

std::vector<std::string> WordTokens(std::string_view text) {
  std::vector<std::string> tokens;
  for (const std::string_view sentence : Sentences(text)) {
    std::string marked(sentence);
    for (const Rule& rule : TreebankRules()) marked = Substitute(rule.pattern, marked, rule.replacement);
    marked = " " + marked + " ";
    for (const Rule& rule : EndRules()) marked = Substitute(rule.pattern, marked, rule.replacement);
    for (const std::string_view token : python::SplitWords(marked)) tokens.emplace_back(token);
  }
  return tokens;
}

std::vector<std::string_view> WordRuns(std::string_view text) {
  std::vector<std::string_view> words;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    size_t next = at;
    if (!unicode::IsWord(unicode::DecodeAt(text, &next))) {
      if (at > begin) words.push_back(text.substr(begin, at - begin));
      begin = next;
    }
    at = next;
  }
  if (begin < text.size()) words.push_back(text.substr(begin));
  return words;
}

bool IsStopWord(const std::string& lower_word) {
  static const std::set<std::string, std::less<>> words = [] {
    constexpr std::string_view kWords =
        "i me my myself we our ours ourselves you you're you've you'll you'd your yours yourself yourselves he him his "
        "himself she she's her hers herself it it's its itself they them their theirs themselves what which who whom "
        "this "
        "that that'll these those am is are was were be been being have has had having do does did doing a an the and "
        "but "
        "if or because as until while of at by for with about against between into through during before after above "
        "below to from up down in out on off over under again further then once here there when where why how all any "
        "both each few more most other some such no nor not only own same so than too very s t can will just don don't "
        "should should've now d ll m o re ve y ain aren aren't couldn couldn't didn didn't doesn doesn't hadn hadn't "
        "hasn "
        "hasn't haven haven't isn isn't ma mightn mightn't mustn mustn't needn needn't shan shan't shouldn shouldn't "
        "wasn "
        "wasn't weren weren't won won't wouldn wouldn't";
    std::set<std::string, std::less<>> set;
    for (const std::string_view word : python::SplitWords(kWords)) set.emplace(word);
    return set;
  }();
  return words.contains(lower_word);
}

int CountSyllables(std::string_view word) {
  const auto vowel = [](char c) { return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u' || c == 'y'; };
  int count = 0;
  bool before = false;
  for (const char c : word) {
    count += vowel(c) && !before;
    before = vowel(c);
  }
  const auto ends = [&](std::string_view end) { return word.size() > end.size() && word.ends_with(end); };
  const auto consonant_before = [&](size_t from_end) {
    return word.size() > from_end && !vowel(word[word.size() - 1 - from_end]);
  };
  if (ends("e") && consonant_before(1) && !(ends("le") && consonant_before(2))) --count;  // silent: "make", not "table"
  if (ends("es") && consonant_before(2)) {
    const char c = word[word.size() - 3];
    if (c != 's' && c != 'z' && c != 'x' && c != 'c' && c != 'g' && c != 'h' && c != 'l') --count;  // "makes"
  }
  if (ends("ed") && consonant_before(2)) {
    const char c = word[word.size() - 3];
    if (c != 't' && c != 'd') --count;  // "walked", not "wanted"
  }
  for (const std::string_view two : {"ia", "io", "eo", "ua", "uo", "iu"}) {
    // Two vowels, not one: "lion", "area"; but "-tion", "-cious", "qua".
    for (size_t at = word.find(two); at != std::string_view::npos; at = word.find(two, at + 1)) {
      const char previous = at > 0 ? word[at - 1] : ' ';
      if (previous != 't' && previous != 's' && previous != 'c' && previous != 'g' && previous != 'q') ++count;
    }
  }
  return std::max(count, 1);
}

bool MayBeVerb(const std::string& word) {
  static const std::set<std::string, std::less<>> verbs = [] {
    constexpr std::string_view kVerbs =
        "accept achieve act add address adjust admire adopt advise agree aim allow analyze answer apologize appear "
        "apply "
        "approach appreciate arrange ask assess assign assist assume attend avoid awaken bake balance be become begin "
        "behold believe blend boil book break breathe bring browse build buy calculate call capture care carry catch "
        "celebrate challenge change charge chase check choose clean click climb close collect combine come compare "
        "complete compose concentrate connect consider consult contact contain continue contribute convert cook count "
        "cover craft create cultivate cut dance decide define deliver describe design determine develop discover "
        "discuss "
        "dive divide do draft draw dream drink drive earn eat embrace enable encourage engage enhance enjoy ensure "
        "enter "
        "envision establish evaluate examine exercise expand expect experience explain explore express extend extract "
        "face fall feel fill find finish fix focus follow forget forgive gather generate get give go grab greet grow "
        "guess guide handle harness have hear help highlight hire hold hope identify ignite imagine implement improve "
        "include incorporate increase indulge inform insert inspire install introduce invest investigate invite "
        "involve "
        "join journey jump keep know laugh launch lead learn leave let list listen live look love maintain make manage "
        "mark measure meet mention mix monitor move navigate need note notice observe offer open optimize order "
        "organize "
        "outline overcome pack paint participate pass pay perform pick picture place plan plant play please point "
        "practice praise prepare present press prevent prioritize process promote protect provide pull purchase push "
        "put "
        "reach read realize recall receive recognize recommend record reduce refer reflect register relate relax "
        "release "
        "remain remember remove repeat replace reply report request research respect respond rest return reveal review "
        "rewrite rise run save say schedule search see seek select sell send separate serve set share shift show sign "
        "sing "
        "sit sleep smell speak specify spend stand start stay step stop store strengthen strive study submit suggest "
        "summarize support sustain take talk taste teach tell thank think throw touch track train transform translate "
        "travel treat trust try turn type understand unleash unlock update upgrade use utilize verify view visit "
        "visualize wait wake walk want warn wash watch wear welcome whisk win wish wonder work write";
    std::set<std::string, std::less<>> set;
    for (const std::string_view word : python::SplitWords(kVerbs)) set.emplace(word);
    for (const std::string_view form :
         {"am",   "is",   "are",  "was",  "were",  "been", "has",   "had",   "does", "did",    "done",
          "went", "gone", "made", "took", "taken", "gave", "given", "found", "got",  "written"}) {
      set.emplace(form);
    }
    return set;
  }();
  const std::string lower = python::Lower(word);
  if (verbs.contains(lower)) return true;
  // Inflected: "walks", "baked", "running".
  for (const std::string_view end : {"s", "es", "d", "ed", "ing"}) {
    if (lower.size() <= end.size() + 1 || !lower.ends_with(end)) continue;
    const std::string stem = lower.substr(0, lower.size() - end.size());
    if (verbs.contains(stem) || verbs.contains(stem + "e")) return true;
    if (stem.size() > 2 && stem.back() == stem[stem.size() - 2] && verbs.contains(stem.substr(0, stem.size() - 1))) {
      return true;
    }
  }
  return false;
}

bool IsEmoji(char32_t c) {
  static constexpr std::pair<char32_t, char32_t> kRanges[] = {
      {0x00A9, 0x00A9},   {0x00AE, 0x00AE},   {0x203C, 0x203C},   {0x2049, 0x2049},   {0x2122, 0x2122},
      {0x2139, 0x2139},   {0x2194, 0x2199},   {0x21A9, 0x21AA},   {0x231A, 0x231B},   {0x2328, 0x2328},
      {0x23CF, 0x23CF},   {0x23E9, 0x23F3},   {0x23F8, 0x23FA},   {0x24C2, 0x24C2},   {0x25AA, 0x25AB},
      {0x25B6, 0x25B6},   {0x25C0, 0x25C0},   {0x25FB, 0x25FE},   {0x2600, 0x2604},   {0x260E, 0x260E},
      {0x2611, 0x2611},   {0x2614, 0x2615},   {0x2618, 0x2618},   {0x261D, 0x261D},   {0x2620, 0x2620},
      {0x2622, 0x2623},   {0x2626, 0x2626},   {0x262A, 0x262A},   {0x262E, 0x262F},   {0x2638, 0x263A},
      {0x2640, 0x2640},   {0x2642, 0x2642},   {0x2648, 0x2653},   {0x265F, 0x2660},   {0x2663, 0x2663},
      {0x2665, 0x2666},   {0x2668, 0x2668},   {0x267B, 0x267B},   {0x267E, 0x267F},   {0x2692, 0x2697},
      {0x2699, 0x2699},   {0x269B, 0x269C},   {0x26A0, 0x26A1},   {0x26A7, 0x26A7},   {0x26AA, 0x26AB},
      {0x26B0, 0x26B1},   {0x26BD, 0x26BE},   {0x26C4, 0x26C5},   {0x26C8, 0x26C8},   {0x26CE, 0x26CF},
      {0x26D1, 0x26D1},   {0x26D3, 0x26D4},   {0x26E9, 0x26EA},   {0x26F0, 0x26F5},   {0x26F7, 0x26FA},
      {0x26FD, 0x26FD},   {0x2702, 0x2702},   {0x2705, 0x2705},   {0x2708, 0x270D},   {0x270F, 0x270F},
      {0x2712, 0x2712},   {0x2714, 0x2714},   {0x2716, 0x2716},   {0x271D, 0x271D},   {0x2721, 0x2721},
      {0x2728, 0x2728},   {0x2733, 0x2734},   {0x2744, 0x2744},   {0x2747, 0x2747},   {0x274C, 0x274C},
      {0x274E, 0x274E},   {0x2753, 0x2755},   {0x2757, 0x2757},   {0x2763, 0x2764},   {0x2795, 0x2797},
      {0x27A1, 0x27A1},   {0x27B0, 0x27B0},   {0x27BF, 0x27BF},   {0x2934, 0x2935},   {0x2B05, 0x2B07},
      {0x2B1B, 0x2B1C},   {0x2B50, 0x2B50},   {0x2B55, 0x2B55},   {0x3030, 0x3030},   {0x303D, 0x303D},
      {0x3297, 0x3297},   {0x3299, 0x3299},   {0x1F004, 0x1F004}, {0x1F0CF, 0x1F0CF}, {0x1F170, 0x1F171},
      {0x1F17E, 0x1F17F}, {0x1F18E, 0x1F18E}, {0x1F191, 0x1F19A}, {0x1F201, 0x1F202}, {0x1F21A, 0x1F21A},
      {0x1F22F, 0x1F22F}, {0x1F232, 0x1F23A}, {0x1F250, 0x1F251}, {0x1F300, 0x1F321}, {0x1F324, 0x1F393},
      {0x1F396, 0x1F397}, {0x1F399, 0x1F39B}, {0x1F39E, 0x1F3F0}, {0x1F3F3, 0x1F3F5}, {0x1F3F7, 0x1F4FD},
      {0x1F4FF, 0x1F53D}, {0x1F549, 0x1F54E}, {0x1F550, 0x1F567}, {0x1F56F, 0x1F570}, {0x1F573, 0x1F57A},
      {0x1F587, 0x1F587}, {0x1F58A, 0x1F58D}, {0x1F590, 0x1F590}, {0x1F595, 0x1F596}, {0x1F5A4, 0x1F5A5},
      {0x1F5A8, 0x1F5A8}, {0x1F5B1, 0x1F5B2}, {0x1F5BC, 0x1F5BC}, {0x1F5C2, 0x1F5C4}, {0x1F5D1, 0x1F5D3},
      {0x1F5DC, 0x1F5DE}, {0x1F5E1, 0x1F5E1}, {0x1F5E3, 0x1F5E3}, {0x1F5E8, 0x1F5E8}, {0x1F5EF, 0x1F5EF},
      {0x1F5F3, 0x1F5F3}, {0x1F5FA, 0x1F64F}, {0x1F680, 0x1F6C5}, {0x1F6CB, 0x1F6D2}, {0x1F6D5, 0x1F6D7},
      {0x1F6DC, 0x1F6E5}, {0x1F6E9, 0x1F6E9}, {0x1F6EB, 0x1F6EC}, {0x1F6F0, 0x1F6F0}, {0x1F6F3, 0x1F6FC},
      {0x1F7E0, 0x1F7EB}, {0x1F7F0, 0x1F7F0}, {0x1F90C, 0x1F93A}, {0x1F93C, 0x1F945}, {0x1F947, 0x1F9FF},
      {0x1FA70, 0x1FA7C}, {0x1FA80, 0x1FA89}, {0x1FA8F, 0x1FAC6}, {0x1FACE, 0x1FADC}, {0x1FADF, 0x1FAE9},
      {0x1FAF0, 0x1FAF8}};
  return std::any_of(std::begin(kRanges), std::end(kRanges),
                     [&](const auto& r) { return r.first <= c && c <= r.second; });
}

}  // namespace fulgur::instructions
