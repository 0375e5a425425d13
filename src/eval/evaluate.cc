#include "eval/evaluate.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/rng.h"
#include "envs/task_env.h"
#include "eval/episode_runner.h"
#include "eval/judge_queue.h"

namespace fulgur {

namespace {

// Adds the samples' figures; their means are made at the end.
void Count(const EvalSample& sample, TaskAccuracy* a) {
  const Trajectory& t = sample.trajectory;
  ++a->count;
  a->correct += sample.correct();
  a->unjudged += !sample.verdict.score;
  a->score += sample.verdict.score.value_or(0);
  a->verdicts += sample.correct() ? '1' : sample.verdict.score ? '0' : '-';
  a->thinking_tokens += static_cast<double>(t.thinking_tokens());
  a->output_tokens += static_cast<double>(t.ids.size());
  a->cut += !EndedByModel(t.finish);
}

void MakeMeans(TaskAccuracy* a) {
  if (a->count == 0) return;
  if (a->count > a->unjudged) a->score /= static_cast<double>(a->count - a->unjudged);
  a->thinking_tokens /= static_cast<double>(a->count);
  a->output_tokens /= static_cast<double>(a->count);
}

Json AccuracyJson(const TaskAccuracy& a) {
  const Interval interval = a.interval();
  return {{"task", a.task},
          {"count", a.count},
          {"correct", a.correct},
          {"unjudged", a.unjudged},
          {"score", a.score},
          {"accuracy", a.accuracy()},
          {"low", interval.low},
          {"high", interval.high},
          {"thinking_tokens", a.thinking_tokens},
          {"output_tokens", a.output_tokens},
          {"cut", a.cut},
          {"verdicts", a.verdicts}};
}

}  // namespace

double EvalReport::mean_accuracy() const {
  double sum = 0;
  for (const TaskAccuracy& t : tasks) sum += t.accuracy();
  return tasks.empty() ? 0 : sum / static_cast<double>(tasks.size());
}

Json EvalReport::ToJson() const {
  Json json = {{"mean_accuracy", mean_accuracy()}, {"tasks", Json::array()}};
  for (const TaskAccuracy& t : tasks) json["tasks"].push_back(AccuracyJson(t));
  json["all"] = AccuracyJson(all);
  json["prompt_tokens"] = prompt_tokens;
  json["output_tokens"] = output_tokens;
  json["seconds"] = seconds;
  json["tokens_per_second"] = tokens_per_second();
  return json;
}

std::vector<Problem> HeldOutProblems(const std::vector<const Task*>& tasks, int64_t count, int difficulty,
                                     uint64_t seed) {
  if (count < 1) throw Error("{} problems per task; it must be at least 1", count);
  std::vector<Problem> problems;
  for (const Task* task : tasks) {
    const int first = difficulty > 0 ? difficulty : task->min_difficulty();
    const int last = difficulty > 0 ? difficulty : std::max(first, task->nano_difficulty());
    for (int64_t i = 0; i < count; ++i) {
      const TaskInstance instance =
          GenerateTest(*task, Mix(seed, static_cast<uint64_t>(i)), first + static_cast<int>(i % (last - first + 1)));
      problems.push_back(TaskProblem(instance, task->name()));
    }
  }
  return problems;
}

EvalReport Evaluate(Model& model, const Tokenizer& tokenizer, const ChatTemplate& chat, std::vector<Problem> problems,
                    Env& env, Judge& judge, const EvalOptions& options,
                    const std::function<void(int64_t done, int64_t total)>& progress) {
  EvalReport report;
  report.samples.resize(problems.size());
  const auto total = static_cast<int64_t>(problems.size());
  int64_t done = 0;
  Engine engine(model, tokenizer, options.engine);
  EpisodeRunner episodes(engine, tokenizer, chat);
  JudgeQueue judging(options.most_judging);
  for (size_t i = 0; i < problems.size(); ++i) {
    EvalSample& sample = report.samples[i];
    sample.problem = std::move(problems[i]);
    EpisodeOptions episode;
    episode.sampling = options.sampling;
    episode.sampling.seed = Mix(options.sampling.seed, Mix(options.seed, i));
    episode.stopping = options.stopping;
    episodes.Play(env, sample.problem, episodes.Begin(env, sample.problem), episode, [&](int64_t, Trajectory t) {
      sample.trajectory = std::move(t);
      judging.Ask(judge, sample.problem, sample.trajectory, [&](Verdict verdict) {
        sample.verdict = std::move(verdict);
        ++done;
        if (progress) progress(done, total);
      });
    });
  }
  const auto start = std::chrono::steady_clock::now();
  while (done < total) {
    const bool generated = episodes.Step();
    if (!judging.Poll() && !generated) std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  report.prompt_tokens = episodes.prompt_tokens();
  report.output_tokens = episodes.generated_tokens();

  for (const EvalSample& sample : report.samples) {
    const auto same = [&](const TaskAccuracy& a) { return a.task == sample.problem.task; };
    auto task = std::find_if(report.tasks.begin(), report.tasks.end(), same);
    if (task == report.tasks.end()) {
      task = report.tasks.emplace(task);
      task->task = sample.problem.task;
    }
    Count(sample, &*task);
    Count(sample, &report.all);
  }
  for (TaskAccuracy& t : report.tasks) MakeMeans(&t);
  report.all.task = "all";
  MakeMeans(&report.all);
  return report;
}

}  // namespace fulgur
