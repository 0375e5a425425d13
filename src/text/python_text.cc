#include "text/python_text.h"

#include <cmath>
#include <cstdlib>
#include <limits>

#include "jinja/value.h"
#include "unicode/characters.h"
#include "unicode/unicode.h"

namespace fulgur::python {

namespace {

bool HasByte(std::string_view characters, char c) { return characters.find(c) != std::string_view::npos; }

// The text with what is no UTF-8 replaced.
std::string Valid(std::string_view text) {
  std::string bytes(text), valid;
  DrainUtf8(&bytes, /*final=*/true, &valid);
  return valid;
}

// Python's JSON that the library's parser refuses, in a form that it takes: NaN and infinities outside of strings as
// null, and escapes of half a surrogate pair as U+FFFD.
std::string AsStrictJson(std::string_view text) {
  std::string out;
  bool in_string = false;
  const auto surrogate = [&](size_t at) -> int {  // 1 high, 2 low, 0 neither
    if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return 0;
    const std::string digits(text.substr(at + 2, 4));
    if (digits.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) return 0;
    const long code = std::strtol(digits.c_str(), nullptr, 16);
    return code >= 0xD800 && code < 0xDC00 ? 1 : code >= 0xDC00 && code < 0xE000 ? 2 : 0;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string && c == '\\') {
      const int half = surrogate(i);
      if (half == 1 && surrogate(i + 6) == 2) {
        out += text.substr(i, 12);
        i += 11;
      } else if (half != 0) {
        out += "\\ufffd";
        i += 5;
      } else {
        out += text.substr(i, 2);
        ++i;
      }
      continue;
    }
    if (c == '"') in_string = !in_string;
    if (!in_string) {
      bool replaced = false;
      for (const std::string_view name : {"-Infinity", "Infinity", "NaN"}) {
        if (text.substr(i).starts_with(name)) {
          out += "null";
          i += name.size() - 1;
          replaced = true;
          break;
        }
      }
      if (replaced) continue;
    }
    out += c;
  }
  return out;
}

}  // namespace

std::u32string CodePoints(std::string_view text) {
  std::u32string points;
  points.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = DecodeUtf8(text);
    points += step.kind == Utf8Step::kCharacter ? step.code_point : U'\uFFFD';
    text.remove_prefix(step.length);
  }
  return points;
}

std::string Utf8(std::u32string_view code_points) {
  std::string text;
  for (const char32_t c : code_points) unicode::AppendCodePoint(&text, c);
  return text;
}

size_t Length(std::string_view text) {
  size_t length = 0;
  for (; !text.empty(); ++length) text.remove_prefix(DecodeUtf8(text).length);
  return length;
}

std::string_view Strip(std::string_view text) {
  while (!text.empty()) {
    const Utf8Step step = DecodeUtf8(text);
    if (step.kind != Utf8Step::kCharacter || !unicode::IsSpace(step.code_point)) break;
    text.remove_prefix(step.length);
  }
  while (!text.empty()) {
    size_t last = text.size() - 1;
    while (last > 0 && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    const Utf8Step step = DecodeUtf8(text.substr(last));
    if (step.kind != Utf8Step::kCharacter || last + step.length != text.size() || !unicode::IsSpace(step.code_point)) {
      break;
    }
    text.remove_suffix(step.length);
  }
  return text;
}

std::string_view StripLeft(std::string_view text, std::string_view characters) {
  while (!text.empty() && HasByte(characters, text.front())) text.remove_prefix(1);
  return text;
}

std::string_view StripRight(std::string_view text, std::string_view characters) {
  while (!text.empty() && HasByte(characters, text.back())) text.remove_suffix(1);
  return text;
}

std::string_view Strip(std::string_view text, std::string_view characters) {
  return StripRight(StripLeft(text, characters), characters);
}

std::string_view RemovePrefix(std::string_view text, std::string_view prefix) {
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  return text;
}

std::string_view RemoveSuffix(std::string_view text, std::string_view suffix) {
  if (text.ends_with(suffix)) text.remove_suffix(suffix.size());
  return text;
}

std::vector<std::string_view> SplitWords(std::string_view text) {
  std::vector<std::string_view> words;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Step step = DecodeUtf8(text.substr(at));
    if (step.kind == Utf8Step::kCharacter && unicode::IsSpace(step.code_point)) {
      if (at > begin) words.push_back(text.substr(begin, at - begin));
      begin = at + step.length;
    }
    at += step.length;
  }
  if (begin < text.size()) words.push_back(text.substr(begin));
  return words;
}

