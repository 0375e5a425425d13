#include "rl/config.h"

#include <algorithm>
#include <cmath>

#include "eval/answer_checker.h"
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

ProblemSourceConfig ReadSource(const Json& json, const std::string& where) {
  Section s(json, where);
  ProblemSourceConfig source;
  const auto type = s.Get<std::string>("type");
  if (s.Has("weight")) source.weight = ReadRamp(s.Value("weight"), where + ": \"weight\"");
  if (type == "tasks") {
    source.type = ProblemSourceConfig::Type::kTasks;
    source.name = s.GetOr<std::string>("name", "tasks");
    source.tasks = ReadTasks(s.Value("tasks"), s.Has("difficulties") ? s.Value("difficulties") : Json("all"), where);
    source.part = ReadTrainPart(s.GetOr<std::string>("part", "reinforcement"), where);
  } else if (type == "problems") {
    source.type = ProblemSourceConfig::Type::kFile;
    source.path = s.Get<std::string>("path");
    source.name = s.GetOr<std::string>("name", source.path.stem().string());
    source.checker = s.GetOr<std::string>("checker", source.checker);
    GetAnswerChecker(source.checker);
    Section f = s.Child("filter");
    if (s.Has("filter")) source.filter.samples = f.Integer("samples", 10, 1);
    source.filter.low = f.Number("low", source.filter.low, 1);
    source.filter.high = f.Number("high", source.filter.high, 1);
    f.Done();
    if (source.filter.low >= source.filter.high) {
      throw Error("{}: \"low\" {} must be below \"high\" {}", f.where(), source.filter.low, source.filter.high);
    }
    Section d = s.Child("decontaminate");
    if (s.Has("decontaminate")) {
      const Json& against = d.Value("against");
      if (!against.is_array() || against.empty()) throw Error("{}: \"against\" must be a list of files", d.where());
      for (const Json& path : against) {
        if (!path.is_string()) throw Error("{}: \"against\" holds {}, not a path", d.where(), path.dump());
        source.decontaminate.against.emplace_back(path.get<std::string>());
      }
    }
    source.decontaminate.words = static_cast<int>(std::min<int64_t>(d.Integer("words", 10, 1), 1000));
    d.Done();
  } else {
    throw Error("{}: \"type\" is \"{}\", but must be tasks or problems", where, type);
  }
  s.Done();
  return source;
}

// A bound: a number above 0, or null for none.
double ReadBound(Section& s, const char* key, double fallback, double none) {
  if (!s.Has(key)) return s.IsNull(key) ? none : fallback;
  const double value = s.Get<double>(key);
  if (!(value >= 0))
    throw Error("{}: \"{}\" is {}, but must be at least 0, or null for no bound", s.where(), key, value);
  return value;
}

Objective ReadObjective(const Json& json, const std::string& where, std::string* name) {
  if (json.is_string()) {
    *name = json.get<std::string>();
    return NamedObjective(*name);
  }
  Section s(json, where);
  *name = s.Get<std::string>("name");
  Objective o = NamedObjective(*name);
  o.is_weight_min = ReadBound(s, "is_weight_min", o.is_weight_min, 0);
  o.is_weight_max = ReadBound(s, "is_weight_max", o.is_weight_max, Objective::kNoBound);
  o.mask_low = ReadBound(s, "mask_low", o.mask_low, 0);
  o.mask_high = ReadBound(s, "mask_high", o.mask_high, Objective::kNoBound);
  if (o.is_weight_min > o.is_weight_max) {
    throw Error("{}: \"is_weight_min\" {} is above \"is_weight_max\" {}", where, o.is_weight_min, o.is_weight_max);
  }
  if (s.Has("advantage")) {
    const auto kind = s.Get<std::string>("advantage");
    if (kind == "population") {
      o.advantage = AdvantageKind::kPopulation;
    } else if (kind == "sample") {
      o.advantage = AdvantageKind::kSample;
    } else if (kind == "mean_only") {
      o.advantage = AdvantageKind::kMeanOnly;
    } else {
      throw Error("{}: \"advantage\" is \"{}\", but must be population, sample or mean_only", where, kind);
    }
  }
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
  o.constant_length = s.Number("constant_length", 0);
  o.kl = s.Number("kl", 0);
  s.Done();
  return o;
}

