#include "model/weight_recipe.h"

namespace fulgur {

WeightFormat WeightRecipe::Of(const std::string& name) const {
  if (name.find(".self_attn.") != std::string::npos) return attention_type();
  return name.ends_with(".w2.weight") || name.ends_with(".down_proj.weight") ? down_type() : type;
}

// The second matrix of an expert gets more bits, because its input has no norm before it; attention, which every token
// reads whole and which is 4 % of M1, still more. With 128K tokens and some for the system both leave room.
std::optional<WeightRecipe> RecipeFromName(const std::string& name) {
  if (name == "m1-256gb") return WeightRecipe{WeightFormat::kQ3, WeightFormat::kQ4k, WeightFormat::kQ8};
  if (name == "m1-192gb") return WeightRecipe{WeightFormat::kQ2, WeightFormat::kQ3, WeightFormat::kQ4k};
  if (const auto format = WeightFormatFromName(name)) return WeightRecipe{*format, {}, {}};
  return std::nullopt;
}

std::vector<NamedRecipe> RecipesBySize() {
  return {{"bf16", *RecipeFromName("bf16")},
          {"q8", *RecipeFromName("q8")},
          {"q4k", {WeightFormat::kQ4k, {}, WeightFormat::kQ8}},
          {"m1-256gb", *RecipeFromName("m1-256gb")},
          {"q3", {WeightFormat::kQ3, {}, WeightFormat::kQ8}},
          {"m1-192gb", *RecipeFromName("m1-192gb")},
          {"q2", {WeightFormat::kQ2, {}, WeightFormat::kQ4k}}};
}

double TypicalError(WeightFormat format) {
  switch (format) {
    case WeightFormat::kF32:
      return 0;
    case WeightFormat::kBf16:
    case WeightFormat::kBf16Dot:
      return 0.0017;
    case WeightFormat::kQ8:
    case WeightFormat::kQ8F16:
      return 0.0054;
    case WeightFormat::kQ4:
    case WeightFormat::kQ4F16:
      return 0.081;
    case WeightFormat::kQ4k:
      return 0.073;
    case WeightFormat::kQ3:
      return 0.147;
    case WeightFormat::kQ2:
      return 0.281;
  }
  return 0;
}

}  // namespace fulgur
