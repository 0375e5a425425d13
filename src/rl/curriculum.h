// Which problems a batch works on: mixtures whose weights change over the run, and difficulties that follow how often
// they are solved.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "code/code_source.h"
#include "envs/instance_file.h"
#include "envs/judge.h"
#include "envs/task.h"
#include "eval/gold_report.h"
#include "eval/problem_file.h"
#include "rl/config.h"

namespace fulgur {

// How often problems of each task and difficulty are solved, recent batches counting more.
class Curriculum {
 public:
  explicit Curriculum(const CurriculumConfig& config) : config_(config) {}

  // Weights of the task's difficulties, in the order of mix.difficulties (0: closed). The easiest level is open; the
  // next one is once the level before it is solved often enough. Open levels have the config's weight if their pass
  // rate is not known yet or within bounds, and little of it otherwise.
  std::vector<double> LevelWeights(const TaskMix& mix) const;

  // Counts responses of this batch; EndBatch makes them part of the rates.
  void Add(const std::string& task, int difficulty, int64_t responses, double passed);
  void EndBatch();

  struct Level {
    double count = 0, passed = 0;  // decayed
    double rate() const { return count > 0 ? passed / count : 0; }
    bool operator==(const Level&) const = default;
  };
  using Levels = std::map<std::string, std::map<int, Level>>;  // by task and difficulty
  const Levels& levels() const { return levels_; }

  Json ToJson() const;
  void FromJson(const Json& json, const std::string& where);

 private:
  CurriculumConfig config_;
  Levels levels_, batch_;
};

// The sources of a run. What it hands out is judged and answered by parts of it, so it outlives that.
class ProblemSet {
 public:
  // Opens files and leaves out contaminated problems. Throws Error for files that are wrong, of which too many answers
  // are of no use to the checker, or of which nothing is left.
  ProblemSet(const std::vector<ProblemSourceConfig>& sources, uint64_t seed);

  // Problem `index` of batch `batch` (from 0). drawn: how many each source has given so far in the run; this one is
  // added. A function of its arguments alone; problems of a file come in a new order in every epoch. progress: part of
  // the run that is done.
  Assignment Draw(const Curriculum& curriculum, double progress, int64_t batch, int64_t index,
                  std::vector<uint64_t>& drawn) const;

  // Held-out problems of every task of the sources: `count` of each, its difficulties in turn.
  std::vector<Assignment> HeldOut(int64_t count) const;

  // For sources that are there to be measured on: HeldOut, and the first `count` problems of every file.
  std::vector<Assignment> First(int64_t count) const;

  // Problem of a file's record, or of those that a filter chooses among.
  Assignment FromFile(size_t source, size_t record) const;

  size_t size() const { return sources_.size(); }
  const ProblemSourceConfig& config(size_t source) const { return sources_[source].config; }
  // Of a source that has a file or a filter: how many problems it has that could be used.
  size_t file_size(size_t source) const { return sources_[source].file_size(); }
  // Instances of tasks that are held out for tests or of another part.
  size_t left_out(size_t source) const {
    return sources_[source].instances ? sources_[source].instances->left_out() : 0;
  }
  // Those of them that are used; contaminated ones are not among them.
  const std::vector<size_t>& records(size_t source) const { return sources_[source].records; }
  // Which answers of a source's file no response can agree with.
  const GoldReport& golds(size_t source) const { return sources_[source].golds; }
  struct Contaminated {
    size_t record;
    std::string words, where;  // Decontaminator::Match
  };
  const std::vector<Contaminated>& contaminated(size_t source) const { return sources_[source].contaminated; }
  // Error if none is left.
  void KeepRecords(size_t source, std::vector<size_t> records);

 private:
  struct Source {
    ProblemSourceConfig config;
    std::unique_ptr<ProblemFile> file;        // of one kind
    std::unique_ptr<InstanceFile> instances;  // or another;
    std::unique_ptr<CodeProblemFile> code;    // or this;
    std::vector<TaskInstance> drawn;          // or what a filter chooses among; none of these: tasks without end
    size_t file_size() const {
      return file ? file->size() : instances ? instances->size() : code ? code->size() : drawn.size();
    }
    Problem FromFile(size_t record) const;
    std::unique_ptr<Judge> judge;
    GoldReport golds;
    std::vector<size_t> records;
    std::vector<Contaminated> contaminated;
  };
  std::vector<Source> sources_;
  std::unique_ptr<Env> env_;
  uint64_t seed_;
};

}  // namespace fulgur
