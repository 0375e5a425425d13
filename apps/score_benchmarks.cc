#include "apps/score_rules.h"
#include "code/livecodebench.h"
#include "envs/instructions/instructions.h"
#include "envs/tau/domain.h"
#include "eval/official_rules.h"
#include "text/python_text.h"

namespace fulgur {

namespace {

std::string Response(const Json& line) { return TextField(line, "response"); }

const Json& SolutionField(const Json& line) {
  const auto rows = [&](const Json& table, const char* key) {
    return table.is_object() && table.contains(key) && table[key].is_array() && !table[key].empty();
  };
  if (!line.contains("solution") || !rows(line["solution"], "header") || !rows(line["solution"], "rows")) {
    throw Error("\"solution\" must have a \"header\" and \"rows\"");
  }
  const Json& solution = line["solution"];
  for (const Json& row : solution["rows"]) {
    if (!row.is_array() || row.size() != solution["header"].size()) {
      throw Error("\"solution\" has a row that is not as long as its header");
    }
    for (const Json& cell : row) {
      if (!cell.is_string()) throw Error("\"solution\" has a cell that is no text");
    }
  }
  return solution;
}

Json ZebraGrid(const Json& line, const ScoreContext&) {
  const official::ZebraScore s = official::ScoreZebra(SolutionField(line), Response(line));
  if (s.raises) return {{"expected", {{"raises", s.raises->exception}}}};
  return {{"expected",
           {{"parsed", s.parsed},
            {"correct_cells", s.correct_cells},
            {"total_cells", s.total_cells},
            {"solved", s.solved}}}};
}

Json ZebraAggregate(const Json& line, const ScoreContext&) {
  const Json& solution = SolutionField(line);
  std::vector<std::pair<std::string, official::ZebraScore>> scores;
  for (const Json& item : ArrayField(line, "items")) {
    official::ZebraScore score = official::ScoreZebra(solution, Response(item));
    if (score.raises) return {{"expected", {{"raises", score.raises->exception}}}};
    scores.emplace_back(TextField(item, "size"), std::move(score));
  }
  return {{"expected", official::ZebraTable(scores)}};
}

Json LongBenchResult(const Json& line, const ScoreContext&) {
  std::vector<official::LongBenchPrediction> predictions;
  for (const Json& p : ArrayField(line, "predictions")) {
    predictions.push_back({OptionalTextField(p, "pred").has_value(), JsonGet<bool>(p, "judge", "a prediction"),
                           TextField(p, "difficulty"), TextField(p, "length")});
  }
  Json plain = Json::array(), compensated = Json::array();
  for (const std::string& column : TextsField(line, "columns")) {
    plain.push_back(OrNull(official::LongBenchAccuracy(predictions, column, false)));
    compensated.push_back(OrNull(official::LongBenchAccuracy(predictions, column, true)));
  }
  return {{"expected", {{"plain", plain}, {"compensated", compensated}}}};
}

Json LongBenchTruncate(const Json& line, const ScoreContext&) {
  const Json& list = ArrayField(line, "ids");
  const auto max_len = JsonGet<int64_t>(line, "max_len", "the line");
  if (max_len < 0) throw Error("\"max_len\" is {}; it must be at least 0", max_len);
  return {{"expected", official::LongBenchTruncated(std::vector<Json>(list.begin(), list.end()), max_len)}};
}

Json SimpleQaAggregate(const Json& line, const ScoreContext&) {
  std::string grades;
  for (const std::string& grade : TextsField(line, "grades")) {
    if (grade != "A" && grade != "B" && grade != "C") throw Error("a grade is \"{}\"; it must be A, B or C", grade);
    grades += grade;
  }
  const official::SimpleQaScores s = official::AggregateSimpleQa(grades);
  return {{"expected",
           {{"is_correct", s.correct},
            {"is_incorrect", s.incorrect},
            {"is_not_attempted", s.not_attempted},
            {"is_given_attempted", s.attempted},
            {"accuracy_given_attempted", s.accuracy_given_attempted},
            {"f1", s.f1}}}};
}

Json HleCalibration(const Json& line, const ScoreContext&) {
  const std::vector<double> confidence = NumbersField(line, "confidence"), correct = NumbersField(line, "correct");
  if (confidence.size() != correct.size()) throw Error("\"confidence\" and \"correct\" differ in length");
  const official::HleScores s = official::AggregateHle(confidence, correct);
  return {{"calibration_error", OrNull(s.calibration_error)},
          {"calibration_error_all_bins", OrNull(s.calibration_error_all_bins)},
          {"accuracy", s.accuracy},
          {"half_width", s.half_width}};
}

Json MultiChallengeScore(const Json& line, const ScoreContext&) {
  std::vector<official::MultiChallengeResult> results;
  for (const Json& r : ArrayField(line, "results")) {
    results.push_back({JsonGet<std::string>(r, "question_id", "a result"), TextField(r, "axis"),
                       JsonGet<bool>(r, "passed", "a result")});
  }
  const official::MultiChallengeScores scores = official::AggregateMultiChallenge(results);
  Json axes = Json::object();
  for (const auto& [axis, score] : scores.axes) axes[axis] = score;
  return {{"expected", {{"overall_score", scores.overall}, {"axis_scores", axes}}}};
}

Json IfEvalCheck(const Json& line, const ScoreContext&) {
  Instruction instruction{TextField(line, "instruction_id"), line.contains("kwargs") ? line["kwargs"] : Json::object()};
  if (instruction.kwargs.is_null()) instruction.kwargs = Json::object();
  const std::string response = Response(line);
  return {{"strict", FollowsStrict(instruction, response)}, {"loose", FollowsLoose(instruction, response)}};
}

// The domain that a line names, read once.
const tau::Domain& DomainOf(const Json& line, const ScoreContext& context) {
  static std::map<std::string, tau::Domain> domains;
  const std::string env = TextField(line, "env");
  if (context.data.empty()) throw Error("this rule needs --data DIR, a folder with tau-bench/ in it");
  const auto found = domains.find(env);
  if (found != domains.end()) return found->second;
  return domains.emplace(env, tau::Domain(env, context.data / "tau-bench")).first->second;
}

Json TauTool(const Json& line, const ScoreContext& context) {
  const tau::Domain& domain = DomainOf(line, context);
  Json database = domain.fresh();
  const std::string tool = TextField(line, "name");
  if (!line.contains("kwargs") || !line["kwargs"].is_object()) throw Error("the line has no object \"kwargs\"");
  const std::string said = domain.Invoke(tool, line["kwargs"], &database);
  constexpr size_t kShown = 2000;
  const std::u32string characters = python::CodePoints(said);
  return {{"observation", python::Utf8(characters.substr(0, kShown))},
          {"observation_chars", characters.size()},
          {"observation_sha256", tau::Sha256Hex(said)},
          {"data_hash", tau::DatabaseHash(database)}};
}

Json TauReward(const Json& line, const ScoreContext& context) {
  const tau::Domain& domain = DomainOf(line, context);
  const auto id = JsonGet<int64_t>(line, "task_id", "the line");
  if (id < 0 || id >= static_cast<int64_t>(domain.tasks().size())) {
    throw Error("there is no task {}; {} has {}", id, domain.env(), domain.tasks().size());
  }
  std::vector<tau::Action> actions;
  for (const Json& action : ArrayField(line, "actions")) {
    if (!action.is_object() || !action.contains("kwargs") || !action["kwargs"].is_object()) {
      throw Error("an action has no object \"kwargs\"");
    }
    actions.push_back({TextField(action, "name"), action["kwargs"]});
  }
  const tau::Reward reward = tau::ScoreActions(domain, domain.tasks()[static_cast<size_t>(id)], actions);
  Json outputs = Json::object();
  for (const auto& [output, said] : reward.outputs) outputs[output] = said;
  return {
      {"reward", reward.value}, {"outputs", outputs}, {"data_hash", reward.data_hash}, {"gold_hash", reward.gold_hash}};
}

Json SweBench(const Json& line, const ScoreContext&) {
  if (!line.contains("status") || !line["status"].is_object()) throw Error("the line has no object \"status\"");
  return {{"expected", official::SweBenchResolved(line["status"], TextsField(line, "FAIL_TO_PASS"),
                                                  TextsField(line, "PASS_TO_PASS"))}};
}

// With 2 seconds a test instead of the official 6.
Json LiveCodeBenchGraded(const Json& line, const ScoreContext&) {
  static LiveCodeBenchGrader grader(2, 1);
  LiveCodeBenchTests tests{TextsField(line, "inputs"), TextsField(line, "outputs"), std::nullopt};
  if (tests.inputs.size() != tests.outputs.size()) throw Error("\"inputs\" and \"outputs\" differ in length");
  const std::string kind = TextField(line, "kind");
  if (kind == "functional") {
    tests.function = TextField(line, "fn_name");
  } else if (kind != "stdin") {
    throw Error("\"kind\" is \"{}\"; it must be stdin or functional", kind);
  }
  const LiveCodeBenchGrade grade = grader.Grade(tests, TextField(line, "code"));
  if (!grade.problem.empty()) throw Error("{}", grade.problem);
  return {{"results", grade.results}, {"passed", grade.passed}};
}

}  // namespace

void AddBenchmarkRules(ScoreRules* rules) {
  (*rules)["aime_lm_eval"] = [](const Json& line, const ScoreContext&) -> Json {
    return {{"lm_eval_aime", official::LmEvalAime(Response(line), TextField(line, "gold"))}};
  };
  (*rules)["math_prm800k_grader"] = [](const Json& line, const ScoreContext&) -> Json {
    const std::optional<std::string> answer = OptionalTextField(line, "answer");
    return {{"prm800k", answer && official::Prm800kEqual(*answer, TextField(line, "gold"))}};
  };
  (*rules)["gpqa_letter"] = [](const Json& line, const ScoreContext&) -> Json {
    return {{"official", OrNull(official::GpqaLetter(Response(line)))}};
  };
  (*rules)["gpqa_permutation"] = [](const Json& line, const ScoreContext&) -> Json {
    const auto n = JsonGet<int64_t>(line, "n", "the line");
    if (n < 0 || n > 1'000'000) throw Error("\"n\" is {}; it must be 0 to 1000000", n);
    return {{"permutation", official::GpqaPermutation(n)}};
  };
  (*rules)["mmlu_pro_extract"] = [](const Json& line, const ScoreContext&) -> Json {
    return {{"official", OrNull(official::MmluProLetter(Response(line)))}};
  };
  (*rules)["longbench_v2_letter"] = [](const Json& line, const ScoreContext&) -> Json {
    return {{"official", OrNull(official::LongBenchLetter(Response(line)))}};
  };
  (*rules)["longbench_v2_result"] = LongBenchResult;
  (*rules)["longbench_v2_truncate"] = LongBenchTruncate;
  (*rules)["mrcr_ratio"] = [](const Json& line, const ScoreContext&) -> Json {
    return {{"official", official::MrcrRatio(Response(line), TextField(line, "answer"), TextField(line, "prefix"))}};
  };
  (*rules)["zebra_grid"] = ZebraGrid;
  (*rules)["zebra_aggregate"] = ZebraAggregate;
  (*rules)["livecodebench_extract"] = [](const Json& line, const ScoreContext&) -> Json {
    return {{"official", official::LiveCodeBenchCode(Response(line))}};
  };
  (*rules)["livecodebench_grade"] = LiveCodeBenchGraded;
  (*rules)["ifeval_check"] = IfEvalCheck;
  (*rules)["tau_tool"] = TauTool;
  (*rules)["tau_reward"] = TauReward;
  (*rules)["simpleqa_grade"] = [](const Json& line, const ScoreContext&) -> Json {
    const std::string reply = TextField(line, "reply");
    return {{"official", std::string(1, official::SimpleQaGrade(reply))},
            {"intended", std::string(1, official::SimpleQaIntended(reply))}};
  };
  (*rules)["simpleqa_aggregate"] = SimpleQaAggregate;
  (*rules)["hle_calibration"] = HleCalibration;
  (*rules)["multichallenge_pass"] = [](const Json& line, const ScoreContext&) -> Json {
    return {{"passed", TextField(line, "verdict") == TextField(line, "pass_criteria")}};
  };
  (*rules)["multichallenge_score"] = MultiChallengeScore;
  (*rules)["swebench_resolved"] = SweBench;
}

}  // namespace fulgur
