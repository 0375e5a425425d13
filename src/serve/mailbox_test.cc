#include "serve/mailbox.h"

#include <gtest/gtest.h>

namespace fulgur {
namespace {

TEST(Mailbox, TimesTokensAfterTheFirstPassOfTheirOutput) {
  Mailbox mailbox(false);
  EXPECT_EQ(mailbox.timings().tokens, 0);
  const auto put = [&](int64_t output, size_t count, OutputEnd* end = nullptr) {
    const std::vector<OutputToken> tokens(count);
    mailbox.Put(output, {.request = 1, .output = output, .tokens = tokens, .text = "x", .end = end});
  };
  put(0, 3);
  put(1, 1);
  EXPECT_EQ(mailbox.timings().tokens, 4);
  EXPECT_EQ(mailbox.timings().timed_tokens, 0);
  const double first = mailbox.timings().first_seconds;
  EXPECT_GT(first, 0);
  put(1, 2);
  put(0, 5);
  const AnswerTimings before = mailbox.timings();
  OutputEnd end;
  put(0, 0, &end);  // what has no tokens takes no time
  const AnswerTimings timings = mailbox.timings();
  EXPECT_EQ(timings.tokens, 11);
  EXPECT_EQ(timings.timed_tokens, 7);
  EXPECT_EQ(timings.first_seconds, first);
  EXPECT_GT(timings.output_seconds, 0);
  EXPECT_EQ(timings.output_seconds, before.output_seconds);
}

}  // namespace
}  // namespace fulgur
