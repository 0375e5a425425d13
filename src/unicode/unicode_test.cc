#include "unicode/unicode.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace fulgur {
namespace {

// first last class, in hex and inclusive: what the splitting pattern of an independent tokenizer sees.
TEST(Unicode, ClassesOfEveryCodePoint) {
  std::vector<std::string> expected(kCodePoints, "other"), found(kCodePoints, "other");
  std::ifstream file(FULGUR_SOURCE_DIR "/tests/data/unicode_classes.tsv");
  size_t lines = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    std::istringstream fields(line);
    uint32_t first = 0, last = 0;
    std::string name;
    ASSERT_TRUE(fields >> std::hex >> first >> last >> name) << line;
    for (uint32_t c = first; c <= last; ++c) expected.at(c) = name;
  }
  ASSERT_EQ(lines, 2363u);

  const auto mark = [&](const CodePointSet& set, const char* name) {
    for (const auto& [begin, end] : set.ranges()) {
      for (char32_t c = begin; c < end; ++c) {
        EXPECT_EQ(found[c], "other") << "U+" << std::hex << static_cast<uint32_t>(c) << " is also " << name;
        found[c] = name;
      }
    }
  };
  mark(*CodePointSet::OfCategory("Lu"), "upper");
  mark(*CodePointSet::OfCategory("Lt"), "upper");
  mark(*CodePointSet::OfCategory("Ll"), "lower");
  mark(*CodePointSet::OfCategory("Lm"), "letter");
  mark(*CodePointSet::OfCategory("Lo"), "letter");
  mark(*CodePointSet::OfCategory("M"), "mark");
  mark(*CodePointSet::OfCategory("N"), "number");
  mark(CodePointSet::WhiteSpace(), "space");
  size_t wrong = 0;
  for (size_t c = 0; c < kCodePoints; ++c) wrong += expected[c] != found[c];
  EXPECT_EQ(wrong, 0u);
}

TEST(Unicode, CategoriesCoverAllCodePointsOnce) {
  size_t total = 0;
  for (const char* name : {"L", "M", "N", "P", "S", "Z", "C"}) {
    const CodePointSet set = *CodePointSet::OfCategory(name);
    for (const auto& [begin, end] : set.ranges()) total += end - begin;
  }
  EXPECT_EQ(total, kCodePoints);
  EXPECT_FALSE(CodePointSet::OfCategory("").has_value());
  EXPECT_FALSE(CodePointSet::OfCategory("Lx").has_value());
  EXPECT_FALSE(CodePointSet::OfCategory("Letter").has_value());
}

TEST(Unicode, SetOperations) {
  CodePointSet set;
  set.Add(20, 30);
  set.Add(5, 10);
  set.Add(10, 12);
  set.Add(25, 26);
  set.Add(7, 7);
  set.Normalize();
  EXPECT_EQ(set.ranges(), (std::vector<std::pair<char32_t, char32_t>>{{5, 12}, {20, 30}}));
  EXPECT_TRUE(set.Contains(5) && set.Contains(11) && set.Contains(29));
  EXPECT_FALSE(set.Contains(4) || set.Contains(12) || set.Contains(30));
  EXPECT_EQ(set.Complement().Complement(), set);
  EXPECT_EQ(CodePointSet().Complement(), *CodePointSet::OfCategory("Any"));
}

std::string Utf8(char32_t c) {
  std::string s;
  if (c < 0x80) {
    s = {static_cast<char>(c)};
  } else if (c < 0x800) {
    s = {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
  } else if (c < 0x10000) {
    s = {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
         static_cast<char>(0x80 | (c & 0x3F))};
  } else {
    s = {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3F)),
         static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
  }
  return s;
}

TEST(Utf8, DecodesEveryCharacterAndNothingElse) {
  for (char32_t c = 0; c < kCodePoints; ++c) {
    const std::string s = Utf8(c);
    const Utf8Step step = DecodeUtf8(s + "x");
    if (c >= 0xD800 && c < 0xE000) {
      ASSERT_EQ(step.kind, Utf8Step::kInvalid);
      continue;
    }
    ASSERT_EQ(step.kind, Utf8Step::kCharacter);
    ASSERT_EQ(step.code_point, c);
    ASSERT_EQ(step.length, s.size());
    for (size_t n = 1; n < s.size(); ++n) {
      const Utf8Step part = DecodeUtf8(std::string_view(s).substr(0, n));
      ASSERT_EQ(part.kind, Utf8Step::kIncomplete);
      ASSERT_EQ(part.length, n);
    }
  }
}

std::string Replaced(std::string bytes) {
  std::string text;
  DrainUtf8(&bytes, true, &text);
  EXPECT_TRUE(bytes.empty());
  return text;
}

TEST(Utf8, OneReplacementForEachMaximalInvalidPart) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(Replaced("\x80\xBF"), r + r);
  EXPECT_EQ(Replaced("\xC0\xAF"), r + r);
  EXPECT_EQ(Replaced("\xE0\x80\xAF"), r + r + r);
  EXPECT_EQ(Replaced("\xED\xA0\x80"), r + r + r);
  EXPECT_EQ(Replaced("\xED\xA0"), r + r);
  EXPECT_EQ(Replaced("\xF4\x90\x80\x80"), r + r + r + r);
  EXPECT_EQ(Replaced("\xF0\x9F\x98"), r);
  EXPECT_EQ(Replaced("\xE4\xB8"
                     "A"),
            r + "A");
  EXPECT_EQ(Replaced("\xF0\x9F\xF0\x9F\x98\x80"), r + "\xF0\x9F\x98\x80");
  EXPECT_EQ(Replaced("123456\xFF"
                     "7890123456"),
            "123456" + r + "7890123456");
}

TEST(Utf8, HoldsBackWhatMayBecomeACharacter) {
  std::string bytes = "a\xE4\xB8", text;
  DrainUtf8(&bytes, false, &text);
  EXPECT_EQ(text, "a");
  EXPECT_EQ(bytes, "\xE4\xB8");
  bytes += "\xAD";
  DrainUtf8(&bytes, false, &text);
  EXPECT_EQ(text, "a\xE4\xB8\xAD");
  EXPECT_TRUE(bytes.empty());
}

TEST(Utf8, RunsCoverTheText) {
  std::vector<std::pair<std::string, bool>> runs;
  ForEachUtf8Run("ab\xFF\x80\xC3\xA9\xE4", [&](std::string_view part, bool valid) { runs.emplace_back(part, valid); });
  EXPECT_EQ(runs, (std::vector<std::pair<std::string, bool>>{
                      {"ab", true}, {"\xFF\x80", false}, {"\xC3\xA9", true}, {"\xE4", false}}));
}

}  // namespace
}  // namespace fulgur
