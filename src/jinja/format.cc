// Python's two ways to format: '%s %05.2f' % values, and '{} {name:>8}'.format(...).
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "jinja/eval.h"
#include "unicode/characters.h"

namespace fulgur::jinja {

using namespace unicode;
namespace {

struct Spec {
  std::string fill = " ";
  char align = 0;  // < > ^ =
  char sign = '-';
  bool alternate = false;
  char group = 0;  // , or _
  int64_t width = 0;
  int64_t precision = -1;
  char type = 0;
};

void Pad(const Text& text, const Spec& spec, char default_align, Text* out) {
  const int64_t pad = std::max<int64_t>(0, spec.width - static_cast<int64_t>(CodePoints(text.str())));
  const char align = spec.align != 0 ? spec.align : default_align;
  const int64_t left = align == '<' ? 0 : align == '^' ? pad / 2 : pad;
  out->Append(Padding(left, Text(spec.fill)));
  out->Append(text);
  out->Append(Padding(pad - left, Text(spec.fill)));
}

// Digits of a whole number in groups; what follows them (fraction, exponent) stays.
std::string Grouped(const std::string& digits, char separator, size_t size) {
  const size_t whole = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  const size_t end = size == 3 ? std::min(digits.find_first_not_of("0123456789"), digits.size()) : whole;
  std::string out;
  for (size_t i = 0; i < end; ++i) {
    if (i > 0 && (end - i) % size == 0) out += separator;
    out += digits[i];
  }
  return out + digits.substr(end);
}

// sign, prefix and digits, padded; '=' pads between sign and digits.
void PadNumber(bool negative, const std::string& prefix, const std::string& digits, const Spec& spec, Text* out) {
  const std::string sign = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  if (spec.align != '=') {
    Pad(Text(sign + prefix + digits), spec, '>', out);
    return;
  }
  out->Append(sign + prefix);
  Spec rest = spec;
  rest.align = '>';
  rest.width -= static_cast<int64_t>(sign.size() + prefix.size());
  Pad(Text(digits), rest, '>', out);
}

std::string Print(const char* format, int64_t precision, double d) {
  if (precision > 1000) throw Error("ValueError: a precision of more than 1000 digits");
  const int size = std::snprintf(nullptr, 0, format, static_cast<int>(precision), d);
  std::string text(static_cast<size_t>(size) + 1, '\0');
  std::snprintf(text.data(), text.size(), format, static_cast<int>(precision), d);
  text.pop_back();
  return text;
}

void FormatFloat(double d, const Spec& spec, Text* out) {
  const bool negative = std::signbit(d) && !std::isnan(d);
  double magnitude = std::abs(d);
  std::string text;
  if (spec.type == 0 && spec.precision < 0) {
    text = FloatRepr(magnitude);
  } else {
    const bool percent = spec.type == '%';
    const char type = percent ? 'f' : spec.type == 0 || spec.type == 'n' ? 'g' : spec.type;
    if (percent) magnitude *= 100;
    const std::string format = std::string(spec.alternate ? "%#.*" : "%.*") + type;
    text = Print(format.c_str(), spec.precision < 0 ? 6 : spec.precision, magnitude);
    if (spec.type == 0 && text.find_first_of(".en") == std::string::npos) text += ".0";
    if (percent) text += '%';
  }
  if (spec.group != 0 && std::isfinite(d)) text = Grouped(text, spec.group, 3);
  PadNumber(negative, "", text, spec, out);
}

std::string InBase(Int magnitude, int base, bool upper) {
  std::string digits;
  do {
    digits += (upper ? "0123456789ABCDEF" : "0123456789abcdef")[static_cast<int>(magnitude % base)];
    magnitude /= base;
  } while (magnitude != 0);
  std::reverse(digits.begin(), digits.end());
  return digits;
}

void FormatInt(Int value, const Spec& spec, Text* out) {
  const int base = spec.type == 'b' ? 2 : spec.type == 'o' ? 8 : spec.type == 'x' || spec.type == 'X' ? 16 : 10;
  std::string digits = InBase(value < 0 ? -value : value, base, spec.type == 'X');
  if (spec.group != 0) digits = Grouped(digits, spec.group, base == 10 ? 3 : 4);
  std::string prefix;
  if (spec.alternate && base != 10) prefix = std::string("0") + spec.type;
  PadNumber(value < 0, prefix, digits, spec, out);
}

void FormatString(const Text& text, const Spec& spec, Text* out) {
  if (spec.precision >= 0) {
    Pad(text.Substr(0, ByteOffset(text.str(), static_cast<size_t>(spec.precision))), spec, '<', out);
  } else {
    Pad(text, spec, '<', out);
  }
}

char32_t Character(const Value& value) {
  const int64_t c = ToIndex(value, "%c");
  if (c < 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) throw Error("OverflowError: %c takes a Unicode character");
  return static_cast<char32_t>(c);
}

bool IsOneOf(char c, std::string_view set) { return c != 0 && set.find(c) != std::string_view::npos; }

// Digits at `pos`, none is -1.
int64_t ParseNumber(std::string_view text, size_t* pos) {
  int64_t value = -1;
  while (*pos < text.size() && text[*pos] >= '0' && text[*pos] <= '9') {
    value = std::max<int64_t>(value, 0) * 10 + (text[(*pos)++] - '0');
    if (value > static_cast<int64_t>(Text::kMaxBytes)) throw Error("ValueError: a format that is too wide");
  }
  return value;
}

Spec ParseSpec(std::string_view text) {
  Spec spec;
  size_t pos = 0;
  const auto at = [&](size_t i) { return i < text.size() ? text[i] : '\0'; };
  size_t second = 0;
  if (!text.empty()) DecodeAt(text, &second);
  if (IsOneOf(at(second), "<>^=") && second > 0) {
    spec.fill = text.substr(0, second);
    spec.align = at(second);
    pos = second + 1;
  } else if (IsOneOf(at(0), "<>^=")) {
    spec.align = at(pos++);
  }
  if (IsOneOf(at(pos), "+- ")) spec.sign = at(pos++);
  if (at(pos) == '#') {
    spec.alternate = true;
    ++pos;
  }
  if (at(pos) == '0') {
    ++pos;
    if (spec.align == 0) {
      spec.align = '=';
      spec.fill = "0";
    }
  }
  spec.width = std::max<int64_t>(0, ParseNumber(text, &pos));
  if (IsOneOf(at(pos), ",_")) spec.group = at(pos++);
  if (at(pos) == '.') {
    spec.precision = ParseNumber(text, &++pos);
    if (spec.precision < 0) throw Error("ValueError: Format specifier missing precision");
  }
  if (pos < text.size()) spec.type = text[pos++];
  if (pos < text.size()) throw Error("ValueError: Invalid format specifier '{}'", text);
  return spec;
}

void FormatValue(const Value& value, std::string_view text, Text* out) {
  Spec spec = ParseSpec(text);
  const auto unknown = [&] {
    return Error("ValueError: Unknown format code '{}' for object of type '{}'", spec.type, TypeName(value));
  };
  if (value.is_float() || (value.is_int() && IsOneOf(spec.type, "eEfFgG%"))) {
    if (spec.type != 0 && !IsOneOf(spec.type, "eEfFgGn%")) throw unknown();
    FormatFloat(value.as_double(), spec, out);
  } else if (value.is_bool() && text.empty()) {
    out->Append(ToText(value));
  } else if (value.is_int()) {
    if (spec.type == 'c') {
      std::string c;
      AppendCodePoint(&c, Character(value));
      Pad(Text(c), spec, '<', out);
      return;
    }
    if (spec.type != 0 && !IsOneOf(spec.type, "bdoxXn")) throw unknown();
    if (spec.precision >= 0) throw Error("ValueError: Precision not allowed in integer format specifier");
    FormatInt(value.as_int(), spec, out);
  } else if (value.is_string()) {
    if (spec.type != 0 && spec.type != 's') throw unknown();
    if (spec.align == '=' && spec.fill == "0") spec.align = '<';
    if (spec.align == '=' || spec.sign != '-' || spec.group != 0) {
      throw Error("ValueError: '{}' is not a format for a string", text);
    }
    FormatString(value.text(), spec, out);
  } else {
    if (!text.empty()) throw Error("TypeError: unsupported format string passed to {}.__format__", TypeName(value));
    out->Append(ToText(value));
  }
}

class BraceFormatter {
 public:
  BraceFormatter(Interp& interp, const Args& args) : interp_(interp), args_(args) {}

