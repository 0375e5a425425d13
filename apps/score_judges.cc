#include "apps/score_rules.h"
#include "judge/verdict_rules.h"

namespace fulgur {

namespace {

std::string Reply(const Json& line) { return TextField(line, "reply"); }

Json ArenaHardGames(const Json& line, const ScoreContext&) {
  const auto votes = verdict::ArenaHardVotes(OptionalTextField(line, "game_baseline_first"),
                                             OptionalTextField(line, "game_model_first"));
  if (!votes) return {{"votes", nullptr}, {"mean", nullptr}};
  double sum = 0;
  for (const double vote : *votes) sum += vote;
  return {{"votes", *votes}, {"mean", sum / static_cast<double>(votes->size())}};
}

Json ArenaHardVerdict(const Json& line, const ScoreContext&) {
  const std::optional<std::string> label = verdict::ArenaHardLabel(Reply(line));
  return {{"score", OrNull(label)}, {"votes_for_A", label ? OrNull(verdict::ArenaHardVotesForA(*label)) : Json()}};
}

Json NemoAggregate(const Json& line, const ScoreContext&) {
  std::vector<verdict::GenRmComparison> comparisons;
  for (const Json& c : ArrayField(line, "comparisons")) {
    const auto index = [&](const char* key) {
      const auto value = JsonGet<int64_t>(c, key, "a comparison");
      if (value < 0) throw Error("a comparison's \"{}\" is {}", key, value);
      return static_cast<size_t>(value);
    };
    const auto score = [&](const char* key) { return JsonGet<double>(c, key, "a comparison"); };
    comparisons.push_back({index("i"), index("j"), {score("score_1"), score("score_2"), score("ranking")}});
  }
  verdict::GenRmOptions options;
  const Json given = line.contains("options") ? line["options"] : Json::object();
  for (const auto& [key, value] : std::initializer_list<std::pair<const char*, double*>>{
           {"default_score", &options.default_score},
           {"reasoning_bonus", &options.reasoning_bonus},
           {"answer_bonus", &options.answer_bonus},
           {"top_percentile", &options.top_percentile},
           {"group_reasoning_length_penalty_coeff", &options.reasoning_length_penalty},
           {"group_answer_length_penalty_coeff", &options.answer_length_penalty},
           {"group_style_penalty_coeff", &options.style_penalty}}) {
    *value = JsonGetOr<double>(given, key, *value, "\"options\"");
  }
  const verdict::GenRmRewards r =
      verdict::AggregateGenRm(comparisons, TextsField(line, "answers"), TextsField(line, "reasoning"), options);
  Json metrics = Json::object();
  if (r.mean_score) {
    metrics = {{"mean_individual_score", *r.mean_score},
               {"std_individual_score", *r.deviation},
               {"tiebreak_usage_rate", *r.tiebreak_rate}};
  }
  return {{"rewards", r.rewards}, {"base", r.base}, {"adjustments", r.adjustments}, {"metrics", metrics}};
}

Json Ties(const Json& line, const ScoreContext&) {
  std::vector<verdict::TiesRow> rows;
  for (const Json& row : ArrayField(line, "rows")) {
    const auto right = JsonGet<int64_t>(row, "num_correct", "a row");
    if (right < 0) throw Error("a row's \"num_correct\" is {}", right);
    rows.push_back({TextField(row, "id"), static_cast<size_t>(right), NumbersField(row, "scores")});
  }
  return {{"expected", verdict::RewardBench2Ties(rows)}};
}

}  // namespace

void AddJudgeRules(ScoreRules* rules) {
  (*rules)["verdict_double_brackets"] = [](const Json& line, const ScoreContext&) -> Json {
    const std::string reply = Reply(line);
    return {{"mt_bench_pair", verdict::MtBenchPair(reply)},
            {"rewardbench", verdict::RewardBenchPair(reply)},
            {"rewardbench2", verdict::RewardBench2Choice(reply)}};
  };
  (*rules)["verdict_rating"] = [](const Json& line, const ScoreContext&) -> Json {
    const std::string reply = Reply(line);
    return {{"mt_bench_single", verdict::MtBenchRating(reply)},
            {"rewardbench2_rating", verdict::RewardBench2Rating(reply)}};
  };
  (*rules)["verdict_rating_pair"] = [](const Json& line, const ScoreContext&) -> Json {
    return {{"mt_bench_pair", verdict::MtBenchRatingPair(Reply(line))}};
  };
  (*rules)["arena_hard_verdict"] = ArenaHardVerdict;
  (*rules)["arena_hard_games"] = ArenaHardGames;
  (*rules)["prometheus_absolute"] = [](const Json& line, const ScoreContext&) -> Json {
    return {{"score", OrNull(verdict::PrometheusScore(Reply(line)))}};
  };
  (*rules)["prometheus_relative"] = [](const Json& line, const ScoreContext&) -> Json {
    return {{"winner", OrNull(verdict::PrometheusWinner(Reply(line)))}};
  };
  (*rules)["opencompass_generic_verdict"] = [](const Json& line, const ScoreContext&) -> Json {
    return {{"official", verdict::OpenCompassVerdict(Reply(line))}};
  };
  (*rules)["nemo_genrm_parse"] = [](const Json& line, const ScoreContext&) -> Json {
    const verdict::GenRmScores s = verdict::ParseGenRm(Reply(line));
    return {{"score_1", s.score_1}, {"score_2", s.score_2}, {"ranking", s.ranking}};
  };
  (*rules)["nemo_genrm_aggregate"] = NemoAggregate;
  (*rules)["nemo_equivalence_verdict"] = [](const Json& line, const ScoreContext&) -> Json {
    const std::optional<std::string> label = verdict::NemoEquivalenceLabel(Reply(line));
    return {{"label", OrNull(label)}, {"equal", label == "[[A=B]]"}};
  };
  (*rules)["judgebench_verdict"] = [](const Json& line, const ScoreContext&) -> Json {
    return {{"decision", OrNull(verdict::JudgeBenchDecision(Reply(line)))}};
  };
  (*rules)["judgebench_pair"] = [](const Json& line, const ScoreContext&) -> Json {
    return {{"expected", verdict::JudgeBenchPair(TextField(line, "label"), OptionalTextField(line, "game_1"),
                                                 OptionalTextField(line, "game_2"))}};
  };
  (*rules)["rewardbench2_best_of"] = [](const Json& line, const ScoreContext&) -> Json {
    return {{"expected", verdict::RewardBench2BestOf(NumbersField(line, "scores"))}};
  };
  (*rules)["rewardbench2_ties"] = Ties;
}

}  // namespace fulgur