std::vector<std::string_view> Split(std::string_view text, std::string_view separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + separator.size());
  }
}

std::string Join(const std::vector<std::string_view>& parts, std::string_view separator) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += separator;
    text += parts[i];
  }
  return text;
}

std::string Replace(std::string_view text, std::string_view from, std::string_view to, size_t most) {
  std::string out;
  for (; most > 0; --most) {
    const size_t at = text.find(from);
    if (at == std::string_view::npos) break;
    out += text.substr(0, at);
    out += to;
    text.remove_prefix(at + from.size());
  }
  return out += text;
}

size_t Count(std::string_view text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

std::string Without(std::string_view text, std::string_view characters) {
  std::string out;
  for (const char c : text) {
    if (!HasByte(characters, c)) out += c;
  }
  return out;
}

std::string Lower(std::string_view text) { return unicode::ToLower(Valid(text)); }
std::string Upper(std::string_view text) { return unicode::ToUpper(Valid(text)); }

bool IsUpper(std::string_view text) {
  bool cased = false;
  for (const char32_t c : CodePoints(text)) {
    if (unicode::IsLower(c)) return false;
    cased |= unicode::IsUpper(c);
  }
  return cased;
}

bool IsLower(std::string_view text) {
  bool cased = false;
  for (const char32_t c : CodePoints(text)) {
    if (unicode::IsUpper(c)) return false;
    cased |= unicode::IsLower(c);
  }
  return cased;
}

std::optional<Json> ParseJson(std::string_view text) {
  Json value = Json::parse(AsStrictJson(text), nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return std::nullopt;
  return value;
}

std::string DumpJson(const Json& value) {
  std::string out;
  switch (value.type()) {
    case Json::value_t::object: {
      out = "{";
      bool first = true;
      for (const auto& [key, member] : value.items()) {
        if (!first) out += ", ";
        first = false;
        out += Json(key).dump(-1, ' ', /*ensure_ascii=*/true) + ": " + DumpJson(member);
      }
      return out + "}";
    }
    case Json::value_t::array:
      out = "[";
      for (size_t i = 0; i < value.size(); ++i) out += (i > 0 ? ", " : "") + DumpJson(value[i]);
      return out + "]";
    case Json::value_t::number_float:
      return jinja::FloatRepr(value.get<double>());
    default:
      return value.dump(-1, ' ', /*ensure_ascii=*/true);
  }
}

std::optional<double> ParseFloat(std::string_view text) {
  text = Strip(text);
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
    if (text[i] == '_') {
      if (i == 0 || !digit(i - 1) || !digit(i + 1)) return std::nullopt;
      continue;
    }
    digits += text[i];
  }
  const std::string name = Lower(StripLeft(digits, "+-"));
  const bool negative = digits.starts_with('-');
  if (digits.size() - name.size() <= 1) {
    if (name == "inf" || name == "infinity") {
      return negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
    }
    if (name == "nan") return std::numeric_limits<double>::quiet_NaN();
  }
  if (digits.empty() || digits.find_first_not_of("0123456789+-.eE") != std::string::npos) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(digits.c_str(), &end);
  if (end != digits.c_str() + digits.size()) return std::nullopt;
  return value;
}

}  // namespace fulgur::python
