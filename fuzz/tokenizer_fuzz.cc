// Input: a tokenizer.json (starts with '{') or a splitting pattern, then a zero byte and a text. Whatever loads must
// encode the text without losing bytes the file does not ask it to drop, and stream what it decodes.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/split_pattern.h"
#include "text/tokenizer.h"
#include "unicode/unicode.h"

namespace fulgur {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void FuzzPattern(std::string_view pattern, std::string_view text) {
  const SplitPattern split(pattern, "fuzz");
  SplitPattern::Scratch scratch;
  std::vector<SplitPattern::Piece> pieces;
  split.Split(text.substr(0, ValidUtf8Prefix(text)), &scratch, &pieces);
  size_t end = 0;
  for (const SplitPattern::Piece& piece : pieces) {
    Require(piece.begin == end && piece.end > piece.begin);
    end = piece.end;
  }
  Require(end == ValidUtf8Prefix(text));
}

void FuzzFile(std::string_view json, std::string_view text) {
  const Tokenizer tokenizer = Tokenizer::FromJson(json, "fuzz");
  for (const auto special : {Tokenizer::Special::kPlainText, Tokenizer::Special::kRecognised}) {
    std::string bytes;
    const std::vector<int32_t> ids = tokenizer.Encode(text, special);
    for (const int32_t id : ids) {
      bytes += tokenizer.Bytes(id);
      Require(special == Tokenizer::Special::kRecognised || tokenizer.Id(tokenizer.Bytes(id)).has_value());
    }
    Require(bytes == text || json.find("Removed") != std::string_view::npos ||
            json.find('\\') != std::string_view::npos);
    StreamDecoder decoder(tokenizer, /*skip_special=*/false);
    std::string streamed;
    for (const int32_t id : ids) streamed += decoder.Push(id);
    Require(streamed + decoder.Flush() == tokenizer.Decode(ids, /*skip_special=*/false));
  }
}

}  // namespace
}  // namespace fulgur

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t zero = input.find('\0');
  const std::string_view head = input.substr(0, zero);
  const std::string_view text = zero == std::string_view::npos ? head : input.substr(zero + 1);
  try {
    head.starts_with('{') ? fulgur::FuzzFile(head, text) : fulgur::FuzzPattern(head, text.substr(0, 256));
  } catch (const fulgur::Error&) {
  }
  return 0;
}
