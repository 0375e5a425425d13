// How much each input of each matrix carries: what a quantizer weighs errors by (`fulgur quantize --calibrate`).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "model/model.h"

namespace fulgur {

struct ActivationStatistics {
  // By name of parameter: the mean square of each input [K] of that matrix.
  std::map<std::string, std::vector<float>> mean_squares;

  // Runs the model over texts (token ids, each a sequence of its own) and adds up. An expert that few tokens have chosen
  // takes from the mean of all experts of its layer what is missing to 32 tokens. The bits do not depend on threads.
  static ActivationStatistics Measure(Model& model, const std::vector<std::vector<int32_t>>& texts,
                                      const std::function<void(int64_t texts)>& progress);

  // Safetensors: a vector F32 [K] for each name.
  void Save(const std::filesystem::path& path) const;
  // Error naming the file and the tensor if that is not what is there, or a number is negative or not finite.
  static ActivationStatistics Load(const std::filesystem::path& path);

  uint64_t hash() const;
};

// Beside the weights in the folder that quantize writes.
inline constexpr const char* kActivationsFile = "activations.safetensors";

}  // namespace fulgur
