#include "eval/judge_queue.h"

#include <utility>

#include "base/background_threads.h"
#include "base/error.h"

namespace fulgur {
namespace {

Verdict Get(std::future<Verdict>& verdict, const Problem& problem) {
  Verdict v = verdict.get();
  if (v.score && !(*v.score >= 0 && *v.score <= 1)) {
    throw Error("the judge of {} scored problem {} with {}; a score is between 0 and 1", problem.source, problem.id,
                *v.score);
  }
  return v;
}

}  // namespace

JudgeQueue::~JudgeQueue() {
  for (Question& question : under_way_) {
    try {
      question.answered(Get(question.verdict, *question.problem));
    } catch (...) {  // the run ends already, for this or another reason
    }
  }
}

void JudgeQueue::Ask(Judge& judge, const Problem& problem, const Trajectory& trajectory, Answered answered) {
  waiting_.push_back({&judge, &problem, &trajectory, std::move(answered), {}});
  AskWaiting();
}

void JudgeQueue::AskWaiting() {
  while (!waiting_.empty() && static_cast<int64_t>(under_way_.size()) < most_under_way_) {
    Question question = std::move(waiting_.front());
    waiting_.pop_front();
    question.verdict = question.judge->Ask(*question.problem, *question.trajectory);
    under_way_.push_back(std::move(question));
  }
}

bool JudgeQueue::Poll() {
  std::list<Question> answered;
  for (auto it = under_way_.begin(); it != under_way_.end();) {
    const auto next = std::next(it);
    if (IsReady(it->verdict)) answered.splice(answered.end(), under_way_, it);
    it = next;
  }
  AskWaiting();
  const bool some = !answered.empty();
  while (!answered.empty()) {
    Question question = std::move(answered.front());
    answered.pop_front();
    question.answered(Get(question.verdict, *question.problem));
  }
  return some;
}

}  // namespace fulgur
