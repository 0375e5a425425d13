// Jinja's filters and tests, each named as in a template and taking the arguments Jinja2's documentation gives.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "jinja/eval.h"
#include "unicode/characters.h"

namespace fulgur::jinja {

using namespace unicode;

// ---- what filters and methods share

Text MapText(const Text& text, std::string mapped) { return Text(std::move(mapped), text.AllTrusted()); }

std::string Capitalize(std::string_view text) {
  if (text.empty()) return "";
  size_t pos = 0;
  const char32_t first = DecodeAt(text, &pos);
  return ToUpper(first) + ToLower(text.substr(pos));
}

Text Padding(int64_t count, const Text& fill) {
  if (count > static_cast<int64_t>(Text::kMaxBytes)) {
    throw Error("the template makes a text longer than {} bytes", Text::kMaxBytes);
  }
  Text out;
  for (int64_t i = 0; i < count; ++i) out.Append(fill);
  return out;
}

Text Strip(const Text& text, const std::string* characters, bool left, bool right) {
  const std::string& s = text.str();
  const auto drop = [&](size_t begin, size_t* end) {
    *end = begin;
    const char32_t c = DecodeAt(s, end);
    if (characters == nullptr) return IsSpace(c);
    return characters->find(s.substr(begin, *end - begin)) != std::string::npos;
  };
  size_t begin = 0, end = s.size(), next = 0;
  while (left && begin < end && drop(begin, &next)) begin = next;
  while (right && end > begin) {
    size_t start = end - 1;
    while (start > begin && (static_cast<unsigned char>(s[start]) & 0xC0) == 0x80) --start;
    if (!drop(start, &next)) break;
    end = start;
  }
  return text.Substr(begin, end);
}

Text ReplaceAll(Budget& budget, const Text& text, const Text& old, const Text& with, int64_t count) {
  Text out;
  const std::string& s = text.str();
  size_t pos = 0;
  for (; count != 0 && pos <= s.size(); --count) {
    budget.Spend(4 + static_cast<int64_t>(with.size() / 16));
    if (old.size() == 0) {  // before every character, and at the end
      out.Append(with);
      if (pos == s.size()) return out;
      size_t next = pos;
      DecodeAt(s, &next);
      out.Append(text, pos, next);
      pos = next;
      continue;
    }
    const size_t found = s.find(old.str(), pos);
    if (found == std::string::npos) break;
    out.Append(text, pos, found);
    out.Append(with);
    pos = found + old.size();
  }
  out.Append(text, pos, s.size());
  return out;
}

Value AttributePath(Interp& interp, const Value& value, const Value& path) {
  if (!path.is_string()) return interp.Item(value, path);
  Value current = value;
  const std::string& names = path.str();
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find('.', begin), names.size());
    const std::string name = names.substr(begin, end - begin);
    const bool digits = !name.empty() && name.size() < 10 &&
                        std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
    current = interp.Item(current, digits ? Value::Integer(std::atoll(name.c_str())) : Value::Str(name));
    begin = end + 1;
  }
  return current;
}

