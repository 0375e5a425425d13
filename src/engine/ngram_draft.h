// Drafts of the next tokens from the sequence's own past, to be verified in one pass (speculative decoding: Leviathan
// et al. 2023; drafts by looking up n-grams: Saxena 2023, "Prompt lookup decoding").
//
// A pass over a sequence's next token and k drafted ones gives the logits after each of them. As long as a draft is
// what would have been sampled, the next row's logits are those that a pass of its own would have given, to the last
// bit: a row of a pass depends on its own sequence alone (model/model.h), a draw on (seed, position) and the row
// (engine/sampler.h). So drafts change how fast tokens come and nothing else.
//
// Whether they pay is a matter of how often they are right and of what further rows of a pass cost. Both are measured:
// each sequence keeps count of how often the token after a match was right, whether it was drafted or not, and the
// engine of how long its passes take.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace fulgur {

// One sequence's tokens, and where their last ones have stood before.
class NgramDraft {
 public:
  static constexpr int64_t kShortest = 3;  // tokens of a match, at least

  void Append(std::span<const int32_t> ids) {
    for (const int32_t id : ids) Append(id);
  }
  void Append(int32_t id);

  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }
  // Tokens of the longest known earlier occurrence of the sequence's end; 0: none of kShortest.
  int64_t match() const { return match_; }
  // Token j (from 0) after that occurrence. Beyond the end of the sequence it goes on with itself: what has begun to
  // repeat is drafted for as long as one likes.
  int32_t Token(int64_t j) const;
  // Estimate of the probability that token j is right if those before it are.
  double Probability(int64_t j) const;

 private:
  static constexpr int64_t kMostTried = 16;  // occurrences that a search looks at, the latest first
  static constexpr int64_t kLongest = 64;    // tokens that it compares

  size_t Slot(int64_t end) const;  // of the kShortest tokens before `end`
  void Insert(int64_t end);
  void Search();

  std::vector<int32_t> tokens_;
  std::vector<int32_t> heads_;     // slot -> end of the latest n-gram there, 0: none
  std::vector<int32_t> previous_;  // end of an n-gram -> end of the one before it in the same slot
  int64_t match_ = 0;
  int64_t next_ = 0;  // where the occurrence goes on
  // Of matches of 3, 4-5, 6-8, 9-16 and more tokens: how often the next token was right. Earlier ones count less.
  struct Tries {
    double right = 1, all = 2;
  };
  static size_t Class(int64_t match);
  std::array<Tries, 5> tries_;
};

// Tokens that a pass may draft after `length` tokens that are sure. What turns out wrong is taken back, which is free
// as long as the pass stays within the lightning states' running chunk (model/sequence_state.h). To go beyond would
// take a copy of the states for every draft, 280 MiB at MiniMax-M1's dimensions; so a draft ends where the chunk does.
int64_t DraftRoom(int64_t length);

// What passes cost, and how many tokens are worth drafting.
class DraftPlan {
 public:
  // A pass over `rows` rows took so long.
  void Measure(int64_t rows, double seconds);
  // Seconds of a pass over so many rows, as far as is known: between what was measured lately, or beyond it at
  // kRowCost of a row's share each.
  double Seconds(int64_t rows) const;

  struct Sequence {
    const NgramDraft* draft;
    int64_t most;  // tokens that may be drafted
  };
  // For each sequence how many tokens to draft, so that the expected tokens a second are the most; zeros if that is not
  // clearly more than without. `rows`: of the pass without drafts.
  std::vector<int64_t> Choose(std::span<const Sequence> sequences, int64_t rows) const;

 private:
  static constexpr int64_t kMostRows = 128;  // of a pass with drafts
  static constexpr int64_t kRemember = 512;  // passes
  static constexpr double kRowCost = 0.35;
  static constexpr double kClearly = 1.05;

  struct Measured {
    double seconds = 0;
    int64_t pass = -kRemember;  // when
  };
  bool Known(int64_t rows) const { return pass_ - measured_[static_cast<size_t>(rows)].pass < kRemember; }

  int64_t pass_ = 0;
  std::array<Measured, kMostRows + 1> measured_;
};

}  // namespace fulgur
