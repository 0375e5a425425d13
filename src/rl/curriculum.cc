#include "rl/curriculum.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/rng.h"
#include "envs/task_env.h"
#include "eval/answer_checker.h"
#include "eval/decontaminate.h"
#include "train/data.h"

namespace fulgur {
namespace {

// Streams of the seed: what a number is drawn for.
enum Stream : uint64_t { kPick = 201, kEpoch, kTest, kPool };

// An index of `weights`, in proportion to them; the last positive one should rounding carry past the end.
size_t PickIndex(Rng& rng, const std::vector<double>& weights) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  double x = rng.Uniform() * sum;
  size_t last = weights.size();
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] <= 0) continue;
    last = i;
    if (x < weights[i]) break;
    x -= weights[i];
  }
  FULGUR_CHECK(last < weights.size(), "no weight is positive");
  return last;
}

// `count` problems of a source of tasks, by the weights of the config.
std::vector<TaskInstance> DrawPool(const ProblemSourceConfig& source, int64_t count, uint64_t seed) {
  std::vector<double> tasks;
  for (const TaskMix& mix : source.tasks) tasks.push_back(mix.weight);
  std::vector<TaskInstance> pool;
  for (int64_t i = 0; i < count; ++i) {
    Rng rng(Mix(seed, static_cast<uint64_t>(i)));
    const TaskMix& mix = source.tasks[PickIndex(rng, tasks)];
    std::vector<double> levels;
    for (const auto& [difficulty, weight] : mix.difficulties) levels.push_back(weight);
    const int difficulty = mix.difficulties[PickIndex(rng, levels)].first;
    pool.push_back(GenerateTrain(GetTask(mix.name), rng.Next(), difficulty, source.part));
  }
  return pool;
}

}  // namespace

std::vector<double> Curriculum::LevelWeights(const TaskMix& mix) const {
  std::vector<double> weights(mix.difficulties.size());
  if (!config_.enabled) {
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = mix.difficulties[i].second;
    return weights;
  }
  std::vector<size_t> order;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (mix.difficulties[i].second > 0) order.push_back(i);
  }
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return mix.difficulties[a].first < mix.difficulties[b].first; });
  const auto task = levels_.find(mix.name);
  bool opened = true;  // by the level before
  for (const size_t i : order) {
    Level level;
    if (task != levels_.end()) {
      const auto found = task->second.find(mix.difficulties[i].first);
      if (found != task->second.end()) level = found->second;
    }
    const bool known = level.count >= config_.min_count;
    const bool within = !known || (level.rate() >= config_.low && level.rate() <= config_.high);
    if (opened || known) weights[i] = mix.difficulties[i].second * (within ? 1.0 : config_.probe);
    opened = known && level.rate() >= config_.unlock;
  }
  // With probe 0 every level may be out of bounds: then the one that is nearest to them.
  if (std::all_of(weights.begin(), weights.end(), [](double w) { return w <= 0; })) {
    size_t nearest = order.front();
    double least = 2;
    for (const size_t i : order) {
      if (task == levels_.end()) break;
      const auto found = task->second.find(mix.difficulties[i].first);
      if (found == task->second.end()) continue;
      const double rate = found->second.rate();
      const double distance = std::max(config_.low - rate, rate - config_.high);
      if (distance < least) {
        least = distance;
        nearest = i;
      }
    }
    weights[nearest] = 1;
  }
  return weights;
}

void Curriculum::Add(const std::string& task, int difficulty, int64_t responses, double passed) {
  Level& level = batch_[task][difficulty];
  level.count += static_cast<double>(responses);
  level.passed += passed;
}

void Curriculum::EndBatch() {
  for (const auto& [task, levels] : batch_) {
    for (const auto& [difficulty, seen] : levels) {
      Level& level = levels_[task][difficulty];
      level.count = config_.decay * level.count + seen.count;
      level.passed = config_.decay * level.passed + seen.passed;
    }
  }
  batch_.clear();
}

Json Curriculum::ToJson() const {
  Json json = Json::array();
  for (const auto& [task, levels] : levels_) {
    for (const auto& [difficulty, level] : levels) json.push_back({task, difficulty, level.count, level.passed});
  }
  return json;
}

void Curriculum::FromJson(const Json& json, const std::string& where) {
  levels_.clear();
  for (const Json& level : json) {
    if (!level.is_array() || level.size() != 4 || !level[0].is_string() || !level[1].is_number_integer() ||
        !level[2].is_number() || !level[3].is_number()) {
      throw Error("{}: the curriculum holds {}", where, level.dump());
    }
    levels_[level[0].get<std::string>()][level[1].get<int>()] = {level[2].get<double>(), level[3].get<double>()};
  }
}

