#include "train/evaluate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/rng.h"
#include "text/output_parser.h"

namespace fulgur {

namespace {

// Adds the samples' figures; their means are made at the end.
void Count(const EvalSample& sample, TaskAccuracy* a) {
  ++a->count;
  a->correct += sample.correct();
  a->verdicts += sample.correct() ? '1' : '0';
  a->thinking_tokens += static_cast<double>(sample.end.thinking_tokens);
  a->output_tokens += static_cast<double>(sample.end.output_tokens);
  a->cut += sample.end.reason != FinishReason::kStop && sample.end.reason != FinishReason::kStopString;
}

void MakeMeans(TaskAccuracy* a) {
  if (a->count == 0) return;
  a->thinking_tokens /= static_cast<double>(a->count);
  a->output_tokens /= static_cast<double>(a->count);
}

Json AccuracyJson(const TaskAccuracy& a) {
  const Interval interval = a.interval();
  return {{"task", a.task},
          {"count", a.count},
          {"correct", a.correct},
          {"accuracy", a.accuracy()},
          {"low", interval.low},
          {"high", interval.high},
          {"thinking_tokens", a.thinking_tokens},
          {"output_tokens", a.output_tokens},
          {"cut", a.cut},
          {"verdicts", a.verdicts}};
}

}  // namespace

Interval WilsonInterval(int64_t correct, int64_t count) {
  if (count <= 0) return {};
  const double z = 1.959963984540054, n = static_cast<double>(count), p = static_cast<double>(correct) / n;
  const double centre = p + z * z / (2 * n);
  const double half = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  const double scale = 1 + z * z / n;
  // The ends are exact at 0 and 1, where rounding would leave 1e-17.
  return {correct == 0 ? 0 : (centre - half) / scale, correct == count ? 1 : (centre + half) / scale};
}

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

EvalReport Evaluate(Model& model, const Tokenizer& tokenizer, const ChatTemplate& chat, const EvalOptions& options,
                    const std::function<void(int64_t done, int64_t total)>& progress) {
  if (options.count < 1) throw Error("{} problems per task; it must be at least 1", options.count);
  EvalReport report;
  for (const Task* task : options.tasks) {
    const int first = options.difficulty > 0 ? options.difficulty : task->min_difficulty();
    const int last = options.difficulty > 0 ? options.difficulty : std::max(first, task->nano_difficulty());
    for (int64_t i = 0; i < options.count; ++i) {
      EvalSample sample;
      sample.task = task;
      sample.instance = GenerateTest(*task, Mix(options.seed, static_cast<uint64_t>(i)),
                                     first + static_cast<int>(i % (last - first + 1)));
      report.samples.push_back(std::move(sample));
    }
  }

  Engine engine(model, tokenizer, options.engine);
  std::vector<std::string> texts(report.samples.size());
  const int64_t total = static_cast<int64_t>(texts.size());
  int64_t done = 0;
  for (size_t i = 0; i < report.samples.size(); ++i) {
    GenerationRequest request;
    const Json messages = Json::array({{{"role", "user"}, {"content", report.samples[i].instance.prompt}}});
    request.prompt = chat.Encode(tokenizer, messages, /*tools=*/nullptr, /*add_generation_prompt=*/true);
    request.sampling = options.sampling;
    request.sampling.seed = Mix(options.sampling.seed, Mix(options.seed, i));
    request.stopping = options.stopping;
    engine.Submit(std::move(request), [&, i](const OutputEvent& event) {
      texts[i] += event.text;
      if (event.end == nullptr) return;
      report.samples[i].end = *event.end;
      report.samples[i].end.state = nullptr;
      ++done;
      if (progress) progress(done, total);
    });
  }
  const auto start = std::chrono::steady_clock::now();
  engine.Run();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  for (size_t i = 0; i < report.samples.size(); ++i) {
    EvalSample& sample = report.samples[i];
    if (sample.end.reason == FinishReason::kError) throw Error("{}", sample.end.message);
    ParsedOutput parsed = ParseOutput(texts[i]);
    sample.thinking = std::move(parsed.reasoning);
    sample.answer = std::move(parsed.content);
    sample.score = sample.task->Verify(sample.instance, sample.answer);
    report.prompt_tokens += sample.end.prompt_tokens;
    report.output_tokens += sample.end.output_tokens;
    if (report.tasks.empty() || report.tasks.back().task != sample.instance.task) {
      report.tasks.emplace_back().task = sample.instance.task;
    }
    Count(sample, &report.tasks.back());
    Count(sample, &report.all);
  }
  for (TaskAccuracy& t : report.tasks) MakeMeans(&t);
  report.all.task = "all";
  MakeMeans(&report.all);
  return report;
}

}  // namespace fulgur
