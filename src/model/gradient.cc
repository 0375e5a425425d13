#include "model/gradient.h"

#include <algorithm>

#include "model/model_impl.h"
#include "ops/cross_entropy.h"
#include "ops/gemm.h"
#include "ops/matmul.h"
#include "ops/rms_norm.h"

namespace fulgur {

void TokenBatch::AddDocument(std::span<const int32_t> document, std::span<const uint8_t> counts) {
  FULGUR_CHECK(counts.empty() || counts.size() == document.size());
  if (starts.empty()) starts.push_back(0);
  tokens.insert(tokens.end(), document.begin(), document.end());
  for (size_t t = 0; t < document.size(); ++t) {
    const bool counted = t + 1 < document.size() && (counts.empty() || counts[t + 1] != 0);
    targets.push_back(counted ? document[t + 1] : kIgnore);
  }
  starts.push_back(static_cast<int64_t>(tokens.size()));
}

int64_t TokenBatch::targets_counted() const {
  return static_cast<int64_t>(targets.size()) - std::count(targets.begin(), targets.end(), kIgnore);
}

std::vector<DocumentRows> TokenBatch::documents() const {
  std::vector<DocumentRows> documents = DocumentsAt(starts);
  FULGUR_CHECK(prefixes.empty() || prefixes.size() == documents.size());
  for (size_t d = 0; d < prefixes.size(); ++d) {
    documents[d].prefix = prefixes[d];
    FULGUR_CHECK(prefixes[d] < static_cast<int64_t>(d) &&
                 (prefixes[d] < 0 || prefixes[static_cast<size_t>(prefixes[d])] < 0));
  }
  return documents;
}

RowLoss CrossEntropy(const TokenBatch& batch, int64_t count) {
  if (count <= 0) count = std::max<int64_t>(1, batch.targets_counted());
  const std::vector<int32_t> targets = batch.targets;
  return [targets, count](std::span<const float> logprobs, std::span<float> grad) {
    double sum = 0;
    for (size_t t = 0; t < targets.size(); ++t) {
      grad[t] = targets[t] == kIgnore ? 0.0f : static_cast<float>(-1.0 / static_cast<double>(count));
      if (targets[t] != kIgnore) sum -= logprobs[t];
    }
    return sum / static_cast<double>(count);
  };
}

namespace {

constexpr int64_t kHeadLogits = int64_t{1} << 24;  // logits held at a time (64 MB): bounds the LM head's memory

// The forward pass over whole documents, and the log-probabilities of their targets.
class DocumentPass {
 public:
  enum class Keep { kNothing, kInputs, kActivations };

  DocumentPass(Model& model, const TokenBatch& batch, Keep keep)
      : model_(model),
        params_(model.params()),
        m_(model.impl()),
        config_(model.config()),
        batch_(batch),
        documents_(batch.documents()),
        keep_(keep),
        T_(static_cast<int64_t>(batch.tokens.size())),
        aux_(config_.num_local_experts) {
    FULGUR_CHECK(batch.targets.size() == batch.tokens.size() && !batch.starts.empty() && batch.starts.front() == 0 &&
                 batch.starts.back() == T_);
    CheckTokens(config_, batch.tokens);
    for (const int32_t target : batch.targets) {
      if (target != kIgnore) CheckTokens(config_, {&target, 1});
    }
  }

