#include "train/config.h"

#include <algorithm>
#include <cmath>

#include "base/records.h"
#include "envs/task.h"
#include "model/model_folder.h"
#include "train/config_section.h"

namespace fulgur {
namespace {

int CheckDifficulty(const Task& task, int64_t difficulty, const std::string& where) {
  if (difficulty < task.min_difficulty() || difficulty > task.max_difficulty()) {
    throw Error("{}: task {} has no difficulty {}; it goes from {} to {}", where, task.name(), difficulty,
                task.min_difficulty(), task.max_difficulty());
  }
  return static_cast<int>(difficulty);
}

// `json`: "all", "nano" (up to the hardest level of the bundled model), [lowest, highest], or {"difficulty": weight}.
std::vector<std::pair<int, double>> ReadDifficulties(const Json& json, const Task& task, const std::string& where) {
  std::vector<std::pair<int, double>> difficulties;
  if (json == "all" || json == "nano") {
    const int highest = json == "all" ? task.max_difficulty() : task.nano_difficulty();
    for (int d = task.min_difficulty(); d <= highest; ++d) difficulties.emplace_back(d, 1.0);
  } else if (json.is_array() && json.size() == 2 && json[0].is_number_integer() && json[1].is_number_integer()) {
    const int lo = CheckDifficulty(task, json[0].get<int64_t>(), where);
    const int hi = CheckDifficulty(task, json[1].get<int64_t>(), where);
    if (lo > hi) throw Error("{}: \"difficulties\" [{}, {}] go from high to low", where, lo, hi);
    for (int d = lo; d <= hi; ++d) difficulties.emplace_back(d, 1.0);
  } else if (json.is_object()) {
    for (const auto& [key, value] : json.items()) {
      if (key.empty() || key.size() > 6 || key.find_first_not_of("0123456789") != std::string::npos) {
        throw Error("{}: \"difficulties\" maps difficulties to weights, but has the key \"{}\"", where, key);
      }
      const int d = CheckDifficulty(task, std::stoi(key), where);
      if (!value.is_number() || !(value.get<double>() >= 0 && value.get<double>() <= 1e30)) {
        throw Error("{}: the weight of difficulty {} must be a number of at least 0, not {}", where, d, value.dump());
      }
      difficulties.emplace_back(d, value.get<double>());
    }
    if (std::none_of(difficulties.begin(), difficulties.end(), [](const auto& d) { return d.second > 0; })) {
      throw Error("{}: no difficulty has a weight above 0", where);
    }
  } else {
    throw Error(
        "{}: \"difficulties\" must be \"all\", \"nano\", [lowest, highest] or an object from difficulty to "
        "weight, not {}",
        where, json.dump());
  }
  return difficulties;
}

TaskMix ReadTaskMix(const Json& json, const Json& difficulties, const std::string& where) {
  TaskMix mix;
  if (json.is_string()) {
    mix.name = json.get<std::string>();
    mix.difficulties = ReadDifficulties(difficulties, GetTask(mix.name), where);
    return mix;
  }
  Section s(json, where);
  mix.name = s.Get<std::string>("name");
  mix.weight = s.Number("weight", 1);
  mix.difficulties =
      ReadDifficulties(s.Has("difficulties") ? s.Value("difficulties") : difficulties, GetTask(mix.name), where);
  s.Done();
  return mix;
}

SourceConfig ReadSource(const Json& json, const std::string& where, ConfigKeys* keys) {
  Section s(json, where, keys);
  SourceConfig source;
  const auto type = s.Get<std::string>("type");
  source.weight = s.Number("weight", 1);
  if (type == "tasks") {
    source.type = SourceConfig::Type::kTasks;
    source.name = s.GetOr<std::string>(FreeKey("name"), "tasks");
    source.part = ReadTrainPart(s.GetOr<std::string>(AddedKey("part"), "all"), where);
    source.thinking = s.GetOr<bool>(AddedKey("thinking"), true);
    const ConfigKey difficulties = DerivedKey("difficulties");  // stand in the record of the tasks
    source.tasks = ReadTasks(s.Value("tasks"), s.Has(difficulties) ? s.Value(difficulties) : Json("all"), where);
    s.Record("tasks", TasksToJson(source.tasks));
  } else if (type == "instances") {
    source.type = SourceConfig::Type::kInstances;
    source.path = s.Get<std::string>("path");
    source.name = s.GetOr<std::string>(FreeKey("name"), DataName(source.path));
    source.part = ReadTrainPart(s.GetOr<std::string>("part", "all"), where);
    source.thinking = s.GetOr<bool>("thinking", true);
    source.leave_out_unsolved = s.GetOr<bool>("leave_out_unsolved", false);
  } else if (type == "text" || type == "chat") {
    source.type = type == "text" ? SourceConfig::Type::kText : SourceConfig::Type::kChat;
    source.path = s.Get<std::string>("path");
    source.name = s.GetOr<std::string>(FreeKey("name"), DataName(source.path));
    if (source.type == SourceConfig::Type::kText) {
      source.begin = s.GetOr<std::string>("begin", SourceConfig::kBegin);
      source.end = s.GetOr<std::string>("end", SourceConfig::kEnd);
    } else {
      s.Record("begin", "");
      s.Record("end", "");
    }
  } else {
    throw Error("{}: \"type\" is \"{}\", but must be tasks, instances, text or chat", where, type);
  }
  s.Done();
  return source;
}

// A source that is given by its path alone: what its first record is.
Json SourceOfPath(const std::string& path, const std::string& where) {
  const Json record = FirstRecord(path);
  for (const auto& [key, type] :
       {std::pair("messages", "chat"), std::pair("text", "text"), std::pair("task", "instances")}) {
    if (record.is_object() && record.contains(key)) return {{"type", type}, {"path", path}};
  }
  throw Error("{}: the first record of {} has no \"messages\", \"text\" or \"task\"", where, path);
}

// The sources under "data": a list of objects and paths, or one of them.
std::vector<SourceConfig> ReadSources(Section& s) {
  const std::string where = s.where() + ": \"data\"";
  Json json = s.Value("data");
  if (json.is_string() || json.is_object()) json = Json::array({json});
  if (!json.is_array() || json.empty()) throw Error("{} must be a list of at least one source", where);
  for (Json& source : json) {
    if (source.is_string()) source = SourceOfPath(source.get<std::string>(), where);
  }
  std::vector<SourceConfig> sources;
  std::vector<ConfigKeys> keys(json.size());
  for (size_t i = 0; i < json.size(); ++i) {
    sources.push_back(ReadSource(json[i], fmt::format("{}[{}]", where, i), &keys[i]));
  }
  s.RecordList("data", keys);
  return sources;
}

TrainConfig::Model ReadModel(Section& s) {
  s.Value("model");  // must be there
  Section m = s.Child("model");
  TrainConfig::Model model;
  if (m.Has("path")) {
    model.path = ModelFolder(m.Get<std::string>("path"));
    model.tokenizer = model.path;
    if (m.Has("config") || m.Has("tokenizer")) {
      throw Error("{}: \"path\" brings its own config and tokenizer; leave out \"config\" and \"tokenizer\"",
                  m.where());
    }
  } else if (m.Has("config")) {
    const Json& config = m.Value("config");
    if (config.is_string()) {
      model.config = ReadJsonFile(config.get<std::string>());
      model.config_is_file = true;
    } else {
      model.config = config;
    }
    if (!model.config.is_object()) {
      throw Error("{}: \"config\" must be an object of dimensions or the path of a config.json", m.where());
    }
    model.tokenizer = m.Get<std::string>("tokenizer");
  } else {
    throw Error("{} needs \"path\" (a model to start from) or \"config\" and \"tokenizer\" (a new one)", m.where());
  }
  m.Record("path", model.path.string());
  m.Record("config", model.config);
  m.Record("tokenizer", model.tokenizer.string());
  m.Done();
  return model;
}

TrainConfig::Batch ReadBatch(Section& s) {
  Section b = s.Child("batch");
  TrainConfig::Batch batch;
  batch.tokens = b.Integer("tokens", batch.tokens, 2);
  batch.max_length = b.Integer("max_length", std::min<int64_t>(batch.max_length, batch.tokens), 2);
  batch.micro_tokens = b.Integer("micro_tokens", batch.tokens, 2);
  batch.recompute = b.GetOr<bool>(FreeKey("recompute"), batch.recompute);
  if (batch.max_length > batch.micro_tokens || batch.micro_tokens > batch.tokens) {
    throw Error("{}: max_length {} <= micro_tokens {} <= tokens {} must hold", b.where(), batch.max_length,
                batch.micro_tokens, batch.tokens);
  }
  if (batch.tokens % batch.micro_tokens != 0) {
    throw Error("{}: tokens {} must be a multiple of micro_tokens {}", b.where(), batch.tokens, batch.micro_tokens);
  }
  if (batch.tokens > int64_t{1} << 31) throw Error("{}: \"tokens\" is too large: {}", b.where(), batch.tokens);
  b.Done();
  return batch;
}

constexpr int64_t kMostSteps = int64_t{1} << 40;

// The length of a run: "steps", "tokens" or "epochs". Of epochs the steps are not known yet: 0.
int64_t ReadLength(Section& s, int64_t batch_tokens, double* epochs) {
  const ConfigKey tokens = DerivedKey("tokens"), by_epochs = DerivedKey("epochs");
  if (s.Has("steps") + s.Has(tokens) + s.Has(by_epochs) != 1) {
    std::string meant;
    for (const char* key : {"steps", "tokens", "epochs"}) meant = meant.empty() ? s.Misspelt(key) : meant;
    throw Error("{} needs \"steps\", \"tokens\" or \"epochs\" (of the whole run), one of them{}", s.where(), meant);
  }
  int64_t steps = 0;
  if (s.Has("steps")) steps = s.Integer("steps", 1, 1);
  if (s.Has(tokens)) steps = std::max<int64_t>(1, s.Integer(tokens, 1, 1) / batch_tokens);
  if (s.Has(by_epochs)) {
    *epochs = s.Number(by_epochs, 1, 1e9);
    if (*epochs <= 0) throw Error("{}: \"epochs\" must be more than 0", s.where());
  }
  if (steps > kMostSteps) throw Error("{}: {} steps are too many", s.where(), steps);
  s.Record("steps", steps);
  return steps;
}

void CheckSchedule(const Schedule& schedule, const std::string& where) {
  if (schedule.warmup_steps <= schedule.steps - schedule.decay_steps) return;
  throw Error("{}: {} warm-up steps and {} decay steps are more than the {} steps of the run", where,
              schedule.warmup_steps, schedule.decay_steps, schedule.steps);
}

Schedule ReadSchedule(Section& s, int64_t steps, double* decay_fraction) {
  Section l = s.Child("schedule");
  Schedule schedule;
  schedule.steps = steps;
  schedule.lr = l.Number("lr", schedule.lr);
  schedule.warmup_steps = l.Integer("warmup_steps", 0, 0);
  *decay_fraction = l.Number(DerivedKey("decay_fraction"), 0, 1);
  schedule.decay_steps = std::llround(*decay_fraction * static_cast<double>(schedule.steps));
  l.Record("decay_steps", schedule.decay_steps);
  schedule.final_ratio = l.Number("final_ratio", schedule.final_ratio, 1);
  const auto decay = l.GetOr<std::string>("decay", "cosine");
  if (decay == "cosine") {
    schedule.decay = Schedule::Decay::kCosine;
  } else if (decay == "linear") {
    schedule.decay = Schedule::Decay::kLinear;
  } else if (decay == "sqrt") {
    schedule.decay = Schedule::Decay::kSqrt;
  } else {
    throw Error("{}: \"decay\" is \"{}\", but must be cosine, linear or sqrt", l.where(), decay);
  }
  if (steps > 0) CheckSchedule(schedule, l.where());
  l.Done();
  return schedule;
}

}  // namespace

TrainPart ReadTrainPart(const std::string& name, const std::string& where) {
  for (const TrainPart part : {TrainPart::kAll, TrainPart::kSupervised, TrainPart::kReinforcement}) {
    if (name == TrainPartName(part)) return part;
  }
  throw Error("{}: \"part\" is \"{}\", but must be all, supervised or reinforcement", where, name);
}

const char* TrainPartName(TrainPart part) {
  switch (part) {
    case TrainPart::kAll:
      return "all";
    case TrainPart::kSupervised:
      return "supervised";
    case TrainPart::kReinforcement:
      return "reinforcement";
  }
  return "";
}

std::vector<TaskMix> ReadTasks(const Json& json, const Json& difficulties, const std::string& where) {
  std::vector<TaskMix> tasks;
  if (json == "all") {
    for (const Task* task : AllTasks()) tasks.push_back(ReadTaskMix(Json(task->name()), difficulties, where));
  } else if (json.is_array() && !json.empty()) {
    for (size_t i = 0; i < json.size(); ++i) {
      tasks.push_back(ReadTaskMix(json[i], difficulties, fmt::format("{}: \"tasks\"[{}]", where, i)));
    }
  } else {
    throw Error("{}: \"tasks\" must be \"all\" or a list of tasks", where);
  }
  if (std::none_of(tasks.begin(), tasks.end(), [](const TaskMix& t) { return t.weight > 0; })) {
    throw Error("{}: no task has a weight above 0", where);
  }
  return tasks;
}

Json TasksToJson(const std::vector<TaskMix>& tasks) {
  Json list = Json::array();
  for (const TaskMix& task : tasks) {
    Json difficulties = Json::array();
    for (const auto& [difficulty, weight] : task.difficulties) difficulties.push_back({difficulty, weight});
    list.push_back({{"name", task.name}, {"weight", task.weight}, {"difficulties", difficulties}});
  }
  return list;
}

void ReadOptimizer(Section& s, double weight_decay, AdamWOptions* options, bool* decay_norms, double* clip) {
  Section o = s.Child("optimizer");
  options->beta1 = o.Number("beta1", options->beta1, 0.999999);
  options->beta2 = o.Number("beta2", options->beta2, 0.999999999);
  options->eps = o.Number("eps", options->eps);
  options->weight_decay = o.Number("weight_decay", weight_decay);
  *decay_norms = o.GetOr<bool>("decay_norms", *decay_norms);
  *clip = o.Number("clip", *clip);
  o.Done();
}

CheckpointConfig ReadCheckpoint(Section& s, const char* every) {
  Section k = s.Child(FreeKey("checkpoint"));
  CheckpointConfig checkpoint;
  checkpoint.every_steps = k.Integer(every, checkpoint.every_steps, 0);
  checkpoint.every_seconds = k.Number("every_seconds", checkpoint.every_seconds);
  checkpoint.keep = k.Integer("keep", checkpoint.keep, 1);
  k.Done();
  return checkpoint;
}

int ReadThreads(Section& s) {
  const auto threads = s.GetOr<int64_t>(FreeKey("threads"), 0);
  if (threads >= 0 && threads <= kMostThreads) return static_cast<int>(threads);
  throw Error("{}: \"threads\" is {}, but must be 0, which is one per processor, or a number up to {}", s.where(),
              threads, kMostThreads);
}

DType ReadSaveDtype(Section& s) {
  const auto dtype = s.GetOr<std::string>(FreeKey("save_dtype"), "BF16");
  if (dtype == "BF16") return DType::kBF16;
  if (dtype == "F32") return DType::kF32;
  throw Error("{}: \"save_dtype\" is \"{}\", but must be BF16 or F32", s.where(), dtype);
}

TrainConfig TrainConfig::FromJson(const Json& json, const std::string& where) {
  TrainConfig c;
  Section s(json, where, &c.keys);
  c.out = s.Get<std::string>(FreeKey("out"));
  c.seed = static_cast<uint64_t>(s.Integer("seed", 1, 0));
  c.threads = ReadThreads(s);
  c.model = ReadModel(s);
  c.data = ReadSources(s);
  if (std::none_of(c.data.begin(), c.data.end(), [](const SourceConfig& d) { return d.weight > 0; })) {
    throw Error("{}: \"data\": no source has a weight above 0", where);
  }
  c.batch = ReadBatch(s);
  ReadOptimizer(s, c.optimizer.weight_decay, &c.optimizer, &c.decay_norms, &c.clip);
  c.schedule = ReadSchedule(s, ReadLength(s, c.batch.tokens, &c.epochs), &c.decay_fraction);
  if (s.Has("aux_coef")) c.aux_coef = s.Number("aux_coef", 0);
  s.Record("aux_coef", c.aux_coef);
  {
    Section v = s.Child(FreeKey("validation"));
    c.validation.every = v.Integer("every", c.validation.every, 0);
    c.validation.instances = v.Integer("instances", c.validation.instances, 1);
    if (v.Has("data")) {
      c.validation.data = ReadSources(v);
    } else {
      for (const SourceConfig& source : c.data) {
        if (source.type == SourceConfig::Type::kTasks) c.validation.data.push_back(source);
      }
    }
    v.Done();
  }
  c.checkpoint = ReadCheckpoint(s, "every_steps");
  c.save_dtype = ReadSaveDtype(s);
  s.Done();
  return c;
}

void TrainConfig::SetLength(int64_t steps) {
  schedule.steps = std::min(steps, kMostSteps);
  schedule.decay_steps = std::llround(decay_fraction * static_cast<double>(schedule.steps));
  keys.fingerprint["steps"] = schedule.steps;
  keys.fingerprint["schedule.decay_steps"] = schedule.decay_steps;
  CheckSchedule(schedule, fmt::format("{} epochs of the data are {} steps", epochs, schedule.steps));
}

TrainConfig TrainConfig::FromFile(const std::filesystem::path& path) {
  return FromJson(ReadJsonFile(path), path.string());
}

}  // namespace fulgur
