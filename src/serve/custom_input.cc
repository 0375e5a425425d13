#include "serve/custom_input.h"

#include "base/json.h"

namespace fulgur {
namespace {

constexpr size_t kUnicode = 6;  // backslash, u, four digits

// Whether more of the escape is to come: it is not whole, or may be the first half of a pair.
bool IsOpen(const std::string& escape) {
  if (escape.size() < 2) return true;
  if (escape[1] != 'u') return false;
  if (escape.size() < kUnicode) return true;
  if (escape.size() == kUnicode) {
    return (escape[2] == 'd' || escape[2] == 'D') &&
           std::string_view("89abAB").find(escape[3]) != std::string_view::npos;
  }
  return escape.size() < 2 * kUnicode && escape[kUnicode] == '\\' &&
         (escape.size() == kUnicode + 1 || escape[kUnicode + 1] == 'u');
}

}  // namespace

std::string CustomInput::Push(std::string_view arguments) {
  std::string text;
  for (const char c : arguments) {
    if (state_ == State::kBefore) {
      if (c == ':') state_ = State::kValue;
    } else if (state_ == State::kValue) {
      if (c == '"') state_ = State::kText;
    } else if (state_ == State::kText && escape_.empty() && c == '"') {
      state_ = State::kOver;
    } else if (state_ == State::kText && escape_.empty() && c != '\\') {
      text += c;
    } else if (state_ == State::kText) {
      escape_ += c;
      if (IsOpen(escape_)) continue;
      std::string escape;
      std::swap(escape, escape_);
      const Json character = Json::parse('"' + escape + '"', nullptr, /*allow_exceptions=*/false);
      if (character.is_string()) {
        text += character.get<std::string>();
      } else {  // half a pair, and what follows it
        text += "\xef\xbf\xbd";
        if (escape.size() > kUnicode) text += Push(escape.substr(kUnicode));
      }
    }
  }
  return text;
}

}  // namespace fulgur
