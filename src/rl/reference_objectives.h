// The named objectives of the reference data (docs/debug.md, `debug objective`), computed of tensors in its format.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tensor/safetensors.h"

namespace fulgur {

// data: rewards [N] (float), group_sizes [P] and response_lengths [N] (I64), old_logprobs and logprobs [T] (float);
// responses prompt after prompt, tokens response after response. Gives adv.population and adv.sample [N], ratio [T],
// and of every objective <name>.loss [1] and <name>.grad [T]. Throws Error naming `where` and the tensor if one is
// missing, of another type, or the sizes do not agree.
std::vector<std::pair<std::string, Tensor>> ReferenceObjectives(const TensorMap& data, const std::string& where);

}  // namespace fulgur
