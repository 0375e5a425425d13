// A model that generates with weights of lower precision than those that are trained.
#pragma once

#include <memory>

#include "model/model.h"
#include "ops/packed_matrix.h"

namespace fulgur {

class RolloutModel {
 public:
  // trained: with its weights kept, in float32; it must outlive this object. Attention projections, experts and shared
  // expert are packed as `weights`, the LM head as `lm_head`; routers, norms and the embedding are those of `trained`.
  RolloutModel(Model& trained, WeightFormat weights, WeightFormat lm_head);

  // After the trained weights changed.
  void Refresh();

  Model& model() { return *model_; }

 private:
  Model& trained_;
  std::unique_ptr<Model> model_;
};

}  // namespace fulgur
