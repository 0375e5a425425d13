#include "model/pass.h"

#include <algorithm>

#include "ops/cross_entropy.h"
#include "ops/gemm.h"
#include "ops/matmul.h"
#include "ops/rms_norm.h"

namespace fulgur {
namespace {

constexpr int64_t kHeadLogits = int64_t{1} << 24;  // logits held at a time in training (64 MB)

void CheckTokens(const ModelConfig& config, std::span<const int32_t> tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= config.vocab_size) {
      throw Error("token {} at position {} is outside the vocabulary of {}", tokens[i], i, config.vocab_size);
    }
  }
}

}  // namespace

Pass::Pass(const Model& model) : model_(model), config_(model.config()), exec_(model.exec()) {}

PassContext Pass::Context() {
  return {config_, exec_, model_.rotary(), rotary_table_, static_cast<int64_t>(tokens_.size())};
}

LayerWeights Pass::Layer(int64_t n) const {
  return {n, model_.params().layers[static_cast<size_t>(n)], model_.decay(n)};
}

// ---- The walk

void Pass::Start() {
  tokens_.clear();
  positions_.clear();
}

void Pass::AddTokens(std::span<const int32_t> tokens, int64_t position) {
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  for (size_t i = 0; i < tokens.size(); ++i) positions_.push_back(position + static_cast<int64_t>(i));
}

// segments_of(n) sets segments_ to those of layer n.
template <typename SegmentsOf>
void Pass::RunLayers(const SegmentsOf& segments_of, Tape* tape, const Observer* observer) {
  const int64_t T = static_cast<int64_t>(tokens_.size()), C = config_.hidden_size;
  stream_.Resize(T, C);
  const MatrixView embedded = stream_;
  for (int64_t t = 0; t < T; ++t) {
    RowToF32(model_.params().embedding, tokens_[static_cast<size_t>(t)], embedded.row(t));
  }
  rotary_table_.Resize(T, config_.rotary_dim);
  model_.rotary().Table(positions_, rotary_table_, exec_);
  const PassContext context = Context();
  if (observer != nullptr) (*observer)("hidden.0", stream_);
  for (int64_t n = 0; n < config_.num_hidden_layers; ++n) {
    LayerActivations& a = tape == nullptr ? layer_ : Activations(n);
    std::swap(a.x, stream_);
    stream_.Resize(T, C);
    segments_of(n);
    LayerForward(context, Layer(n), segments_, a, stream_, observer);
    if (observer != nullptr) (*observer)(fmt::format("hidden.{}", n + 1), stream_);
    if (tape == nullptr) continue;
    const MatrixViewOf<const int32_t> experts = std::as_const(a.moe.experts);
    tape->router[static_cast<size_t>(n)] = tape->aux.Add(a.moe.router_logits, experts);
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t i = 0; i < experts.cols; ++i) {
        ++tape->expert_counts[static_cast<size_t>(n * config_.num_local_experts + experts(t, i))];
      }
    }
    if (tape->keep != Tape::Keep::kInputs) continue;
    MatrixBuffer<>& input = tape->inputs[static_cast<size_t>(n)];
    input.Resize(T, C);
    std::copy_n(a.x.view().data, T * C, input.view().data);
  }
}

void Pass::FinalNorm(ConstMatrixView x) {
  final_norm_.Resize(x.rows, x.cols);
  inv_rms_.Resize(x.rows, 1);
  RmsNorm(x, model_.params().final_norm.values<float>(), static_cast<float>(config_.rms_norm_eps), final_norm_,
          inv_rms_, exec_);
}

// Of these rows of the final norm.
MatrixView Pass::Logits(RowRange rows) {
  logits_.Resize(rows.count, config_.vocab_size);
  MatMul(final_norm_.Rows(rows), model_.params().lm_head.packed, logits_, exec_);
  return logits_;
}

// ---- Inference

std::span<const float> Pass::Forward(std::span<const Segment> segments, LogitRows rows, const Observer* observer) {
  for (const Segment& s : segments) CheckTokens(config_, s.tokens);
  Start();
  for (const Segment& s : segments) {
    s.state->Reserve(config_, static_cast<int64_t>(s.tokens.size()));
    AddTokens(s.tokens, s.state->length());
  }
  if (tokens_.empty()) return {};
  const auto segments_of = [&](int64_t n) {
    segments_.clear();
    for (const Segment& s : segments) {
      if (s.tokens.empty()) continue;
      segments_.push_back(
          {&s.state->layer(n), static_cast<int64_t>(s.tokens.size()), s.state->length(), s.state->chunk_start()});
    }
  };
  RunLayers(segments_of, nullptr, observer);
  for (const Segment& s : segments) s.state->Advance(static_cast<int64_t>(s.tokens.size()));
  if (rows == LogitRows::kNone && observer == nullptr) return {};

  FinalNorm(rows == LogitRows::kLast ? LastRows(segments) : stream_.view());
  if (observer != nullptr) (*observer)("final_norm", final_norm_);
  if (rows == LogitRows::kNone) return {};
  const MatrixView logits = Logits({0, final_norm_.rows()});
  return {logits.data, static_cast<size_t>(logits.rows * logits.cols)};
}

