// Reading what a run has written, for its report: whatever is missing, or is not what it should be, is left out.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "unicode/unicode.h"

namespace fulgur {

inline double Rounded(double value) {  // six digits are more than a chart shows
  if (!std::isfinite(value)) return value;
  char text[32];
  std::snprintf(text, sizeof(text), "%.6g", value);
  return std::strtod(text, nullptr);
}

// The value of a key; null if there is none, or no object.
inline const Json& At(const Json& object, std::string_view key) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(std::string(key));
  return found == object.end() ? kNull : *found;
}

// The number at "outer.inner".
inline std::optional<double> NumberAt(const Json& line, std::string_view path) {
  const Json* json = &line;
  for (size_t dot = 0; dot != std::string_view::npos;) {
    dot = path.find('.');
    json = &At(*json, path.substr(0, dot));
    if (dot != std::string_view::npos) path.remove_prefix(dot + 1);
  }
  if (!json->is_number()) return std::nullopt;
  return json->get<double>();
}

inline double NumberOr(const Json& line, std::string_view path, double fallback) {
  return NumberAt(line, path).value_or(fallback);
}

// A group's "id" as text: it is a number, or text if it exceeds 2^53.
inline std::string IdText(const Json& group) {
  const Json& id = At(group, "id");
  return id.is_string() ? id.get<std::string>() : id.dump();
}

// A text, cut after `most` bytes.
inline std::string TextAt(const Json& object, std::string_view key, size_t most) {
  const Json& json = At(object, key);
  if (!json.is_string()) return "";
  const std::string& text = json.get_ref<const std::string&>();
  if (text.size() <= most) return text;
  return text.substr(0, ValidUtf8Prefix(std::string_view(text).substr(0, most))) + " ...";
}

inline std::optional<Json> ParsedOrNothing(std::string_view text) {
  try {
    return ParseJson(text, "");
  } catch (const Error&) {
    return std::nullopt;
  }
}

// Calls f with every line that is a JSON object.
template <typename F>
void ForEachJsonLine(const std::filesystem::path& path, F f) {
  if (!std::filesystem::exists(path)) return;
  const std::string text = ReadFile(path);
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('\n', begin);
    if (end == std::string::npos) end = text.size();
    const std::optional<Json> line = ParsedOrNothing(std::string_view(text).substr(begin, end - begin));
    if (line && line->is_object()) f(*line);
    begin = end + 1;
  }
}

}  // namespace fulgur
