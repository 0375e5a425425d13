// The pre-tokenizers of a tokenizer.json: how a normalized text is cut into the words that byte-pair encoding works on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/split_pattern.h"
#include "unicode/unicode.h"

namespace fulgur {

class PreTokenizer {
 public:
  struct Scratch {
    SplitPattern::Scratch split;
    std::vector<SplitPattern::Piece> pieces, coarse;
    std::string text;
  };

  PreTokenizer() = default;
  // Split, Digits, Metaspace, ByteLevel and Sequence; null: a text is one word. Throws Error naming what is not
  // supported.
  PreTokenizer(const Json* json, const std::string& where);

  // Words are made of bytes (ByteLevel), or of characters.
  bool byte_level() const { return byte_level_; }

  // Calls f(word) for the words of a text, in order. begins: the text is the beginning of the whole. Bytes that are no
  // characters form a word of their own: nothing is lost, and nothing else changes.
  template <typename F>
  void ForEachWord(std::string_view text, bool begins, Scratch* scratch, const F& f) const {
    text = Prepare(text, begins, scratch);
    ForEachUtf8Run(text, [&](std::string_view run, bool valid) {
      if (!valid) return f(run);
      Split(run, scratch);
      for (const SplitPattern::Piece& piece : scratch->pieces) f(run.substr(piece.begin, piece.end - piece.begin));
    });
  }

 private:
  enum class Behavior { kIsolated, kRemoved, kContiguous, kMergedWithPrevious, kMergedWithNext };
  struct Step {
    SplitPattern pattern;
    Behavior behavior;
    bool invert;
  };

  void AddMetaspace(const Json& json, const std::string& where);
  void AddSplit(const Json& json, const std::string& where);
  std::string_view Prepare(std::string_view text, bool begins, Scratch* scratch) const;
  void Split(std::string_view run, Scratch* scratch) const;
  static void Arrange(const Step& step, size_t first, std::vector<SplitPattern::Piece>* pieces);

  bool byte_level_ = false;
  std::string space_;                                                 // instead of ' ' (Metaspace)
  std::string prefix_;                                                // before a text that does not begin with it
  enum class Prefix { kAlways, kBeginning } when_ = Prefix::kAlways;  // kBeginning: of the whole text only
  std::vector<Step> steps_;
};

}  // namespace fulgur