namespace {

using V = const Value&;

Value MakeIterator(std::vector<Value> items) { return Value(std::make_shared<Iterator>(std::move(items))); }

Value Undefined_(const char* message) { return Value::MakeUndefined(message); }

Value KeepMarkup(V input, Text text) { return Value(std::move(text), input.markup()); }

// What sorting and searching look at: an attribute or the value; strings without their case unless asked.
Value SortKey(Interp& interp, V item, const Value* path, bool case_sensitive) {
  Value key = path != nullptr && !path->is_none() ? AttributePath(interp, item, *path) : item;
  if (!case_sensitive && key.is_string()) return Value::Str(ToLower(key.str()));
  return key;
}

const Value* Given(const Bound& args, size_t i) { return args.has(i) && !args[i].is_none() ? &args[i] : nullptr; }

// ---- text

template <std::string (*kMap)(std::string_view)>
Value MapString(Interp&, V input, const Args& a) {
  Bound("filter", a, {});
  const Text text = ToText(input);
  return KeepMarkup(input, MapText(text, kMap(text.str())));
}

std::string TitleWords(std::string_view text) {
  std::string out, word;
  const auto flush = [&] {
    out += Capitalize(word);
    word.clear();
  };
  for (size_t pos = 0; pos < text.size();) {
    const char32_t c = DecodeAt(text, &pos);
    if (IsSpace(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<') {
      flush();
      AppendCodePoint(&out, c);
    } else {
      AppendCodePoint(&word, c);
    }
  }
  flush();
  return out;
}

Value Trim(Interp&, V input, const Args& a) {
  const Bound args("trim", a, {"chars"});
  const std::string characters = Given(args, 0) != nullptr ? args.String(0, "") : "";
  return KeepMarkup(input, Strip(ToText(input), Given(args, 0) != nullptr ? &characters : nullptr, true, true));
}

Value Replace(Interp& interp, V input, const Args& a) {
  const Bound args("replace", a, {"old", "new", "count"}, 2);
  const int64_t count = Given(args, 2) != nullptr ? args.Integer(2, -1) : -1;
  return Value(ReplaceAll(interp.budget(), ToText(input), ToText(args[0]), ToText(args[1]), count));
}

Value Join(Interp& interp, V input, const Args& a) {
  const Bound args("join", a, {"d", "attribute"});
  const Text separator = args.has(0) ? ToText(args[0]) : Text();
  Text out;
  bool first = true;
  for (const Value& item : Items(interp.budget(), input)) {
    if (!first) out.Append(separator);
    first = false;
    out.Append(ToText(Given(args, 1) != nullptr ? AttributePath(interp, item, args[1]) : item));
    interp.budget().Spend(1 + static_cast<int64_t>(separator.size() / 16));
  }
  return Value(std::move(out));
}

Value Indent(Interp& interp, V input, const Args& a) {
  const Bound args("indent", a, {"width", "first", "blank"});
  const Text indention = args.has(0) && args[0].is_string() ? args[0].text() : Padding(args.Integer(0, 4), Text(" "));
  const bool first = args.Flag(1), blank = args.Flag(2);
  if (input.is_undefined()) throw Error("UndefinedError: {}", input.undefined_message());
  if (!input.is_string()) throw Error("TypeError: indent takes a string, not {}", TypeName(input));
  Text text = input.text();
  text.Append("\n");
  const std::string& s = text.str();
  Text out;
  if (first) out.Append(indention);
  bool is_first = true;
  for (size_t begin = 0; begin < s.size();) {
    const size_t end = s.find('\n', begin);
    if (!is_first) {
      out.Append("\n", true);
      if (blank || end > begin) out.Append(indention);
      interp.budget().Spend(1 + static_cast<int64_t>(indention.size() / 16));
    }
    is_first = false;
    out.Append(text, begin, end);
    begin = end + 1;
  }
  return KeepMarkup(input, std::move(out));
}

Value Center(Interp&, V input, const Args& a) {
  const Bound args("center", a, {"width"});
  const int64_t width = args.Integer(0, 80);
  const Text text = ToText(input);
  const int64_t length = Length(Value(text));
  const int64_t pad = std::max<int64_t>(0, width - length);
  const int64_t left = pad / 2 + (pad & width & 1);
  Text out = Padding(left, Text(" "));
  out.Append(text);
  out.Append(Padding(pad - left, Text(" ")));
  return KeepMarkup(input, std::move(out));
}

Value Truncate(Interp&, V input, const Args& a) {
  const Bound args("truncate", a, {"length", "killwords", "end", "leeway"});
  const Text end = args.has(2) ? ToText(args[2]) : Text("...");
  const int64_t length = args.Integer(0, 255), end_length = Length(Value(end));
  const int64_t leeway = Given(args, 3) != nullptr ? args.Integer(3, 5) : 5;
  if (length < end_length) throw Error("AssertionError: truncate expects length >= {}, got {}", end_length, length);
  if (leeway < 0) throw Error("AssertionError: truncate expects leeway >= 0, got {}", leeway);
  if (Length(input) <= length + leeway) return input;
  if (!input.is_string()) throw Error("TypeError: truncate takes a string, not {}", TypeName(input));
  const Text& text = input.text();
  size_t cut = ByteOffset(text.str(), static_cast<size_t>(length - end_length));
  if (!args.Flag(1)) {
    const size_t space = cut == 0 ? std::string::npos : text.str().rfind(' ', cut - 1);
    if (space != std::string::npos && space < cut) cut = space;
  }
  Text out = text.Substr(0, cut);
  out.Append(end);
  return Value(std::move(out));
}

Value WordCount(Interp&, V input, const Args& a) {
  Bound("wordcount", a, {});
  const std::string text = ToText(input).str();
  int64_t words = 0;
  bool inside = false;
  for (size_t pos = 0; pos < text.size();) {
    const bool word = IsWord(DecodeAt(text, &pos));
    words += word && !inside;
    inside = word;
  }
  return Value::Integer(words);
}

Value Escape(Interp&, V input, const Args& a) {
  Bound("escape", a, {});
  if (input.markup()) return input;
  const Text text = ToText(input);
  return Value(MapText(text, EscapeHtml(text.str())), true);
}

Value ForceEscape(Interp&, V input, const Args& a) {
  Bound("forceescape", a, {});
  const Text text = ToText(input);
  return Value(MapText(text, EscapeHtml(text.str())), true);
}

Value Safe(Interp&, V input, const Args& a) {
  Bound("safe", a, {});
  return Value(ToText(input), true);
}

Value String_(Interp&, V input, const Args& a) {
  Bound("string", a, {});
  return input.is_string() ? input : Value(ToText(input));
}

Value StripTags(Interp&, V input, const Args& a) {
  Bound("striptags", a, {});
  std::string s = ToText(input).str();
  const auto cut = [&](std::string_view open, std::string_view close) {
    std::string out;
    for (size_t pos = 0;;) {
      const size_t begin = s.find(open, pos);
      const size_t end = begin == std::string::npos ? begin : s.find(close, begin + open.size());
      out += s.substr(pos, end == std::string::npos ? end : begin - pos);
      if (end == std::string::npos) break;
      pos = end + close.size();
    }
    s = out;
  };
  cut("<!--", "-->");
  cut("<", ">");
  std::string out;
  for (size_t pos = 0; pos < s.size();) {  // white space becomes single spaces
    const char32_t c = DecodeAt(s, &pos);
    if (!IsSpace(c)) {
      AppendCodePoint(&out, c);
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  static constexpr std::pair<std::string_view, std::string_view> kEntities[] = {
      {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#34;", "\""}, {"&#39;", "'"}, {"&amp;", "&"}};
  std::string unescaped;
  for (size_t i = 0; i < out.size();) {
    const auto* it = std::find_if(std::begin(kEntities), std::end(kEntities), [&](const auto& entity) {
      return std::string_view(out).substr(i, entity.first.size()) == entity.first;
    });
    unescaped += it != std::end(kEntities) ? it->second : std::string_view(out).substr(i, 1);
    i += it != std::end(kEntities) ? it->first.size() : 1;
  }
  return Value::Str(std::move(unescaped));
}

Value Format(Interp&, V input, const Args& a) {
  if (!a.positional.empty() && !a.named.empty()) {
    throw Error("FilterArgumentError: can't handle positional and keyword arguments at the same time");
  }
  Budget budget(INT64_MAX);
  if (a.named.empty()) return Value(PercentFormat(ToText(input), MakeTuple(a.positional)));
  auto dict = std::make_shared<Dict>();
  for (const auto& [name, value] : a.named) dict->Set(budget, Value::Str(name), value);
  return Value(PercentFormat(ToText(input), Value(std::move(dict))));
}

std::string Quote(std::string_view text, std::string_view safe) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::strchr("_.-~", c) != nullptr || safe.find(c) != std::string_view::npos;
    out += plain && c != '\0' ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

Value UrlEncode(Interp& interp, V input, const Args& a) {
  Bound("urlencode", a, {});
  if (input.is_string() || !(input.is(Type::kDict) || input.is(Type::kList) || input.is(Type::kTuple))) {
    return Value::Str(Quote(ToText(input).str(), "/"));
  }
  const auto encode = [](V value) {
    std::string out = Quote(ToText(value).str(), " ");
    std::replace(out.begin(), out.end(), ' ', '+');
    return out;
  };
  std::string out;
  const auto add = [&](V key, V value) {
    if (!out.empty()) out += '&';
    out += encode(key) + "=" + encode(value);
  };
  if (input.is(Type::kDict)) {
    for (const auto& [key, value] : input.as<Dict>().items) add(key, value);
  } else {
    for (const Value& pair : input.as<Sequence>().items) {
      const std::vector<Value> both = Items(interp.budget(), pair);
      if (both.size() != 2) throw Error("ValueError: urlencode takes a dict or pairs");
      add(both[0], both[1]);
    }
  }
  return Value::Str(std::move(out));
}

Value XmlAttributes(Interp&, V input, const Args& a) {
  const Bound args("xmlattr", a, {"autospace"});
  if (!input.is(Type::kDict)) throw Error("TypeError: xmlattr takes a dict, not {}", TypeName(input));
  std::string out;
  for (const auto& [key, value] : input.as<Dict>().items) {
    if (value.is_none() || value.is_undefined()) continue;
    const std::string name = ToText(key).str();
    if (name.find_first_of(" \t\n\r\f\v/>=") != std::string::npos) {
      throw Error("ValueError: Invalid character in attribute name: '{}'", name);
    }
    if (!out.empty()) out += ' ';
    out += EscapeHtml(name) + "=\"" + (value.markup() ? value.str() : EscapeHtml(ToText(value).str())) + "\"";
  }
  if (args.Flag(0, true) && !out.empty()) out.insert(0, " ");
  return Value::Str(std::move(out));
}

Value FileSize(Interp&, V input, const Args& a) {
  const Bound args("filesizeformat", a, {"binary"});
  double bytes = 0;
  if (input.is_number()) {
    bytes = input.as_double();
  } else if (input.is_string()) {
    char* end = nullptr;
    bytes = std::strtod(input.str().c_str(), &end);
    if (end == input.str().c_str() || *end != '\0') throw Error("ValueError: '{}' is not a number", input.str());
  } else {
    throw Error("TypeError: filesizeformat takes a number, not {}", TypeName(input));
  }
  const bool binary = args.Flag(0);
  const double base = binary ? 1024 : 1000;
  static constexpr const char* kDecimal[] = {"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
  static constexpr const char* kBinary[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};
  if (bytes == 1) return Value::Str("1 Byte");
  if (bytes < base) return Value::Str(fmt::format("{} Bytes", static_cast<int64_t>(std::max(bytes, -9e15))));
  double unit = base;
  for (int i = 0;; ++i) {
    unit *= base;
    if (bytes < unit || i == 7) {
      return Value::Str(fmt::format("{:.1f} {}", base * bytes / unit, (binary ? kBinary : kDecimal)[i]));
    }
  }
}

// ---- numbers

Value Abs(Interp&, V input, const Args& a) {
  Bound("abs", a, {});
  if (input.is_float()) return Value(std::abs(input.as_double()));
  if (!input.is_int()) throw Error("TypeError: bad operand type for abs(): '{}'", TypeName(input));
  return input.as_int() < 0 ? Negate(input) : Value(input.as_int());
}

bool ParseInt(std::string_view text, int64_t base, Int* out) {
  const Text stripped = Strip(Text(std::string(text)), nullptr, true, true);
  std::string_view s = stripped.str();
  bool negative = false;
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) {
    negative = s[0] == '-';
    s.remove_prefix(1);
  }
  if (s.size() > 1 && s[0] == '0') {
    const char letter = static_cast<char>(s[1] | 0x20);
    const int64_t named = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (named != 0 && (base == named || base == 0)) {
      s.remove_prefix(2);
      base = named;
      if (!s.empty() && s[0] == '_') s.remove_prefix(1);
    }
  }
  if (base == 0) base = 10;
  Int value = 0;
  bool digit_before = false;
  for (const char c : s) {
    if (c == '_' && digit_before) {
      digit_before = false;
      continue;
    }
    const int lower = c | 0x20;
    const int digit = c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'z' ? lower - 'a' + 10 : 99;
    if (digit >= base) return false;
    if (__builtin_mul_overflow(value, Int{base}, &value) || __builtin_add_overflow(value, Int{digit}, &value)) {
      throw Error("OverflowError: an integer of more than 127 bits");
    }
    digit_before = true;
  }
  *out = negative ? -value : value;
  return digit_before;
}

bool ParseFloat(std::string_view text, double* out) {
  const Text stripped = Strip(Text(std::string(text)), nullptr, true, true);
  std::string s;
  const std::string& from = stripped.str();
  const auto is_digit = [&](size_t i) { return i < from.size() && from[i] >= '0' && from[i] <= '9'; };
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i] == '_') {
      if (i == 0 || !is_digit(i - 1) || !is_digit(i + 1)) return false;
      continue;
    }
    s += from[i];
  }
  if (s.find_first_of("xX(") != std::string::npos || s.empty()) return false;  // strtod's hexadecimal, nan(...)
  char* end = nullptr;
  *out = std::strtod(s.c_str(), &end);
  return *end == '\0' && end != s.c_str() && !IsSpace(static_cast<unsigned char>(s[0]));
}

Value FloatToInt(double d) {
  if (std::abs(d) >= 1.7e38) throw Error("OverflowError: an integer of more than 127 bits");
  return Value(static_cast<Int>(d));
}

Value ToInt(Interp&, V input, const Args& a) {
  const Bound args("int", a, {"default", "base"});
  const Value fallback = args.Or(0, Value::Integer(0));
  const int64_t base = args.Integer(1, 10);
  if (base != 0 && (base < 2 || base > 36)) throw Error("ValueError: int's base must be 0 or 2 to 36");
  if (input.is_undefined()) throw Error("UndefinedError: {}", input.undefined_message());
  if (input.is_int()) return Value(input.as_int());
  double d = 0;
  if (input.is_string()) {
    Int value = 0;
    if (ParseInt(input.str(), base, &value)) return Value(value);
    if (!ParseFloat(input.str(), &d)) return fallback;
  } else if (input.is_float()) {
    d = input.as_double();
  } else {
    return fallback;
  }
  return std::isfinite(d) ? FloatToInt(d) : fallback;
}

Value ToFloat(Interp&, V input, const Args& a) {
  const Bound args("float", a, {"default"});
  if (input.is_undefined()) throw Error("UndefinedError: {}", input.undefined_message());
  double d = 0;
  if (input.is_number()) return Value(input.as_double());
  if (input.is_string() && ParseFloat(input.str(), &d)) return Value(d);
  return args.Or(0, Value(0.0));
}

Value Round(Interp&, V input, const Args& a) {
  const Bound args("round", a, {"precision", "method"});
  const int64_t precision = args.Integer(0, 0);
  const std::string method = args.String(1, "common");
  if (method != "common" && method != "ceil" && method != "floor") {
    throw Error("FilterArgumentError: method must be common, ceil or floor");
  }
  if (!input.is_number()) throw Error("TypeError: type {} doesn't define __round__ method", TypeName(input));
  if (method != "common") {
    const double scale = std::pow(10.0, static_cast<double>(precision));
    const double scaled = input.as_double() * scale;
    return Value((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
  }
  if (input.is_int()) {
    if (precision >= 0) return Value(input.as_int());
    if (precision < -38) return Value(Int{0});
    Int unit = 1;
    for (int64_t i = precision; i < 0; ++i) unit *= 10;
    const Int value = input.as_int();
    const Int magnitude = value < 0 ? -value : value;
    Int quotient = magnitude / unit;
    const Int rest = magnitude % unit, half = unit / 2;
    if (rest > half || (rest == half && quotient % 2 != 0)) ++quotient;  // half to even
    Int result = 0;
    if (__builtin_mul_overflow(quotient, unit, &result)) throw Error("OverflowError: an integer of more than 127 bits");
    return Value(value < 0 ? -result : result);
  }
  const double d = input.as_double();
  if (!std::isfinite(d) || precision > 300) return input;
  if (precision < -308) return Value(std::copysign(0.0, d));
  // The decimal digits of a double are exact in print, so this rounds half to even on the true value, as Python does.
  if (precision >= 0) return Value(std::strtod(fmt::format("{:.{}f}", d, precision).c_str(), nullptr));
  const double unit = std::pow(10.0, static_cast<double>(-precision));
  return Value(std::nearbyint(d / unit) * unit);
}

// ---- sequences

Value Length_(Interp&, V input, const Args& a) {
  Bound("length", a, {});
  return Value::Integer(Length(input));
}

Value First(Interp& interp, V input, const Args& a) {
  Bound("first", a, {});
  if (input.is(Type::kIterator)) {
    Iterator& iterator = input.as<Iterator>();
    if (iterator.next < iterator.items.size()) return iterator.items[iterator.next++];
    return Undefined_("No first item, sequence was empty.");
  }
  const std::vector<Value> items = Items(interp.budget(), input);
  return items.empty() ? Undefined_("No first item, sequence was empty.") : items.front();
}

Value Last(Interp& interp, V input, const Args& a) {
  Bound("last", a, {});
  if (input.is(Type::kIterator)) throw Error("TypeError: 'generator' object is not reversible");
  const std::vector<Value> items = Items(interp.budget(), input);
  return items.empty() ? Undefined_("No last item, sequence was empty.") : items.back();
}

Value List(Interp& interp, V input, const Args& a) {
  Bound("list", a, {});
  return MakeList(Items(interp.budget(), input));
}

Value Reverse(Interp& interp, V input, const Args& a) {
  Bound("reverse", a, {});
  std::vector<Value> items = Items(interp.budget(), input);
  std::reverse(items.begin(), items.end());
  if (!input.is_string()) return MakeIterator(std::move(items));
  Text text;
  for (const Value& item : items) text.Append(item.text());
  return KeepMarkup(input, std::move(text));
}

Value Sum(Interp& interp, V input, const Args& a) {
  const Bound args("sum", a, {"attribute", "start"});
  Value total = args.Or(1, Value::Integer(0));
  if (total.is_string()) throw Error("TypeError: sum() can't sum strings [use ''.join(seq) instead]");
  for (const Value& item : Items(interp.budget(), input)) {
    total = Arithmetic(interp.budget(), BinaryOp::kAdd, total,
                       Given(args, 0) != nullptr ? AttributePath(interp, item, args[0]) : item);
  }
  return total;
}

Value Extreme(Interp& interp, V input, const Args& a, const char* op) {
  const Bound args(*op == '<' ? "min" : "max", a, {"case_sensitive", "attribute"});
  const std::vector<Value> items = Items(interp.budget(), input);
  if (items.empty()) return Undefined_("No aggregated item, sequence was empty.");
  size_t best = 0;
  Value best_key = SortKey(interp, items[0], Given(args, 1), args.Flag(0));
  for (size_t i = 1; i < items.size(); ++i) {
    Value key = SortKey(interp, items[i], Given(args, 1), args.Flag(0));
    const int order = Compare(interp.budget(), key, best_key, op);
    if (*op == '<' ? order < 0 : order > 0) {
      best = i;
      best_key = std::move(key);
    }
  }
  return items[best];
}
Value Min(Interp& interp, V input, const Args& a) { return Extreme(interp, input, a, "<"); }
Value Max(Interp& interp, V input, const Args& a) { return Extreme(interp, input, a, ">"); }

struct Keyed {
  Value key, item;
};

std::vector<Value> SortKeyed(Interp& interp, std::vector<Keyed> keyed, bool reverse) {
  std::stable_sort(keyed.begin(), keyed.end(), [&](const Keyed& x, const Keyed& y) {
    return reverse ? Compare(interp.budget(), y.key, x.key, "<") < 0 : Compare(interp.budget(), x.key, y.key, "<") < 0;
  });
  std::vector<Value> out;
  out.reserve(keyed.size());
  for (Keyed& entry : keyed) out.push_back(std::move(entry.item));
  return out;
}

Value Sort(Interp& interp, V input, const Args& a) {
  const Bound args("sort", a, {"reverse", "case_sensitive", "attribute"});
  const bool case_sensitive = args.Flag(1);
  std::vector<Keyed> keyed;
  for (const Value& item : Items(interp.budget(), input)) {
    if (Given(args, 2) == nullptr || !args[2].is_string()) {
      keyed.push_back({SortKey(interp, item, Given(args, 2), case_sensitive), item});
      continue;
    }
    std::vector<Value> keys;  // "a,b": by a, then by b
    const std::string& paths = args[2].str();
    for (size_t begin = 0; begin <= paths.size();) {
      const size_t end = std::min(paths.find(',', begin), paths.size());
      const Value path = Value::Str(paths.substr(begin, end - begin));
      keys.push_back(SortKey(interp, item, &path, case_sensitive));
      begin = end + 1;
    }
    keyed.push_back({MakeList(std::move(keys)), item});
  }
  return MakeList(SortKeyed(interp, std::move(keyed), args.Flag(0)));
}

Value DictSort(Interp& interp, V input, const Args& a) {
  const Bound args("dictsort", a, {"case_sensitive", "by", "reverse"});
  const std::string by = args.String(1, "key");
  if (by != "key" && by != "value") {
    throw Error("FilterArgumentError: You can only sort by either \"key\" or \"value\"");
  }
  if (!input.is(Type::kDict)) throw Error("TypeError: dictsort takes a dict, not {}", TypeName(input));
  std::vector<Keyed> keyed;
  for (const auto& [key, value] : input.as<Dict>().items) {
    keyed.push_back({SortKey(interp, by == "key" ? key : value, nullptr, args.Flag(0)), MakeTuple({key, value})});
  }
  return MakeList(SortKeyed(interp, std::move(keyed), args.Flag(2)));
}

Value Unique(Interp& interp, V input, const Args& a) {
  const Bound args("unique", a, {"case_sensitive", "attribute"});
  Dict seen;
  std::vector<Value> out;
  for (const Value& item : Items(interp.budget(), input)) {
    const Value key = SortKey(interp, item, Given(args, 1), args.Flag(0));
    if (Hashable(interp.budget(), key) && seen.Find(interp.budget(), key) != nullptr) continue;
    seen.Set(interp.budget(), key, Value());
    out.push_back(item);
  }
  return MakeIterator(std::move(out));
}

Value GroupBy(Interp& interp, V input, const Args& a) {
  const Bound args("groupby", a, {"attribute", "default", "case_sensitive"}, 1);
  const bool case_sensitive = args.Flag(2);
  std::vector<Keyed> keyed;
  for (const Value& item : Items(interp.budget(), input)) {
    Value key = AttributePath(interp, item, args[0]);
    if (key.is_undefined() && Given(args, 1) != nullptr) key = args[1];
    keyed.push_back({SortKey(interp, key, nullptr, case_sensitive), MakeTuple({std::move(key), item})});
  }
  std::vector<Value> groups;
  std::vector<Value> members;
  Value grouper, group_key;
  const auto flush = [&] {
    if (members.empty()) return;
    auto group = std::make_shared<Sequence>(Type::kTuple, std::vector<Value>{grouper, MakeList(std::move(members))});
    group->grouped = true;
    groups.emplace_back(std::move(group));
    members.clear();
  };
  for (const Value& pair : SortKeyed(interp, std::move(keyed), false)) {
    const auto& both = pair.as<Sequence>().items;
    const Value key = SortKey(interp, both[0], nullptr, case_sensitive);
    if (members.empty() || !Equal(interp.budget(), key, group_key)) {
      flush();
      grouper = both[0];
      group_key = key;
    }
    members.push_back(both[1]);
  }
  flush();
  return MakeList(std::move(groups));
}

Value Batch(Interp& interp, V input, const Args& a) {
  const Bound args("batch", a, {"linecount", "fill_with"}, 1);
  const int64_t count = args.Integer(0, 0);
  std::vector<Value> rows, row;
  for (Value& item : Items(interp.budget(), input)) {
    if (static_cast<int64_t>(row.size()) == count) {
      interp.budget().Spend(8);
      rows.push_back(MakeList(std::move(row)));
      row.clear();
    }
    row.push_back(std::move(item));
  }
  if (!row.empty()) {
    if (Given(args, 1) != nullptr && count > static_cast<int64_t>(row.size())) {
      if (count > 10'000'000) throw Error("MemoryError: a batch of {}", count);
      interp.budget().Spend(count * 2);
      row.resize(static_cast<size_t>(count), args[1]);
    }
    rows.push_back(MakeList(std::move(row)));
  }
  return MakeIterator(std::move(rows));
}

Value SliceColumns(Interp& interp, V input, const Args& a) {
  const Bound args("slice", a, {"slices", "fill_with"}, 1);
  const std::vector<Value> items = Items(interp.budget(), input);
  const int64_t slices = args.Integer(0, 0);
  if (slices == 0) throw Error("ZeroDivisionError: integer division or modulo by zero");
  if (slices > 0) interp.budget().Spend(std::min<int64_t>(slices, int64_t{1} << 40) * 8);
  const auto length = static_cast<int64_t>(items.size());
  const int64_t per_slice = slices < 0 ? 0 : length / slices, longer = slices < 0 ? 0 : length % slices;
  std::vector<Value> rows;
  int64_t offset = 0;
  for (int64_t i = 0; i < slices; ++i) {
    const int64_t begin = offset + i * per_slice;
    if (i < longer) ++offset;
    std::vector<Value> row(items.begin() + begin, items.begin() + offset + (i + 1) * per_slice);
    if (Given(args, 1) != nullptr && i >= longer) row.push_back(args[1]);
    rows.push_back(MakeList(std::move(row)));
  }
  return MakeIterator(std::move(rows));
}

Value DictItems(Interp& interp, V input, const Args& a) {
  Bound("items", a, {});
  if (input.is_undefined()) return MakeIterator({});
  if (!input.is(Type::kDict)) throw Error("TypeError: Can only get item pairs from a mapping.");
  return MakeIterator(Items(interp.budget(), Value(std::make_shared<DictView>(input, DictView::Part::kItems))));
}

Args Rest(const Args& args, size_t skip) {
  Args rest = args;
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + static_cast<std::ptrdiff_t>(std::min(skip, args.positional.size())));
  return rest;
}

std::string NameArgument(const char* filter, const Args& args, size_t i) {
  if (i >= args.positional.size()) throw Error("FilterArgumentError: {} needs the name of a filter or test", filter);
  if (!args.positional[i].is_string()) {
    throw Error("TypeError: {}: the name of a filter or test must be a string", filter);
  }
  return args.positional[i].str();
}

// map, select and their kin take null, 0 and false for an empty list.
std::vector<Value> ItemsIfAny(Interp& interp, V input) {
  return Truth(input) ? Items(interp.budget(), input) : std::vector<Value>();
}

Value Map(Interp& interp, V input, const Args& a) {
  std::vector<Value> out;
  if (a.positional.empty() && !a.named.empty()) {
    const Args named{{}, a.named};
    const Bound args("map", named, {"attribute", "default"}, 1);
    for (const Value& item : ItemsIfAny(interp, input)) {
      Value value = AttributePath(interp, item, args[0]);
      if (value.is_undefined() && Given(args, 1) != nullptr) value = args[1];
      out.push_back(std::move(value));
    }
    return MakeIterator(std::move(out));
  }
  const std::string name = NameArgument("map", a, 0);
  const Args rest = Rest(a, 1);
  for (const Value& item : ItemsIfAny(interp, input)) out.push_back(interp.Filter(name, item, rest));
  return MakeIterator(std::move(out));
}

Value Choose(Interp& interp, const char* filter, V input, const Args& a, bool by_attribute, bool keep) {
  const size_t skip = by_attribute ? 1 : 0;
  if (by_attribute && a.positional.empty()) throw Error("FilterArgumentError: {} needs an attribute", filter);
  const bool has_test = a.positional.size() > skip;
  const std::string test = has_test ? NameArgument(filter, a, skip) : "";
  const Args rest = Rest(a, skip + 1);
  std::vector<Value> out;
  for (const Value& item : ItemsIfAny(interp, input)) {
    const Value value = by_attribute ? AttributePath(interp, item, a.positional[0]) : item;
    if ((has_test ? interp.Test(test, value, rest) : Truth(value)) == keep) out.push_back(item);
  }
  return MakeIterator(std::move(out));
}
Value Select(Interp& i, V input, const Args& a) { return Choose(i, "select", input, a, false, true); }
Value Reject(Interp& i, V input, const Args& a) { return Choose(i, "reject", input, a, false, false); }
Value SelectAttr(Interp& i, V input, const Args& a) { return Choose(i, "selectattr", input, a, true, true); }
Value RejectAttr(Interp& i, V input, const Args& a) { return Choose(i, "rejectattr", input, a, true, false); }

// ---- other

Value Default(Interp&, V input, const Args& a) {
  const Bound args("default", a, {"default_value", "boolean"});
  if (input.is_undefined() || (args.Flag(1) && !Truth(input))) return args.Or(0, Value::Str("", true));
  return input;
}

Value Attr(Interp& interp, V input, const Args& a) {
  const Bound args("attr", a, {"name"}, 1);
  const std::string name = ToText(args[0]).str();
  // Attributes only, never the elements of a dictionary.
  if (input.is(Type::kDict)) {
    bool forbidden = false;
    if (FindMethod(input, name, &forbidden) == nullptr) {
      return Value::MakeUndefined(fmt::format("'dict object' has no attribute '{}'", name));
    }
  }
  return interp.Attribute(input, name);
}

Value ToJson_(Interp&, V input, const Args& a) {
  const Bound args("tojson", a, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii = args.Flag(0);
  style.sort_keys = args.Flag(3);
  if (Given(args, 1) != nullptr) {
    style.pretty = true;
    style.item_separator = ",";
    style.indent = args[1].is_string() ? args[1].str() : Padding(args.Integer(1, 0), Text(" ")).str();
    if (style.indent.size() > 1000) throw Error("tojson: an indent of more than 1000 bytes");
  }
  if (Given(args, 2) != nullptr) {
    if ((!args[2].is(Type::kTuple) && !args[2].is(Type::kList)) || args[2].as<Sequence>().items.size() != 2) {
      throw Error("TypeError: tojson's separators must be a pair of strings");
    }
    const auto& pair = args[2].as<Sequence>().items;
    if (!pair[0].is_string() || !pair[1].is_string()) throw Error("TypeError: tojson's separators must be strings");
    style.item_separator = pair[0].str();
    style.key_separator = pair[1].str();
  }
  return Value::Str(ToJson(input, style));
}

constexpr std::pair<std::string_view, FilterFunction> kFilters[] = {
    {"abs", Abs},
    {"attr", Attr},
    {"batch", Batch},
    {"capitalize", MapString<Capitalize>},
    {"center", Center},
    {"count", Length_},
    {"d", Default},
    {"default", Default},
    {"dictsort", DictSort},
    {"e", Escape},
    {"escape", Escape},
    {"filesizeformat", FileSize},
    {"first", First},
    {"float", ToFloat},
    {"forceescape", ForceEscape},
    {"format", Format},
    {"groupby", GroupBy},
    {"indent", Indent},
    {"int", ToInt},
    {"items", DictItems},
    {"join", Join},
    {"last", Last},
    {"length", Length_},
    {"list", List},
    {"lower", MapString<ToLower>},
    {"map", Map},
    {"max", Max},
    {"min", Min},
    {"reject", Reject},
    {"rejectattr", RejectAttr},
    {"replace", Replace},
    {"reverse", Reverse},
    {"round", Round},
    {"safe", Safe},
    {"select", Select},
    {"selectattr", SelectAttr},
    {"slice", SliceColumns},
    {"sort", Sort},
    {"string", String_},
    {"striptags", StripTags},
    {"sum", Sum},
    {"title", MapString<TitleWords>},
    {"tojson", ToJson_},
    {"trim", Trim},
    {"truncate", Truncate},
    {"unique", Unique},
    {"upper", MapString<ToUpper>},
    {"urlencode", UrlEncode},
    {"wordcount", WordCount},
    {"xmlattr", XmlAttributes},
};

// ---- tests

template <Type kType>
bool IsType(Interp&, V value, const Args& a) {
  Bound("test", a, {});
  return value.is(kType);
}

template <bool kDefined>
bool IsDefined(Interp&, V value, const Args& a) {
  Bound("defined", a, {});
  return value.is_undefined() != kDefined;
}

bool IsInteger(Interp&, V value, const Args&) { return value.is_int() && !value.is_bool(); }
bool IsNumber(Interp&, V value, const Args&) { return value.is_number(); }
template <bool kValue>
bool IsBoolean(Interp&, V value, const Args&) {
  return value.is_bool() && Truth(value) == kValue;
}
bool IsSequence(Interp&, V value, const Args&) {
  switch (value.type()) {
    case Type::kString:
    case Type::kList:
    case Type::kTuple:
    case Type::kDict:
    case Type::kRange:
    case Type::kUndefined:
      return true;
    default:
      return false;
  }
}
bool IsIterable(Interp& interp, V value, const Args& a) {
  return IsSequence(interp, value, a) || value.is(Type::kIterator) || value.is(Type::kDictView) ||
         value.is(Type::kLoop);
}
bool IsCallable(Interp&, V value, const Args&) {
  return value.is(Type::kFunction) || value.is(Type::kMacro) || value.is(Type::kJoiner) || value.is(Type::kLoop) ||
         value.is_undefined();  // it can be called, to fail
}
template <bool kUpper>
bool HasCase(Interp&, V value, const Args&) {
  const std::string text = ToText(value).str();
  bool any = false;
  for (size_t pos = 0; pos < text.size();) {
    const char32_t c = DecodeAt(text, &pos);
    if (kUpper ? IsLower(c) : IsUpper(c)) return false;
    any |= kUpper ? IsUpper(c) : IsLower(c);
  }
  return any;
}
bool IsEscaped(Interp&, V value, const Args&) { return value.markup(); }
template <int kRest>
bool HasParity(Interp& interp, V value, const Args&) {
  const Value rest = Arithmetic(interp.budget(), BinaryOp::kMod, value, Value::Integer(2));
  return rest.is_number() && rest.as_double() == kRest;
}
bool DivisibleBy(Interp& interp, V value, const Args& a) {
  const Bound args("divisibleby", a, {"num"}, 1);
  const Value rest = Arithmetic(interp.budget(), BinaryOp::kMod, value, args[0]);
  return rest.is_number() && rest.as_double() == 0;
}
bool SameAs(Interp&, V value, const Args& a) { return value.Same(Bound("sameas", a, {"other"}, 1)[0]); }
bool In(Interp& interp, V value, const Args& a) {
  return Contains(interp.budget(), Bound("in", a, {"seq"}, 1)[0], value);
}
template <bool kEqual>
bool Equals(Interp& interp, V value, const Args& a) {
  return Equal(interp.budget(), value, Bound("eq", a, {"other"}, 1)[0]) == kEqual;
}
template <bool kLess, bool kOrEqual>
bool Order(Interp& interp, V value, const Args& a) {
  const Bound args("comparison", a, {"other"}, 1);
  const int order = Compare(interp.budget(), value, args[0], kLess ? "<" : ">");
  return kLess ? (kOrEqual ? order <= 0 : order < 0) : (kOrEqual ? order >= 0 : order > 0);
}
bool NamesFilter(Interp&, V value, const Args&) { return value.is_string() && IsFilter(value.str()); }
bool NamesTest(Interp&, V value, const Args&) { return value.is_string() && IsTest(value.str()); }

constexpr std::pair<std::string_view, TestFunction> kTests[] = {
    {"boolean", IsType<Type::kBool>},
    {"callable", IsCallable},
    {"defined", IsDefined<true>},
    {"divisibleby", DivisibleBy},
    {"escaped", IsEscaped},
    {"even", HasParity<0>},
    {"false", IsBoolean<false>},
    {"filter", NamesFilter},
    {"float", IsType<Type::kFloat>},
    {"in", In},
    {"integer", IsInteger},
    {"iterable", IsIterable},
    {"lower", HasCase<false>},
    {"mapping", IsType<Type::kDict>},
    {"none", IsType<Type::kNone>},
    {"number", IsNumber},
    {"odd", HasParity<1>},
    {"sameas", SameAs},
    {"sequence", IsSequence},
    {"string", IsType<Type::kString>},
    {"test", NamesTest},
    {"true", IsBoolean<true>},
    {"undefined", IsDefined<false>},
    {"upper", HasCase<true>},
    {"==", Equals<true>},
    {"eq", Equals<true>},
    {"equalto", Equals<true>},
    {"!=", Equals<false>},
    {"ne", Equals<false>},
    {"<", Order<true, false>},
    {"lt", Order<true, false>},
    {"lessthan", Order<true, false>},
    {"<=", Order<true, true>},
    {"le", Order<true, true>},
    {">", Order<false, false>},
    {"gt", Order<false, false>},
    {"greaterthan", Order<false, false>},
    {">=", Order<false, true>},
    {"ge", Order<false, true>},
};

template <typename Table>
auto Lookup(const Table& table, std::string_view name) {
  const auto it =
      std::find_if(std::begin(table), std::end(table), [&](const auto& entry) { return entry.first == name; });
  return it == std::end(table) ? nullptr : it->second;
}

}  // namespace

FilterFunction FindFilter(std::string_view name) { return Lookup(kFilters, name); }
TestFunction FindTest(std::string_view name) { return Lookup(kTests, name); }
bool IsFilter(std::string_view name) { return FindFilter(name) != nullptr; }
bool IsTest(std::string_view name) { return FindTest(name) != nullptr; }

}  // namespace fulgur::jinja