MatrixView Pass::LastRows(std::span<const Segment> segments) {
  int64_t count = 0;
  for (const Segment& s : segments) count += s.tokens.empty() ? 0 : s.last;
  last_rows_.Resize(count, config_.hidden_size);
  const MatrixView from = stream_, to = last_rows_;
  int64_t row = 0, at = 0;
  for (const Segment& s : segments) {
    if (s.tokens.empty()) continue;
    FULGUR_CHECK(s.last >= 1 && s.last <= static_cast<int64_t>(s.tokens.size()));
    row += static_cast<int64_t>(s.tokens.size());
    std::copy_n(from.row(row - s.last), s.last * from.cols, to.row(at));
    at += s.last;
  }
  return to;
}

// ---- Batches of documents

LayerActivations& Pass::Activations(int64_t n) {
  return tape_.keep == Tape::Keep::kActivations ? tape_.layers[static_cast<size_t>(n)] : layer_;
}

// Each document has an empty memory of this layer.
void Pass::SetDocumentSegments(int64_t layer) {
  const bool lightning = config_.IsLightning(layer);
  std::vector<SequenceState::Layer>& memory = lightning ? lightning_memory_ : softmax_memory_;
  if (document_blocks_ == nullptr) {
    const KvLayout layout(KvFormat::kF32, config_.num_key_value_heads, config_.head_dim);
    document_blocks_ = std::make_unique<BlockArena>(static_cast<size_t>(layout.block_bytes()));
  }
  segments_.clear();
  while (memory.size() < tape_.documents.size()) memory.emplace_back(config_, layer);
  for (size_t i = 0; i < tape_.documents.size(); ++i) {
    const DocumentRows& d = tape_.documents[i];
    const int64_t before = PrefixRows(tape_.documents, d);
    if (!lightning) {
      memory[i].ReserveBlocks(*document_blocks_, before + d.rows);
    } else if (before == 0) {
      std::fill(memory[i].lightning.state.begin(), memory[i].lightning.state.end(), 0.0f);
    }
    segments_.push_back({&memory[i], d.rows, before, std::max<int64_t>(before - 1, 0) / kBlock * kBlock, d.prefix});
  }
}

// f(rows, logits [rows, V]) over all rows, a bounded number of logits at a time: those of the distributions that the
// batch's targets come from.
template <typename F>
void Pass::ForHeadRows(const TokenBatch& batch, const F& f) {
  const int64_t T = final_norm_.rows(), step = std::clamp<int64_t>(kHeadLogits / config_.vocab_size, 1, T);
  for (int64_t row = 0; row < T; row += step) {
    const RowRange rows{row, std::min(step, T - row)};
    const MatrixView logits = Logits(rows);
    if (batch.temperature != 1 || !batch.kept.empty()) {
      exec_.pool().ParallelFor(rows.count, [&](int64_t i, int) {
        const std::span<const int32_t> kept =
            batch.kept.empty() ? std::span<const int32_t>() : batch.kept[static_cast<size_t>(row + i)];
        TemperLogits(logits.row(i), logits.cols, 1 / batch.temperature, kept);
      });
    }
    f(rows, logits);
  }
}

