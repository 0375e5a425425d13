#include "engine/thinking.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fulgur {
namespace {

ThinkingTracker Track(const std::vector<std::string>& tokens, bool starts_open = false) {
  ThinkingTracker t(starts_open);
  for (const std::string& token : tokens) t.Push(token, true);
  return t;
}

TEST(ThinkingTracker, CountsTokensBetweenTheTags) {
  const ThinkingTracker t = Track({"<", "think", ">\n", "a", " b", "\n", "</", "think", ">\n\n", "answer"});
  EXPECT_TRUE(t.closed());
  EXPECT_EQ(t.tokens(), 3);  // a, b, line break; not what ends <think>, nor the tag
  EXPECT_EQ(t.after_open(), 6);
}

TEST(ThinkingTracker, WhereTokensBeginDecides) {
  // One token that has the end of <think>, a thought and the beginning of </think>: begins before the thinking.
  EXPECT_EQ(Track({"<thi", "nk>abc</th", "ink>"}).tokens(), 0);
  // A thought with the beginning of </think> in the same token: begins in the thinking.
  EXPECT_EQ(Track({"<think>", "abc</", "think>"}).tokens(), 1);
  // All at once.
  EXPECT_TRUE(Track({"<think>abc</think>xyz"}).closed());
  EXPECT_EQ(Track({"<think>abc</think>xyz"}).tokens(), 0);
  // Byte by byte, with beginnings of the tag that are none.
  EXPECT_EQ(Track({"<think>", "<", "/", "t", "<", "/", "t", "h", "i", "n", "k", ">", "x"}).tokens(), 3);
  EXPECT_EQ(Track({"<think>", "<", "/", "t", "<", "/", "t", "h", "i", "n", "k", ">", "x"}).after_open(), 11);
}

TEST(ThinkingTracker, TokensWithoutTextCountAndOpenThinkingStaysOpen) {
  const ThinkingTracker t = Track({"<think>", "a", "", "", "b<"});
  EXPECT_TRUE(t.open());
  EXPECT_EQ(t.tokens(), 4);
  EXPECT_EQ(Track({"<think>", "a", "", "</think>"}).tokens(), 2);
}

TEST(ThinkingTracker, AppendedTokensDoNotCount) {
  ThinkingTracker t(false);
  t.Push("<think>", false);
  t.Push("a", true);
  t.Push("forced", false);
  t.Push("</think>", false);
  EXPECT_TRUE(t.closed());
  EXPECT_EQ(t.tokens(), 1);
  EXPECT_EQ(t.after_open(), 1);
}

TEST(ThinkingTracker, FollowsTheRuleForTags) {
  EXPECT_FALSE(Track({"no tags at all"}).open());
  EXPECT_FALSE(Track({"<tool_calls>", "\n<think>", "a"}).open());      // after tool calls it is no thinking
  EXPECT_EQ(Track({"<think>a</think>", "<think>", "b"}).tokens(), 0);  // only the first
  EXPECT_TRUE(Track({"some text <think>", "b"}).open());
  const ThinkingTracker t = Track({"a", "b", "</think>", "c"}, /*starts_open=*/true);
  EXPECT_TRUE(t.closed());
  EXPECT_EQ(t.tokens(), 2);
}

TEST(ThinkingTracker, ClosesWithASentenceOrTheRestOfTheTag) {
  EXPECT_EQ(Track({"<think>", "\na"}).Closing("Done."), "\nDone.\n</think>\n\n");
  EXPECT_EQ(Track({"<think>", "\na\n"}).Closing("Done."), "Done.\n</think>\n\n");
  EXPECT_EQ(Track({"<think>", "\na\n"}).Closing(""), "</think>\n\n");
  EXPECT_EQ(Track({"<think>", "\na\n</thi"}).Closing("Done."), "nk>\n\n");
  EXPECT_EQ(Track({"<think>", "\na\n<"}).Closing("Done."), "/think>\n\n");
  for (const char* end : {"a", "a\n", "a<", "a</", "a</t", "a</think"}) {
    ThinkingTracker t = Track({"<think>", end});
    t.Push(t.Closing("Done."), false);
    EXPECT_TRUE(t.closed()) << end;
  }
  for (bool open : {false, true}) EXPECT_TRUE(Track({ThinkingTracker::NoThinking(open)}, open).closed());
}

}  // namespace
}  // namespace fulgur
