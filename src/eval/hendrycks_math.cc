#include "eval/hendrycks_math.h"

#include <vector>

#include "text/python_text.h"

namespace fulgur {

namespace {

using python::Replace;
using python::Split;

// The first code point of a text that is not empty.
std::string_view FirstCharacter(std::string_view text) {
  size_t size = 1;
  while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) ++size;
  return text.substr(0, size);
}

// \frac12 as \frac{1}{2}; nullopt for "\frac" at the end.
std::optional<std::string> BracedFractions(const std::string& text) {
  const std::vector<std::string_view> parts = Split(text, "\\frac");
  std::string out(parts[0]);
  for (size_t i = 1; i < parts.size(); ++i) {
    std::string_view part = parts[i];
    out += "\\frac";
    if (part.empty()) return std::nullopt;
    if (part[0] == '{') {
      out += part;
      continue;
    }
    const std::string_view a = FirstCharacter(part);
    part.remove_prefix(a.size());
    if (part.empty()) return text;
    const std::string_view b = FirstCharacter(part);
    part.remove_prefix(b.size());
    out += "{" + std::string(a) + "}";
    out += b == "{" ? "{" : "{" + std::string(b) + "}";
    out += part;
  }
  return out;
}

// \sqrt3 as \sqrt{3}; nullopt for "\sqrt" at the end.
std::optional<std::string> BracedRoots(const std::string& text) {
  const std::vector<std::string_view> parts = Split(text, "\\sqrt");
  std::string out(parts[0]);
  for (size_t i = 1; i < parts.size(); ++i) {
    if (parts[i].empty()) return std::nullopt;
    const std::string_view first = FirstCharacter(parts[i]);
    out += first == "{" ? "\\sqrt{" : "\\sqrt{" + std::string(first) + "}";
    out += parts[i].substr(first.size());
  }
  return out;
}

// What Python's int() takes: the digits as it prints them, or nullopt.
std::optional<std::string> PythonInt(std::string_view text) {
  text = python::Strip(text);
  std::string digits;
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_' && i > 0 && i + 1 < text.size() && text[i - 1] != '_') continue;
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    digits += text[i];
  }
  if (digits.empty()) return std::nullopt;
  digits = python::StripLeft(digits, "0");
  if (digits.empty()) return "0";
  return negative ? "-" + digits : digits;
}

}  // namespace

std::optional<std::string> NormalizeHendrycks(std::string_view answer, bool slash_raises) {
  std::string text = Replace(answer, "\n", "");
  text = Replace(text, "\\!", "");
  text = Replace(text, "\\\\", "\\");
  text = Replace(text, "tfrac", "frac");
  text = Replace(text, "dfrac", "frac");
  text = Replace(text, "\\left", "");
  text = Replace(text, "\\right", "");
  text = Replace(text, "^{\\circ}", "");
  text = Replace(text, "^\\circ", "");
  text = Replace(text, "\\$", "");
  if (const auto parts = Split(text, "\\text{ "); parts.size() == 2) {
    text = std::string(parts[0]);  // a unit
  } else if (parts.size() > 2) {
    return std::nullopt;
  }
  text = Replace(text, "\\%", "");
  text = Replace(text, " .", " 0.");
  text = Replace(text, "{.", "{0.");
  if (text.empty()) return text;
  if (text[0] == '.') text = "0" + text;
  if (const auto sides = Split(text, "="); sides.size() == 2 && python::Length(sides[0]) <= 2) {
    text = std::string(sides[1]);
  }
  const std::optional<std::string> roots = BracedRoots(text);
  if (!roots) return std::nullopt;
  const std::optional<std::string> fractions = BracedFractions(Replace(*roots, " ", ""));
  if (!fractions) return std::nullopt;
  text = *fractions == "0.5" ? "\\frac{1}{2}" : *fractions;
  if (const auto sides = Split(text, "/"); sides.size() == 2) {
    const std::optional<std::string> a = PythonInt(sides[0]), b = PythonInt(sides[1]);
    if ((!a || !b) && slash_raises) return std::nullopt;
    if (a && b && text == *a + "/" + *b) text = "\\frac{" + *a + "}{" + *b + "}";
  }
  return text;
}

}  // namespace fulgur
