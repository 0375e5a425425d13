#include "grammar/char_automaton.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "base/error.h"
#include "base/rng.h"

namespace fulgur {
namespace {

bool Found(const std::string& pattern, const std::string& text) {
  return CharAutomaton::FromPattern(pattern, "test").Accepts(text);
}

std::string ErrorOf(const std::string& pattern) {
  try {
    CharAutomaton::FromPattern(pattern, "here");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(CharAutomatonTest, FindsWhatTheStandardLibraryFinds) {
  const std::vector<std::string> patterns = {"abc",
                                             "^abc$",
                                             "a|bc|",
                                             "^(a|b)*c$",
                                             "^a{2,3}$",
                                             "a{2}b",
                                             "^a{2,}$",
                                             "[a-c]+$",
                                             "^[^a-c]*$",
                                             "^a.c$",
                                             "^(ab?)+?c*$",
                                             "\\d\\D",
                                             "^\\w+$",
                                             "^$",
                                             "a$|^b",
                                             "^(?:a|b|^c)",
                                             "(a$|b)c?$",
                                             "^\\.\\*$",
                                             "[\\]a]$",
                                             "^[a\\-c]+$",
                                             "^(a(b(c)?)?)?$",
                                             "c{0}a",
                                             "^a*a*a*$",
                                             "^(?!ab)(?=.*c)[a-c]+$",
                                             "^(?=a|b$)",
                                             "^(?!(a|.b)[)]?)a*",
                                             "[.]"};
  Rng rng(1);
  int found = 0;
  for (const std::string& pattern : patterns) {
    SCOPED_TRACE(pattern);
    const CharAutomaton automaton = CharAutomaton::FromPattern(pattern, "test");
    const std::regex reference(pattern, std::regex::ECMAScript);
    for (int i = 0; i < 2000; ++i) {
      std::string text;
      for (uint64_t n = rng.Below(7); n > 0; --n) text += std::string("aaabbc.*-]1_ ")[rng.Below(13)];
      const bool expected = std::regex_search(text, reference);
      EXPECT_EQ(automaton.Accepts(text), expected) << '"' << text << '"';
      found += expected;
    }
  }
  EXPECT_GT(found, 5000);
}

TEST(CharAutomatonTest, ReadsCharactersNotBytes) {
  EXPECT_TRUE(Found("^.$", "\u00e9"));
  EXPECT_TRUE(Found("^[\u00e0-\u00ef]{2}$", "\u00e9\u00e8"));
  EXPECT_FALSE(Found("^[\u00e0-\u00ef]$", "\u00f0"));
  EXPECT_TRUE(Found("^\\u00e9\\x41\\u{1F600}\\uD83D\\uDE00$", "\u00e9A\U0001F600\U0001F600"));
  EXPECT_TRUE(Found("^\\p{L}+$", "\u00e9\u4e2da"));
  EXPECT_FALSE(Found("^\\p{L}+$", "a1"));
  EXPECT_TRUE(Found("^\\P{L}\\s\\S$", "1\u00a0x"));
  EXPECT_TRUE(Found("^[^a]$", "\U0010ffff"));
  EXPECT_FALSE(Found("^.$", "\n"));
  EXPECT_FALSE(Found("^.$", "\u2028"));
  EXPECT_FALSE(Found(".", "\xff"));
  EXPECT_TRUE(Found("^(?<year>\\d{4})\\/\\t$", "2024/\t"));
}

TEST(CharAutomatonTest, SaysWhatItCannotDo) {
  using ::testing::HasSubstr;
  EXPECT_THAT(ErrorOf("a(?=b)"), HasSubstr("here: the pattern \"a(?=b)\" cannot be used: \"(?\""));
  EXPECT_THAT(ErrorOf("(?<!a)b"), HasSubstr("look-ahead after"));
  EXPECT_THAT(ErrorOf("^(?!a)b|c"), HasSubstr("look-ahead after"));
  EXPECT_THAT(ErrorOf("(a)\\1"), HasSubstr("\\1 is not supported"));
  EXPECT_THAT(ErrorOf("\\bword"), HasSubstr("\\b is not supported"));
  EXPECT_THAT(ErrorOf("\\p{Greek}"), HasSubstr("not a general category"));
  EXPECT_THAT(ErrorOf("(a"), HasSubstr("'(' that nothing closes"));
  EXPECT_THAT(ErrorOf("a)"), HasSubstr("')' that nothing opens"));
  EXPECT_THAT(ErrorOf("[a"), HasSubstr("'[' that nothing closes"));
  EXPECT_THAT(ErrorOf("[b-a]"), HasSubstr("range"));
  EXPECT_THAT(ErrorOf("*a"), HasSubstr("nothing to repeat"));
  EXPECT_THAT(ErrorOf("a**"), HasSubstr("repetition of a repetition"));
  EXPECT_THAT(ErrorOf("a{2"), HasSubstr("'{' needs"));
  EXPECT_THAT(ErrorOf("a{3,2}"), HasSubstr("upper limit"));
  EXPECT_THAT(ErrorOf("\\ud800"), HasSubstr("surrogate"));
  EXPECT_THAT(ErrorOf("a\\"), HasSubstr("at the end"));
  EXPECT_THAT(ErrorOf("\xff"), HasSubstr("UTF-8"));
  EXPECT_THAT(ErrorOf("^*"), HasSubstr("after ^"));
}

TEST(CharAutomatonTest, IsBounded) {
  EXPECT_NE(ErrorOf("(a|b)*a(a|b){30}"), "");
  EXPECT_NE(ErrorOf("((((a{100}){100}){100}){100}){100}"), "");
  EXPECT_NE(ErrorOf("a{100000}"), "");
  EXPECT_NE(ErrorOf(std::string(5000, '(') + std::string(5000, ')')), "");
  EXPECT_NE(ErrorOf("(.{0,300}a.{0,300}b){3}"), "");
}

TEST(CharAutomatonTest, CombinesAutomata) {
  const CharAutomaton letters = CharAutomaton::FromPattern("^[a-z]*$", "test");
  const CharAutomaton has_a = CharAutomaton::FromPattern("a", "test");
  const CharAutomaton both = CharAutomaton::Intersection(letters, has_a, "test");
  EXPECT_TRUE(both.Accepts("xax"));
  EXPECT_FALSE(both.Accepts("xx"));
  EXPECT_FALSE(both.Accepts("xaX"));
  EXPECT_EQ(both.LongestText(), std::nullopt);
  const CharAutomaton limited = CharAutomaton::Intersection(both, CharAutomaton::Length(2, 4, "test"), "test");
  EXPECT_FALSE(limited.Accepts("a"));
  EXPECT_TRUE(limited.Accepts("xxxa"));
  EXPECT_FALSE(limited.Accepts("xxxxa"));
  EXPECT_EQ(limited.LongestText(), 4u);
  EXPECT_TRUE(CharAutomaton::Length(2, UINT32_MAX, "test").Accepts("abc"));
  EXPECT_FALSE(CharAutomaton::Length(2, UINT32_MAX, "test").Accepts("a"));
  EXPECT_TRUE(CharAutomaton::Intersection(letters, CharAutomaton::FromPattern("1", "test"), "test").states().empty());
  EXPECT_THROW(CharAutomaton::Length(0, 1'000'000, "test"), Error);

  const CharAutomaton others = CharAutomaton::Except({"ab", "a", "\u00e9"}, "test");
  for (const char* text : {"", "b", "abc", "aa", "\u00e8", "\u00e9\u00e9"}) EXPECT_TRUE(others.Accepts(text)) << text;
  for (const char* text : {"a", "ab", "\u00e9"}) EXPECT_FALSE(others.Accepts(text)) << text;
}

}  // namespace
}  // namespace fulgur
