#include "base/child_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "base/error.h"

namespace fulgur {
namespace {

using std::chrono::milliseconds;
using Result = ChildProcess::Result;

ChildProcess::Clock::time_point In(int ms) { return ChildProcess::Clock::now() + milliseconds(ms); }

TEST(ChildProcess, LinesInAndOut) {
  ChildProcess cat({"cat"});
  std::string line;
  for (const std::string& text : {std::string("one"), std::string(50000, 'x'), std::string("")}) {
    ASSERT_EQ(cat.Write(text + "\n", In(5000)), Result::kDone);
    ASSERT_EQ(cat.ReadLine(&line, In(5000)), Result::kDone);
    EXPECT_EQ(line, text);
  }
  EXPECT_FALSE(cat.HasOutput());
  EXPECT_EQ(cat.ReadLine(&line, In(20)), Result::kTimeout);
  EXPECT_EQ(cat.End(In(5000)), "exit status 0");
}

TEST(ChildProcess, WhatEndsByItself) {
  ChildProcess ends({"sh", "-c", "echo last; exit 3"});
  std::string line;
  EXPECT_EQ(ends.ReadLine(&line, In(5000)), Result::kDone);
  EXPECT_EQ(line, "last");
  EXPECT_EQ(ends.ReadLine(&line, In(5000)), Result::kEnded);
  EXPECT_EQ(ends.Write(std::string(1 << 20, 'x'), In(5000)), Result::kEnded);  // and SIGPIPE does not end us
  EXPECT_EQ(ends.End(In(5000)), "exit status 3");
}

TEST(ChildProcess, WhatDoesNotEndIsKilledWithItsGroup) {
  ChildProcess stubborn({"sh", "-c", "trap '' TERM; sleep 1000 & echo $!; cat > /dev/null; wait"});
  std::string child;
  ASSERT_EQ(stubborn.ReadLine(&child, In(5000)), Result::kDone);
  EXPECT_EQ(stubborn.End(In(30)), "signal 9 (Killed)");
  for (int i = 0; i < 500 && kill(std::stoi(child), 0) == 0; ++i) usleep(10000);  // init reaps it
  EXPECT_NE(kill(std::stoi(child), 0), 0);
}

TEST(ChildProcess, AWriterThatNobodyReadsTimesOut) {
  ChildProcess deaf({"sleep", "1000"});
  EXPECT_EQ(deaf.Write(std::string(1 << 20, 'x'), In(30)), Result::kTimeout);
}

TEST(ChildProcess, WhatCannotBeStartedIsNamed) {
  try {
    ChildProcess none({"no-such-program"});
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("no-such-program cannot be started: No such file"));
  }
  EXPECT_THROW(ChildProcess({}), Error);
}

}  // namespace
}  // namespace fulgur
