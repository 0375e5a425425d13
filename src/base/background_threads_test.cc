#include "base/background_threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

namespace fulgur {
namespace {

TEST(BackgroundThreads, GivesResultsAndWhatJobsThrow) {
  BackgroundThreads threads(2);
  std::future<int> seven = threads.Run([] { return 7; });
  std::future<void> thrown = threads.Run([] { throw std::runtime_error("no"); });
  EXPECT_EQ(seven.get(), 7);
  EXPECT_THROW(thrown.get(), std::runtime_error);
  EXPECT_TRUE(IsReady(ReadyFuture(1)));
}

TEST(BackgroundThreads, AtMostSoManyAtATimeAndAllBeforeTheEnd) {
  std::atomic<int> running = 0, most = 0, done = 0;
  {
    BackgroundThreads threads(3);
    for (int i = 0; i < 30; ++i) {
      threads.Run([&] {
        const int now = ++running;
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        --running;
        ++done;
      });
    }
  }
  EXPECT_EQ(done, 30);
  EXPECT_LE(most, 3);
  EXPECT_GE(most, 2);
}

}  // namespace
}  // namespace fulgur
