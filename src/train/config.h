// The configuration of a training run, from a JSON file. docs/training.md lists every key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "envs/task.h"
#include "ops/adamw.h"
#include "tensor/tensor.h"
#include "train/config_section.h"
#include "train/optimizer.h"

namespace fulgur {

// Instances of one task. Its difficulties are drawn with the given weights.
struct TaskMix {
  std::string name;
  double weight = 1;
  std::vector<std::pair<int, double>> difficulties;  // (difficulty, weight)
};

// From "all", or a list of names and of {"name", "weight", "difficulties"}; `difficulties` is for those that name none.
// Throws Error that names `where`.
std::vector<TaskMix> ReadTasks(const Json& json, const Json& difficulties, const std::string& where);
// "all", "supervised" or "reinforcement"; Error for another.
TrainPart ReadTrainPart(const std::string& name, const std::string& where);
const char* TrainPartName(TrainPart part);
Json TasksToJson(const std::vector<TaskMix>& tasks);  // for fingerprints

// Where examples come from. An example is taken from a source with a probability proportional to its weight.
struct SourceConfig {
  enum class Type {
    kTasks,      // problems that tasks make up, with their worked solutions
    kInstances,  // JSON lines of problems of tasks (envs/instance_file.h); the tasks work them
    kText,       // JSON lines with "text": every token counts
    kChat,       // JSON lines with "messages" (and perhaps "tools"): what the assistant says counts
  };
  Type type = Type::kTasks;
  std::string name;  // in messages and metrics
  double weight = 1;
  std::vector<TaskMix> tasks;        // kTasks
  TrainPart part = TrainPart::kAll;  // kTasks, kInstances
  bool thinking = true;              // kTasks, kInstances: false: answers alone, after an empty thinking
  bool leave_out_unsolved = false;   // kInstances: otherwise one that is not solved is an error
  std::filesystem::path path;        // all but kTasks
  // kText: special tokens around a document. Where the tokenizer does not know these, it is its own beginning of a
  // text, and the end of a turn.
  static constexpr const char* kBegin = "<begin_of_document>";
  static constexpr const char* kEnd = "<end_of_sentence>";
  std::string begin, end;
};

// When checkpoints are written.
struct CheckpointConfig {
  int64_t every_steps = 0;     // 0: by time only
  double every_seconds = 300;  // 0: by steps only
  int64_t keep = 2;            // newest ones that are kept
};

// Parts that configs of other kinds of run have too. `every`: the key of every_steps.
void ReadOptimizer(Section& s, double weight_decay, AdamWOptions* options, bool* decay_norms, double* clip);
CheckpointConfig ReadCheckpoint(Section& s, const char* every);
inline constexpr int kMostThreads = 1024;
int ReadThreads(Section& s);  // "threads": 0 (one per processor) to kMostThreads
DType ReadSaveDtype(Section& s);

struct TrainConfig {
  std::filesystem::path out;  // checkpoints, metrics and the final model go here
  uint64_t seed = 1;
  int threads = 0;  // 0: one per processor

  struct Model {
    std::filesystem::path path;       // start from this model, tokenizer included; or
    Json config;                      // these dimensions, with random weights, and
    bool config_is_file = false;      // they came from a file, where unknown keys are ignored
    std::filesystem::path tokenizer;  // this folder's tokenizer and chat template
  } model;

  std::vector<SourceConfig> data;

  struct Batch {
    int64_t tokens = 8192;        // of a step, at most
    int64_t micro_tokens = 8192;  // that go through the model at a time (bounds memory); divides `tokens`
    int64_t max_length = 1024;    // of a document; longer text is cut, longer chats and problems are left out
    bool recompute = false;       // run each layer again in the backward pass instead of keeping its values
  } batch;

  AdamWOptions optimizer;  // lr is schedule.lr
  bool decay_norms = true;
  double clip = 1;  // global norm of the gradient; 0: no clipping
  Schedule schedule;
  double epochs = 0;          // 0: schedule.steps is the length; else SetLength is called once the data is known
  double decay_fraction = 0;  // of the run's steps
  double aux_coef = -1;       // weight of the load-balance loss; negative: router_aux_loss_coef of the model's config

  struct Validation {
    int64_t every = 0;               // steps; 0: never
    int64_t instances = 16;          // held-out problems per task, or documents per source
    std::vector<SourceConfig> data;  // default: the task sources of `data`
  } validation;

  CheckpointConfig checkpoint;
  DType save_dtype = DType::kBF16;  // of the matrices of the final model

  ConfigKeys keys;  // keys.fingerprint: what decides the weights

  // Throws Error that names `where` and the key, for unknown keys, missing ones and values that make no sense. Paths
  // are relative to the current folder.
  static TrainConfig FromJson(const Json& json, const std::string& where);
  static TrainConfig FromFile(const std::filesystem::path& path);

  // For a run whose length is given in epochs. Error if the warm-up and the decay are longer.
  void SetLength(int64_t steps);
};

}  // namespace fulgur
