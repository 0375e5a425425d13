// What operations may use to compute: threads, and scratch memory of each.
#pragma once

#include <memory>
#include <vector>

#include "base/thread_pool.h"
#include "ops/scratch.h"

namespace fulgur {

// A program makes one and passes it down: to the model, and from there to every operation. A loop of the pool uses all
// threads; otherwise a context is one thread's at a time. Threads that compute side by side each have a copy.
class ExecContext {
 public:
  // threads <= 0: one per processor this process may run on.
  explicit ExecContext(int threads = 0);
  // The same threads, with scratch of its own.
  ExecContext(const ExecContext& other);
  ExecContext& operator=(const ExecContext&) = delete;

  ThreadPool& pool() const { return *pool_; }
  // That of this thread: of the worker whose iteration of a parallel loop it runs.
  ScratchStack& scratch() { return scratch_[static_cast<size_t>(pool_->worker())]; }

 private:
  std::shared_ptr<ThreadPool> pool_;
  std::vector<ScratchStack> scratch_;  // one a worker
};

}  // namespace fulgur
