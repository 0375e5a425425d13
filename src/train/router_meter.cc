#include "train/router_meter.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace fulgur {
namespace {

double Rounded(double value) { return std::round(value * 1e4) / 1e4; }

}  // namespace

void RouterMeter::Add(const LossReport& report, int64_t tokens) {
  RouterMeter other;
  other.tokens_ = tokens;
  other.aux_ = report.aux * static_cast<double>(tokens);
  other.counts_ = report.expert_counts;
  other.figures_ = report.router;
  Add(other);
}

void RouterMeter::Add(const RouterMeter& other) {
  if (other.tokens_ == 0) return;
  if (tokens_ == 0) {
    *this = other;
    return;
  }
  FULGUR_CHECK(counts_.size() == other.counts_.size() && figures_.size() == other.figures_.size());
  tokens_ += other.tokens_;
  aux_ += other.aux_;
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  for (size_t n = 0; n < figures_.size(); ++n) {
    figures_[n].entropy += other.figures_[n].entropy;
    figures_[n].dropped += other.figures_[n].dropped;
  }
}

Json RouterMeter::ToJson() const {
  if (tokens_ == 0 || figures_.empty()) return {};
  const size_t layers = figures_.size(), experts = counts_.size() / layers;
  const auto tokens = static_cast<double>(tokens_), n = static_cast<double>(layers);
  double imbalance = 0, entropy = 0, dropped = 0;
  Json load = Json::array(), entropies = Json::array(), drops = Json::array();
  for (size_t layer = 0; layer < layers; ++layer) {
    const auto first = counts_.begin() + static_cast<std::ptrdiff_t>(layer * experts);
    const auto end = first + static_cast<std::ptrdiff_t>(experts);
    const double mean = static_cast<double>(std::accumulate(first, end, int64_t{0})) / static_cast<double>(experts);
    Json of_layer = Json::array();
    for (auto it = first; it != end; ++it) of_layer.push_back(Rounded(static_cast<double>(*it) / mean));
    load.push_back(of_layer);
    imbalance += static_cast<double>(*std::max_element(first, end)) / mean;
    entropy += figures_[layer].entropy / tokens;
    dropped += figures_[layer].dropped / tokens;
    entropies.push_back(Rounded(figures_[layer].entropy / tokens));
    drops.push_back(Rounded(figures_[layer].dropped / tokens));
  }
  return {{"aux", aux_ / tokens},
          {"imbalance", imbalance / n},
          {"entropy", entropy / n},
          {"dropped", dropped / n},
          {"layers", {{"load", load}, {"entropy", entropies}, {"dropped", drops}}}};
}

}  // namespace fulgur