ProblemSet::ProblemSet(const std::vector<ProblemSourceConfig>& sources, uint64_t seed)
    : env_(std::make_unique<SingleTurnEnv>()), seed_(seed) {
  for (const ProblemSourceConfig& config : sources) {
    Source source;
    source.config = config;
    if (config.type == ProblemSourceConfig::Type::kFile) {
      source.file = std::make_unique<ProblemFile>(config.path, config.name, config.checker.is_rule());
      source.judge = MakeAnswerJudge(config.checker);
      if (config.checker.is_rule()) source.golds = ReportGolds(*source.file, config.checker.rule);
      source.golds.Check("source " + config.name, config.max_unreadable, "\"max_unreadable\"");
    } else if (config.type == ProblemSourceConfig::Type::kCode) {
      source.code = std::make_unique<CodeProblemFile>(config.path, config.name, config.code.language);
      CodeJudgeOptions options;
      options.partial = config.code.partial;
      options.all_tests = config.code.partial;
      options.threads = static_cast<int>(config.code.runs);
      source.judge = std::make_unique<ProgramJudge>(source.code.get(), options);
    } else {
      if (config.type == ProblemSourceConfig::Type::kInstances) {
        source.instances = std::make_unique<InstanceFile>(config.path, config.part, false);
      } else if (config.filter.samples > 0) {
        source.drawn = DrawPool(config, config.filter.problems, Mix(Mix(seed, kPool), sources_.size()));
      }
      source.judge = MakeTaskJudge();
    }
    if (source.file_size() > 0) {
      std::vector<std::string> prompts;
      for (size_t i = 0; i < source.file_size(); ++i) {
        prompts.push_back(source.FromFile(i).prompt);
      }
      const Decontaminator decontaminator(config.decontaminate.words, prompts,
                                          ReadReferenceTexts(config.decontaminate.against));
      for (size_t i = 0; i < prompts.size(); ++i) {
        if (const auto match = decontaminator.Find(prompts[i])) {
          source.contaminated.push_back({i, match->words, match->where});
        } else {
          source.records.push_back(i);
        }
      }
      if (source.records.empty())
        throw Error("source {}: every problem is in the files it is held against; the first has \"{}\" of {}",
                    config.name, source.contaminated[0].words, source.contaminated[0].where);
    }
    sources_.push_back(std::move(source));
  }
}

void ProblemSet::KeepRecords(size_t source, std::vector<size_t> records) {
  if (records.empty()) {
    const auto& f = sources_[source].config.filter;
    throw Error(
        "source {}: the model solves no problem with a rate above {} and below {}, so there is nothing to learn",
        sources_[source].config.name, f.low, f.high);
  }
  sources_[source].records = std::move(records);
}

Assignment ProblemSet::Draw(const Curriculum& curriculum, double progress, int64_t batch, int64_t index,
                            std::vector<uint64_t>& drawn) const {
  drawn.resize(sources_.size());
  Rng rng(Mix(Mix(Mix(seed_, kPick), static_cast<uint64_t>(batch)), static_cast<uint64_t>(index)));
  std::vector<double> weights;
  for (const Source& source : sources_) weights.push_back(source.config.weight.At(progress));
  if (std::all_of(weights.begin(), weights.end(), [](double w) { return w <= 0; })) {
    throw Error("\"data\": no source has a weight above 0 after {:.0f} % of the run", 100 * progress);
  }
  const size_t chosen = PickIndex(rng, weights);
  const Source& source = sources_[chosen];
  const uint64_t number = drawn[chosen]++;
  if (source.file_size() > 0) {
    const uint64_t n = source.records.size(), seed = Mix(Mix(Mix(seed_, kEpoch), chosen), number / n);
    return FromFile(chosen, source.records[Permute(number % n, n, seed)]);
  }
  std::vector<double> tasks;
  for (const TaskMix& mix : source.config.tasks) tasks.push_back(mix.weight);
  const TaskMix& mix = source.config.tasks[PickIndex(rng, tasks)];
  const int difficulty = mix.difficulties[PickIndex(rng, curriculum.LevelWeights(mix))].first;
  const Task& task = GetTask(mix.name);
  return {TaskProblem(GenerateTrain(task, rng.Next(), difficulty, source.config.part), source.config.name), env_.get(),
          source.judge.get()};
}

Assignment ProblemSet::FromFile(size_t source, size_t record) const {
  const Source& from = sources_[source];
  return {from.FromFile(record), env_.get(), from.judge.get()};
}

Problem ProblemSet::Source::FromFile(size_t record) const {
  if (file != nullptr) return file->Get(record);
  if (code != nullptr) return code->Get(record);
  if (instances == nullptr) return TaskProblem(drawn[record], config.name);
  Problem problem = TaskProblem(instances->Get(record), config.name);
  problem.id = record;
  return problem;
}

std::vector<Assignment> ProblemSet::First(int64_t count) const {
  std::vector<Assignment> problems = HeldOut(count);
  for (size_t s = 0; s < sources_.size(); ++s) {
    for (size_t i = 0; i < sources_[s].records.size() && static_cast<int64_t>(i) < count; ++i) {
      problems.push_back(FromFile(s, sources_[s].records[i]));
    }
  }
  return problems;
}

std::vector<Assignment> ProblemSet::HeldOut(int64_t count) const {
  std::map<std::string, std::set<int>> levels;
  std::map<std::string, const Source*> first;  // that has the task
  for (const Source& source : sources_) {
    for (const TaskMix& mix : source.config.tasks) {
      for (const auto& [difficulty, weight] : mix.difficulties) {
        if (mix.weight > 0 && weight > 0) levels[mix.name].insert(difficulty);
      }
      first.emplace(mix.name, &source);
    }
  }
  std::vector<Assignment> problems;
  for (const auto& [name, difficulties] : levels) {
    const Task& task = GetTask(name);
    auto difficulty = difficulties.begin();
    for (int64_t i = 0; i < count; ++i) {
      const uint64_t seed = Mix(Mix(seed_, kTest), static_cast<uint64_t>(i));
      problems.push_back({TaskProblem(GenerateTest(task, seed, *difficulty), first[name]->config.name), env_.get(),
                          first[name]->judge.get()});
      if (++difficulty == difficulties.end()) difficulty = difficulties.begin();
    }
  }
  return problems;
}

}  // namespace fulgur
