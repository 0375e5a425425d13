#include "rl/reference_objectives.h"

#include <cmath>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "rl/objective.h"

namespace fulgur {
namespace {

const Tensor& Get(const TensorMap& data, const char* name, const std::string& where) {
  const auto found = data.find(name);
  if (found == data.end()) throw Error("{}: there is no tensor {}", where, name);
  if (found->second.shape().size() != 1) {
    throw Error("{}: {} has shape {}, but must have one dimension", where, name, ShapeString(found->second.shape()));
  }
  return found->second;
}

std::vector<float> Floats(const TensorMap& data, const char* name, const std::string& where) {
  const Tensor& tensor = Get(data, name, where);
  if (!IsFloat(tensor.dtype())) {
    throw Error("{}: {} is {}; a float tensor is needed", where, name, DTypeName(tensor.dtype()));
  }
  const Tensor floats = tensor.ToF32();
  return {floats.f32(), floats.f32() + floats.size()};
}

std::vector<int64_t> Counts(const TensorMap& data, const char* name, const std::string& where, int64_t least) {
  const Tensor& tensor = Get(data, name, where);
  if (tensor.dtype() != DType::kI64) throw Error("{}: {} is {}, not I64", where, name, DTypeName(tensor.dtype()));
  const auto values = tensor.values<int64_t>();
  for (const int64_t value : values) {
    if (value < least || value > int64_t{1} << 40) {
      throw Error("{}: {} has a {}, but counts of at least {}", where, name, value, least);
    }
  }
  return {values.begin(), values.end()};
}

void CheckSum(const std::vector<int64_t>& counts, size_t total, const char* of, const char* what,
              const std::string& where) {
  const int64_t sum = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  if (sum != static_cast<int64_t>(total)) throw Error("{}: {} add up to {}, but {} {}", where, of, sum, total, what);
}

template <typename T>
Tensor ToTensor(const std::vector<T>& values) {
  Tensor tensor(DType::kF32, {static_cast<int64_t>(values.size())});
  for (size_t i = 0; i < values.size(); ++i) tensor.f32()[i] = static_cast<float>(values[i]);
  return tensor;
}

// The reference's names and settings.
std::vector<std::pair<std::string, Objective>> Settings() {
  using Normalization = Objective::Normalization;
  const Normalization sample{.sample = 1}, group{.group = 1}, batch{.batch = 1};
  Objective upper = NamedObjective("cispo");
  upper.is_weight_max = 3;
  Objective both = NamedObjective("cispo");
  both.is_weight_min = 0.5;
  both.is_weight_max = 2;
  Objective unified = upper;
  unified.mask_low = 0.8;
  unified.mask_high = 1.28;
  Objective unclipped = unified;
  unclipped.is_weight_max = Objective::kNoBound;
  const auto with = [](Objective o, const Normalization& normalization,
                       AdvantageKind advantage = AdvantageKind::kPopulation) {
    o.normalization = normalization;
    o.advantage = advantage;
    return o;
  };
  const Objective grpo = NamedObjective("grpo"), dapo = NamedObjective("dapo");
  return {{"reinforce_is", NamedObjective("reinforce_is")},
          {"grpo", grpo},
          {"grpo_samplestd", with(grpo, sample, AdvantageKind::kSample)},
          {"dapo", dapo},
          {"dapo_batch", with(dapo, batch)},
          {"cispo_upper", upper},
          {"cispo_upper_samplestd", with(upper, group, AdvantageKind::kSample)},
          {"cispo_upper_batch", with(upper, batch)},
          {"cispo_both", both},
          {"cispo_both_batch", with(both, batch)},
          {"unified", unified},
          {"unified_batch", with(unified, batch)},
          {"unified_unclipped", unclipped},
          {"cispo_sample", with(upper, sample)},
          {"cispo_combined", with(upper, {.sample = 0.5, .group = 0.5})}};
}

}  // namespace

std::vector<std::pair<std::string, Tensor>> ReferenceObjectives(const TensorMap& data, const std::string& where) {
  const std::vector<float> given_rewards = Floats(data, "rewards", where);
  const std::vector<double> rewards(given_rewards.begin(), given_rewards.end());
  const std::vector<int64_t> groups = Counts(data, "group_sizes", where, 1);
  const std::vector<int64_t> lengths = Counts(data, "response_lengths", where, 0);
  const std::vector<float> old = Floats(data, "old_logprobs", where), now = Floats(data, "logprobs", where);
  CheckSum(groups, rewards.size(), "group_sizes", "rewards are there", where);
  CheckSum(groups, lengths.size(), "group_sizes", "response_lengths are there", where);
  CheckSum(lengths, now.size(), "response_lengths", "logprobs are there", where);
  CheckSum(lengths, old.size(), "response_lengths", "old_logprobs are there", where);

  std::vector<std::pair<std::string, Tensor>> results;
  for (const auto& [name, kind] :
       {std::pair("adv.population", AdvantageKind::kPopulation), std::pair("adv.sample", AdvantageKind::kSample)}) {
    std::vector<double> advantages;
    size_t begin = 0;
    for (const int64_t size : groups) {
      const auto n = static_cast<size_t>(size);
      const std::vector<double> a = Advantages(std::span(rewards).subspan(begin, n), kind);
      advantages.insert(advantages.end(), a.begin(), a.end());
      begin += n;
    }
    results.emplace_back(name, ToTensor(advantages));
  }
  std::vector<double> ratios(now.size());
  for (size_t t = 0; t < now.size(); ++t) {
    ratios[t] = std::exp(static_cast<double>(now[t]) - static_cast<double>(old[t]));
  }
  results.emplace_back("ratio", ToTensor(ratios));
  for (const auto& [name, objective] : Settings()) {
    const ObjectiveResult r = EvaluateObjective(objective, groups, lengths, rewards, old, now);
    results.emplace_back(name + ".loss", ToTensor(std::vector<double>{r.loss}));
    results.emplace_back(name + ".grad", ToTensor(r.grad));
  }
  return results;
}

}  // namespace fulgur
