#include "train/perplexity.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/pass.h"
#include "ops/cross_entropy.h"

namespace fulgur {
namespace {

constexpr int64_t kChunk = 256;  // tokens a pass, which bounds the logits

// Logits of all rows of a document, a chunk at a time.
class Reader {
 public:
  explicit Reader(Pass& pass) : pass_(pass), state_(pass.model().NewState()) {}
  const float* Next(std::span<const int32_t> tokens) {
    const Segment segment{&state_, tokens};
    return pass_.Forward({&segment, 1}, LogitRows::kAll).data();
  }

 private:
  Pass& pass_;
  SequenceState state_;
};

// KL(p || q) of the distributions that two rows of logits stand for.
double Divergence(const float* p, const float* q, int64_t n) {
  const auto log_sum = [&](const float* x) {
    const double max = *std::max_element(x, x + n);
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += std::exp(x[i] - max);
    return max + std::log(sum);
  };
  const double log_p = log_sum(p), log_q = log_sum(q);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double lp = p[i] - log_p;
    sum += std::exp(lp) * (lp - (q[i] - log_q));
  }
  return std::max(0.0, sum);
}

int64_t Top(const float* row, int64_t n) { return std::max_element(row, row + n) - row; }

}  // namespace

double PerplexityReport::perplexity() const { return std::exp(loss); }

Json PerplexityReport::ToJson() const {
  Json json = {{"tokens", tokens}, {"loss", loss}, {"perplexity", perplexity()}, {"accuracy", accuracy}};
  if (divergence) {
    json["reference"] = {{"loss", divergence->reference_loss},
                         {"perplexity", std::exp(divergence->reference_loss)},
                         {"accuracy", divergence->reference_accuracy}};
    json["kl"] = {{"mean", divergence->kl_mean}, {"p99", divergence->kl_p99}, {"max", divergence->kl_max}};
    json["same_top"] = divergence->same_top;
  }
  return json;
}

PerplexityReport MeasurePerplexity(Model& model, Model* reference, std::span<const Example> examples,
                                   const std::function<void(int64_t)>& progress) {
  const int64_t vocab = model.config().vocab_size;
  if (reference != nullptr && reference->config().vocab_size != vocab) {
    throw Error("the model has a vocabulary of {}, the reference of {}: they cannot be compared", vocab,
                reference->config().vocab_size);
  }
  PerplexityReport report;
  PerplexityReport::Divergence against;
  double loss = 0, reference_loss = 0, kl = 0;
  int64_t right = 0, reference_right = 0, same = 0, done = 0;
  std::vector<double> divergences;
  Pass pass(model);
  std::optional<Pass> reference_pass;
  if (reference != nullptr) reference_pass.emplace(*reference);
  for (const Example& example : examples) {
    Reader reader(pass);
    std::optional<Reader> other;
    if (reference_pass) other.emplace(*reference_pass);
    const std::span<const int32_t> tokens = example.tokens;
    const auto length = static_cast<int64_t>(tokens.size());
    for (int64_t first = 0; first + 1 < length; first += kChunk) {
      const auto part =
          tokens.subspan(static_cast<size_t>(first), static_cast<size_t>(std::min(kChunk, length - first)));
      const float* rows = reader.Next(part);
      const float* other_rows = other ? other->Next(part) : nullptr;
      for (int64_t i = 0; i < static_cast<int64_t>(part.size()); ++i) {
        const auto next = static_cast<size_t>(first + i + 1);
        if (next >= tokens.size() || example.counts[next] == 0) continue;
        const float* row = rows + i * vocab;
        ++report.tokens;
        loss -= LogProb(row, vocab, tokens[next]);
        const int64_t top = Top(row, vocab);
        right += top == tokens[next];
        if (other_rows == nullptr) continue;
        const float* other_row = other_rows + i * vocab;
        reference_loss -= LogProb(other_row, vocab, tokens[next]);
        const int64_t other_top = Top(other_row, vocab);
        reference_right += other_top == tokens[next];
        same += top == other_top;
        divergences.push_back(Divergence(other_row, row, vocab));
        kl += divergences.back();
      }
    }
    if (progress) progress(++done);
  }
  if (report.tokens == 0) throw Error("the texts have no token to predict");
  const auto n = static_cast<double>(report.tokens);
  report.loss = loss / n;
  report.accuracy = static_cast<double>(right) / n;
  if (reference != nullptr) {
    std::sort(divergences.begin(), divergences.end());
    against.reference_loss = reference_loss / n;
    against.reference_accuracy = static_cast<double>(reference_right) / n;
    against.kl_mean = kl / n;
    against.kl_p99 = divergences[static_cast<size_t>(0.99 * (n - 1))];
    against.kl_max = divergences.back();
    against.same_top = static_cast<double>(same) / n;
    report.divergence = against;
  }
  return report;
}

std::vector<Example> TextWindows(std::span<const int32_t> tokens, int64_t context) {
  FULGUR_CHECK(context >= 2);
  std::vector<Example> windows;
  for (size_t first = 0; first + 1 < tokens.size(); first += static_cast<size_t>(context)) {
    const auto part = tokens.subspan(first, std::min(static_cast<size_t>(context), tokens.size() - first));
    windows.push_back({{part.begin(), part.end()}, std::vector<uint8_t>(part.size(), 1)});
  }
  return windows;
}

}  // namespace fulgur