BatchValues Pass::Forward(const TokenBatch& batch, Tape::Keep keep, bool entropies) {
  FULGUR_CHECK(batch.kept.empty() || batch.kept.size() == batch.tokens.size());
  FULGUR_CHECK(batch.targets.size() == batch.tokens.size() && !batch.starts.empty() && batch.starts.front() == 0 &&
               batch.starts.back() == static_cast<int64_t>(batch.tokens.size()));
  CheckTokens(config_, batch.tokens);
  for (const int32_t target : batch.targets) {
    if (target != kIgnore) CheckTokens(config_, {&target, 1});
  }
  const size_t L = static_cast<size_t>(config_.num_hidden_layers), E = static_cast<size_t>(config_.num_local_experts);
  tape_.keep = keep;
  tape_.documents = batch.documents();
  tape_.aux = AuxLoss(config_.num_local_experts);
  tape_.expert_counts.assign(L * E, 0);
  tape_.router.assign(L, {});
  if (keep == Tape::Keep::kActivations) tape_.layers.resize(L);
  if (keep == Tape::Keep::kInputs) tape_.inputs.resize(L);

  Start();
  const std::span<const int32_t> tokens = batch.tokens;
  for (const DocumentRows& d : tape_.documents) {
    AddTokens(tokens.subspan(static_cast<size_t>(d.first), static_cast<size_t>(d.rows)),
              PrefixRows(tape_.documents, d));
  }
  RunLayers([&](int64_t n) { SetDocumentSegments(n); }, &tape_, nullptr);
  FinalNorm(stream_);
  BatchValues values;
  values.logprobs.assign(tokens.size(), 0.0f);
  if (entropies) values.entropies.assign(tokens.size(), 0.0f);
  ForHeadRows(batch, [&](RowRange rows, ConstMatrixView logits) {
    const auto part = [&]<typename T>(std::vector<T>& of) {
      return of.empty() ? std::span<T>() : std::span(of).subspan(rows.first, rows.count);
    };
    LogProbs(logits, std::span(batch.targets).subspan(rows.first, rows.count), part(values.logprobs),
             part(values.entropies), exec_);
  });
  for (size_t t = 0; t < values.entropies.size(); ++t) {
    if (batch.targets[t] == kIgnore) values.entropies[t] = 0;
  }
  values.aux = tape_.aux.Value();
  values.expert_counts = tape_.expert_counts;
  values.router = tape_.router;
  return values;
}

void Pass::Backward(const TokenBatch& batch, std::span<const float> dlogprobs, double aux_coef, Params& grads) {
  const int64_t T = static_cast<int64_t>(tokens_.size()), C = config_.hidden_size, L = config_.num_hidden_layers;
  FULGUR_CHECK(tape_.keep != Tape::Keep::kNothing && batch.tokens == tokens_ && dlogprobs.size() == tokens_.size());
  const Params& params = model_.params();
  for (MatrixBuffer<>* m : {&dnorm_, &dx_, &dout_}) m->Resize(T, C);
  ForHeadRows(batch, [&](RowRange rows, ConstMatrixView logits) {
    // logprobs = log softmax(logits / temperature, of those that were kept)[targets]
    dlogits_.Resize(logits.rows, logits.cols);
    LogProbsBackward(logits, std::span(batch.targets).subspan(rows.first, rows.count),
                     dlogprobs.subspan(rows.first, rows.count), dlogits_, exec_);
    if (batch.temperature != 1) {
      const MatrixView dlogits = dlogits_;
      exec_.pool().ParallelFor(
          rows.count, [&](int64_t i, int) { TemperLogits(dlogits.row(i), dlogits.cols, 1 / batch.temperature, {}); });
    }
    // logits = W_head final_norm
    MatMulGradWeight(dlogits_, final_norm_.Rows(rows), grads.lm_head.weight, exec_);
    MatMulGradInput(dlogits_, params.lm_head.weight, dnorm_.Rows(rows), exec_);
  });
  // final_norm = norm(stream)
  RmsNormGradWeight(dnorm_, stream_, inv_rms_, grads.final_norm.values<float>(), exec_);
  RmsNormGradInput(dnorm_, stream_, inv_rms_, params.final_norm.values<float>(), dout_, exec_);
  // stream = layer(stream), the last one first
  const PassContext context = Context();
  for (int64_t n = L - 1; n >= 0; --n) {
    LayerActivations& a = Activations(n);
    if (tape_.keep == Tape::Keep::kInputs && n != L - 1) {  // the last layer's activations are still there
      std::copy_n(tape_.inputs[static_cast<size_t>(n)].view().data, T * C, a.x.view().data);
      SetDocumentSegments(n);
      LayerForward(context, Layer(n), segments_, a, stream_, nullptr);
    }
    LayerBackward(context, Layer(n), tape_.documents, a, dout_, tape_.aux, aux_coef,
                  grads.layers[static_cast<size_t>(n)], dx_, gradients_);
    std::swap(dout_, dx_);
  }
  // stream = embedding of the tokens
  const MatrixView dembedding(grads.embedding.f32(), config_.vocab_size, C), dstream = dout_;
  for (int64_t t = 0; t < T; ++t) {
    float* const row = dembedding.row(tokens_[static_cast<size_t>(t)]);
    for (int64_t i = 0; i < C; ++i) row[i] += dstream(t, i);
  }
}

}  // namespace fulgur
