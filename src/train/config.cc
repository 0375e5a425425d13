#include "train/config.h"

#include <algorithm>
#include <cmath>

#include "envs/task.h"
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

SourceConfig ReadSource(const Json& json, const std::string& where) {
  Section s(json, where);
  SourceConfig source;
  const auto type = s.Get<std::string>("type");
  source.weight = s.Number("weight", 1);
  if (type == "tasks") {
    source.type = SourceConfig::Type::kTasks;
    source.name = s.GetOr<std::string>("name", "tasks");
    source.part = ReadTrainPart(s.GetOr<std::string>("part", "all"), where);
    source.thinking = s.GetOr<bool>("thinking", true);
    source.tasks = ReadTasks(s.Value("tasks"), s.Has("difficulties") ? s.Value("difficulties") : Json("all"), where);
  } else if (type == "text" || type == "chat") {
    source.type = type == "text" ? SourceConfig::Type::kText : SourceConfig::Type::kChat;
    source.path = s.Get<std::string>("path");
    source.name = s.GetOr<std::string>("name", source.path.stem().string());
    if (source.type == SourceConfig::Type::kText) {
      source.begin = s.GetOr<std::string>("begin", "<begin_of_document>");
      source.end = s.GetOr<std::string>("end", "<end_of_sentence>");
    }
  } else {
    throw Error("{}: \"type\" is \"{}\", but must be tasks, text or chat", where, type);
  }
  s.Done();
  return source;
}

std::vector<SourceConfig> ReadSources(const Json& json, const std::string& where) {
  if (!json.is_array() || json.empty()) throw Error("{} must be a list of at least one source", where);
  std::vector<SourceConfig> sources;
  for (size_t i = 0; i < json.size(); ++i) sources.push_back(ReadSource(json[i], fmt::format("{}[{}]", where, i)));
  return sources;
}

