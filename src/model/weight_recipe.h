// Which format each kind of matrix gets.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ops/packed_matrix.h"

namespace fulgur {

struct WeightRecipe {
  WeightFormat type = WeightFormat::kQ4;  // of experts, the shared expert, and what follows if that is nothing
  std::optional<WeightFormat> down;       // of the matrices back to the hidden size (w2, down_proj)
  std::optional<WeightFormat> attention;  // of the attention projections

  // Of the parameter with this name, a linear map of a layer that is no router.
  WeightFormat Of(const std::string& name) const;
  WeightFormat down_type() const { return down.value_or(type); }
  WeightFormat attention_type() const { return attention.value_or(type); }
};

// "q3", "bf16-dot", ...: one format; "m1-256gb" and "m1-192gb": MiniMax-M1 on a machine with so much memory.
std::optional<WeightRecipe> RecipeFromName(const std::string& name);
inline constexpr const char* kRecipeNames[] = {"m1-256gb", "m1-192gb"};

// Names of recipes and formats from the most precise to the smallest, each with what it is.
struct NamedRecipe {
  std::string name;
  WeightRecipe recipe;
};
std::vector<NamedRecipe> RecipesBySize();

// Root mean square of what a format changes of normally distributed weights, over theirs (docs/quantization.md).
double TypicalError(WeightFormat format);

}  // namespace fulgur
