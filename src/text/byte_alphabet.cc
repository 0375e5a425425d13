#include "text/byte_alphabet.h"

#include <cstdint>

#include "unicode/unicode.h"

namespace fulgur {
namespace {

struct Alphabet {
  std::array<std::string, 256> spelling;
  std::array<int16_t, 0x144> byte;  // [code point], -1 where there is none

  Alphabet() {
    byte.fill(-1);
    char32_t next = 0x100;
    for (int b = 0; b < 256; ++b) {
      const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD);
      const char32_t c = printable ? static_cast<char32_t>(b) : next++;
      byte[c] = static_cast<int16_t>(b);
      if (c < 0x80) {
        spelling[b] = static_cast<char>(c);
      } else {
        spelling[b] = {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
      }
    }
  }
};

const Alphabet& TheAlphabet() {
  static const Alphabet alphabet;
  return alphabet;
}

}  // namespace

const std::array<std::string, 256>& ByteAlphabet() { return TheAlphabet().spelling; }

std::optional<std::string> FromByteAlphabet(std::string_view spelling) {
  const auto& byte = TheAlphabet().byte;
  std::string bytes;
  while (!spelling.empty()) {
    const Utf8Step step = DecodeUtf8(spelling);
    if (step.kind != Utf8Step::kCharacter || step.code_point >= byte.size() || byte[step.code_point] < 0) {
      return std::nullopt;
    }
    bytes += static_cast<char>(byte[step.code_point]);
    spelling.remove_prefix(step.length);
  }
  return bytes;
}

std::string ToByteAlphabet(std::string_view bytes) {
  std::string out;
  for (const char b : bytes) out += ByteAlphabet()[static_cast<uint8_t>(b)];
  return out;
}

}  // namespace fulgur
