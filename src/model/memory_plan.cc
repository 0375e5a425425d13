#include "model/memory_plan.h"

#include <algorithm>
#include <initializer_list>

#include "model/sequence_state.h"

namespace fulgur {

namespace {

// A product of sizes, or about 2^60 where it would be larger.
int64_t Product(std::initializer_list<int64_t> factors) {
  double product = 1;
  int64_t exact = 1;
  for (const int64_t factor : factors) {
    product *= static_cast<double>(factor);
    if (product > 0x1p60) return int64_t{1} << 60;
    exact *= factor;
  }
  return exact;
}

}  // namespace

MemoryPlan PlanMemory(const ModelConfig& c, int64_t context, KvFormat kv_format, int64_t rows) {
  constexpr int64_t kF32 = 4;
  if (context < 0 || context > int64_t{1} << 32) {
    throw Error("a context must have 0 to {} tokens, found {}", int64_t{1} << 32, context);
  }
  const int64_t lightning = std::count(c.attn_type_list.begin(), c.attn_type_list.end(), AttentionKind::kLightning);
  const int64_t softmax = c.num_hidden_layers - lightning;
  const int64_t HD = c.qk_width(), KD = c.kv_width(), C = c.hidden_size, I = c.intermediate_size;
  MemoryPlan plan;
  plan.context = context;
  plan.lightning_state = Product({lightning, HD, c.head_dim, kF32});
  plan.lightning_chunk = Product({lightning, 2, HD, kBlock, kF32});
  const KvLayout layout(kv_format, c.num_key_value_heads, c.head_dim);
  plan.kv_cache = Product({softmax, (context + kBlock - 1) / kBlock, layout.block_bytes()});

  // Floats a row: residual stream, norms and block outputs; lightning's (q, k, v before and after SiLU, attention,
  // norm, gate, gated); softmax's q, k, v; the rows of k experts; the shared expert.
  int64_t row = 7 * C + c.num_local_experts + Product({c.num_experts_per_tok, 2 * C + 3 * I});
  if (lightning > 0) row += 10 * HD;
  if (softmax > 0) row += 2 * HD + 2 * KD;
  if (c.shared_intermediate_size > 0) row += 3 * I + C;
  plan.activations = Product({std::max<int64_t>(1, std::min(rows, context)), row, kF32}) + c.vocab_size * kF32;
  return plan;
}

}  // namespace fulgur