Json SourcesToJson(const std::vector<SourceConfig>& sources) {
  Json list = Json::array();
  for (const SourceConfig& source : sources) {
    Json s = {{"weight", source.weight}};
    if (source.type == SourceConfig::Type::kTasks) {
      s["type"] = "tasks";
      s["tasks"] = TasksToJson(source.tasks);
      if (source.part != TrainPart::kAll) s["part"] = TrainPartName(source.part);
      if (!source.thinking) s["thinking"] = false;
    } else {
      s["type"] = source.type == SourceConfig::Type::kText ? "text" : "chat";
      s["path"] = source.path.string();
      s["begin"] = source.begin;
      s["end"] = source.end;
    }
    list.push_back(s);
  }
  return list;
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

TrainConfig TrainConfig::FromJson(const Json& json, const std::string& where) {
  TrainConfig c;
  Section s(json, where);
  c.out = s.Get<std::string>("out");
  c.seed = static_cast<uint64_t>(s.Integer("seed", 1, 0));
  c.threads = static_cast<int>(std::min<int64_t>(s.Integer("threads", 0, 0), 1024));

  {
    s.Value("model");
    Section m = s.Child("model");
    if (m.Has("path")) {
      c.model.path = m.Get<std::string>("path");
      c.model.tokenizer = c.model.path;
      if (m.Has("config") || m.Has("tokenizer")) {
        throw Error("{}: \"path\" brings its own config and tokenizer; leave out \"config\" and \"tokenizer\"",
                    m.where());
      }
    } else if (m.Has("config")) {
      const Json& config = m.Value("config");
      if (config.is_string()) {
        c.model.config = ReadJsonFile(config.get<std::string>());
        c.model.config_is_file = true;
      } else {
        c.model.config = config;
      }
      if (!c.model.config.is_object()) {
        throw Error("{}: \"config\" must be an object of dimensions or the path of a config.json", m.where());
      }
      c.model.tokenizer = m.Get<std::string>("tokenizer");
    } else {
      throw Error("{} needs \"path\" (a model to start from) or \"config\" and \"tokenizer\" (a new one)", m.where());
    }
    m.Done();
  }

  c.data = ReadSources(s.Value("data"), where + ": \"data\"");
  if (std::none_of(c.data.begin(), c.data.end(), [](const SourceConfig& d) { return d.weight > 0; })) {
    throw Error("{}: \"data\": no source has a weight above 0", where);
  }

  {
    Section b = s.Child("batch");
    c.batch.tokens = b.Integer("tokens", c.batch.tokens, 2);
    c.batch.max_length = b.Integer("max_length", std::min<int64_t>(c.batch.max_length, c.batch.tokens), 2);
    c.batch.micro_tokens = b.Integer("micro_tokens", c.batch.tokens, 2);
    c.batch.recompute = b.GetOr<bool>("recompute", c.batch.recompute);
    if (c.batch.max_length > c.batch.micro_tokens || c.batch.micro_tokens > c.batch.tokens) {
      throw Error("{}: max_length {} <= micro_tokens {} <= tokens {} must hold", b.where(), c.batch.max_length,
                  c.batch.micro_tokens, c.batch.tokens);
    }
    if (c.batch.tokens % c.batch.micro_tokens != 0) {
      throw Error("{}: tokens {} must be a multiple of micro_tokens {}", b.where(), c.batch.tokens,
                  c.batch.micro_tokens);
    }
    if (c.batch.tokens > int64_t{1} << 31) throw Error("{}: \"tokens\" is too large: {}", b.where(), c.batch.tokens);
    b.Done();
  }
  {
    Section o = s.Child("optimizer");
    c.optimizer.beta1 = o.Number("beta1", c.optimizer.beta1, 0.999999);
    c.optimizer.beta2 = o.Number("beta2", c.optimizer.beta2, 0.999999999);
    c.optimizer.eps = o.Number("eps", c.optimizer.eps);
    c.optimizer.weight_decay = o.Number("weight_decay", c.optimizer.weight_decay);
    c.decay_norms = o.GetOr<bool>("decay_norms", c.decay_norms);
    c.clip = o.Number("clip", c.clip);
    o.Done();
  }
  {
    if (s.Has("steps") == s.Has("tokens")) {
      throw Error("{} needs \"steps\" or \"tokens\" (of the whole run), one of them", where);
    }
    constexpr int64_t kMostSteps = int64_t{1} << 40;
    c.schedule.steps =
        s.Has("steps") ? s.Integer("steps", 1, 1) : std::max<int64_t>(1, s.Integer("tokens", 1, 1) / c.batch.tokens);
    if (c.schedule.steps > kMostSteps) throw Error("{}: {} steps are too many", where, c.schedule.steps);
    Section l = s.Child("schedule");
    c.schedule.lr = l.Number("lr", c.schedule.lr);
    c.schedule.warmup_steps = l.Integer("warmup_steps", 0, 0);
    const double fraction = l.Number("decay_fraction", 0, 1);
    c.schedule.decay_steps = std::llround(fraction * static_cast<double>(c.schedule.steps));
    c.schedule.final_ratio = l.Number("final_ratio", c.schedule.final_ratio, 1);
    const auto decay = l.GetOr<std::string>("decay", "cosine");
    if (decay == "cosine") {
      c.schedule.decay = Schedule::Decay::kCosine;
    } else if (decay == "linear") {
      c.schedule.decay = Schedule::Decay::kLinear;
    } else if (decay == "sqrt") {
      c.schedule.decay = Schedule::Decay::kSqrt;
    } else {
      throw Error("{}: \"decay\" is \"{}\", but must be cosine, linear or sqrt", l.where(), decay);
    }
    if (c.schedule.warmup_steps > c.schedule.steps - c.schedule.decay_steps) {
      throw Error("{}: {} warm-up steps and {} decay steps are more than the {} steps of the run", l.where(),
                  c.schedule.warmup_steps, c.schedule.decay_steps, c.schedule.steps);
    }
    l.Done();
  }
  if (s.Has("aux_coef")) c.aux_coef = s.Number("aux_coef", 0);
  {
    Section v = s.Child("validation");
    c.validation.every = v.Integer("every", c.validation.every, 0);
    c.validation.instances = v.Integer("instances", c.validation.instances, 1);
    if (v.Has("data")) {
      c.validation.data = ReadSources(v.Value("data"), v.where() + ": \"data\"");
    } else {
      for (const SourceConfig& source : c.data) {
        if (source.type == SourceConfig::Type::kTasks) c.validation.data.push_back(source);
      }
    }
    v.Done();
  }
  {
    Section k = s.Child("checkpoint");
    c.checkpoint.every_steps = k.Integer("every_steps", c.checkpoint.every_steps, 0);
    c.checkpoint.every_seconds = k.Number("every_seconds", c.checkpoint.every_seconds);
    c.checkpoint.keep = k.Integer("keep", c.checkpoint.keep, 1);
    k.Done();
  }
  const auto dtype = s.GetOr<std::string>("save_dtype", "BF16");
  if (dtype == "BF16") {
    c.save_dtype = DType::kBF16;
  } else if (dtype == "F32") {
    c.save_dtype = DType::kF32;
  } else {
    throw Error("{}: \"save_dtype\" is \"{}\", but must be BF16 or F32", where, dtype);
  }
  s.Done();
  return c;
}

TrainConfig TrainConfig::FromFile(const std::filesystem::path& path) {
  return FromJson(ReadJsonFile(path), path.string());
}

Json TrainConfig::Fingerprint() const {
  static const char* const kDecays[] = {"cosine", "linear", "sqrt"};
  return {
      {"seed", seed},
      {"model.path", model.path.string()},
      {"model.config", model.config},
      {"model.tokenizer", model.tokenizer.string()},
      {"data", SourcesToJson(data)},
      {"batch.tokens", batch.tokens},
      {"batch.micro_tokens", batch.micro_tokens},
      {"batch.max_length", batch.max_length},
      {"optimizer.beta1", optimizer.beta1},
      {"optimizer.beta2", optimizer.beta2},
      {"optimizer.eps", optimizer.eps},
      {"optimizer.weight_decay", optimizer.weight_decay},
      {"optimizer.decay_norms", decay_norms},
      {"optimizer.clip", clip},
      {"steps", schedule.steps},
      {"schedule.lr", schedule.lr},
      {"schedule.warmup_steps", schedule.warmup_steps},
      {"schedule.decay_steps", schedule.decay_steps},
      {"schedule.final_ratio", schedule.final_ratio},
      {"schedule.decay", kDecays[static_cast<int>(schedule.decay)]},
      {"aux_coef", aux_coef},
  };
}

}  // namespace fulgur