  Text Run(const Text& format, int depth) {
    if (depth > 2) throw Error("ValueError: Max string recursion exceeded");
    const std::string& s = format.str();
    Text out;
    for (size_t pos = 0; pos < s.size();) {
      const size_t brace = std::min(s.find_first_of("{}", pos), s.size());
      out.Append(format, pos, brace);
      pos = brace;
      if (pos == s.size()) break;
      if (pos + 1 < s.size() && s[pos + 1] == s[pos]) {
        out.Append(format, pos, pos + 1);
        pos += 2;
        continue;
      }
      if (s[pos] == '}') throw Error("ValueError: Single '}}' encountered in format string");
      int open = 1;
      size_t end = pos + 1;
      for (; end < s.size() && open > 0; ++end) open += s[end] == '{' ? 1 : s[end] == '}' ? -1 : 0;
      if (open > 0) throw Error("ValueError: expected '}}' before end of string");
      Field(format.Substr(pos + 1, end - 1), depth, &out);
      pos = end;
    }
    return out;
  }

 private:
  void Field(const Text& field, int depth, Text* out) {
    const std::string& s = field.str();
    const size_t name_end = std::min(s.find_first_of("!:"), s.size());
    size_t spec_begin = name_end;
    char conversion = 0;
    if (name_end < s.size() && s[name_end] == '!') {
      if (name_end + 1 >= s.size() || (name_end + 2 < s.size() && s[name_end + 2] != ':')) {
        throw Error("ValueError: expected ':' after conversion specifier");
      }
      conversion = s[name_end + 1];
      spec_begin = name_end + 2;
    }
    Value value = Lookup(s.substr(0, name_end));
    if (conversion == 'r' || conversion == 'a') {
      value = Value::Str(Repr(value));
    } else if (conversion == 's') {
      value = Value(ToText(value));
    } else if (conversion != 0) {
      throw Error("ValueError: Unknown conversion specifier {}", conversion);
    }
    const Text spec = spec_begin < s.size() ? Run(field.Substr(spec_begin + 1, s.size()), depth + 1) : Text();
    FormatValue(value, spec.str(), out);
  }

