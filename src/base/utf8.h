// UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fulgur {

// One step of UTF-8 decoding.
struct Utf8Step {
  enum Kind : uint8_t { kCharacter, kInvalid, kIncomplete } kind;
  uint8_t length;  // bytes of the character; of the maximal invalid part (Unicode chapter 3, "U+FFFD substitution of
                   // maximal subparts"); of the beginning of a character that `text` is too short for
  char32_t code_point;  // kCharacter only
};
Utf8Step DecodeUtf8(std::string_view text);  // text must not be empty

// The length of the longest prefix that is valid UTF-8.
size_t ValidUtf8Prefix(std::string_view text);

}  // namespace fulgur
