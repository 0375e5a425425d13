#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace fulgur {
namespace {

// While this thread runs a body of a parallel loop: whose loop, and as which worker.
thread_local const void* g_pool = nullptr;
thread_local int g_worker = -1;

int AvailableProcessors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::thread::hardware_concurrency());
}

inline void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Loops follow each other closely within a forward pass, and waking a sleeping one takes long, most of all in a
// virtual machine: so a thread that waits for `done` looks for a while before it sleeps, offering its
// processor to others meanwhile.
template <typename Done>
void SpinUntil(const Done& done) {
  for (int spin = 0; spin < 2000; ++spin) {
    if (done()) return;
    Relax();
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(500);
  while (std::chrono::steady_clock::now() < end) {
    for (int spin = 0; spin < 50; ++spin) {
      if (done()) return;
      Relax();
    }
    sched_yield();
  }
}

}  // namespace

struct ThreadPool::Impl {
  std::vector<std::thread> workers;
  std::recursive_mutex calls;  // one loop at a time; loops may nest in one thread

  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<uint64_t> generation{0};
  std::atomic<bool> stop{false};
  bool open = false;           // the present loop can be joined; guarded by mutex
  std::atomic<int> active{0};  // helpers that joined the present loop and have not finished

  int64_t n = 0;
  AnyBody body{};
  std::atomic<int64_t> next{0};
  std::mutex error_mutex;
  std::exception_ptr error;

  void RunBodies(int worker) {
    const void* const outer_pool = std::exchange(g_pool, this);
    const int outer_worker = std::exchange(g_worker, worker);
    for (int64_t i = next.fetch_add(1, std::memory_order_relaxed); i < n;
         i = next.fetch_add(1, std::memory_order_relaxed)) {
      try {
        body.call(body.body, i, worker);
      } catch (...) {
        const std::lock_guard lock(error_mutex);
        if (!error) error = std::current_exception();
      }
    }
    g_pool = outer_pool;
    g_worker = outer_worker;
  }

  void WorkerMain(int worker) {
    uint64_t seen = 0;
    while (true) {
      SpinUntil([&] { return generation.load(std::memory_order_acquire) != seen || stop; });
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return stop || generation.load(std::memory_order_acquire) != seen; });
        if (stop) return;
        seen = generation.load(std::memory_order_acquire);
        if (!open) continue;  // the caller finished that loop alone
        active.fetch_add(1, std::memory_order_relaxed);
      }
      RunBodies(worker);
      if (active.fetch_sub(1, std::memory_order_acq_rel) == 1) active.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int threads) : impl_(std::make_unique<Impl>()) {
  if (threads <= 0) threads = AvailableProcessors();
  for (int w = 1; w < threads; ++w) impl_->workers.emplace_back([this, w] { impl_->WorkerMain(w); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stop = true;
  }
  impl_->wake.notify_all();
  for (std::thread& t : impl_->workers) t.join();
}

int ThreadPool::threads() const { return static_cast<int>(impl_->workers.size()) + 1; }

int ThreadPool::parallelism() const { return g_pool == nullptr ? threads() : 1; }

int ThreadPool::WorkerInside() const { return g_pool == impl_.get() ? g_worker : -1; }

int ThreadPool::worker() const { return std::max(WorkerInside(), 0); }

void ThreadPool::Run(int64_t n, AnyBody body) {
  Impl& p = *impl_;
  if (n <= 0) return;
  const std::lock_guard call(p.calls);
  if (g_pool != nullptr || p.workers.empty() || n == 1) {
    for (int64_t i = 0; i < n; ++i) body.call(body.body, i, 0);
    return;
  }
  {
    const std::lock_guard lock(p.mutex);
    p.n = n;
    p.body = body;
    p.next.store(0, std::memory_order_relaxed);
    p.open = true;
    p.error = nullptr;
    p.generation.fetch_add(1, std::memory_order_release);
  }
  p.wake.notify_all();
  p.RunBodies(0);
  {
    const std::lock_guard lock(p.mutex);
    p.open = false;
  }
  // Wait only for the helpers that joined: one that was not scheduled in time does not hold up the loop.
  SpinUntil([&] { return p.active.load(std::memory_order_acquire) == 0; });
  for (int left = p.active.load(std::memory_order_acquire); left > 0; left = p.active.load(std::memory_order_acquire)) {
    p.active.wait(left, std::memory_order_acquire);
  }
  if (p.error) std::rethrow_exception(p.error);
}

}  // namespace fulgur
