#include "engine/ngram_draft.h"

#include <algorithm>

#include "base/error.h"
#include "model/sequence_state.h"

namespace fulgur {

size_t NgramDraft::Class(int64_t match) {
  return match <= 3 ? 0 : match <= 5 ? 1 : match <= 8 ? 2 : match <= 16 ? 3 : 4;
}

size_t NgramDraft::Slot(int64_t end) const {
  uint64_t hash = 0;
  for (int64_t i = end - kShortest; i < end; ++i) {
    hash = (hash ^ static_cast<uint32_t>(tokens_[static_cast<size_t>(i)])) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 29;
  }
  return hash & (heads_.size() - 1);
}

void NgramDraft::Insert(int64_t end) {
  const size_t slot = Slot(end);
  previous_[static_cast<size_t>(end)] = heads_[slot];
  heads_[slot] = static_cast<int32_t>(end);
}

void NgramDraft::Append(int32_t id) {
  const bool right = match_ > 0 && tokens_[static_cast<size_t>(next_)] == id;
  if (match_ > 0) {
    Tries& tries = tries_[Class(match_)];
    tries.right = tries.right * 31 / 32 + right;
    tries.all = tries.all * 31 / 32 + 1;
  }
  tokens_.push_back(id);
  previous_.push_back(0);
  if (previous_.size() == 1) previous_.push_back(0);  // one for each end, 0 to size()
  if (right) {
    // The longest match goes on being the longest: a longer one would have been longer before.
    ++match_;
    ++next_;
  } else {
    Search();
  }
  // The n-gram that ends here becomes findable now that the search is over.
  if (tokens_.size() > heads_.size()) {
    heads_.assign(std::max<size_t>(64, 2 * heads_.size()), 0);
    for (int64_t end = kShortest; end <= size(); ++end) Insert(end);
  } else if (size() >= kShortest) {
    Insert(size());
  }
}

void NgramDraft::Search() {
  match_ = 0;
  if (size() < kShortest || heads_.empty()) return;
  const auto token = [this](int64_t i) { return tokens_[static_cast<size_t>(i)]; };
  int64_t end = heads_[Slot(size())];
  for (int64_t tried = 0; end > 0 && tried < kMostTried && match_ < kLongest; ++tried) {
    const int64_t most = std::min(end, kLongest);
    int64_t length = 0;
    while (length < most && token(end - 1 - length) == token(size() - 1 - length)) ++length;
    if (length >= kShortest && length > match_) {
      match_ = length;
      next_ = end;
    }
    end = previous_[static_cast<size_t>(end)];
  }
}

int32_t NgramDraft::Token(int64_t j) const {
  FULGUR_CHECK(match_ > 0);
  return tokens_[static_cast<size_t>(next_ + j % (size() - next_))];
}

double NgramDraft::Probability(int64_t j) const {
  const Tries& tries = tries_[Class(match_ + j)];
  return tries.right / tries.all;
}

int64_t DraftRoom(int64_t length) { return kBlock - length % kBlock; }

void DraftPlan::Measure(int64_t rows, double seconds) {
  ++pass_;
  if (rows < 1 || rows > kMostRows) return;
  Measured& m = measured_[static_cast<size_t>(rows)];
  m.seconds = Known(rows) ? m.seconds + (seconds - m.seconds) / 4 : seconds;
  m.pass = pass_;
}

double DraftPlan::Seconds(int64_t rows) const {
  int64_t below = rows, above = rows;
  while (below >= 1 && !Known(below)) --below;
  while (above <= kMostRows && !Known(above)) ++above;
  const auto seconds = [this](int64_t r) { return measured_[static_cast<size_t>(r)].seconds; };
  if (below == rows) return seconds(rows);
  const double r = static_cast<double>(rows);
  if (below >= 1 && above <= kMostRows) {
    const double part = (r - static_cast<double>(below)) / static_cast<double>(above - below);
    return seconds(below) + part * (seconds(above) - seconds(below));
  }
  if (below >= 1) return seconds(below) * (1 + kRowCost * (r / static_cast<double>(below) - 1));
  if (above <= kMostRows) return seconds(above) / (1 + kRowCost * (static_cast<double>(above) / r - 1));
  return 1 + kRowCost * (r - 1);
}

std::vector<int64_t> DraftPlan::Choose(std::span<const Sequence> sequences, int64_t rows) const {
  std::vector<int64_t> drafted(sequences.size(), 0);
  if (rows >= kMostRows) return drafted;
  struct Row {
    double probability;  // that it is right and all before it are
    size_t sequence;
  };
  std::vector<Row> candidates;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const NgramDraft& draft = *sequences[i].draft;
    if (draft.match() == 0) continue;
    double probability = 1;
    for (int64_t j = 0; j < sequences[i].most; ++j) {
      probability *= draft.Probability(j);
      if (probability < 0.05) break;
      candidates.push_back({probability, i});
    }
  }
  if (candidates.empty()) return drafted;
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Row& a, const Row& b) { return a.probability > b.probability; });
  candidates.resize(std::min(candidates.size(), static_cast<size_t>(kMostRows - rows)));
  // Each sequence gets one token a pass without drafts. The most probable rows come first, so the best choice is some
  // first part of them.
  double tokens = static_cast<double>(sequences.size());
  double best = kClearly * tokens / Seconds(rows);
  size_t taken = 0;
  for (size_t n = 0; n < candidates.size(); ++n) {
    tokens += candidates[n].probability;
    const double rate = tokens / Seconds(rows + static_cast<int64_t>(n) + 1);
    if (rate > best) {
      best = rate;
      taken = n + 1;
    }
  }
  for (size_t n = 0; n < taken; ++n) ++drafted[candidates[n].sequence];
  return drafted;
}

}  // namespace fulgur
