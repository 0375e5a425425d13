#include "jinja/lexer.h"

#include <algorithm>
#include <cstdlib>

#include "unicode/characters.h"

namespace fulgur::jinja {

using namespace unicode;
namespace {

std::string NormalizeNewlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  Lexer(std::string_view source, const std::string& where) : where_(where) {
    if (!IsValidUtf8(source)) throw Error("{}: the template is not valid UTF-8", where);
    source_ = NormalizeNewlines(source);
  }

  std::vector<Token> Run() {
    while (pos_ < source_.size()) Root();
    Emit(TokenType::kEnd, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void Fail(const std::string& message) const {
    throw Error("{}:{}: TemplateSyntaxError: {}", where_, line_, message);
  }

  bool At(std::string_view text) const { return std::string_view(source_).substr(pos_, text.size()) == text; }

  void Emit(TokenType type, std::string text, Value value = {}) {
    tokens_.push_back({type, line_, std::move(text), std::move(value)});
  }

  void Advance(size_t to) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(pos_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(to), '\n'));
    pos_ = to;
  }

  size_t SkipSpace(size_t pos) const {
    while (pos < source_.size()) {
      size_t next = pos;
      if (!IsSpace(DecodeAt(source_, &next))) break;
      pos = next;
    }
    return pos;
  }

  // White space before `end` in [begin, end).
  size_t SpaceBefore(size_t begin, size_t end) const {
    while (end > begin) {
      size_t start = end - 1;
      while (start > begin && (static_cast<unsigned char>(source_[start]) & 0xC0) == 0x80) --start;
      size_t next = start;
      if (!IsSpace(DecodeAt(source_, &next))) break;
      end = start;
    }
    return end;
  }

  // The text in front of a tag at `tag`, which begins with `sign` ('-', '+' or none).
  void Data(size_t tag, char sign, bool is_variable) {
    size_t end = tag;
    if (sign == '-') {
      end = SpaceBefore(pos_, tag);
    } else if (sign != '+' && !is_variable) {
      const size_t newline = std::string_view(source_).substr(pos_, tag - pos_).rfind('\n');
      const size_t line = newline == std::string_view::npos ? pos_ : pos_ + newline + 1;
      if ((line > pos_ || at_line_start_) && SpaceBefore(line, tag) == line) end = line;
    }
    if (end > pos_) Emit(TokenType::kData, source_.substr(pos_, end - pos_));
    Advance(tag);
  }

  char SignAt(size_t pos) const {
    return pos < source_.size() && (source_[pos] == '-' || source_[pos] == '+') ? source_[pos] : 0;
  }

  // The end of a tag at `pos` if there is one: "%}", "-%}", and "+%}" where that is allowed; sets *end behind what it
  // swallows.
  bool EndsAt(size_t pos, std::string_view delimiter, bool trims, size_t* end) const {
    const char sign = SignAt(pos);
    if (sign == '+' && !trims) return false;
    const size_t at = pos + (sign != 0 ? 1 : 0);
    if (std::string_view(source_).substr(at, delimiter.size()) != delimiter) return false;
    *end = at + delimiter.size();
    if (sign == '-') {
      *end = SkipSpace(*end);
    } else if (sign == 0 && trims && *end < source_.size() && source_[*end] == '\n') {
      ++*end;
    }
    return true;
  }

  void Finish(size_t end) {
    Advance(end);
    at_line_start_ = end > 0 && source_[end - 1] == '\n';
  }

