#include "unicode/characters.h"

#include <locale.h>
#include <wctype.h>

#include <algorithm>

#include "unicode/unicode.h"

namespace fulgur::unicode {
namespace {

template <char... kCategory>
bool Is(char32_t c) {
  static constexpr char kName[] = {kCategory...};
  static const CodePointSet set = *CodePointSet::OfCategory(std::string_view(kName, sizeof(kName)));
  return set.Contains(c);
}

// Case mapping is the C library's, which knows one character for one.
locale_t Utf8Locale() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

// Upper case that is more than one character (the ones met in European text).
const char* LongUpper(char32_t c) {
  switch (c) {
    case 0xDF:
      return "SS";
    case 0x149:
      return "\xCA\xBCN";
    case 0xFB00:
      return "FF";
    case 0xFB01:
      return "FI";
    case 0xFB02:
      return "FL";
    case 0xFB03:
      return "FFI";
    case 0xFB04:
      return "FFL";
    default:
      return nullptr;
  }
}

}  // namespace

char32_t DecodeAt(std::string_view text, size_t* pos) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(*pos);
  const size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  char32_t c = length == 1 ? first : first & (0x7F >> length);
  for (size_t i = 1; i < length && *pos + i < text.size(); ++i) c = (c << 6) | (byte(*pos + i) & 0x3F);
  *pos = std::min(*pos + length, text.size());
  return c;
}

void AppendCodePoint(std::string* out, char32_t c) {
  if (c < 0x80) {
    out->push_back(static_cast<char>(c));
    return;
  }
  const int extra = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  static constexpr unsigned char kLead[] = {0, 0xC0, 0xE0, 0xF0};
  out->push_back(static_cast<char>(kLead[extra] | (c >> (6 * extra))));
  for (int i = extra - 1; i >= 0; --i) out->push_back(static_cast<char>(0x80 | ((c >> (6 * i)) & 0x3F)));
}

size_t CodePoints(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

size_t ByteOffset(std::string_view text, size_t code_point) {
  size_t pos = 0;
  for (; pos < text.size(); ++pos) {
    if ((static_cast<unsigned char>(text[pos]) & 0xC0) == 0x80) continue;
    if (code_point-- == 0) break;
  }
  return pos;
}

bool IsValidUtf8(std::string_view text) { return ValidUtf8Prefix(text) == text.size(); }

bool IsSpace(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsAlpha(char32_t c) { return Is<'L'>(c); }
bool IsNumeric(char32_t c) { return Is<'N'>(c); }
bool IsDecimal(char32_t c) { return Is<'N', 'd'>(c); }
bool IsUpper(char32_t c) { return Is<'L', 'u'>(c); }
bool IsLower(char32_t c) { return Is<'L', 'l'>(c); }
bool IsPrintable(char32_t c) { return c == ' ' || !(Is<'C'>(c) || Is<'Z'>(c)); }
bool IsWord(char32_t c) { return c == '_' || IsAlpha(c) || IsNumeric(c); }

std::string ToUpper(char32_t c) {
  if (const char* text = LongUpper(c)) return text;
  std::string out;
  if (c < 128 || Utf8Locale() == nullptr) {
    AppendCodePoint(&out, c >= 'a' && c <= 'z' ? c - 32 : c);
  } else {
    AppendCodePoint(&out, static_cast<char32_t>(towupper_l(static_cast<wint_t>(c), Utf8Locale())));
  }
  return out;
}

std::string ToLower(char32_t c) {
  std::string out;
  if (c < 128 || Utf8Locale() == nullptr) {
    AppendCodePoint(&out, c >= 'A' && c <= 'Z' ? c + 32 : c);
  } else if (c == 0x130) {
    out = "i\xCC\x87";
  } else {
    AppendCodePoint(&out, static_cast<char32_t>(towlower_l(static_cast<wint_t>(c), Utf8Locale())));
  }
  return out;
}

std::string ToUpper(std::string_view text) {
  std::string out;
  for (size_t pos = 0; pos < text.size();) out += ToUpper(DecodeAt(text, &pos));
  return out;
}

std::string ToLower(std::string_view text) {
  std::string out;
  for (size_t pos = 0; pos < text.size();) out += ToLower(DecodeAt(text, &pos));
  return out;
}

}  // namespace fulgur::unicode
