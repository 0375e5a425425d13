// A fixed set of threads that run the iterations of a loop. The caller is one of the workers, so a pool of 1 starts no
// thread. Which worker runs which iteration is not fixed: callers make every iteration's result independent of that.
#pragma once

#include <cstdint>
#include <memory>

namespace fulgur {

class ThreadPool {
 public:
  // threads <= 0: one per processor this process may run on.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;
  // Threads that a loop started here would have: threads(), or 1 inside a body.
  int parallelism() const;
  // The worker whose iteration of a loop of this pool the calling thread runs; 0 outside of one.
  int worker() const;

  // body(i, worker) for every i in [0, n), each exactly once; returns when all are done. worker is in [0, threads()).
  // An exception of a body is rethrown here after the loop (the first one; other iterations may or may not have run).
  // A call from inside a body runs inline. Calls from several threads at a time wait for each other.
  template <typename Body>
  void ParallelFor(int64_t n, const Body& body) {
    const int me = WorkerInside();
    if (me < 0) return Run(n, {&body, &CallBody<Body>});
    for (int64_t i = 0; i < n; ++i) body(i, me);
  }

 private:
  struct AnyBody {
    const void* body;
    void (*call)(const void* body, int64_t i, int worker);
  };
  template <typename Body>
  static void CallBody(const void* body, int64_t i, int worker) {
    (*static_cast<const Body*>(body))(i, worker);
  }
  // The worker whose iteration of a loop of this pool the calling thread runs; -1 outside of one.
  int WorkerInside() const;
  void Run(int64_t n, AnyBody body);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fulgur