  void Root() {
    size_t tag = pos_;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) {
        Emit(TokenType::kData, source_.substr(pos_));
        Advance(source_.size());
        return;
      }
      const char c = source_[tag + 1];
      if (c == '%' || c == '{' || c == '#') break;
    }
    const char kind = source_[tag + 1];
    const char sign = SignAt(tag + 2);
    const size_t inside = tag + 2 + (sign != 0 ? 1 : 0);
    size_t raw = 0;
    if (kind == '%' && RawTag(inside, "raw", false, &raw)) {
      Data(tag, sign, false);
      Raw(raw);
      return;
    }
    Data(tag, sign, kind == '{');
    if (kind == '#') {
      Comment(inside);
      return;
    }
    const bool is_variable = kind == '{';
    Emit(is_variable ? TokenType::kVariableBegin : TokenType::kBlockBegin, "");
    Advance(inside);
    Expression(is_variable ? "}}" : "%}", !is_variable);
    Emit(is_variable ? TokenType::kVariableEnd : TokenType::kBlockEnd, "");
  }

  // `raw %}` or `endraw %}` at `pos`, white space around it.
  bool RawTag(size_t pos, std::string_view name, bool trims, size_t* end) const {
    pos = SkipSpace(pos);
    if (std::string_view(source_).substr(pos, name.size()) != name) return false;
    return EndsAt(SkipSpace(pos + name.size()), "%}", trims, end);
  }

  void Raw(size_t begin) {
    Finish(begin);
    for (size_t tag = pos_;; ++tag) {
      tag = source_.find("{%", tag);
      if (tag == std::string::npos) Fail("Missing end of raw directive");
      const char sign = SignAt(tag + 2);
      size_t end = 0;
      if (!RawTag(tag + 2 + (sign != 0 ? 1 : 0), "endraw", true, &end)) continue;
      Data(tag, sign, false);
      Finish(end);
      return;
    }
  }

  void Comment(size_t pos) {
    for (size_t close = pos;; ++close) {
      close = source_.find("#}", close);
      if (close == std::string::npos) Fail("Missing end of comment tag");
      size_t end = 0;
      const bool has_sign = close > pos && SignAt(close - 1) != 0;
      if (!EndsAt(has_sign ? close - 1 : close, "#}", true, &end)) continue;
      Finish(end);
      return;
    }
  }

  void Expression(std::string_view delimiter, bool trims) {
    std::string open;  // the closing brackets that are due
    while (true) {
      Advance(SkipSpace(pos_));
      size_t end = 0;
      if (open.empty() && EndsAt(pos_, delimiter, trims, &end)) {
        Finish(end);
        return;
      }
      if (pos_ >= source_.size()) {
        Fail(fmt::format("unexpected end of template, '{}' is missing", open.empty() ? std::string(delimiter) : open));
      }
      const char c = source_[pos_];
      if (c == '\'' || c == '"') {
        StringLiteral(c);
      } else if (c >= '0' && c <= '9') {
        Number();
      } else if (size_t next = pos_; IsWord(DecodeAt(source_, &next))) {
        size_t stop = next;
        while (next < source_.size() && IsWord(DecodeAt(source_, &next))) stop = next;
        Emit(TokenType::kName, source_.substr(pos_, stop - pos_));
        Advance(stop);
      } else {
        Operator(&open);
      }
    }
  }

  void Operator(std::string* open) {
    static constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                      "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                      ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    const auto it = std::find_if(std::begin(kOperators), std::end(kOperators), [&](auto op) { return At(op); });
    if (it == std::end(kOperators)) {
      size_t next = pos_;
      DecodeAt(source_, &next);
      Fail(fmt::format("unexpected character '{}'", source_.substr(pos_, next - pos_)));
    }
    const char c = it->front();
    if (c == '(' || c == '[' || c == '{') {
      open->push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
    } else if (c == ')' || c == ']' || c == '}') {
      if (open->empty()) Fail(fmt::format("unexpected '{}'", c));
      if (open->back() != c) Fail(fmt::format("unexpected '{}', expected '{}'", c, open->back()));
      open->pop_back();
    }
    Emit(TokenType::kOperator, std::string(*it));
    Advance(pos_ + it->size());
  }

  // digits with single underscores between them; returns the end, or `pos` if there are none.
  template <typename IsDigit>
  size_t Digits(size_t pos, IsDigit is_digit) const {
    size_t end = pos;
    while (end < source_.size()) {
      if (is_digit(source_[end])) {
        ++end;
      } else if (source_[end] == '_' && end > pos && end + 1 < source_.size() && is_digit(source_[end + 1])) {
        ++end;
      } else {
        break;
      }
    }
    return end;
  }

  void Number() {
    const auto decimal = [](char c) { return c >= '0' && c <= '9'; };
    const size_t whole = Digits(pos_, decimal);
    const auto char_at = [&](size_t i) { return i < source_.size() ? source_[i] : '\0'; };
    if (pos_ == 0 || source_[pos_ - 1] != '.') {
      size_t end = whole;
      if (char_at(end) == '.' && decimal(char_at(end + 1))) end = Digits(end + 1, decimal);
      if (char_at(end) == 'e' || char_at(end) == 'E') {
        const size_t exponent = end + 1 + (char_at(end + 1) == '+' || char_at(end + 1) == '-' ? 1 : 0);
        if (decimal(char_at(exponent))) end = Digits(exponent, decimal);
      }
      if (end > whole) {
        std::string text = source_.substr(pos_, end - pos_);
        text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
        Emit(TokenType::kNumber, "float", Value(std::strtod(text.c_str(), nullptr)));
        Advance(end);
        return;
      }
    }
    int base = 10;
    size_t begin = pos_, end = whole;
    if (source_[pos_] == '0') {
      const char letter = static_cast<char>(char_at(pos_ + 1) | 0x20);
      const int other = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
      const auto digit = [&](char c) { return DigitValue(c) < other; };
      if (other != 0 && digit(char_at(pos_ + 2 + (char_at(pos_ + 2) == '_' ? 1 : 0)))) {
        base = other;
        begin = pos_ + 2 + (char_at(pos_ + 2) == '_' ? 1 : 0);
        end = Digits(begin, digit);
      } else {
        end = Digits(pos_, [](char c) { return c == '0'; });
      }
    }
    Int value = 0;
    for (size_t i = begin; i < end; ++i) {
      if (source_[i] == '_') continue;
      if (__builtin_mul_overflow(value, Int{base}, &value) ||
          __builtin_add_overflow(value, Int{DigitValue(source_[i])}, &value)) {
        Fail("an integer of more than 127 bits");
      }
    }
    Emit(TokenType::kNumber, "integer", Value(value));
    Advance(end);
  }

  static int DigitValue(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = static_cast<char>(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
  }

  void StringLiteral(char quote) {
    std::string out;
    size_t i = pos_ + 1;
    for (;; ++i) {
      if (i >= source_.size()) Fail("a string is not closed");
      const char c = source_[i];
      if (c == quote) break;
      if (c != '\\') {
        out += c;
        continue;
      }
      if (++i >= source_.size()) Fail("a string is not closed");
      i = Escape(i, &out);
    }
    Emit(TokenType::kString, std::move(out));
    Advance(i + 1);
  }

  // The escape whose letter is at i; returns the position of its last character.
  size_t Escape(size_t i, std::string* out) {
    static constexpr std::string_view kLetters = "ntrabfv\\'\"", kMeanings = "\n\t\r\a\b\f\v\\'\"";
    const char c = source_[i];
    if (const size_t at = kLetters.find(c); at != std::string_view::npos) {
      *out += kMeanings[at];
      return i;
    }
    if (c == '\n') return i;
    const size_t length = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (length > 0) {
      char32_t code = 0;
      for (size_t k = 1; k <= length; ++k) {
        const int digit = i + k < source_.size() ? DigitValue(source_[i + k]) : 99;
        if (digit > 15) Fail(fmt::format("truncated \\{} escape", c));
        code = code * 16 + static_cast<char32_t>(digit);
      }
      if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) Fail("an escape that is not a Unicode character");
      AppendCodePoint(out, code);
      return i + length;
    }
    if (c >= '0' && c <= '7') {
      char32_t code = 0;
      size_t k = i;
      for (; k < i + 3 && k < source_.size() && source_[k] >= '0' && source_[k] <= '7'; ++k) {
        code = code * 8 + static_cast<char32_t>(source_[k] - '0');
      }
      AppendCodePoint(out, code);
      return k - 1;
    }
    *out += '\\';
    *out += c;  // an unknown escape stays; a longer character's other bytes follow by themselves
    return i;
  }

  const std::string& where_;
  std::string source_;
  size_t pos_ = 0;
  int line_ = 1;
  bool at_line_start_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> Tokenize(std::string_view source, const std::string& where) { return Lexer(source, where).Run(); }

}  // namespace fulgur::jinja
