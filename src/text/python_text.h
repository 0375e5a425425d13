// Text as Python's str methods see it: the rules of public benchmarks are written with them. Texts are UTF-8; what is
// said of characters is said of code points. A part that is no UTF-8 counts as U+FFFD.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace fulgur::python {

inline constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";  // string.punctuation

std::u32string CodePoints(std::string_view text);
std::string Utf8(std::u32string_view code_points);
size_t Length(std::string_view text);  // len

// str.strip, lstrip, rstrip: white space of Unicode, or any of these ASCII characters.
std::string_view Strip(std::string_view text);
std::string_view Strip(std::string_view text, std::string_view characters);
std::string_view StripLeft(std::string_view text, std::string_view characters);
std::string_view StripRight(std::string_view text, std::string_view characters);
std::string_view RemovePrefix(std::string_view text, std::string_view prefix);
std::string_view RemoveSuffix(std::string_view text, std::string_view suffix);

std::vector<std::string_view> SplitWords(std::string_view text);                         // str.split()
std::vector<std::string_view> Split(std::string_view text, std::string_view separator);  // str.split(separator)
std::string Join(const std::vector<std::string_view>& parts, std::string_view separator);
std::string Replace(std::string_view text, std::string_view from, std::string_view to, size_t most = SIZE_MAX);
size_t Count(std::string_view text, std::string_view part);  // str.count: without overlaps; `part` is not empty
std::string Without(std::string_view text, std::string_view characters);  // ASCII characters taken out

std::string Lower(std::string_view text);
std::string Upper(std::string_view text);
bool IsUpper(std::string_view text);  // has cased characters, and none is lower case
bool IsLower(std::string_view text);

// json.loads: NaN and infinities are numbers (null here), a repeated key's last value counts, half a surrogate pair is
// allowed. nullopt where Python raises.
std::optional<Json> ParseJson(std::string_view text);
// json.dumps with its defaults: ", " and ": ", everything beyond ASCII escaped.
std::string DumpJson(const Json& value);

// float(text): surrounding white space, underscores between digits, "inf", "nan". nullopt where Python raises.
std::optional<double> ParseFloat(std::string_view text);

}  // namespace fulgur::python