  Value Lookup(const std::string& path) {
    const size_t first_end = std::min(path.find_first_of(".["), path.size());
    const std::string first = path.substr(0, first_end);
    Value value;
    if (first.empty() || (first.size() < 10 && first.find_first_not_of("0123456789") == std::string::npos)) {
      const size_t index = first.empty() ? next_++ : std::stoul(first);
      if (index >= args_.positional.size()) {
        throw Error("IndexError: Replacement index {} out of range for positional args tuple", index);
      }
      value = args_.positional[index];
    } else {
      const auto it =
          std::find_if(args_.named.begin(), args_.named.end(), [&](auto& entry) { return entry.first == first; });
      if (it == args_.named.end()) throw Error("KeyError: '{}'", first);
      value = it->second;
    }
    for (size_t pos = first_end; pos < path.size();) {
      if (path[pos] == '.') {
        const size_t end = std::min(path.find_first_of(".[", pos + 1), path.size());
        value = interp_.Attribute(value, path.substr(pos + 1, end - pos - 1));
        pos = end;
      } else {
        const size_t end = path.find(']', pos);
        if (path[pos] != '[' || end == std::string::npos) throw Error("ValueError: Missing ']' in format string");
        const std::string key = path.substr(pos + 1, end - pos - 1);
        const bool digits = !key.empty() && key.size() < 10 && key.find_first_not_of("0123456789") == std::string::npos;
        value = interp_.Item(value, digits ? Value::Integer(std::stol(key)) : Value::Str(key));
        pos = end + 1;
      }
      if (value.is_undefined()) throw Error("KeyError: '{}'", path);
    }
    return value;
  }

