// Splitting patterns: the regular expressions that cut a text into the words byte-pair encoding works on.
//
// tokenizer.json carries them in Oniguruma's syntax with Unicode classes. A pattern can tell code points apart only by
// the sets it names (\p{L}, \s, [\r\n/], ...), so it is compiled over an alphabet of bytes: ASCII stands for itself,
// and every class of other code points that lie in the same sets is one byte from 0x80 on. PCRE2 then matches bytes
// against bitmaps, which is fast in every script, and its own Unicode tables, which differ between releases, play no
// part.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct pcre2_real_code_8;

namespace fulgur {

class SplitPattern {
 public:
  // A stretch of the text, in bytes: something the pattern matched, or what lies between matches.
  struct Piece {
    uint32_t begin, end;
    bool match;
  };

  // What matching writes to; one per thread, for any number of patterns.
  class Scratch {
   public:
    Scratch();
    ~Scratch();

   private:
    friend class SplitPattern;
    struct Impl;
    std::unique_ptr<Impl> impl_;
  };

  // Throws Error, naming `where` and the construct, for what is not supported: back references, named groups, classes
  // inside classes, \w, \b and the like, whose meaning differs between regular expression libraries.
  SplitPattern(std::string_view regex, const std::string& where);
  // The pattern that matches `literal` and nothing else.
  static std::string Quote(std::string_view literal);

  // Appends the pieces of `text` (valid UTF-8, under 4 GB) to *pieces; together they are the whole text, none is empty.
  // Throws Error when a pattern backtracks without end.
  void Split(std::string_view text, Scratch* scratch, std::vector<Piece>* pieces) const;

 private:
  struct FreeCode {
    void operator()(pcre2_real_code_8* code) const;
  };
  std::string where_;
  std::vector<uint8_t> class_of_;  // [code point]
  std::unique_ptr<pcre2_real_code_8, FreeCode> code_;
};

// The pattern OpenAI published for o200k_base, which MiniMax's tokenizers use, and the same with every digit on its
// own.
extern const char kO200kPattern[];
extern const char kO200kSingleDigitsPattern[];
// The pattern a Hugging Face ByteLevel pre-tokenizer applies by itself (use_regex): GPT-2's.
extern const char kGpt2Pattern[];

}  // namespace fulgur
