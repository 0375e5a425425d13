#include "rl/stages.h"

#include <cmath>
#include <numeric>

#include "base/error.h"

namespace fulgur {

bool Stages::Add(double perplexity, double p99_length) {
  perplexities_.push_back(perplexity);
  const auto n = static_cast<size_t>(rule_.batches);
  if (index_ + 1 >= stages_.size() || perplexities_.size() < 2 * n) return false;
  const auto mean = [&](size_t begin) {
    const auto first = perplexities_.begin() + static_cast<std::ptrdiff_t>(begin);
    return std::accumulate(first, first + static_cast<std::ptrdiff_t>(n), 0.0) / static_cast<double>(n);
  };
  const double last = mean(perplexities_.size() - n), before = mean(perplexities_.size() - 2 * n);
  if (!(std::abs(last - before) <= rule_.tolerance * before)) return false;
  if (p99_length < rule_.length_share * static_cast<double>(window())) return false;
  ++index_;
  perplexities_.clear();
  return true;
}

Json Stages::ToJson() const { return {{"index", index_}, {"perplexities", perplexities_}}; }

void Stages::FromJson(const Json& json, const std::string& where) {
  const auto index = JsonGet<int64_t>(json, "index", where);
  if (index < 0 || index >= static_cast<int64_t>(stages_.size())) throw Error("{}: there is no stage {}", where, index);
  index_ = static_cast<size_t>(index);
  perplexities_.clear();
  for (const Json& p : json["perplexities"]) perplexities_.push_back(p.get<double>());
}

}  // namespace fulgur