  void Forward(bool entropies) {
    const int64_t C = config_.hidden_size, L = config_.num_hidden_layers;
    m_.positions.clear();
    for (const DocumentRows& d : documents_) {
      for (int64_t i = 0; i < d.rows; ++i) m_.positions.push_back(PrefixRows(d) + i);
    }
    m_.rotary_table.resize(static_cast<size_t>(T_ * config_.rotary_dim));
    m_.rotary.Table(m_.positions.data(), T_, m_.rotary_table.data(), model_.pool());
    const size_t kept = keep_ == Keep::kActivations ? static_cast<size_t>(L) : 1;
    if (m_.tape.size() < kept) m_.tape.resize(kept);
    if (keep_ == Keep::kInputs) m_.inputs.resize(static_cast<size_t>(L));
    m_.next.resize(std::max(m_.next.size(), static_cast<size_t>(T_ * C)));
    Embed(params_, batch_.tokens, m_.next.data());
    expert_counts_.assign(static_cast<size_t>(L * config_.num_local_experts), 0);
    for (int64_t n = 0; n < L; ++n) {
      LayerActivations& a = Activations(n);
      a.x.resize(std::max(a.x.size(), m_.next.size()));
      a.x.swap(m_.next);
      m_.next.resize(a.x.size());
      RunLayer(n);
      if (keep_ == Keep::kInputs) m_.inputs[static_cast<size_t>(n)].assign(a.x.begin(), a.x.begin() + T_ * C);
      aux_.Add(a.router_logits.data(), a.experts.data(), T_, config_.num_experts_per_tok);
      for (int64_t i = 0; i < T_ * config_.num_experts_per_tok; ++i) {
        ++expert_counts_[static_cast<size_t>(n * config_.num_local_experts + a.experts[static_cast<size_t>(i)])];
      }
    }
    const size_t rows = static_cast<size_t>(T_);
    m_.final_norm.resize(std::max(m_.final_norm.size(), rows * static_cast<size_t>(C)));
    m_.inv_rms.resize(std::max(m_.inv_rms.size(), rows));
    RmsNorm(m_.next.data(), T_, C, params_.final_norm.f32(), static_cast<float>(config_.rms_norm_eps),
            m_.final_norm.data(), m_.inv_rms.data(), model_.pool());
    m_.logprobs.assign(rows, 0.0f);
    if (entropies) entropies_.assign(rows, 0.0f);
    ForHeadRows([&](int64_t row, int64_t count, const float* logits) {
      LogProbs(logits, count, config_.vocab_size, batch_.targets.data() + row, m_.logprobs.data() + row,
               entropies ? entropies_.data() + row : nullptr, model_.pool());
    });
    for (size_t t = 0; t < entropies_.size(); ++t) {
      if (batch_.targets[t] == kIgnore) entropies_[t] = 0;
    }
  }

  // After Forward: gradients from d loss / d logprobs.
  void Backward(std::span<const float> dlogprobs, double aux_coef, Params& grads) {
    const int64_t C = config_.hidden_size, V = config_.vocab_size, L = config_.num_hidden_layers;
    ThreadPool& pool = model_.pool();
    m_.dnorm.resize(std::max(m_.dnorm.size(), static_cast<size_t>(T_ * C)));
    m_.dx.resize(m_.dnorm.size());
    m_.dout.resize(m_.dnorm.size());
    ForHeadRows([&](int64_t row, int64_t count, const float* logits) {
      m_.dlogits.resize(std::max(m_.dlogits.size(), static_cast<size_t>(count * V)));
      LogProbsBackward(logits, count, V, batch_.targets.data() + row, dlogprobs.data() + row, m_.dlogits.data(), pool);
      MatMulGradWeight(m_.dlogits.data(), V, m_.final_norm.data() + row * C, C, count, grads.lm_head.weight, pool);
      MatMulGradInput(m_.dlogits.data(), V, count, params_.lm_head.weight, m_.dnorm.data() + row * C, C, pool);
    });
    RmsNormGradWeight(m_.dnorm.data(), m_.next.data(), m_.inv_rms.data(), T_, C, grads.final_norm.f32(), pool);
    RmsNormGradInput(m_.dnorm.data(), m_.next.data(), m_.inv_rms.data(), T_, C, params_.final_norm.f32(),
                     m_.dout.data(), pool);
    for (int64_t n = L - 1; n >= 0; --n) {
      LayerActivations& a = Activations(n);
      if (keep_ == Keep::kInputs && n != L - 1) {  // the last layer's activations are still there
        std::copy_n(m_.inputs[static_cast<size_t>(n)].data(), T_ * C, a.x.data());
        RunLayer(n);
      }
      LayerBackward(Context(), n, params_.layers[static_cast<size_t>(n)], m_.decay[static_cast<size_t>(n)], documents_,
                    a, m_.dout.data(), aux_, aux_coef, grads.layers[static_cast<size_t>(n)], m_.dx.data(), m_.backward);
      m_.dout.swap(m_.dx);
    }
    float* dembedding = grads.embedding.f32();
    for (int64_t t = 0; t < T_; ++t) {
      float* row = dembedding + batch_.tokens[static_cast<size_t>(t)] * C;
      for (int64_t i = 0; i < C; ++i) row[i] += m_.dout[static_cast<size_t>(t * C + i)];
    }
  }

  std::span<const float> logprobs() const { return m_.logprobs; }
  double aux() const { return aux_.Value(); }
  std::vector<float> TakeEntropies() { return std::move(entropies_); }
  std::vector<int64_t> TakeExpertCounts() { return std::move(expert_counts_); }

