#include "rl/config.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/data_file.h"
#include "eval/answer_checker.h"
#include "model/model_folder.h"
#include "train/config_section.h"

namespace fulgur {
namespace {

// A number, or a list of [part of the run, value] pairs.
Ramp ReadRamp(const Json& json, const std::string& where) {
  const auto check = [&](double value) {
    if (!(value >= 0 && value <= 1e30)) throw Error("{}: a weight is {}, but must be at least 0", where, value);
    return value;
  };
  if (json.is_number()) return {{{0, check(json.get<double>())}}};
  Ramp ramp{{}};
  if (json.is_array()) {
    for (const Json& point : json) {
      if (!point.is_array() || point.size() != 2 || !point[0].is_number() || !point[1].is_number()) {
        ramp.points.clear();
        break;
      }
      const double at = point[0].get<double>();
      if (!(at >= 0 && at <= 1) || (!ramp.points.empty() && at <= ramp.points.back().first)) {
        throw Error("{}: the parts of the run must rise from 0 to 1; there is {}", where, at);
      }
      ramp.points.emplace_back(at, check(point[1].get<double>()));
    }
  }
  if (ramp.points.empty()) {
    throw Error("{} must be a number or a list of [part of the run, number] pairs, not {}", where, json.dump());
  }
  return ramp;
}

// The name of a rule, or {"command": [program, argument, ...]} with its limits.
Checker ReadChecker(Section& s) {
  Checker checker;
  if (!s.Has("checker") || !s.Value("checker").is_object()) {
    checker.rule = s.GetOr<std::string>("checker", checker.rule);
    GetAnswerChecker(checker.rule);
    return checker;
  }
  Section c = s.Child("checker");
  const Json& command = c.Value("command");
  if (!command.is_array() || command.empty()) {
    throw Error("{}: \"command\" must be a list of a program and its arguments, not {}", c.where(), command.dump());
  }
  for (const Json& argument : command) {
    if (!argument.is_string()) throw Error("{}: \"command\" holds {}, not a text", c.where(), argument.dump());
    checker.command.command.push_back(argument.get<std::string>());
  }
  c.Record("command", command);
  checker.command.seconds = c.Number(FreeKey("seconds"), checker.command.seconds);
  checker.command.processes = c.Integer(FreeKey("processes"), checker.command.processes, 1);
  if (checker.command.seconds <= 0) throw Error("{}: \"seconds\" must be above 0", c.where());
  c.Done();
  return checker;
}

CodeSource ReadCode(Section& s) {
  CodeSource code;
  if (s.Has("language")) {
    const auto name = s.Get<std::string>("language");
    code.language = LanguageFromName(name);
    if (!code.language) throw Error("{}: \"language\" is \"{}\", but must be python3, cpp or lua", s.where(), name);
  }
  const auto scoring = s.GetOr<std::string>("scoring", "complete");
  if (scoring != "complete" && scoring != "partial") {
    throw Error("{}: \"scoring\" is \"{}\", but must be complete or partial", s.where(), scoring);
  }
  code.partial = scoring == "partial";
  code.runs = s.Integer(FreeKey("runs"), 0, 0);
  if (code.runs > 1024) throw Error("{}: {} runs at a time are too many", s.where(), code.runs);
  return code;
}

// filter->problems: the default; 0: there is no such key.
void ReadFilter(Section& s, ProblemSourceConfig::Filter* filter) {
  const bool filtered = s.Has(DerivedKey("filter"));
  Section f = s.Child(DerivedKey("filter"));
  filter->samples = f.Integer("samples", filtered ? 10 : 0, filtered ? 1 : 0);
  filter->low = f.Number("low", filter->low, 1);
  filter->high = f.Number("high", filter->high, 1);
  if (filter->problems > 0) {
    filter->problems = f.Integer("problems", filter->problems, 1);
    if (filter->problems > 1'000'000) {
      throw Error("{}: \"problems\" is {}, but 1000000 are the most", f.where(), filter->problems);
    }
  }
  f.Done();
  if (filter->low >= filter->high) {
    throw Error("{}: \"low\" {} must be below \"high\" {}", f.where(), filter->low, filter->high);
  }
}

ProblemSourceConfig ReadSource(const Json& json, const std::string& where, ConfigKeys* keys) {
  Section s(json, where, keys);
  ProblemSourceConfig source;
  const auto type = s.Get<std::string>("type");
  if (s.Has("weight")) source.weight = ReadRamp(s.Value("weight"), where + ": \"weight\"");
  s.Record("weight", source.weight.points);
  if (type == "tasks") {
    source.type = ProblemSourceConfig::Type::kTasks;
    source.name = s.GetOr<std::string>("name", "tasks");
    const ConfigKey difficulties = DerivedKey("difficulties");  // stand in the record of the tasks
    source.tasks = ReadTasks(s.Value("tasks"), s.Has(difficulties) ? s.Value(difficulties) : Json("all"), where);
    s.Record("tasks", TasksToJson(source.tasks));
    source.part = ReadTrainPart(s.GetOr<std::string>("part", "reinforcement"), where);
    // Recorded if there is one: runs of before go on.
    if (s.Has(DerivedKey("filter"))) {
      source.filter.problems = 1000;
      ReadFilter(s, &source.filter);
    }
  } else if (type == "problems" || type == "instances" || type == "code") {
    source.path = s.Get<std::string>("path");
    source.name = s.GetOr<std::string>("name", DataName(source.path));
    if (type == "problems") {
      source.type = ProblemSourceConfig::Type::kFile;
      source.checker = ReadChecker(s);
      source.max_unreadable = s.Number(FreeKey("max_unreadable"), source.max_unreadable, 1);
    } else if (type == "code") {
      source.type = ProblemSourceConfig::Type::kCode;
      source.code = ReadCode(s);
    } else {
      source.type = ProblemSourceConfig::Type::kInstances;
      source.part = ReadTrainPart(s.GetOr<std::string>("part", "all"), where);
    }
    ReadFilter(s, &source.filter);
    const bool decontaminated = s.Has(DerivedKey("decontaminate"));
    Section d = s.Child("decontaminate");
    Json files = Json::array();
    if (decontaminated) {
      const Json& against = d.Value("against");
      if (!against.is_array() || against.empty()) throw Error("{}: \"against\" must be a list of files", d.where());
      for (const Json& path : against) {
        if (!path.is_string()) throw Error("{}: \"against\" holds {}, not a path", d.where(), path.dump());
        source.decontaminate.against.emplace_back(path.get<std::string>());
        files.push_back(path);
      }
    }
    d.Record("against", files);
    source.decontaminate.words = static_cast<int>(std::min<int64_t>(d.Integer("words", 10, 1), 1000));
    d.Done();
  } else {
    throw Error("{}: \"type\" is \"{}\", but must be tasks, problems, instances or code", where, type);
  }
  s.Done();
  return source;
}

Json BoundToJson(double bound) { return std::isinf(bound) ? Json("none") : Json(bound); }

// A bound: a number above 0, or null for none.
double ReadBound(Section& s, const char* key, double fallback, double none) {
  double value = s.IsNull(key) ? none : fallback;
  if (s.Has(key)) value = s.Get<double>(key);
  if (!(value >= 0)) {
    throw Error("{}: \"{}\" is {}, but must be at least 0, or null for no bound", s.where(), key, value);
  }
  s.Record(key, BoundToJson(value));
  return value;
}

// A bound of the ratio has to let through 1, the ratio of a policy that has not changed. Papers give bounds in two
// ways.
void CheckHoldsOne(const std::string& where, const char* key, double bound, bool upper) {
  if (upper ? bound >= 1 : bound <= 1) return;
  throw Error(
      "{}: \"{}\" is {}, but must be at {} 1: every ratio is 1 before the first update. Bounds here are of the ratio "
      "itself; where a paper gives the distance from 1, an epsilon of {}, write {}",
      where, key, bound, upper ? "least" : "most", upper ? bound : 0.2, upper ? 1 + bound : 0.8);
}

constexpr std::string_view kAdvantages[] = {"population", "sample", "mean_only"};  // as AdvantageKind

// "objective": a name, or an object that begins with one. Its record has what the name stands for.
Objective ReadObjective(Section& parent, std::string* name) {
  const ConfigKey key = DerivedKey("objective");
  Json json = parent.Has(key) ? parent.Value(key) : Json("cispo");
  if (json.is_string()) json = {{"name", json}};
  const std::string where = parent.where() + ": \"objective\"";
  ConfigKeys keys;
  Section s(json, where, &keys);
  *name = s.Get<std::string>("name");
  Objective o = NamedObjective(*name);
  o.is_weight_min = ReadBound(s, "is_weight_min", o.is_weight_min, 0);
  o.is_weight_max = ReadBound(s, "is_weight_max", o.is_weight_max, Objective::kNoBound);
  o.mask_low = ReadBound(s, "mask_low", o.mask_low, 0);
  o.mask_high = ReadBound(s, "mask_high", o.mask_high, Objective::kNoBound);
  CheckHoldsOne(where, "is_weight_min", o.is_weight_min, false);
  CheckHoldsOne(where, "is_weight_max", o.is_weight_max, true);
  CheckHoldsOne(where, "mask_low", o.mask_low, false);
  CheckHoldsOne(where, "mask_high", o.mask_high, true);
  if (s.Has("advantage")) {
    const auto kind = s.Get<std::string>("advantage");
    const auto found = std::find(std::begin(kAdvantages), std::end(kAdvantages), kind);
    if (found == std::end(kAdvantages)) {
      throw Error("{}: \"advantage\" is \"{}\", but must be population, sample or mean_only", where, kind);
    }
    o.advantage = static_cast<AdvantageKind>(found - std::begin(kAdvantages));
  }
  s.Record("advantage", kAdvantages[static_cast<size_t>(o.advantage)]);
  if (s.Has("normalization")) {
    const Json given = s.Value("normalization");
    const Json parts = given.is_string() ? Json{{given.get<std::string>(), 1.0}} : given;
    Section n(parts, where + ": \"normalization\"");
    o.normalization.sample = n.Number("sample", 0);
    o.normalization.group = n.Number("group", 0);
    o.normalization.batch = n.Number("batch", 0);
    o.normalization.constant = n.Number("constant", 0);
    n.Done();
    const auto& p = o.normalization;
    if (p.sample + p.group + p.batch + p.constant <= 0) throw Error("{}: every part is 0", n.where());
  }
  const auto& p = o.normalization;
  s.Record("normalization", {{"sample", p.sample}, {"group", p.group}, {"batch", p.batch}, {"constant", p.constant}});
  s.Record("surrogate", o.surrogate);
  s.Record("sequence_ratio", o.sequence_ratio);
  o.constant_length = s.Number("constant_length", o.constant_length);
  o.kl = s.Number("kl", o.kl);
  o.mask_truncated = s.GetOr<bool>(AddedKey("mask_truncated"), o.mask_truncated);
  s.Done();
  parent.Record("objective", keys.fingerprint);
  return o;
}

WeightFormat ReadFormat(Section& s, const char* key) {
  const auto name = s.GetOr<std::string>(key, "f32");
  if (const auto format = WeightFormatFromName(name)) return *format;
  throw Error("{}: \"{}\" is \"{}\", but must be f32, bf16, bf16-dot, q8, q4, q4k, q3 or q2", s.where(), key, name);
}

std::vector<ProblemSourceConfig> ReadSources(Section& s) {
  Json data = s.Value("data");
  if (data.is_string() || data.is_object()) data = Json::array({data});
  for (Json& source : data) {
    if (source.is_string()) source = {{"type", "problems"}, {"path", source}};
  }
  if (!data.is_array() || data.empty()) throw Error("{}: \"data\" must be a list of at least one source", s.where());
  std::vector<ProblemSourceConfig> sources;
  std::vector<ConfigKeys> keys(data.size());
  for (size_t i = 0; i < data.size(); ++i) {
    sources.push_back(ReadSource(data[i], fmt::format("{}: \"data\"[{}]", s.where(), i), &keys[i]));
  }
  std::set<std::string> filtered;
  for (const ProblemSourceConfig& source : sources) {
    if (source.filter.samples > 0 && !filtered.insert(source.name).second) {
      throw Error("{}: \"data\": two sources with a filter are called \"{}\"; give each a \"name\" of its own",
                  s.where(), source.name);
    }
  }
  s.RecordList("data", keys);
  return sources;
}

// Error if there is a batch in which no source has a weight above 0. Weights are linear between the points of their
// ramps: if there is such a batch, one is the first at or after a point, or the first of all.
void CheckWeights(const std::vector<ProblemSourceConfig>& sources, int64_t batches, const std::string& where) {
  std::vector<int64_t> candidates = {0};
  for (const ProblemSourceConfig& source : sources) {
    for (const auto& [at, weight] : source.weight.points) {
      const auto near = static_cast<int64_t>(std::ceil(at * static_cast<double>(batches)));
      for (int64_t done = near - 1; done <= near + 1; ++done) {  // whichever way the product was rounded
        if (done >= 0 && done < batches) candidates.push_back(done);
      }
    }
  }
  std::sort(candidates.begin(), candidates.end());
  for (const int64_t done : candidates) {
    const double progress = static_cast<double>(done) / static_cast<double>(batches);
    const bool none = std::all_of(sources.begin(), sources.end(),
                                  [&](const ProblemSourceConfig& s) { return s.weight.At(progress) <= 0; });
    if (!none) continue;
    throw Error(
        "{}: \"data\": in batch {} of {}, after {:.0f} % of the run, no source has a weight above 0, so there would be "
        "no problem to draw",
        where, done + 1, batches, 100 * progress);
  }
}

CurriculumConfig ReadCurriculum(Section& s) {
  Section k = s.Child("curriculum");
  CurriculumConfig c;
  c.enabled = k.GetOr<bool>("enabled", c.enabled);
  c.low = k.Number("low", c.low, 1);
  c.high = k.Number("high", c.high, 1);
  c.unlock = k.Number("unlock", c.unlock, 1);
  c.probe = k.Number("probe", c.probe, 1);
  c.decay = k.Number("decay", c.decay, 1);
  c.min_count = k.Number("min_count", c.min_count);
  k.Done();
  if (c.low > c.high) throw Error("{}: \"low\" {} is above \"high\" {}", k.where(), c.low, c.high);
  return c;
}

RlConfig::Rollouts ReadRollouts(Section& s) {
  Section r = s.Child("rollouts");
  RlConfig::Rollouts rollouts;
  rollouts.prompts = r.Integer("prompts", rollouts.prompts, 1);
  rollouts.responses = r.Integer("responses", rollouts.responses, 1);
  if (rollouts.responses < 2) {
    throw Error(
        "{}: \"responses\" is 1, but must be at least 2: an answer's advantage is its distance from the others to the "
        "same prompt, so that from a single one nothing is learned",
        r.where());
  }
  rollouts.max_batch = r.Integer(FreeKey("max_batch"), rollouts.max_batch, 1);
  rollouts.most_prompts = r.Integer("most_prompts", 3 * rollouts.prompts, rollouts.prompts);
  if (r.Has("thinking_budget")) rollouts.thinking_budget = r.Integer("thinking_budget", 0, 0);
  rollouts.starts_in_thinking = r.GetOr<bool>("starts_in_thinking", false);
  Section e = r.Child("early_truncation");
  rollouts.early_truncation.tokens = e.Integer("tokens", rollouts.early_truncation.tokens, 0);
  rollouts.early_truncation.probability = e.Number("probability", rollouts.early_truncation.probability, 1);
  e.Done();
  rollouts.temperature = r.Number(AddedKey("temperature"), rollouts.temperature, 100);
  if (rollouts.temperature < 0.01) {
    throw Error("{}: \"temperature\" is {}, but must be at least 0.01: near 0 all answers to a prompt are the same",
                r.where(), rollouts.temperature);
  }
  rollouts.top_p = r.Number(AddedKey("top_p"), rollouts.top_p, 1);
  if (rollouts.top_p <= 0) throw Error("{}: \"top_p\" must be above 0, up to 1, which filters nothing", r.where());
  rollouts.lag = r.Integer(AddedKey("lag"), rollouts.lag, 0);
  if (rollouts.lag > 100) {
    throw Error("{}: \"lag\" is {}, but 100 batches are the most: the weights of each are kept", r.where(),
                rollouts.lag);
  }
  rollouts.weights = ReadFormat(r, "weights");
  rollouts.lm_head = ReadFormat(r, "lm_head");
  rollouts.correction_max = r.Number("correction_max", rollouts.correction_max);
  rollouts.keep_every = r.Integer(FreeKey("keep_every"), rollouts.keep_every, 0);
  r.Done();
  if (rollouts.prompts * rollouts.responses > int64_t{1} << 24) {
    throw Error("{}: {} prompts of {} responses are too many for a batch", r.where(), rollouts.prompts,
                rollouts.responses);
  }
  return rollouts;
}

RewardConfig ReadReward(Section& s) {
  Section r = s.Child("reward");
  RewardConfig reward;
  reward.correct = r.Number("correct", reward.correct);
  reward.format = r.Number("format", reward.format);
  reward.overlong = r.Number("overlong", reward.overlong);
  reward.overlong_buffer = r.Integer("overlong_buffer", reward.overlong_buffer, 0);
  for (const auto& [key, value] :
       {std::pair{"compile_error", &reward.compile_error}, std::pair{"crash", &reward.crash}}) {
    *value = r.GetOr<double>(AddedKey(key), 0);
    if (!(*value <= 0 && *value >= -1e30)) {
      throw Error("{}: \"{}\" is {}, but must be 0 or less", r.where(), key, *value);
    }
  }
  r.Done();
  return reward;
}

std::vector<StageConfig> ReadStages(Section& s, const RewardConfig& reward) {
  const Json& json = s.Value("stages");
  if (!json.is_array() || json.empty()) throw Error("{}: \"stages\" must be a list of at least one stage", s.where());
  std::vector<StageConfig> stages;
  std::vector<ConfigKeys> keys(json.size());
  for (size_t i = 0; i < json.size(); ++i) {
    Section t(json[i], fmt::format("{}: \"stages\"[{}]", s.where(), i), &keys[i]);
    StageConfig stage;
    stage.window = t.Integer("window", t.Get<int64_t>("window"), 1);
    if (!stages.empty() && stage.window < stages.back().window) {
      throw Error("{}: \"window\" {} is smaller than the {} before", t.where(), stage.window, stages.back().window);
    }
    if (stage.window < reward.overlong_buffer) {
      throw Error("{}: \"window\" {} is smaller than reward.overlong_buffer {}", t.where(), stage.window,
                  reward.overlong_buffer);
    }
    const auto number = [&](const char* key) {
      return t.Has(key) ? std::optional<double>(t.Number(key, 0)) : std::nullopt;
    };
    const auto bound = [&](const char* key, bool upper) {
      const std::optional<double> value = number(key);
      if (value) CheckHoldsOne(t.where(), key, *value, upper);
      return value;
    };
    stage.is_weight_max = bound("is_weight_max", true);
    stage.mask_low = bound("mask_low", false);
    stage.mask_high = bound("mask_high", true);
    stage.clip = number("clip");
    t.Done();
    stages.push_back(stage);
  }
  s.RecordList("stages", keys);
  return stages;
}

RlConfig::StageRule ReadStageRule(Section& s) {
  Section r = s.Child("stage_rule");
  RlConfig::StageRule rule;
  rule.batches = r.Integer("batches", rule.batches, 1);
  rule.tolerance = r.Number("tolerance", rule.tolerance);
  rule.length_share = r.Number("length_share", rule.length_share, 1);
  r.Done();
  return rule;
}

Schedule ReadSchedule(Section& s, int64_t updates) {
  Section l = s.Child("schedule");
  Schedule schedule;
  schedule.lr = l.Number("lr", 1e-4);
  schedule.steps = updates;
  schedule.warmup_steps = l.Integer("warmup_updates", 0, 0);
  schedule.final_ratio = l.Number("final_ratio", schedule.final_ratio, 1);
  const double fraction = l.Number(DerivedKey("decay_fraction"), 0, 1);
  schedule.decay_steps = std::llround(fraction * static_cast<double>(updates));
  l.Record("decay_updates", schedule.decay_steps);
  schedule.decay = Schedule::Decay::kLinear;
  l.Done();
  if (schedule.warmup_steps > schedule.steps - schedule.decay_steps) {
    throw Error("{}: {} warm-up and {} decay updates are more than the {} of the run", l.where(), schedule.warmup_steps,
                schedule.decay_steps, schedule.steps);
  }
  return schedule;
}

RlConfig::Evaluation ReadEvaluation(Section& s) {
  Section e = s.Child(FreeKey("evaluation"));
  RlConfig::Evaluation evaluation;
  evaluation.every = e.Integer("every", evaluation.every, 0);
  evaluation.problems = e.Integer("problems", evaluation.problems, 1);
  evaluation.samples = e.Integer("samples", evaluation.samples, 1);
  if (e.Has("data")) evaluation.data = ReadSources(e);
  e.Done();
  return evaluation;
}

}  // namespace

double Ramp::At(double progress) const {
  if (progress <= points.front().first) return points.front().second;
  for (size_t i = 1; i < points.size(); ++i) {
    const auto& [x0, y0] = points[i - 1];
    const auto& [x1, y1] = points[i];
    if (progress <= x1) return y0 + (y1 - y0) * (progress - x0) / (x1 - x0);
  }
  return points.back().second;
}

RlConfig RlConfig::FromJson(const Json& json, const std::string& where) {
  RlConfig c;
  Section s(json, where, &c.keys);
  c.out = s.Get<std::string>(FreeKey("out"));
  c.seed = static_cast<uint64_t>(s.Integer("seed", 1, 0));
  c.threads = ReadThreads(s);
  c.model = ModelFolder(s.Get<std::string>("model"));
  c.data = ReadSources(s);
  c.curriculum = ReadCurriculum(s);
  c.batches = s.Integer("batches", s.Get<int64_t>("batches"), 1);
  if (c.batches > int64_t{1} << 32) throw Error("{}: {} batches are too many", where, c.batches);
  CheckWeights(c.data, c.batches, where);
  c.rollouts = ReadRollouts(s);
  c.updates = s.Integer("updates", c.updates, 1);
  if (c.updates > c.rollouts.prompts) {
    throw Error("{}: {} updates of a batch of {} prompts; an update needs at least one prompt", where, c.updates,
                c.rollouts.prompts);
  }
  c.objective = ReadObjective(s, &c.objective_name);
  c.reward = ReadReward(s);
  c.stages = ReadStages(s, c.reward);
  c.stage_rule = ReadStageRule(s);
  if (c.objective.normalization.constant != 0 && c.objective.constant_length == 0) {
    c.objective.constant_length = static_cast<double>(c.stages.back().window);
  }
  ReadOptimizer(s, 0, &c.optimizer, &c.decay_norms, &c.clip);
  c.schedule = ReadSchedule(s, c.batches * c.updates);
  c.aux_coef = s.Number("aux_coef", c.aux_coef);
  c.micro_tokens = s.Integer("micro_tokens", c.micro_tokens, 2);
  c.recompute = s.GetOr<bool>(FreeKey("recompute"), c.recompute);
  c.evaluation = ReadEvaluation(s);
  c.checkpoint = ReadCheckpoint(s, "every_batches");
  c.save_dtype = ReadSaveDtype(s);
  s.Done();
  return c;
}

RlConfig RlConfig::FromFile(const std::filesystem::path& path) { return FromJson(ReadJsonFile(path), path.string()); }

Objective RlConfig::ObjectiveOf(size_t stage) const {
  Objective o = objective;
  for (size_t i = 0; i <= stage; ++i) {
    if (stages[i].is_weight_max) o.is_weight_max = *stages[i].is_weight_max;
    if (stages[i].mask_low) o.mask_low = *stages[i].mask_low;
    if (stages[i].mask_high) o.mask_high = *stages[i].mask_high;
  }
  return o;
}

double RlConfig::ClipOf(size_t stage) const {
  double value = clip;
  for (size_t i = 0; i <= stage; ++i) value = stages[i].clip.value_or(value);
  return value;
}

}  // namespace fulgur
