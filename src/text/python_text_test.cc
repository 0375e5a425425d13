#include "text/python_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "unicode/regex.h"

namespace fulgur {
namespace {

using testing::ElementsAre;

TEST(PythonText, StripsAndSplitsAtUnicodeSpaces) {
  EXPECT_EQ(python::Strip("\xC2\xA0 a b\xE2\x80\xA8\n"), "a b");
  EXPECT_EQ(python::Strip("..a.b.", "."), "a.b");
  EXPECT_THAT(python::SplitWords(" one\xE3\x80\x80two\tthree "), ElementsAre("one", "two", "three"));
  EXPECT_THAT(python::Split("a,,b", ","), ElementsAre("a", "", "b"));
  EXPECT_EQ(python::Replace("aaaa", "aa", "b", 1), "baa");
  EXPECT_EQ(python::Count("aaaa", "aa"), 2u);
  EXPECT_EQ(python::Length("Flu\xC3\x9F"), 4u);
}

TEST(PythonText, CasesNeedACasedCharacter) {
  EXPECT_TRUE(python::IsUpper("U.S. 2"));
  EXPECT_FALSE(python::IsUpper("2"));
  EXPECT_TRUE(python::IsLower("\xC3\xA4 1"));
  EXPECT_FALSE(python::IsLower("aB"));
}

TEST(PythonText, JsonAsPythonReadsAndWritesIt) {
  EXPECT_TRUE(python::ParseJson("NaN")->is_null());
  EXPECT_EQ((*python::ParseJson("[-Infinity, \"NaN\"]"))[1], "NaN");
  EXPECT_EQ((*python::ParseJson(R"({"a": 1, "a": 2})"))["a"], 2);
  EXPECT_TRUE(python::ParseJson(R"("\ud83d")").has_value());
  EXPECT_FALSE(python::ParseJson("{'a': 1}").has_value());
  EXPECT_FALSE(python::ParseJson("\"a\nb\"").has_value());
  EXPECT_EQ(python::DumpJson(Json::parse(R"({"a": [1, 2.0, "ü"], "b": null})")),
            R"({"a": [1, 2.0, "\u00fc"], "b": null})");
}

TEST(PythonText, Floats) {
  EXPECT_EQ(python::ParseFloat(" 1_000.5 "), 1000.5);
  EXPECT_EQ(python::ParseFloat("1__0"), std::nullopt);
  EXPECT_EQ(python::ParseFloat("0x10"), std::nullopt);
  EXPECT_EQ(python::ParseFloat(""), std::nullopt);
  EXPECT_GT(*python::ParseFloat("inf"), 1e308);
}

// What CPython's re gives.
TEST(Regex, FindsAsPython) {
  std::vector<std::string> found;
  for (const Regex::Match& match : Regex("a*").FindAll("baac")) found.emplace_back(match[0]);
  EXPECT_THAT(found, ElementsAre("", "aa", "", ""));
  EXPECT_EQ(Regex("x*").Replace("abc", "-"), "-a-b-c-");
  EXPECT_THAT(Regex(R"(\s?\*\*\*\s?)").Split("a\n***\nb***"), ElementsAre("a", "b", ""));
  EXPECT_EQ(Regex("^", Regex::kMultiline).FindAll("a\nb\n").size(), 3u);
  EXPECT_TRUE(Regex("b$").Contains("ab\n"));
  EXPECT_TRUE(Regex(R"(\bÜBER\b)", Regex::kIgnoreCase).Contains("so über uns"));
  EXPECT_TRUE(Regex("^" + Regex::Quote("a.b*(c)") + "$").Contains("a.b*(c)"));
  const auto match = Regex("(a)|(b)").Search("b");
  EXPECT_FALSE(match->groups[1].has_value());
  EXPECT_EQ((*match)[2], "b");
}

TEST(Regex, ErrorsQuoteThePattern) {
  try {
    Regex("(a");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("\"(a\""));
  }
  EXPECT_THROW(Regex("(a+)+$").Contains(std::string(40, 'a') + "b"), Error);
}

}  // namespace
}  // namespace fulgur