Json BoundToJson(double bound) { return std::isinf(bound) ? Json("none") : Json(bound); }

WeightFormat ReadFormat(Section& s, const char* key) {
  const auto name = s.GetOr<std::string>(key, "f32");
  if (const auto format = WeightFormatFromName(name)) return *format;
  throw Error("{}: \"{}\" is \"{}\", but must be f32, bf16, bf16-dot, q8 or q4", s.where(), key, name);
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
  Section s(json, where);
  c.out = s.Get<std::string>("out");
  c.seed = static_cast<uint64_t>(s.Integer("seed", 1, 0));
  c.threads = static_cast<int>(std::min<int64_t>(s.Integer("threads", 0, 0), 1024));
  c.model = s.Get<std::string>("model");

  const Json& data = s.Value("data");
  if (!data.is_array() || data.empty()) throw Error("{}: \"data\" must be a list of at least one source", where);
  for (size_t i = 0; i < data.size(); ++i) {
    c.data.push_back(ReadSource(data[i], fmt::format("{}: \"data\"[{}]", where, i)));
  }
  {
    Section k = s.Child("curriculum");
    c.curriculum.enabled = k.GetOr<bool>("enabled", c.curriculum.enabled);
    c.curriculum.low = k.Number("low", c.curriculum.low, 1);
    c.curriculum.high = k.Number("high", c.curriculum.high, 1);
    c.curriculum.unlock = k.Number("unlock", c.curriculum.unlock, 1);
    c.curriculum.probe = k.Number("probe", c.curriculum.probe, 1);
    c.curriculum.decay = k.Number("decay", c.curriculum.decay, 1);
    c.curriculum.min_count = k.Number("min_count", c.curriculum.min_count);
    k.Done();
    if (c.curriculum.low > c.curriculum.high) {
      throw Error("{}: \"low\" {} is above \"high\" {}", k.where(), c.curriculum.low, c.curriculum.high);
    }
  }

  c.batches = s.Integer("batches", s.Get<int64_t>("batches"), 1);
  if (c.batches > int64_t{1} << 32) throw Error("{}: {} batches are too many", where, c.batches);
  {
    Section r = s.Child("rollouts");
    c.rollouts.prompts = r.Integer("prompts", c.rollouts.prompts, 1);
    c.rollouts.responses = r.Integer("responses", c.rollouts.responses, 1);
    c.rollouts.max_batch = r.Integer("max_batch", c.rollouts.max_batch, 1);
    c.rollouts.most_prompts = r.Integer("most_prompts", 3 * c.rollouts.prompts, c.rollouts.prompts);
    if (r.Has("thinking_budget")) c.rollouts.thinking_budget = r.Integer("thinking_budget", 0, 0);
    c.rollouts.starts_in_thinking = r.GetOr<bool>("starts_in_thinking", false);
    Section e = r.Child("early_truncation");
    c.rollouts.early_truncation.tokens = e.Integer("tokens", c.rollouts.early_truncation.tokens, 0);
    c.rollouts.early_truncation.probability = e.Number("probability", c.rollouts.early_truncation.probability, 1);
    e.Done();
    c.rollouts.weights = ReadFormat(r, "weights");
    c.rollouts.lm_head = ReadFormat(r, "lm_head");
    c.rollouts.correction_max = r.Number("correction_max", c.rollouts.correction_max);
    c.rollouts.keep_every = r.Integer("keep_every", c.rollouts.keep_every, 0);
    r.Done();
    if (c.rollouts.prompts * c.rollouts.responses > int64_t{1} << 24) {
      throw Error("{}: {} prompts of {} responses are too many for a batch", r.where(), c.rollouts.prompts,
                  c.rollouts.responses);
    }
  }
  c.updates = s.Integer("updates", c.updates, 1);
  if (c.updates > c.rollouts.prompts) {
    throw Error("{}: {} updates of a batch of {} prompts; an update needs at least one prompt", where, c.updates,
                c.rollouts.prompts);
  }
  c.objective = ReadObjective(s.Has("objective") ? s.Value("objective") : Json("cispo"), where + ": \"objective\"",
                              &c.objective_name);
  {
    Section r = s.Child("reward");
    c.reward.correct = r.Number("correct", c.reward.correct);
    c.reward.format = r.Number("format", c.reward.format);
    c.reward.overlong = r.Number("overlong", c.reward.overlong);
    c.reward.overlong_buffer = r.Integer("overlong_buffer", c.reward.overlong_buffer, 0);
    r.Done();
  }
  {
    const Json& stages = s.Value("stages");
    if (!stages.is_array() || stages.empty()) throw Error("{}: \"stages\" must be a list of at least one stage", where);
    for (size_t i = 0; i < stages.size(); ++i) {
      Section t(stages[i], fmt::format("{}: \"stages\"[{}]", where, i));
      StageConfig stage;
      stage.window = t.Integer("window", t.Get<int64_t>("window"), 1);
      if (!c.stages.empty() && stage.window < c.stages.back().window) {
        throw Error("{}: \"window\" {} is smaller than the {} before", t.where(), stage.window, c.stages.back().window);
      }
      if (stage.window < c.reward.overlong_buffer) {
        throw Error("{}: \"window\" {} is smaller than reward.overlong_buffer {}", t.where(), stage.window,
                    c.reward.overlong_buffer);
      }
      const auto number = [&](const char* key) {
        return t.Has(key) ? std::optional<double>(t.Number(key, 0)) : std::nullopt;
      };
      stage.is_weight_max = number("is_weight_max");
      stage.mask_low = number("mask_low");
      stage.mask_high = number("mask_high");
      stage.clip = number("clip");
      t.Done();
      c.stages.push_back(stage);
    }
    Section r = s.Child("stage_rule");
    c.stage_rule.batches = r.Integer("batches", c.stage_rule.batches, 1);
    c.stage_rule.tolerance = r.Number("tolerance", c.stage_rule.tolerance);
    c.stage_rule.length_share = r.Number("length_share", c.stage_rule.length_share, 1);
    r.Done();
  }
  if (c.objective.normalization.constant != 0 && c.objective.constant_length == 0) {
    c.objective.constant_length = static_cast<double>(c.stages.back().window);
  }
  {
    Section o = s.Child("optimizer");
    c.optimizer.beta1 = o.Number("beta1", c.optimizer.beta1, 0.999999);
    c.optimizer.beta2 = o.Number("beta2", c.optimizer.beta2, 0.999999999);
    c.optimizer.eps = o.Number("eps", c.optimizer.eps);
    c.optimizer.weight_decay = o.Number("weight_decay", 0);
    c.decay_norms = o.GetOr<bool>("decay_norms", c.decay_norms);
    c.clip = o.Number("clip", c.clip);
    o.Done();
    Section l = s.Child("schedule");
    c.schedule.lr = l.Number("lr", 1e-4);
    c.schedule.steps = c.batches * c.updates;
    c.schedule.warmup_steps = l.Integer("warmup_updates", 0, 0);
    c.schedule.final_ratio = l.Number("final_ratio", c.schedule.final_ratio, 1);
    c.schedule.decay_steps = std::llround(l.Number("decay_fraction", 0, 1) * static_cast<double>(c.schedule.steps));
    c.schedule.decay = Schedule::Decay::kLinear;
    l.Done();
    if (c.schedule.warmup_steps > c.schedule.steps - c.schedule.decay_steps) {
      throw Error("{}: {} warm-up and {} decay updates are more than the {} of the run", l.where(),
                  c.schedule.warmup_steps, c.schedule.decay_steps, c.schedule.steps);
    }
  }
  c.aux_coef = s.Number("aux_coef", c.aux_coef);
  c.micro_tokens = s.Integer("micro_tokens", c.micro_tokens, 2);
  c.recompute = s.GetOr<bool>("recompute", c.recompute);
  {
    Section e = s.Child("evaluation");
    c.evaluation.every = e.Integer("every", c.evaluation.every, 0);
    c.evaluation.problems = e.Integer("problems", c.evaluation.problems, 1);
    c.evaluation.samples = e.Integer("samples", c.evaluation.samples, 1);
    e.Done();
  }
  {
    Section k = s.Child("checkpoint");
    c.checkpoint.every_steps = k.Integer("every_batches", c.checkpoint.every_steps, 0);
    c.checkpoint.every_seconds = k.Number("every_seconds", c.checkpoint.every_seconds);
    c.checkpoint.keep = k.Integer("keep", c.checkpoint.keep, 1);
    k.Done();
  }
  const auto dtype = s.GetOr<std::string>("save_dtype", "BF16");
  if (dtype != "BF16" && dtype != "F32") {
    throw Error("{}: \"save_dtype\" is \"{}\", but must be BF16 or F32", where, dtype);
  }
  c.save_dtype = dtype == "BF16" ? DType::kBF16 : DType::kF32;
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

Json RlConfig::Fingerprint() const {
  Json sources = Json::array();
  for (const ProblemSourceConfig& source : data) {
    Json s = {{"name", source.name}, {"weight", source.weight.points}};
    if (source.type == ProblemSourceConfig::Type::kTasks) {
      s["tasks"] = TasksToJson(source.tasks);
      s["part"] = TrainPartName(source.part);
    } else {
      s["path"] = source.path.string();
      s["checker"] = source.checker;
      s["filter"] = {source.filter.samples, source.filter.low, source.filter.high};
      for (const auto& path : source.decontaminate.against) s["decontaminate"].push_back(path.string());
      s["words"] = source.decontaminate.words;
    }
    sources.push_back(s);
  }
  Json windows = Json::array();
  for (size_t i = 0; i < stages.size(); ++i) {
    const Objective o = ObjectiveOf(i);
    windows.push_back({{"window", stages[i].window},
                       {"is_weight_max", BoundToJson(o.is_weight_max)},
                       {"mask_low", o.mask_low},
                       {"mask_high", BoundToJson(o.mask_high)},
                       {"clip", ClipOf(i)}});
  }
  return {
      {"seed", seed},
      {"model", model.string()},
      {"data", sources},
      {"curriculum",
       {curriculum.enabled, curriculum.low, curriculum.high, curriculum.unlock, curriculum.probe, curriculum.decay,
        curriculum.min_count}},
      {"batches", batches},
      {"rollouts.prompts", rollouts.prompts},
      {"rollouts.responses", rollouts.responses},
      {"rollouts.most_prompts", rollouts.most_prompts},
      {"rollouts.thinking_budget", rollouts.thinking_budget ? Json(*rollouts.thinking_budget) : Json()},
      {"rollouts.starts_in_thinking", rollouts.starts_in_thinking},
      {"rollouts.early_truncation", {rollouts.early_truncation.tokens, rollouts.early_truncation.probability}},
      {"rollouts.weights", WeightFormatName(rollouts.weights)},
      {"rollouts.lm_head", WeightFormatName(rollouts.lm_head)},
      {"rollouts.correction_max", rollouts.correction_max},
      {"updates", updates},
      {"objective", objective_name},
      {"objective.is_weight_min", objective.is_weight_min},
      {"objective.surrogate", objective.surrogate},
      {"objective.advantage", static_cast<int>(objective.advantage)},
      {"objective.normalization",
       {objective.normalization.sample, objective.normalization.group, objective.normalization.batch,
        objective.normalization.constant}},
      {"objective.constant_length", objective.constant_length},
      {"objective.kl", objective.kl},
      {"reward", {reward.correct, reward.format, reward.overlong_buffer, reward.overlong}},
      {"stages", windows},
      {"stage_rule", {stage_rule.batches, stage_rule.tolerance, stage_rule.length_share}},
      {"optimizer.beta1", optimizer.beta1},
      {"optimizer.beta2", optimizer.beta2},
      {"optimizer.eps", optimizer.eps},
      {"optimizer.weight_decay", optimizer.weight_decay},
      {"optimizer.decay_norms", decay_norms},
      {"schedule.lr", schedule.lr},
      {"schedule.warmup_updates", schedule.warmup_steps},
      {"schedule.decay_updates", schedule.decay_steps},
      {"schedule.final_ratio", schedule.final_ratio},
      {"aux_coef", aux_coef},
      {"micro_tokens", micro_tokens},
  };
}

}  // namespace fulgur
