// Questions to judges: a bounded number under way, and answers taken as they come.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <list>

#include "envs/judge.h"

namespace fulgur {

// Not thread-safe: one thread asks and polls. The judges work on threads of their own.
class JudgeQueue {
 public:
  using Answered = std::function<void(Verdict)>;

  // most_under_way: questions that no judge has answered yet; more wait here, in order.
  explicit JudgeQueue(int64_t most_under_way) : most_under_way_(most_under_way) {}
  // Waits for the questions that are under way, and calls back for those that get an answer: none is lost. Those that
  // no judge has been asked yet are dropped.
  ~JudgeQueue();
  JudgeQueue(const JudgeQueue&) = delete;
  JudgeQueue& operator=(const JudgeQueue&) = delete;

  // problem and trajectory stay until `answered` is called, by Poll or the destructor.
  void Ask(Judge& judge, const Problem& problem, const Trajectory& trajectory, Answered answered);
  // Calls back for what has been answered; true if there was something. Throws what a judge has thrown.
  bool Poll();
  bool empty() const { return waiting_.empty() && under_way_.empty(); }

 private:
  struct Question {
    Judge* judge;
    const Problem* problem;
    const Trajectory* trajectory;
    Answered answered;
    std::future<Verdict> verdict;
  };

  void AskWaiting();

  int64_t most_under_way_;
  std::deque<Question> waiting_;
  std::list<Question> under_way_;
};

}  // namespace fulgur
