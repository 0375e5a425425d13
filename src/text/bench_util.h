// The tokenizer that this folder's benchmarks run with.
#pragma once

#include <filesystem>

#include "base/reference_data.h"
#include "text/tokenizer.h"

namespace fulgur {

// M1's where it is at hand (base/reference_data.h), else the small one of the tests.
inline std::filesystem::path BenchTokenizerPath() {
  const std::filesystem::path source = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
  const std::filesystem::path large = ReferenceData("tokenizer/tokenizer.json");
  return large.empty() ? source / "tests/data/tokenizer-small/tokenizer.json" : large;
}

inline const Tokenizer& BenchTokenizer() {
  static const Tokenizer tokenizer = Tokenizer::FromFile(BenchTokenizerPath());
  return tokenizer;
}

}  // namespace fulgur
