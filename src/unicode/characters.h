// Code points in UTF-8 strings, and the character classes Python's string methods ask for.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fulgur::unicode {

// All of these take valid UTF-8.
char32_t DecodeAt(std::string_view text, size_t* pos);  // the code point at byte *pos; moves *pos behind it
void AppendCodePoint(std::string* out, char32_t c);
size_t CodePoints(std::string_view text);
size_t ByteOffset(std::string_view text, size_t code_point);  // of the code_point-th; text.size() if there are fewer

bool IsValidUtf8(std::string_view text);

bool IsSpace(char32_t c);      // str.isspace
bool IsAlpha(char32_t c);      // str.isalpha
bool IsDecimal(char32_t c);    // str.isdecimal
bool IsNumeric(char32_t c);    // str.isnumeric, but for ideographs
bool IsUpper(char32_t c);      // Lu
bool IsLower(char32_t c);      // Ll
bool IsPrintable(char32_t c);  // str.isprintable
bool IsWord(char32_t c);       // \w of Python's re

std::string ToUpper(char32_t c);
std::string ToLower(char32_t c);
std::string ToUpper(std::string_view text);
std::string ToLower(std::string_view text);

}  // namespace fulgur::unicode
