#include "text/split_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace fulgur {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The pieces of `text`; those that are no match in brackets.
std::vector<std::string> Split(const std::string& pattern, const std::string& text) {
  SplitPattern::Scratch scratch;
  std::vector<SplitPattern::Piece> pieces;
  SplitPattern(pattern, "the test").Split(text, &scratch, &pieces);
  std::vector<std::string> result;
  size_t end = 0;
  for (const SplitPattern::Piece& piece : pieces) {
    EXPECT_EQ(piece.begin, end);
    EXPECT_LT(piece.begin, piece.end);
    end = piece.end;
    const std::string part = text.substr(piece.begin, piece.end - piece.begin);
    result.push_back(piece.match ? part : "[" + part + "]");
  }
  EXPECT_EQ(end, text.size());
  return result;
}

TEST(SplitPattern, O200k) {
  EXPECT_THAT(
      Split(kO200kPattern, "Hello World's 12345\n\n  x = (a+b)/c;\n"),
      ElementsAre("Hello", " World's", " ", "123", "45", "\n\n", " ", " x", " =", " (", "a", "+b", ")/", "c", ";\n"));
  EXPECT_THAT(Split(kO200kPattern, "HTTPServer CamelCase"), ElementsAre("HTTPServer", " Camel", "Case"));
  EXPECT_THAT(Split(kO200kPattern, "a\u3000b\u00A0\u0085"), ElementsAre("a", "\u3000b", "\u00A0\u0085"));
}

TEST(SplitPattern, SingleDigits) {
  EXPECT_THAT(Split(kO200kSingleDigitsPattern, "x12 \u0663\u00BD"),
              ElementsAre("x", "1", "2", " ", "\u0663", "\u00BD"));
}

TEST(SplitPattern, Gpt2) {
  EXPECT_THAT(Split(kGpt2Pattern, "I'll say  12ab'S"), ElementsAre("I", "'ll", " say", " ", " 12", "ab", "'", "S"));
}

TEST(SplitPattern, IgnoredCaseIncludesTheLongSAndTheKelvinSign) {
  EXPECT_THAT(Split("(?i:'s)", "a's'S'\u017F'x"), ElementsAre("[a]", "'s", "'S", "'\u017F", "['x]"));
  EXPECT_THAT(Split("(?i)[k-l]x", "kxKX\u212AXlx"), ElementsAre("kx", "KX", "\u212AX", "lx"));
  EXPECT_THAT(Split("(?i:a(?-i:b))", "abAbaB"), ElementsAre("ab", "Ab", "[aB]"));
  EXPECT_THAT(Split("(?i:\u017F)", "sS\u017Fx"), ElementsAre("s", "S", "\u017F", "[x]"));
  EXPECT_THAT(Split("(?i:[^s])", "s\u017Ft"), ElementsAre("[s\u017F]", "t"));
}

TEST(SplitPattern, ClassesBeyondTheRegexLibrarysOwnTables) {
  // U+1C89 (Lu) and U+10D4E (Lm) are new in Unicode 16; U+088F (Lo) came after it.
  EXPECT_THAT(Split("\\p{Lu}", "\u1C89"), ElementsAre("\u1C89"));
  EXPECT_THAT(Split("\\p{Lm}", "\U00010D4E"), ElementsAre("\U00010D4E"));
  EXPECT_THAT(Split("\\p{L}", "\u088F"), ElementsAre("[\u088F]"));
}

TEST(SplitPattern, Constructs) {
  EXPECT_THAT(Split("[\u4E00-\u9FA5]+", "a\u4E2D\u6587b"), ElementsAre("[a]", "\u4E2D\u6587", "[b]"));
  EXPECT_THAT(Split("[^\\S\\n]+", "a \t\nb"), ElementsAre("[a]", " \t", "[\nb]"));
  EXPECT_THAT(Split("\\P{L}|\\p{^N}x", "a1bx"), ElementsAre("[a]", "1", "bx"));
  EXPECT_THAT(Split("[\\p{P}$<>-]", "a-$."), ElementsAre("[a]", "-", "$", "."));
  EXPECT_THAT(Split("a{2}|b{,2}c|d{1,}|{x", "aabbcddd{x"), ElementsAre("aa", "bbc", "ddd", "{x"));
  EXPECT_THAT(Split(".", "a\n\u00E9"), ElementsAre("a", "[\n]", "\u00E9"));
  EXPECT_THAT(Split("\\x41\\x{e9}\\u00EA", "A\u00E9\u00EA"), ElementsAre("A\u00E9\u00EA"));
  EXPECT_THAT(Split("(a|b)++c|(?<=x)y|(?<!x)z|(?>q*)r", "abcxyzqqr"), ElementsAre("abc", "[x]", "y", "z", "qqr"));
  EXPECT_THAT(Split("^a|b$|\\Ac|d\\z", "ab\nab\nd"), ElementsAre("a", "b", "[\n]", "a", "b", "[\n]", "d"));
}

