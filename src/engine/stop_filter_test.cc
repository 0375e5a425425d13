#include "engine/stop_filter.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/rng.h"

namespace fulgur {
namespace {

using Options = StreamingOutputParser::Options;

struct Stopped {
  std::string text, stop;  // stop: which one, or empty
};

// In pieces of a random size up to `most` bytes.
Stopped Filter(const std::vector<std::string>& strings, const std::optional<Options>& answer, std::string_view text,
               Rng* rng, int64_t most) {
  StopFilter filter(strings, answer);
  Stopped out;
  while (!text.empty() && !filter.stopped()) {
    const size_t n = std::min<size_t>(text.size(), static_cast<size_t>(rng->Int(1, most)));
    out.text += filter.Push(text.substr(0, n));
    text.remove_prefix(n);
  }
  if (filter.stopped()) {
    out.stop = filter.stop_string();
  } else {
    out.text += filter.Flush();
  }
  return out;
}

Stopped Filter(const std::vector<std::string>& strings, const std::optional<Options>& answer, std::string_view text) {
  Rng rng(1);
  return Filter(strings, answer, text, &rng, 1);
}

const Options kChat{.thinks_first = true};

TEST(StopFilter, OnlyTheAnswerCounts) {
  const std::string text = "<think>\na, b\n</think>\n\na, b\nc";
  for (const char* everywhere : {"<", "\n", "a", "think"}) {
    EXPECT_EQ(Filter({everywhere}, std::nullopt, text).text, text.substr(0, text.find(everywhere))) << everywhere;
  }
  EXPECT_EQ(Filter({"\n"}, kChat, text).text, "<think>\na, b\n</think>\n\na, b");
  EXPECT_EQ(Filter({","}, kChat, text).text, "<think>\na, b\n</think>\n\na");
  EXPECT_EQ(Filter({"a"}, kChat, text).text, "<think>\na, b\n</think>\n\n");
  for (const char* never : {"<", "think", "</think>", "\n\n", "b\n</"}) {
    const Stopped all = Filter({never}, kChat, text);
    EXPECT_EQ(all.text, text) << never;
    EXPECT_EQ(all.stop, "") << never;
  }
}

TEST(StopFilter, TheBeginningMaySayWhereItIs) {
  Options options = kChat;
  options.start = Options::Start::kThinking;
  EXPECT_EQ(Filter({"a"}, options, "a</think>\na").text, "a</think>\n");
  options.start = Options::Start::kMidAnswer;
  EXPECT_EQ(Filter({"\n"}, options, "\na").text, "");  // no white space to drop: the answer has begun
  EXPECT_EQ(Filter({"<"}, kChat, "<thin").text, "<thin");
  EXPECT_EQ(Filter({"<"}, kChat, "<this").text, "");
}

TEST(StopFilter, ToolCallsAreNotTheAnswer) {
  const std::string call = "<tool_calls>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_calls>";
  for (const char* never : {"<", "\n", "{", "f"})
    EXPECT_EQ(Filter({never}, kChat, "So:\n\n" + call).text, "So:\n\n" + call);
  EXPECT_EQ(Filter({":"}, kChat, "So:\n\n" + call).text, "So");
  // Without tools a block is text.
  Options options = kChat;
  options.tool_calls = false;
  EXPECT_EQ(Filter({"f"}, options, call).text, call.substr(0, call.find('f')));
  // And white space is known to belong to the answer as it comes.
  StopFilter filter({"\n\n"}, options);
  EXPECT_EQ(filter.Push("a\n"), "a");
  EXPECT_EQ(filter.Push("\n"), "");
  EXPECT_TRUE(filter.stopped());
}

TEST(StopFilter, WhatCannotBeAStopStringIsNotHeldBack) {
  StopFilter filter({"stop"}, kChat);
  EXPECT_EQ(filter.Push("<think>sto"), "<think>sto");
  EXPECT_EQ(filter.Push("</think>a"), "</think>a");
  EXPECT_EQ(filter.Push(" st"), " ");
  EXPECT_EQ(filter.Push("art"), "start");
  EXPECT_EQ(filter.Push("<tool_calls>\n{\"name\": "), "<tool_calls>\n{\"name\": ");
  EXPECT_EQ(filter.Push("\"stop"), "\"stop");
}

// However a text is cut into pieces, it ends where its content has the first stop string.
TEST(StopFilter, TheSameAsOnTheWholeContent) {
  Rng rng(7);
  const std::vector<std::string> parts = {"a",      "b", "ab", " ", "\n", "<", "<thin", "</", "é", "<tool_calls>\n",
                                          "<think>"};
  const std::vector<std::string> strings = {"ab", "b\n", "<", "a a", "\n\n", "é"};
  int stopped = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text = rng.Chance(0.5) ? "<think>\na\nb\n</think>\n\n" : "";
    for (int64_t n = rng.Int(0, 12); n > 0; --n) {
      text += parts[static_cast<size_t>(rng.Int(0, static_cast<int64_t>(parts.size()) - 1))];
    }
    const std::vector<std::string> one = {strings[static_cast<size_t>(rng.Int(0, 5))]};
    Options options = kChat;
    options.tool_calls = rng.Chance(0.5);
    options.trim_end = options.tool_calls;
    StreamingOutputParser parser(options);
    const std::string content = parser.Push(text).content;
    options.trim_end = true;  // what the filter is given does not matter
    const Stopped out = Filter(one, options, text, &rng, 4);
    SCOPED_TRACE(testing::PrintToString(text) + " " + testing::PrintToString(one[0]));
    const size_t at = content.find(one[0]);
    ASSERT_EQ(out.stop, at == std::string::npos ? "" : one[0]);
    ASSERT_EQ(out.text, text.substr(0, out.text.size()));
    if (at == std::string::npos) {
      ASSERT_EQ(out.text, text);
      continue;
    }
    ++stopped;
    StreamingOutputParser again(options);
    std::string read = again.Push(out.text).content;
    read += again.Finish().content;
    std::string expected = content.substr(0, at);
    expected.resize(expected.find_last_not_of(" \n") + 1);
    ASSERT_EQ(read, expected);
  }
  EXPECT_GT(stopped, 500);
}

TEST(StopFilter, AnEmptyStringIsAnError) { EXPECT_THROW(StopFilter({""}, kChat), Error); }

}  // namespace
}  // namespace fulgur
