// The learning-rate schedule, gradient clipping and AdamW over all parameters of a model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/params.h"
#include "ops/adamw.h"
#include "ops/exec_context.h"

namespace fulgur {

// Linear warm-up, constant, then a decay over the last part, the shape of the MiniMax-M1 report, section 2.1.
struct Schedule {
  enum class Decay {
    kCosine,  // (1 + cos(pi u)) / 2, u from 0 to 1 over the decay
    kLinear,  // 1 - u
    kSqrt,    // 1 - sqrt(u)
  };
  double lr = 1e-3;          // of the constant part
  int64_t steps = 0;         // of the whole run
  int64_t warmup_steps = 0;  // step n <= warmup_steps has lr * n / warmup_steps
  int64_t decay_steps = 0;   // the last ones; 0: constant to the end
  double final_ratio = 0.1;  // the last step's rate as a part of lr
  Decay decay = Decay::kCosine;

  double At(int64_t step) const;  // step counts from 1
};

class Optimizer {
 public:
  // Moments of zeros, shaped like `params` (float32).
  Optimizer(const ModelConfig& config, Params& params, const AdamWOptions& options, bool decay_norms);

  // One AdamW step number `step` (from 1) with the rate `lr`; gradients are multiplied by grad_scale first. The bits do
  // not depend on the number of threads. decay_norms false: vectors (norms, the shared coefficient) have no weight
  // decay.
  void Step(Params& params, Params& grads, int64_t step, double lr, double grad_scale, ExecContext& exec);

  Params& m() { return m_; }
  Params& v() { return v_; }

 private:
  ModelConfig config_;
  AdamWOptions options_;
  bool decay_norms_;
  Params m_, v_;
};

// The tensors of `params` in checkpoint order, with their names.
std::vector<std::pair<std::string, Tensor*>> ListTensors(const ModelConfig& config, Params& params);

// The Euclidean norm of all gradients together, in an order that does not depend on threads.
double GlobalNorm(const ModelConfig& config, Params& grads, ExecContext& exec);

// Sets every gradient to zero.
void SetZero(const ModelConfig& config, Params& grads, ExecContext& exec);

}  // namespace fulgur