TEST(SplitPattern, EmptyMatchesCut) {
  EXPECT_THAT(Split("x*", "abxxc"), ElementsAre("[a]", "[b]", "xx", "[c]"));
  EXPECT_THAT(Split("", "ab"), ElementsAre("[a]", "[b]"));
}

TEST(SplitPattern, NothingToSplit) {
  EXPECT_THAT(Split("a", ""), ElementsAre());
  EXPECT_THAT(Split("[^\\x{0}-\\x{10FFFF}]", "abc"), ElementsAre("[abc]"));
}

TEST(SplitPattern, Quote) {
  EXPECT_THAT(Split(SplitPattern::Quote("a.b\u00E9"), "a.b\u00E9axb\u00E9"), ElementsAre("a.b\u00E9", "[axb\u00E9]"));
}

std::string ErrorOf(const std::string& pattern, const std::string& text = "") {
  try {
    SplitPattern::Scratch scratch;
    std::vector<SplitPattern::Piece> pieces;
    SplitPattern(pattern, "the test").Split(text, &scratch, &pieces);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(SplitPattern, NamesWhatItCannotUse) {
  EXPECT_THAT(ErrorOf("a\\wb"), HasSubstr("at character 1 \"\\wb\""));
  for (const char* pattern :
       {"\\b",         "\\1",   "(?<name>a)",  "(?m:a)", "a(?i)b",  "[a[b]]", "[a&&b]",  "[]a]",
        "[[:alpha:]]", "a{2}+", "a{2}?",       "*a",     "(*UTF)a", "|+",     "\\h",     "\\R",
        "\\X",         "\\K",   "\\x{110000}", "\\x80",  "\\u12",   "(?#c)",  "[\\s-x]", "\\pL"}) {
    EXPECT_THAT(ErrorOf(pattern), HasSubstr("the test: the splitting pattern")) << pattern;
    EXPECT_THAT(ErrorOf(pattern), HasSubstr("not supported")) << pattern;
  }
  for (const char* pattern :
       {"(a", "a)", "[a", "[a-", "a\\", "[b-a]", "\\p{Greek}", "\\p{L", "(?<=a*)b", "\xFF", "a**"}) {
    EXPECT_THAT(ErrorOf(pattern), HasSubstr("the test: the splitting pattern")) << pattern;
  }
  EXPECT_THAT(ErrorOf("(?i:\u00E9)"), HasSubstr("case of letters beyond ASCII"));
  EXPECT_THAT(ErrorOf(std::string(20000, 'a')), HasSubstr("longer than"));
  EXPECT_THAT(ErrorOf(std::string(400, '(') + std::string(400, ')')), HasSubstr("nested"));
  std::string many;
  for (char32_t c = 0x4E00; c < 0x4E00 + 65; ++c) many += fmt::format("\\x{{{:x}}}", static_cast<uint32_t>(c));
  EXPECT_THAT(ErrorOf(many), HasSubstr("more than 64 different sets"));
}

TEST(SplitPattern, EndlessBacktrackingIsAnError) {
  EXPECT_THAT(ErrorOf("(a+)+(a+)+(a+)+[bc]", std::string(200, 'a')), HasSubstr("cannot be matched against this text"));
}

TEST(SplitPattern, LongRunsAreLinear) {
  for (const char* unit : {" ", "a", "A", "\u4E2D", "1", ".", "\n", "\u0301"}) {
    std::string text;
    while (text.size() < (1 << 20)) text += unit;
    EXPECT_EQ(ErrorOf(kO200kPattern, text), "no error") << unit;
  }
}

}  // namespace
}  // namespace fulgur
