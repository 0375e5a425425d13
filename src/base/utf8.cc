#include "base/utf8.h"

#include <cstring>

namespace fulgur {

Utf8Step DecodeUtf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {Utf8Step::kCharacter, 1, lead};
  // The second byte's bounds rule out overlong forms, surrogates and what lies beyond U+10FFFF (Unicode table 3-7).
  uint8_t length = 0, low = 0x80, high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {Utf8Step::kInvalid, 1, 0};
  }
  char32_t code_point = lead & (0x7F >> length);
  for (uint8_t i = 1; i < length; ++i) {
    if (i == text.size()) return {Utf8Step::kIncomplete, i, 0};
    if (byte(i) < low || byte(i) > high) return {Utf8Step::kInvalid, i, 0};
    code_point = code_point << 6 | (byte(i) & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return {Utf8Step::kCharacter, length, code_point};
}

size_t ValidUtf8Prefix(std::string_view text) {
  size_t pos = 0;
  while (pos < text.size()) {
    uint64_t eight;  // ASCII goes by in steps of eight
    if (text.size() - pos >= sizeof(eight)) {
      std::memcpy(&eight, text.data() + pos, sizeof(eight));
      if ((eight & 0x8080808080808080u) == 0) {
        pos += sizeof(eight);
        continue;
      }
    }
    const Utf8Step step = DecodeUtf8(text.substr(pos));
    if (step.kind != Utf8Step::kCharacter) break;
    pos += step.length;
  }
  return pos;
}

}  // namespace fulgur
