#include "engine/text_match.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/rng.h"

namespace fulgur {
namespace {

using ::testing::ElementsAre;

TEST(LiteralMatcher, FindsOverlappingOccurrences) {
  LiteralMatcher m("aba");
  std::vector<int> ends;
  const std::string text = "ababaabab";
  for (size_t i = 0; i < text.size(); ++i) {
    if (m.Push(text[i])) ends.push_back(static_cast<int>(i));
  }
  EXPECT_THAT(ends, ElementsAre(2, 4, 7));
  EXPECT_EQ(m.partial(), 2u);
}

std::vector<std::string> Pieces(StopStrings& stop, const std::vector<std::string>& pieces) {
  std::vector<std::string> out;
  for (const std::string& p : pieces) out.push_back(stop.Push(p));
  out.push_back(stop.Flush());
  return out;
}

TEST(StopStrings, HoldsBackWhatMayBeOne) {
  StopStrings stop({"END", "\n\n"});
  EXPECT_THAT(Pieces(stop, {"one E", "N", "x\n", "two EN", "D three"}),
              ElementsAre("one ", "", "ENx", "\ntwo ", "", ""));
  EXPECT_TRUE(stop.stopped());
  EXPECT_EQ(stop.stop_string(), "END");
  EXPECT_EQ(stop.Push("more"), "");
}

TEST(StopStrings, ReleasesTheRestAtTheEnd) {
  StopStrings stop({"abcabd"});
  EXPECT_THAT(Pieces(stop, {"xabcab", "cab"}), ElementsAre("x", "abc", "abcab"));
  EXPECT_FALSE(stop.stopped());
  StopStrings none({});
  EXPECT_THAT(Pieces(none, {"a", "", "b"}), ElementsAre("a", "", "b", ""));
}

TEST(StopStrings, TheFirstToEndCountsAndOfThoseTheLongest) {
  StopStrings first({"abcd", "bc"});
  EXPECT_EQ(first.Push("xabcd"), "xa");
  EXPECT_EQ(first.stop_string(), "bc");
  StopStrings longest({"c", "abc", "bc"});
  EXPECT_EQ(longest.Push("xabc"), "x");
  EXPECT_EQ(longest.stop_string(), "abc");
}

TEST(StopStrings, RejectsAnEmptyOne) { EXPECT_THROW(StopStrings({"a", ""}), Error); }

// However the text is cut into pieces, the same text comes out as from a search in the whole.
TEST(StopStrings, CutsDoNotMatter) {
  Rng rng(5);
  const auto letters = [&](int64_t n) {
    std::string s;
    for (int64_t i = 0; i < n; ++i) s += static_cast<char>('a' + rng.Below(2));
    return s;
  };
  int stopped = 0;
  for (int round = 0; round < 2000; ++round) {
    const std::vector<std::string> strings = {letters(rng.Int(3, 7)), letters(rng.Int(3, 7))};
    const std::string text = letters(rng.Int(0, 30));
    size_t end = std::string::npos, begin = 0;
    for (const std::string& s : strings) {
      const size_t at = text.find(s);
      if (at == std::string::npos) continue;
      const size_t e = at + s.size();
      if (e < end || (e == end && at < begin)) end = e, begin = at;
    }
    StopStrings stop(strings);
    std::string out;
    for (size_t i = 0; i < text.size();) {
      const size_t n = rng.Below(4);
      out += stop.Push(text.substr(i, n));
      i += n;
    }
    out += stop.Flush();
    EXPECT_EQ(stop.stopped(), end != std::string::npos);
    EXPECT_EQ(out, end == std::string::npos ? text : text.substr(0, begin)) << strings[0] << " " << strings[1];
    stopped += stop.stopped();
  }
  EXPECT_GT(stopped, 500);
  EXPECT_LT(stopped, 1900);
}

}  // namespace
}  // namespace fulgur
