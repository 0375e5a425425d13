// The normalizers of a tokenizer.json: what is done to a text before it is cut into words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/split_pattern.h"

namespace fulgur {

// A text, and a mark for each of its bytes, which normalizing carries along: a byte that comes from several has the
// mark only if all of them have it.
struct MarkedText {
  std::string text, marks;  // of the same length; marks are '\0' or '\1'

  static MarkedText Of(std::string_view text, std::string_view marks) {
    return {std::string(text), std::string(marks)};
  }
};

class Normalizer {
 public:
  Normalizer() = default;
  // NFC, NFD, NFKC, NFKD, Lowercase, Replace, Prepend, Strip, StripAccents and Sequence; null: nothing to do. Throws
  // Error naming what is not supported.
  Normalizer(const Json* json, const std::string& where);

  bool empty() const { return steps_.empty(); }
  // Bytes that are no UTF-8 stay as they are.
  void Apply(MarkedText* text, SplitPattern::Scratch* scratch) const;
  std::string Apply(std::string_view text) const;

 private:
  enum class Kind { kCompose, kDecompose, kLowercase, kReplace, kReplacePattern, kPrepend, kStrip, kStripAccents };
  struct Step {
    Kind kind;
    bool compatible = false;            // NFKC, NFKD
    bool left = false, right = false;   // Strip
    std::string text, content;          // Replace: what, by what; Prepend: content
    std::vector<SplitPattern> pattern;  // of Replace, one or none
  };
  static void ApplyTo(const Step& step, MarkedText* text, SplitPattern::Scratch* scratch);

  std::vector<Step> steps_;
};

}  // namespace fulgur
