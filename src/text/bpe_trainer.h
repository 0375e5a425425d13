// Training a byte-level BPE vocabulary (Sennrich et al. 2016, arXiv:1508.07909), laid out as MiniMax-M1's: ids 0..255
// are the bytes in byte order, id 256 + i is the product of merge i, added tokens follow without a gap.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/split_pattern.h"

namespace fulgur {

struct BpeTrainerOptions {
  int64_t merges = 0;
  std::string pattern = kO200kPattern;  // cuts texts into words; a token never spans two of them
  int64_t max_token_bytes = 64;
  std::vector<std::string> added_tokens;  // cut out of the texts; what M1's chat template needs: M1AddedTokens()
};

// The 35 added tokens of MiniMax-M1, in the order of their ids.
std::vector<std::string> M1AddedTokens();

class BpeTrainer {
 public:
  // Throws Error for options that cannot be used.
  explicit BpeTrainer(BpeTrainerOptions options);
  ~BpeTrainer();

  // Counts the words of a text.
  void Add(std::string_view text);

  // Merges again and again the most frequent pair of neighbouring tokens, of equally frequent ones that of the lowest
  // ids; the result depends only on which texts were added, not on their order. Ends early when no pair occurs twice.
  // A pair whose product is already a token's bytes is passed over, so that each merge makes a token.
  // The (left, right) ids of the merges, in order.
  std::vector<std::pair<int32_t, int32_t>> Train() const;

  // tokenizer.json as the Hugging Face library reads it.
  std::string TokenizerJson(const std::vector<std::pair<int32_t, int32_t>>& merges) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fulgur
