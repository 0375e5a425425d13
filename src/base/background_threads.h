// Threads that do jobs beside the caller's own work.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace fulgur {

// Jobs begin in the order in which they were given, as many at a time as there are threads. Any thread may call Run.
class BackgroundThreads {
 public:
  explicit BackgroundThreads(int threads);
  ~BackgroundThreads();  // after the last job that was given
  BackgroundThreads(const BackgroundThreads&) = delete;
  BackgroundThreads& operator=(const BackgroundThreads&) = delete;

  // The result of job(), later. What the job throws comes out of the future.
  template <typename Job>
  std::future<std::invoke_result_t<Job>> Run(Job job) {
    auto task = std::make_shared<std::packaged_task<std::invoke_result_t<Job>()>>(std::move(job));
    auto result = task->get_future();
    Add([task] { (*task)(); });
    return result;
  }

 private:
  void Add(std::function<void()> job);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool end_ = false;
  std::vector<std::thread> threads_;
};

// A future whose value is there.
template <typename T>
std::future<T> ReadyFuture(T value) {
  std::promise<T> promise;
  promise.set_value(std::move(value));
  return promise.get_future();
}

template <typename T>
bool IsReady(const std::future<T>& future) {
  return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

}  // namespace fulgur
