#include <algorithm>

#include "apps/score_rules.h"
#include "base/statistics.h"
#include "eval/sequence_matcher.h"
#include "judge/verdict_rules.h"

namespace fulgur {

namespace {

SampleScores ScoresField(const Json& line, const char* key) {
  SampleScores scores;
  for (const Json& item : ArrayField(line, key)) {
    std::vector<double> samples;
    if (item.is_array()) samples = NumbersField(Json{{key, item}}, key);
    if (samples.empty()) throw Error("\"{}\" has an item without samples", key);
    scores.push_back(std::move(samples));
  }
  return scores;
}

int64_t CountField(const Json& line, const char* key) {
  const auto count = JsonGet<int64_t>(line, key, "the line");
  if (count < 0) throw Error("\"{}\" is {}; it must be at least 0", key, count);
  return count;
}

Json Clustered(const Json& line, const ScoreContext&) {
  const ClusteredMean m = MeanOverItems(ScoresField(line, "samples"));
  return {{"mean", m.mean},
          {"stderr_clustered_inspect", OrNull(m.stderr_clustered)},
          {"stderr_of_means", OrNull(m.stderr_of_means)},
          {"stderr_naive", OrNull(m.stderr_naive)}};
}

Json Paired(const Json& line, const ScoreContext&) {
  const SampleScores a = ScoresField(line, "a"), b = ScoresField(line, "b");
  if (a.size() != b.size()) throw Error("\"a\" has {} items and \"b\" {}", a.size(), b.size());
  const PairedDifference d = CompareByItem(a, b);
  return {{"difference", d.difference}, {"stderr_paired", OrNull(d.stderr_paired)}};
}

Json ConsensusOf(const Json& line, const ScoreContext&) {
  std::vector<std::optional<std::string>> answers;
  for (const Json& answer : ArrayField(line, "answers")) {
    answers.push_back(answer.is_null()     ? std::nullopt
                      : answer.is_string() ? std::optional(answer.get<std::string>())
                                           : std::optional(answer.dump()));
  }
  return {{"consensus", OrNull(Consensus(answers))}};
}

Json PassAtK(const Json& line, const ScoreContext&) {
  const int64_t n = CountField(line, "n"), c = CountField(line, "c"), k = CountField(line, "k");
  if (c > n || k == 0) throw Error("c = {} of n = {} responses, k = {}", c, n, k);
  // LiveCodeBench's estimator is 1 where fewer than k are wrong, more asked for than there are included; C(n, k) is
  // then 0.
  if (k > n) return {{"pass_at_k", 1.0}, {"pass_hat_k", nullptr}};
  return {{"pass_at_k", PassAt(n, c, k)}, {"pass_hat_k", PassHat(n, c, k)}};
}

Json LengthControl(const Json& line, const ScoreContext&) {
  const std::vector<double> model = NumbersField(line, "length_model"), other = NumbersField(line, "length_reference"),
                            preference = NumbersField(line, "preference");
  if (model.size() != other.size() || model.size() != preference.size() || model.size() < 2) {
    throw Error("{} and {} lengths and {} preferences; the lists must be as long as each other, and have at least 2",
                model.size(), other.size(), preference.size());
  }
  const LengthControlled r = ControlLength(model, other, preference, JsonGet<double>(line, "ridge", "the line"));
  return {{"expected",
           {{"intercept", r.intercept},
            {"length", r.length},
            {"win_rate", r.win_rate},
            {"length_controlled", r.length_controlled}}}};
}

Json BestOf(const Json& line, const ScoreContext&) {
  const std::vector<double> scores = NumbersField(line, "scores"), correct = NumbersField(line, "correct");
  if (scores.size() != correct.size()) throw Error("{} scores, {} in \"correct\"", scores.size(), correct.size());
  const BestOfN r = BestOfSubsets(scores, correct);
  return {{"best_of", r.best_of}, {"pass_at", r.pass_at}};
}

std::optional<int> VerdictField(const Json& line, const char* key) {
  if (line.contains(key) && line[key].is_null()) return std::nullopt;
  const auto value = JsonGet<int64_t>(line, key, "the line");
  if (value < -1 || value > 1) throw Error("\"{}\" is {}; it must be -1, 0, 1 or null", key, value);
  return static_cast<int>(value);
}

Json PairCombine(const Json& line, const ScoreContext&) {
  const auto pair =
      verdict::CombineOrders(VerdictField(line, "candidate_first"), VerdictField(line, "reference_first"));
  return {{"combined", pair ? Json(pair->value) : Json()}, {"consistent", pair ? Json(pair->consistent) : Json()}};
}

Json Swiss(const Json& line, const ScoreContext&) {
  const std::vector<double> strength = NumbersField(line, "strength");
  const auto rounds = CountField(line, "rounds");
  if (rounds > 10000 || strength.size() > 10000) throw Error("at most 10000 rounds and players");
  const auto result = verdict::PlaySwiss(strength.size(), static_cast<int>(rounds), [&](size_t a, size_t b) {
    return strength[a] > strength[b] ? 1.0 : strength[a] < strength[b] ? 0.0 : 0.5;
  });
  Json games = Json::array();
  for (const verdict::SwissGame& game : result.games) {
    games.push_back(game.bye() ? Json{{"round", game.round}, {"bye", game.a}}
                               : Json{{"round", game.round}, {"a", game.a}, {"b", game.b}, {"score_a", game.score_a}});
  }
  return {{"expected",
           {{"points", result.points}, {"buchholz", result.buchholz}, {"best", result.best}, {"games", games}}}};
}

}  // namespace

void AddStatisticsRules(ScoreRules* rules) {
  (*rules)["stat_wilson"] = [](const Json& line, const ScoreContext&) -> Json {
    const int64_t k = CountField(line, "k"), n = CountField(line, "n");
    if (k > n) throw Error("{} right of {}", k, n);
    const Interval i = WilsonInterval(k, n);
    return {{"interval", {i.low, i.high}}};
  };
  (*rules)["stat_mcnemar"] = [](const Json& line, const ScoreContext&) -> Json {
    const McNemarTest test = McNemar(CountField(line, "b"), CountField(line, "c"));
    return {{"p_exact", test.exact}, {"p_mid", test.mid}};
  };
  (*rules)["stat_clustered"] = Clustered;
  (*rules)["stat_paired"] = Paired;
  (*rules)["stat_consensus"] = ConsensusOf;
  (*rules)["stat_length_controlled"] = LengthControl;
  (*rules)["pass_at_k"] = PassAtK;
  (*rules)["design_best_of_n"] = BestOf;
  (*rules)["design_pair_combine"] = PairCombine;
  (*rules)["design_swiss"] = Swiss;
  (*rules)["difflib_ratio"] = [](const Json& line, const ScoreContext&) -> Json {
    const std::string a = TextField(line, "a"), b = TextField(line, "b");
    return {{"ratio", SequenceRatio(a, b, true)}, {"ratio_no_autojunk", SequenceRatio(a, b, false)}};
  };
}

}  // namespace fulgur
