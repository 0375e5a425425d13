// GPT-2's byte alphabet: a printable character for each byte, in which vocabulary files spell tokens.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace fulgur {

// The spelling of each byte: itself where it is a printable character of Latin-1, the others U+0100, U+0101, ... in
// order.
const std::array<std::string, 256>& ByteAlphabet();

// The bytes a token is spelled for; nullopt when it contains a character outside the alphabet.
std::optional<std::string> FromByteAlphabet(std::string_view spelling);
std::string ToByteAlphabet(std::string_view bytes);

}  // namespace fulgur
