// The tokenizer that this folder's benchmarks run with.
#pragma once

#include <filesystem>

#include "text/tokenizer.h"

namespace fulgur {

// M1's where it is at hand (../shared/tokenizer beside the repository), else the small one of the tests.
inline std::filesystem::path BenchTokenizerPath() {
  const std::filesystem::path source = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
  const std::filesystem::path large = source / "../shared/tokenizer/tokenizer.json";
  return std::filesystem::exists(large) ? large : source / "tests/data/tokenizer-small/tokenizer.json";
}

inline const Tokenizer& BenchTokenizer() {
  static const Tokenizer tokenizer = Tokenizer::FromFile(BenchTokenizerPath());
  return tokenizer;
}

}  // namespace fulgur
