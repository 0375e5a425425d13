// Which tokens may come next, so that the output is what a grammar describes.
//
// A token may come if its bytes can follow (grammar/grammar.h). To find all of them the tokens are kept in a tree by
// their bytes, which is walked together with the grammar; whole subtrees fall away at the first byte that cannot
// follow. Two things make it quick where nearly everything may come: tokens of ordinary characters only are known
// beforehand, and are not walked inside free text; and what was found is kept for every position whose stack agrees as
// far as the tokens reach.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/grammar.h"
#include "text/tokenizer.h"

namespace fulgur {

// The tokens of one tokenizer, which must outlive it. Make one for all constraints. Immutable.
class ConstraintVocabulary {
 public:
  explicit ConstraintVocabulary(const Tokenizer& tokenizer);
  ~ConstraintVocabulary();
  ConstraintVocabulary(const ConstraintVocabulary&) = delete;
  ConstraintVocabulary& operator=(const ConstraintVocabulary&) = delete;

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  size_t words() const { return words_; }  // of 64 bits, of a mask

 private:
  friend class TokenConstraint;
  struct Tree;
  const Tokenizer* tokenizer_;
  size_t words_;
  size_t longest_ = 0;                 // bytes of the longest token
  std::unique_ptr<const Tree> plain_;  // tokens of whole characters without control characters, '"', '\\' and '<'
  std::unique_ptr<const Tree> other_;  // all others that have bytes
  std::vector<uint64_t> plain_bits_;
  std::vector<std::pair<uint32_t, int32_t>> plain_by_length_;  // (characters, id), ascending
};

// A mask over the vocabulary: bit id % 64 of word id / 64.
using TokenBits = std::vector<uint64_t>;

// A grammar for a vocabulary. May be used by any number of threads; requests with the same schema should share one, as
// it remembers masks (up to kMemory bytes, then it starts anew).
class TokenConstraint {
 public:
  static constexpr size_t kMemory = size_t{16} << 20;

  TokenConstraint(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const ConstraintVocabulary> vocabulary);
  ~TokenConstraint();

  // The place of one output in the grammar. Cheap to copy.
  class Cursor {
   public:
    // Bytes that are part of the output now, of a token that was allowed or that the engine appended. False if they
    // do not fit; the cursor is dead then.
    bool Push(std::string_view bytes);

    bool can_end() const { return state_.can_end; }      // the output is complete as it is
    bool must_end() const { return state_.must_end(); }  // and nothing can follow
    bool dead() const { return state_.dead(); }
    bool in_thinking() const;  // the output may still be before the end of the thinking
    const GrammarState& state() const { return state_; }

   private:
    friend class TokenConstraint;
    const TokenConstraint* constraint_ = nullptr;
    GrammarState state_;
  };
  Cursor Begin(Grammar::Start start) const;

  // The tokens that may follow, in *allowed. end_tokens: those that end the output, allowed exactly where it is
  // complete. Other special tokens are never allowed.
  void Allowed(const Cursor& cursor, std::span<const int32_t> end_tokens, TokenBits* allowed) const;

  const Grammar& grammar() const { return *grammar_; }
  const ConstraintVocabulary& vocabulary() const { return *vocabulary_; }

 private:
  struct Mask;
  struct Cache;
  uint64_t Key(const GrammarFrame* frame) const;
  std::shared_ptr<const Mask> MaskOf(const GrammarPosition& position) const;
  std::shared_ptr<const Mask> Compute(const GrammarPosition& position, GrammarTrace* trace) const;

  std::shared_ptr<const Grammar> grammar_;
  std::shared_ptr<const ConstraintVocabulary> vocabulary_;
  std::unique_ptr<Cache> cache_;
};

}  // namespace fulgur
