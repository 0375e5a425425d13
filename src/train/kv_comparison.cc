#include "train/kv_comparison.h"

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "envs/task.h"
#include "ops/cross_entropy.h"

namespace fulgur {
namespace {

int64_t Argmax(const float* x, int64_t n) { return std::max_element(x, x + n) - x; }

}  // namespace

double KvQuality::perplexity() const { return std::exp(loss); }

Json KvQuality::ToJson() const {
  return {{"kv_cache", KvFormatName(format)}, {"bytes_per_token", token_bytes}, {"tokens", tokens},      {"loss", loss},
          {"perplexity", perplexity()},       {"kl_divergence", divergence},    {"agreement", agreement}};
}

std::vector<KvQuality> CompareKvFormats(Model& model, const std::vector<Example>& examples) {
  const ModelConfig& config = model.config();
  const int64_t V = config.vocab_size;
  const KvFormat before = model.kv_format();
  const auto softmax = std::count(config.attn_type_list.begin(), config.attn_type_list.end(), AttentionKind::kSoftmax);
  std::vector<KvQuality> all;
  for (const KvFormat format : kAllKvFormats) {
    const KvLayout layout(format, config.num_key_value_heads, config.head_dim);
    all.push_back({.format = format, .token_bytes = static_cast<double>(softmax * layout.token_bytes())});
  }
  std::vector<float> exact;
  for (const Example& example : examples) {
    for (KvQuality& q : all) {
      model.set_kv_format(q.format);
      SequenceState state = model.NewState();
      const Segment segment{&state, example.tokens};
      const std::span<const float> logits = model.Forward({&segment, 1}, LogitRows::kAll);
      if (q.format == KvFormat::kF32) exact.assign(logits.begin(), logits.end());
      for (size_t t = 0; t + 1 < example.tokens.size(); ++t) {
        if (example.counts[t + 1] == 0) continue;
        const float* row = logits.data() + static_cast<int64_t>(t) * V;
        const float* want = exact.data() + static_cast<int64_t>(t) * V;
        const double sum = LogSumExp(row, V), want_sum = LogSumExp(want, V);
        double divergence = 0;
        for (int64_t i = 0; i < V; ++i) {
          const double p = static_cast<double>(want[i]) - want_sum;
          divergence += std::exp(p) * (p - (static_cast<double>(row[i]) - sum));
        }
        q.loss -= LogProb(row, V, example.tokens[t + 1]);
        q.divergence += divergence;
        q.agreement += Argmax(row, V) == Argmax(want, V) ? 1 : 0;
        ++q.tokens;
      }
    }
  }
  model.set_kv_format(before);
  for (KvQuality& q : all) {
    const double n = static_cast<double>(std::max<int64_t>(1, q.tokens));
    q.loss /= n;
    q.divergence /= n;
    q.agreement /= n;
  }
  return all;
}

std::vector<Example> SolutionExamples(const ConversationEncoder& encoder, int64_t count, uint64_t seed) {
  std::vector<Example> examples;
  for (const Task* task : AllTasks()) {
    const int first = task->min_difficulty(), last = std::max(first, task->nano_difficulty());
    for (int64_t i = 0; i < count; ++i) {
      const TaskInstance instance =
          GenerateTest(*task, Mix(seed, static_cast<uint64_t>(i)), first + static_cast<int>(i % (last - first + 1)));
      const Solution solution = task->Solve(instance);
      const Json messages =
          Json::array({{{"role", "user"}, {"content", instance.prompt}},
                       {{"role", "assistant"}, {"content", AssistantText(solution.thinking, solution.answer)}}});
      examples.push_back(encoder.Encode(messages, nullptr));
    }
  }
  return examples;
}

}  // namespace fulgur
