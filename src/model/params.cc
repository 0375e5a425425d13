#include "model/params.h"

namespace fulgur {

Params ZerosLike(const ModelConfig& config, Params& like) {
  std::vector<Shape> shapes;
  ForEachParameter(config, like, [&](const std::string&, Tensor& tensor, const Shape& shape) {
    shapes.push_back(tensor.empty() ? shape : tensor.shape());
  });
  Params zeros;
  size_t next = 0;
  ForEachParameter(config, zeros, [&](const std::string&, Tensor& tensor, const Shape&) {
    tensor = Tensor(DType::kF32, shapes[next++]);
  });
  return zeros;
}

}  // namespace fulgur
