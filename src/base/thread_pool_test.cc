#include "base/thread_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/error.h"

namespace fulgur {
namespace {

class ThreadPoolTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, testing::Values(1, 2, 3, 8));

TEST_P(ThreadPoolTest, EveryIterationOnce) {
  ThreadPool pool(GetParam());
  EXPECT_EQ(pool.threads(), GetParam());
  for (const int64_t n : {0, 1, 2, 7, 1000}) {
    std::vector<std::atomic<int>> count(static_cast<size_t>(n));
    pool.ParallelFor(n, [&](int64_t i, int worker) {
      EXPECT_GE(worker, 0);
      EXPECT_LT(worker, pool.threads());
      ++count[static_cast<size_t>(i)];
    });
    for (const auto& c : count) EXPECT_EQ(c, 1);
  }
  pool.ParallelFor(-5, [&](int64_t, int) { ADD_FAILURE(); });
}

TEST_P(ThreadPoolTest, ResultsOfTheLoopAreVisibleAfterIt) {
  ThreadPool pool(GetParam());
  std::vector<int64_t> square(300);  // plain memory: the end of the loop orders it
  for (int round = 0; round < 200; ++round) {
    pool.ParallelFor(300, [&](int64_t i, int) { square[static_cast<size_t>(i)] = i * i + round; });
    for (int64_t i = 0; i < 300; ++i) ASSERT_EQ(square[static_cast<size_t>(i)], i * i + round);
  }
}

TEST_P(ThreadPoolTest, NoTwoBodiesOfAWorkerAtATime) {
  ThreadPool pool(GetParam());
  std::vector<std::atomic<int>> inside(static_cast<size_t>(pool.threads()));
  const auto loops = [&] {
    for (int round = 0; round < 100; ++round) {
      pool.ParallelFor(round % 4, [&](int64_t, int worker) {
        EXPECT_EQ(inside[static_cast<size_t>(worker)]++, 0);
        std::this_thread::yield();
        --inside[static_cast<size_t>(worker)];
      });
    }
  };
  std::thread other(loops), another(loops);  // callers wait for each other
  loops();
  other.join();
  another.join();
}

TEST_P(ThreadPoolTest, AnExceptionReachesTheCallerAndThePoolStaysUsable) {
  ThreadPool pool(GetParam());
  for (int round = 0; round < 20; ++round) {
    EXPECT_THAT(
        [&] {
          pool.ParallelFor(50, [&](int64_t i, int) {
            if (i % 10 == 3) throw Error("iteration ends in 3");
          });
        },
        testing::ThrowsMessage<Error>("iteration ends in 3"));
    std::atomic<int64_t> sum{0};
    pool.ParallelFor(50, [&](int64_t i, int) { sum += i; });
    EXPECT_EQ(sum, 1225);
  }
}

TEST_P(ThreadPoolTest, ALoopInsideABodyRunsInline) {
  ThreadPool pool(GetParam());
  std::atomic<int> count{0};
  pool.ParallelFor(20, [&](int64_t, int worker) {
    const auto thread = std::this_thread::get_id();
    pool.ParallelFor(10, [&](int64_t, int inner) {
      EXPECT_EQ(inner, worker);
      EXPECT_EQ(std::this_thread::get_id(), thread);
      ++count;
    });
  });
  EXPECT_EQ(count, 200);
}

TEST_P(ThreadPoolTest, AnotherPoolInsideABodyUsesItsOwnWorkerNumbers) {
  ThreadPool pool(GetParam()), small(2);
  std::atomic<int> count{0};
  std::vector<std::atomic<int>> inside(2);
  pool.ParallelFor(20, [&](int64_t, int) {
    small.ParallelFor(10, [&](int64_t, int worker) {
      ASSERT_LT(worker, 2);
      EXPECT_EQ(inside[static_cast<size_t>(worker)]++, 0);
      ++count;
      --inside[static_cast<size_t>(worker)];
    });
  });
  EXPECT_EQ(count, 200);
}

TEST_P(ThreadPoolTest, AnExceptionOfANestedLoop) {
  ThreadPool pool(GetParam());
  EXPECT_THROW(pool.ParallelFor(4,
                                [&](int64_t, int) {
                                  pool.ParallelFor(4, [](int64_t i, int) {
                                    if (i == 2) throw Error("inner");
                                  });
                                }),
               Error);
}

TEST_P(ThreadPoolTest, ParallelismIsOneInsideABody) {
  ThreadPool pool(GetParam()), other(2);
  EXPECT_EQ(pool.parallelism(), GetParam());
  std::atomic<int> inside = 0;
  pool.ParallelFor(4, [&](int64_t, int) { inside += pool.parallelism() + other.parallelism(); });
  EXPECT_EQ(inside, pool.threads() == 1 ? 4 * 3 : 4 * 2);
  EXPECT_EQ(pool.parallelism(), GetParam());
}

TEST(ThreadPool, ZeroMeansTheProcessorsOfThisProcess) {
  ThreadPool pool(0);
  EXPECT_GE(pool.threads(), 1);
  EXPECT_LE(pool.threads(), static_cast<int>(std::thread::hardware_concurrency()));
}

TEST(ThreadPool, SleepingWorkersWakeUp) {
  ThreadPool pool(4);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // long enough for them to stop spinning
    std::atomic<int> count{0};
    pool.ParallelFor(100, [&](int64_t, int) { ++count; });
    EXPECT_EQ(count, 100);
  }
}

}  // namespace
}  // namespace fulgur