  Interp& interp_;
  const Args& args_;
  size_t next_ = 0;
};

}  // namespace

Text BraceFormat(Interp& interp, const Text& format, const Args& args) {
  return BraceFormatter(interp, args).Run(format, 0);
}

Text PercentFormat(const Text& format, const Value& args) {
  const std::string& s = format.str();
  const bool is_tuple = args.is(Type::kTuple);
  size_t next = 0;
  bool named = false;
  const auto take = [&]() -> const Value& {
    if (is_tuple ? next >= args.as<Sequence>().items.size() : next > 0) {
      throw Error("TypeError: not enough arguments for format string");
    }
    return is_tuple ? args.as<Sequence>().items[next++] : (++next, args);
  };
  Text out;
  for (size_t pos = 0; pos < s.size();) {
    const size_t percent = std::min(s.find('%', pos), s.size());
    out.Append(format, pos, percent);
    pos = percent + 1;
    if (percent == s.size()) break;
    const auto at = [&](size_t i) { return i < s.size() ? s[i] : '\0'; };
    const Value* value = nullptr;
    if (at(pos) == '(') {
      const size_t end = s.find(')', pos);
      if (end == std::string::npos) throw Error("ValueError: incomplete format key");
      if (!args.is(Type::kDict)) throw Error("TypeError: format requires a mapping");
      Budget budget(INT64_MAX);
      const std::string key = s.substr(pos + 1, end - pos - 1);
      value = args.as<Dict>().Find(budget, Value::Str(key));
      if (value == nullptr) throw Error("KeyError: '{}'", key);
      named = true;
      pos = end + 1;
    }
    Spec spec;
    bool zero = false;
    for (; IsOneOf(at(pos), "-+ #0"); ++pos) {
      if (at(pos) == '-') spec.align = '<';
      if (at(pos) == '+' || (at(pos) == ' ' && spec.sign != '+')) spec.sign = at(pos);
      if (at(pos) == '#') spec.alternate = true;
      if (at(pos) == '0') zero = true;
    }
    if (at(pos) == '*') {
      spec.width = ToIndex(take(), "* in a format");
      if (spec.width < 0) {
        spec.align = '<';
        spec.width = -spec.width;
      }
      ++pos;
    } else {
      spec.width = std::max<int64_t>(0, ParseNumber(s, &pos));
    }
    if (at(pos) == '.') {
      ++pos;
      if (at(pos) == '*') {
        spec.precision = std::max<int64_t>(0, ToIndex(take(), "* in a format"));
        ++pos;
      } else {
        spec.precision = std::max<int64_t>(0, ParseNumber(s, &pos));
      }
    }
    while (IsOneOf(at(pos), "hlL")) ++pos;
    if (pos >= s.size()) throw Error("ValueError: incomplete format");
    const char type = s[pos++];
    if (type == '%') {
      out.Append("%", true);
      continue;
    }
    if (!IsOneOf(type, "diuoxXeEfFgGcrsa")) {
      throw Error("ValueError: unsupported format character '{}'", type);
    }
    const Value& argument = value != nullptr ? *value : take();
    if (IsOneOf(type, "rsa")) {
      if (spec.align == 0) spec.align = '>';
      FormatString(type == 's' ? ToText(argument) : Text(Repr(argument)), spec, &out);
      continue;
    }
    if (type == 'c' && argument.is_string()) {
      if (CodePoints(argument.str()) != 1) throw Error("TypeError: %c requires int or char");
      Pad(argument.text(), spec, '>', &out);
      continue;
    }
    if (argument.is_undefined()) throw Error("UndefinedError: {}", argument.undefined_message());
    if (!argument.is_number()) {
      throw Error("TypeError: %{} format: a real number is required, not {}", type, TypeName(argument));
    }
    if (zero && spec.align == 0) {
      spec.align = '=';
      spec.fill = "0";
    }
    spec.type = type;
    if (IsOneOf(type, "eEfFgG")) {
      FormatFloat(argument.as_double(), spec, &out);
    } else if (type == 'c') {
      std::string c;
      AppendCodePoint(&c, Character(argument));
      Pad(Text(c), spec, '>', &out);
    } else {
      Int number;
      if (argument.is_int()) {
        number = argument.as_int();
      } else if (IsOneOf(type, "diu") && std::abs(argument.as_double()) < 1.7e38) {
        number = static_cast<Int>(argument.as_double());
      } else {
        throw Error("TypeError: %{} format: an integer is required, not float", type);
      }
      if (IsOneOf(type, "iu")) spec.type = 'd';
      if (spec.precision >= 0) {  // the least number of digits
        Spec digits = spec;
        digits.alternate = false;
        Text body;
        digits.fill = "0";
        digits.align = '>';
        digits.width = spec.precision;
        digits.sign = '-';
        FormatInt(number < 0 ? -number : number, digits, &body);
        PadNumber(number < 0, spec.alternate && IsOneOf(type, "oxX") ? std::string("0") + type : "", body.str(), spec,
                  &out);
      } else {
        FormatInt(number, spec, &out);
      }
    }
  }
  const size_t given = is_tuple ? args.as<Sequence>().items.size() : 1;
  const bool mapping = !is_tuple && (args.is(Type::kDict) || args.is(Type::kList) || args.is(Type::kRange));
  if (!named && !mapping && next < given) {
    throw Error("TypeError: not all arguments converted during string formatting");
  }
  return out;
}

}  // namespace fulgur::jinja