 private:
  LayerActivations& Activations(int64_t n) { return m_.tape[keep_ == Keep::kActivations ? static_cast<size_t>(n) : 0]; }
  PassContext Context() const { return {config_, model_.pool(), m_.rotary, m_.rotary_table.data(), T_}; }

  int64_t PrefixRows(const DocumentRows& d) const {
    return d.prefix < 0 ? 0 : documents_[static_cast<size_t>(d.prefix)].rows;
  }

  // Layer n on its activations' x; the output goes to m_.next. Each document has an empty memory of this layer.
  void RunLayer(int64_t n) {
    const bool lightning = config_.IsLightning(n);
    std::vector<SequenceState::Layer>& memory = lightning ? m_.lightning_memory : m_.softmax_memory;
    m_.segments.clear();
    while (memory.size() < documents_.size()) memory.emplace_back(config_, n);
    for (size_t i = 0; i < documents_.size(); ++i) {
      const DocumentRows& d = documents_[i];
      const int64_t before = PrefixRows(d);
      if (!lightning) {
        memory[i].ReserveBlocks(*m_.document_blocks, before + d.rows);
      } else if (before == 0) {
        std::fill(memory[i].lightning.state.begin(), memory[i].lightning.state.end(), 0.0f);
      }
      m_.segments.push_back({&memory[i], d.rows, before, std::max<int64_t>(before - 1, 0) / kBlock * kBlock, d.prefix});
    }
    LayerForward(Context(), n, params_.layers[static_cast<size_t>(n)], m_.decay[static_cast<size_t>(n)], m_.segments,
                 Activations(n), m_.next.data(), nullptr);
  }

  // f(first row, rows, logits [rows, V]) over all rows, a bounded number of logits at a time.
  template <typename F>
  void ForHeadRows(const F& f) {
    const int64_t C = config_.hidden_size, V = config_.vocab_size;
    const int64_t step = std::clamp<int64_t>(kHeadLogits / V, 1, T_);
    for (int64_t row = 0; row < T_; row += step) {
      const int64_t count = std::min(step, T_ - row);
      m_.logits.resize(std::max(m_.logits.size(), static_cast<size_t>(count * V)));
      MatMul(m_.final_norm.data() + row * C, C, count, params_.lm_head.packed, m_.logits.data(), V, model_.pool());
      f(row, count, m_.logits.data());
    }
  }

  Model& model_;
  const Params& params_;
  Model::Impl& m_;
  const ModelConfig& config_;
  const TokenBatch& batch_;
  const std::vector<DocumentRows> documents_;
  const Keep keep_;
  const int64_t T_;
  AuxLoss aux_;
  std::vector<int64_t> expert_counts_;
  std::vector<float> entropies_;
};

LossReport Run(Model& model, const TokenBatch& batch, const RowLoss& row_loss, DocumentPass::Keep keep, double aux_coef,
               bool entropies, Params* grads) {
  LossReport report;
  if (batch.tokens.empty()) return report;
  DocumentPass pass(model, batch, keep);
  pass.Forward(entropies);
  report.logprobs.assign(pass.logprobs().begin(), pass.logprobs().end());
  std::vector<float> dlogprobs(report.logprobs.size(), 0.0f);
  report.row_loss = row_loss(report.logprobs, dlogprobs);
  report.aux = pass.aux();
  report.loss = report.row_loss + aux_coef * report.aux;
  report.expert_counts = pass.TakeExpertCounts();
  report.entropies = pass.TakeEntropies();
  if (grads != nullptr) pass.Backward(dlogprobs, aux_coef, *grads);
  return report;
}

}  // namespace

LossReport AddGradient(Model& model, const TokenBatch& batch, const RowLoss& row_loss, const GradientOptions& options,
                       Params& grads) {
  FULGUR_CHECK(!model.params().lm_head.weight.empty(), "the model was built without keep_weights");
  return Run(model, batch, row_loss, options.recompute ? DocumentPass::Keep::kInputs : DocumentPass::Keep::kActivations,
             options.aux_coef, options.entropies, &grads);
}

LossReport EvaluateLoss(Model& model, const TokenBatch& batch, const RowLoss& row_loss, double aux_coef) {
  return Run(model, batch, row_loss, DocumentPass::Keep::kNothing, aux_coef, false, nullptr);
}

}  // namespace fulgur
