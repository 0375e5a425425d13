#include "model/trace.h"

#include <algorithm>
#include <map>

#include "model/gradient.h"

namespace fulgur {
namespace {

// [B, S] of int64 as rows of token ids.
std::vector<std::vector<int32_t>> TokenRows(const Tensor& ids, const char* name) {
  if (ids.dtype() != DType::kI64 || ids.shape().size() != 2 || ids.dim(0) == 0 || ids.dim(1) == 0) {
    throw Error("{} must be I64 [batch, length] and not empty, found {} {}", name, DTypeName(ids.dtype()),
                ShapeString(ids.shape()));
  }
  std::vector<std::vector<int32_t>> rows(static_cast<size_t>(ids.dim(0)));
  for (int64_t b = 0; b < ids.dim(0); ++b) {
    for (int64_t t = 0; t < ids.dim(1); ++t) {
      const int64_t id = ids.values<int64_t>()[static_cast<size_t>(b * ids.dim(1) + t)];
      if (id < INT32_MIN || id > INT32_MAX) throw Error("{}[{}, {}] is {}: not a token id", name, b, t, id);
      rows[static_cast<size_t>(b)].push_back(static_cast<int32_t>(id));
    }
  }
  return rows;
}

int32_t Argmax(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

}  // namespace

NamedTensors TraceForward(Model& model, const Tensor& input_ids, const TraceOptions& options) {
  const ModelConfig& config = model.config();
  const std::vector<std::vector<int32_t>> prompts = TokenRows(input_ids, "input_ids");
  const int64_t B = input_ids.dim(0), S = input_ids.dim(1), V = config.vocab_size;
  const int64_t H = config.num_attention_heads, K = config.num_key_value_heads, D = config.head_dim;
  const int64_t chunk = options.chunk <= 0 ? S : std::min(options.chunk, S);
  std::map<std::string, Tensor> recorded;
  int64_t at = 0, count = 0;  // the pass at hand has positions [at, at + count) of every prompt

  const auto record = [&](const std::string& name, ConstMatrixView values) {
    FULGUR_CHECK(values.rows == B * count && values.contiguous());
    Tensor& t = recorded[name];
    if (t.empty()) t = Tensor(DType::kF32, {B, S, values.cols});
    const MatrixView to(t.f32(), B * S, values.cols);
    for (int64_t b = 0; b < B; ++b) std::copy_n(values.row(b * count), count * values.cols, to.row(b * S + at));
  };
  const Observer observer = record;
  Pass pass(model);
  std::vector<SequenceState> states(static_cast<size_t>(B), model.NewState());
  std::vector<Segment> segments(static_cast<size_t>(B));
  for (at = 0; at < S; at += count) {
    count = std::min(chunk, S - at);
    for (size_t b = 0; b < segments.size(); ++b) {
      segments[b] = {&states[b], std::span(prompts[b]).subspan(static_cast<size_t>(at), static_cast<size_t>(count))};
    }
    record("logits", {pass.Forward(segments, LogitRows::kAll, &observer).data(), B * count, V});
  }

  NamedTensors out;
  out.emplace_back("input_ids", input_ids);
  for (auto& [name, t] : recorded) {
    if (name.starts_with("router_logits.") || name.starts_with("routing_weights.")) {
      Tensor flat(DType::kF32, {B * S, t.dim(2)});
      std::copy_n(t.f32(), t.size(), flat.f32());
      out.emplace_back(name, flat);
    } else if (name.starts_with("selected_experts.")) {
      Tensor ids(DType::kI64, {B * S, t.dim(2)});
      std::copy_n(t.f32(), t.size(), ids.values<int64_t>().data());
      out.emplace_back(name, ids);
    } else {
      out.emplace_back(name, t);
    }
  }
  for (int64_t n = 0; n < config.num_hidden_layers; ++n) {
    if (config.IsLightning(n)) {
      Tensor all(DType::kF32, {B, H, D, D});
      for (int64_t b = 0; b < B; ++b) {
        const Tensor one = states[static_cast<size_t>(b)].LightningState(config, n);
        std::copy_n(one.f32(), one.size(), all.f32() + b * one.size());
      }
      out.emplace_back(fmt::format("kv_state.{}", n), all);
      continue;
    }
    Tensor k(DType::kF32, {B, S, K, D}), v(DType::kF32, {B, S, K, D});
    for (int64_t b = 0; b < B; ++b) {
      for (int64_t t = 0; t < S; ++t) {
        const SequenceState& state = states[static_cast<size_t>(b)];
        const std::byte* const block = state.layer(n).blocks[static_cast<size_t>(t / kBlock)].get();
        for (int64_t h = 0; h < K; ++h) {
          const int64_t to = ((b * S + t) * K + h) * D;
          state.kv_layout().Read(block, h, t % kBlock, k.f32() + to, v.f32() + to);
        }
      }
    }
    out.emplace_back(fmt::format("k_cache.{}", n), k);
    out.emplace_back(fmt::format("v_cache.{}", n), v);
  }

  if (options.greedy_steps > 0) {
    const int64_t n = options.greedy_steps;
    Tensor ids(DType::kI64, {B, n}), rows(DType::kF32, {B, n, V}), full_ids(DType::kI64, {B, n});
    for (int64_t b = 0; b < B; ++b) {
      std::span<const float> logits{recorded["logits"].f32() + (b * S + S - 1) * V, static_cast<size_t>(V)};
      for (int64_t i = 0; i < n; ++i) {
        std::copy(logits.begin(), logits.end(), rows.f32() + (b * n + i) * V);
        const int32_t id = Argmax(logits);
        ids.values<int64_t>()[static_cast<size_t>(b * n + i)] = id;
        const Segment segment{&states[static_cast<size_t>(b)], {&id, 1}};
        logits = pass.Forward({&segment, 1}, LogitRows::kLast);
      }
      std::vector<int32_t> sequence = prompts[static_cast<size_t>(b)];
      for (int64_t i = 0; i < n; ++i) {
        SequenceState fresh = model.NewState();
        const Segment segment{&fresh, sequence};
        sequence.push_back(Argmax(pass.Forward({&segment, 1}, LogitRows::kLast)));
        full_ids.values<int64_t>()[static_cast<size_t>(b * n + i)] = sequence.back();
      }
    }
    out.emplace_back("greedy_ids", ids);
    out.emplace_back("greedy_logits", rows);
    out.emplace_back("greedy_ids_full", full_ids);
  }
  return out;
}

NamedTensors TraceGradient(Model& model, const Tensor& input_ids, const Tensor& labels, bool recompute) {
  const std::vector<std::vector<int32_t>> prompts = TokenRows(input_ids, "input_ids"),
                                          label_rows = TokenRows(labels, "labels");
  if (labels.shape() != input_ids.shape()) {
    throw Error("labels are {}, input_ids {}: they must have the same shape", ShapeString(labels.shape()),
                ShapeString(input_ids.shape()));
  }
  TokenBatch batch;
  batch.starts.push_back(0);
  for (size_t b = 0; b < prompts.size(); ++b) {
    batch.tokens.insert(batch.tokens.end(), prompts[b].begin(), prompts[b].end());
    batch.targets.insert(batch.targets.end(), label_rows[b].begin() + 1, label_rows[b].end());
    batch.targets.push_back(kIgnore);
    batch.starts.push_back(static_cast<int64_t>(batch.tokens.size()));
  }
  Params grads = ZerosLike(model.config(), model.params());
  Pass pass(model);
  const LossReport report =
      AddGradient(pass, batch, CrossEntropy(batch),
                  {.aux_coef = model.config().router_aux_loss_coef, .recompute = recompute}, grads);
  NamedTensors out;
  const auto scalar = [&](const char* name, double value) {
    Tensor t(DType::kF32, {1});
    t.f32()[0] = static_cast<float>(value);
    out.emplace_back(name, t);
  };
  scalar("loss", report.loss);
  scalar("ce_loss", report.row_loss);
  scalar("aux_loss", report.aux);
  ForEachParameter(model.config(), grads,
                   [&](const std::string& name, Tensor& t, const Shape&) { out.emplace_back(name, t); });
  return out;
}

}  // namespace fulgur
