// JSON that is handed on as it came: with the digits of its large integers, and keys that an object has twice.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace fulgur {

// As ParseJson, for a text that somebody may want back as they wrote it: an object keeps all its keys, one that it has
// twice too (a look-up finds the first), and an integer of more than 64 bits keeps its digits. Such an integer is a
// value of its own kind, for which is_number() is false; DumpJson writes it. An escape of half a UTF-16 pair is U+FFFD.
Json ParseJsonAsGiven(std::string_view text, const std::string& where);
bool IsBigInteger(const Json& value);
std::string BigIntegerDigits(const Json& value);  // with the sign
// The first key that an object in `value` has twice.
std::optional<std::string> RepeatedKey(const Json& value);

// JSON text on one line. Invalid UTF-8 (part of a character in a token) becomes U+FFFD.
std::string DumpJson(const Json& value);

}  // namespace fulgur
