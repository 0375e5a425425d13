// The methods of strings, dictionaries and lists, and the global functions.
#include <algorithm>
#include <unordered_set>

#include "jinja/eval.h"
#include "unicode/characters.h"

namespace fulgur::jinja {

using namespace unicode;
namespace {

using V = const Value&;

const Text& StringArgument(const Bound& args, size_t i, const char* method) {
  if (!args[i].is_string()) throw Error("TypeError: {}() argument must be str, not {}", method, TypeName(args[i]));
  return args[i].text();
}

Value KeepMarkup(V self, Text text) { return Value(std::move(text), self.markup()); }

// ---- strings

template <std::string (*kMap)(std::string_view)>
Value MapMethod(Interp&, V self, Args& a) {
  Bound("method", a, {});
  return KeepMarkup(self, MapText(self.text(), kMap(self.str())));
}

bool IsCased(char32_t c) { return IsUpper(c) || IsLower(c); }

std::string Title(std::string_view text) {
  std::string out;
  bool inside = false;
  for (size_t pos = 0; pos < text.size();) {
    const char32_t c = DecodeAt(text, &pos);
    out += inside ? ToLower(c) : ToUpper(c);
    inside = IsCased(c);
  }
  return out;
}

std::string SwapCase(std::string_view text) {
  std::string out;
  for (size_t pos = 0; pos < text.size();) {
    const char32_t c = DecodeAt(text, &pos);
    out += IsUpper(c) ? ToLower(c) : ToUpper(c);
  }
  return out;
}

std::string CaseFold(std::string_view text) {
  std::string out;
  for (size_t pos = 0; pos < text.size();) {
    const char32_t c = DecodeAt(text, &pos);
    out += c == 0xDF || c == 0x1E9E ? "ss" : ToLower(c);
  }
  return out;
}

template <bool kLeft, bool kRight>
Value StripMethod(Interp&, V self, Args& a) {
  const Bound args("strip", a, {"chars"});
  const bool given = args.has(0) && !args[0].is_none();
  const std::string characters = given ? StringArgument(args, 0, "strip").str() : "";
  return KeepMarkup(self, Strip(self.text(), given ? &characters : nullptr, kLeft, kRight));
}

struct Span {
  size_t begin, end;
};

Value Pieces(Interp& interp, V self, const std::vector<Span>& spans) {
  std::vector<Value> out;
  interp.budget().Spend(static_cast<int64_t>(spans.size()) * 4 + static_cast<int64_t>(self.text().size() / 16));
  for (const Span& span : spans) out.push_back(KeepMarkup(self, self.text().Substr(span.begin, span.end)));
  return MakeList(std::move(out));
}

Value Split(Interp& interp, V self, Args& a) {
  const Bound args("split", a, {"sep", "maxsplit"});
  const std::string& s = self.str();
  int64_t left = args.Integer(1, -1);
  if (left < 0) left = INT64_MAX;
  std::vector<Span> spans;
  if (args.has(0) && !args[0].is_none()) {
    const std::string separator = StringArgument(args, 0, "split").str();
    if (separator.empty()) throw Error("ValueError: empty separator");
    size_t begin = 0;
    for (; left > 0; --left) {
      const size_t end = s.find(separator, begin);
      if (end == std::string::npos) break;
      spans.push_back({begin, end});
      begin = end + separator.size();
    }
    spans.push_back({begin, s.size()});
    return Pieces(interp, self, spans);
  }
  const auto space_at = [&](size_t pos, size_t* next) {
    *next = pos;
    return IsSpace(DecodeAt(s, next));
  };
  for (size_t pos = 0, next = 0; pos < s.size();) {
    if (space_at(pos, &next)) {
      pos = next;
      continue;
    }
    const size_t begin = pos;
    if (left-- == 0) {
      spans.push_back({begin, s.size()});
      break;
    }
    while (pos < s.size() && !space_at(pos, &next)) pos = next;
    spans.push_back({begin, pos});
  }
  return Pieces(interp, self, spans);
}

Value RightSplit(Interp& interp, V self, Args& a) {
  const Bound args("rsplit", a, {"sep", "maxsplit"});
  const std::string& s = self.str();
  int64_t left = args.Integer(1, -1);
  if (left < 0) left = INT64_MAX;
  std::vector<Span> spans;
  if (args.has(0) && !args[0].is_none()) {
    const std::string separator = StringArgument(args, 0, "rsplit").str();
    if (separator.empty()) throw Error("ValueError: empty separator");
    size_t end = s.size();
    for (; left > 0 && end >= separator.size(); --left) {
      const size_t begin = s.rfind(separator, end - separator.size());
      if (begin == std::string::npos) break;
      spans.push_back({begin + separator.size(), end});
      end = begin;
    }
    spans.push_back({0, end});
  } else {
    const auto space_before = [&](size_t pos, size_t* start) {
      *start = pos - 1;
      while (*start > 0 && (static_cast<unsigned char>(s[*start]) & 0xC0) == 0x80) --*start;
      size_t next = *start;
      return IsSpace(DecodeAt(s, &next));
    };
    for (size_t pos = s.size(), start = 0; pos > 0;) {
      if (space_before(pos, &start)) {
        pos = start;
        continue;
      }
      const size_t end = pos;
      if (left-- == 0) {
        spans.push_back({0, end});
        break;
      }
      while (pos > 0 && !space_before(pos, &start)) pos = start;
      spans.push_back({pos, end});
    }
  }
  std::reverse(spans.begin(), spans.end());
  return Pieces(interp, self, spans);
}

Value SplitLines(Interp& interp, V self, Args& a) {
  const Bound args("splitlines", a, {"keepends"});
  const std::string& s = self.str();
  std::vector<Span> spans;
  size_t begin = 0;
  for (size_t pos = 0; pos < s.size();) {
    const size_t end = pos;
    const char32_t c = DecodeAt(s, &pos);
    const bool breaks = (c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (!breaks) continue;
    if (c == '\r' && pos < s.size() && s[pos] == '\n') ++pos;
    spans.push_back({begin, args.Flag(0) ? pos : end});
    begin = pos;
  }
  if (begin < s.size()) spans.push_back({begin, s.size()});
  return Pieces(interp, self, spans);
}

// The part of the string that optional start and end arguments (counted in characters) choose; false if start lies
// behind it.
bool Window(const Bound& args, size_t first, const std::string& s, size_t* begin, size_t* end) {
  const auto length = static_cast<int64_t>(CodePoints(s));
  const auto place = [&](size_t i, int64_t fallback) {
    if (!args.has(i) || args[i].is_none()) return fallback;
    int64_t at = args.Integer(i, 0);
    if (at < 0) at = std::max<int64_t>(0, at + length);
    return at;
  };
  const int64_t from = place(first, 0), to = std::min(length, place(first + 1, length));
  *begin = ByteOffset(s, static_cast<size_t>(std::min(from, length)));
  *end = std::max(*begin, ByteOffset(s, static_cast<size_t>(to)));
  return from <= length && from <= to;
}

template <bool kStart>
Value StartsOrEnds(Interp& interp, V self, Args& a) {
  const Bound args(kStart ? "startswith" : "endswith", a, {"prefix", "start", "end"}, 1);
  size_t begin = 0, end = 0;
  const bool inside = Window(args, 1, self.str(), &begin, &end);
  const std::string_view s = std::string_view(self.str()).substr(begin, end - begin);
  std::vector<Value> options = {args[0]};
  if (args[0].is(Type::kTuple)) options = args[0].as<Sequence>().items;
  for (const Value& option : options) {
    if (!option.is_string()) {
      throw Error("TypeError: {} first arg must be str or a tuple of str, not {}", kStart ? "startswith" : "endswith",
                  TypeName(option));
    }
    const std::string& part = option.str();
    if (!inside || part.size() > s.size()) continue;
    if (kStart ? s.substr(0, part.size()) == part : s.substr(s.size() - part.size()) == part) return Value(true);
  }
  return Value(false);
}

Value ReplaceMethod(Interp& interp, V self, Args& a) {
  const Bound args("replace", a, {"old", "new", "count"}, 2);
  return KeepMarkup(self, ReplaceAll(interp.budget(), self.text(), StringArgument(args, 0, "replace"),
                                     StringArgument(args, 1, "replace"), args.Integer(2, -1)));
}

template <bool kLast, bool kMustExist>
Value FindMethod_(Interp& interp, V self, Args& a) {
  const Bound args("find", a, {"sub", "start", "end"}, 1);
  const std::string& sub = StringArgument(args, 0, "find").str();
  interp.budget().SpendText(self.text().size());
  size_t begin = 0, end = 0;
  size_t found = std::string::npos;
  if (Window(args, 1, self.str(), &begin, &end)) {
    const std::string_view s = std::string_view(self.str()).substr(0, end);
    found = kLast ? s.rfind(sub) : s.find(sub, begin);
    if (found != std::string::npos && found < begin) found = std::string::npos;
  }
  if (found != std::string::npos) {
    return Value::Integer(static_cast<int64_t>(CodePoints(std::string_view(self.str()).substr(0, found))));
  }
  if (kMustExist) throw Error("ValueError: substring not found");
  return Value::Integer(-1);
}

Value CountMethod(Interp& interp, V self, Args& a) {
  const Bound args("count", a, {"sub", "start", "end"}, 1);
  const std::string& sub = StringArgument(args, 0, "count").str();
  interp.budget().SpendText(self.text().size());
  size_t begin = 0, end = 0;
  if (!Window(args, 1, self.str(), &begin, &end)) return Value::Integer(0);
  const std::string_view s = std::string_view(self.str()).substr(begin, end - begin);
  if (sub.empty()) return Value::Integer(static_cast<int64_t>(CodePoints(s)) + 1);
  int64_t count = 0;
  for (size_t pos = s.find(sub); pos != std::string_view::npos; pos = s.find(sub, pos + sub.size())) ++count;
  return Value::Integer(count);
}

Value JoinMethod(Interp& interp, V self, Args& a) {
  const Bound args("join", a, {"iterable"}, 1);
  Text out;
  bool first = true;
  int64_t index = 0;
  for (const Value& item : Items(interp.budget(), args[0])) {
    if (!item.is_string()) {
      throw Error("TypeError: sequence item {}: expected str instance, {} found", index, TypeName(item));
    }
    ++index;
    if (!first) out.Append(self.text());
    first = false;
    out.Append(item.text());
    interp.budget().Spend(1 + static_cast<int64_t>((item.text().size() + self.text().size()) / 16));
  }
  return KeepMarkup(self, std::move(out));
}

template <bool (*kIs)(char32_t)>
Value AllAre(Interp&, V self, Args& a) {
  Bound("method", a, {});
  const std::string& s = self.str();
  for (size_t pos = 0; pos < s.size();) {
    if (!kIs(DecodeAt(s, &pos))) return Value(false);
  }
  return Value(!s.empty());
}
bool IsAlphaNumeric(char32_t c) { return IsAlpha(c) || IsNumeric(c); }
bool IsDigit(char32_t c) {  // decimals, and digits such as superscripts
  return IsDecimal(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 || c == 0x2070 || (c >= 0x2074 && c <= 0x2079) ||
         (c >= 0x2080 && c <= 0x2089) || (c >= 0x2460 && c <= 0x2468);
}

Value IsAscii(Interp&, V self, Args& a) {
  Bound("isascii", a, {});
  return Value(
      std::all_of(self.str().begin(), self.str().end(), [](char c) { return static_cast<unsigned char>(c) < 128; }));
}
Value IsPrintableMethod(Interp&, V self, Args& a) {
  Bound("isprintable", a, {});
  for (size_t pos = 0; pos < self.str().size();) {
    if (!IsPrintable(DecodeAt(self.str(), &pos))) return Value(false);
  }
  return Value(true);
}
Value IsIdentifier(Interp&, V self, Args& a) {
  Bound("isidentifier", a, {});
  const std::string& s = self.str();
  for (size_t pos = 0; pos < s.size();) {
    const bool first = pos == 0;
    const char32_t c = DecodeAt(s, &pos);
    if (!(IsAlpha(c) || c == '_' || (!first && IsDecimal(c)))) return Value(false);
  }
  return Value(!s.empty());
}
template <bool kUpper>
Value HasOnlyCase(Interp&, V self, Args& a) {
  Bound("method", a, {});
  const std::string& s = self.str();
  bool any = false;
  for (size_t pos = 0; pos < s.size();) {
    const char32_t c = DecodeAt(s, &pos);
    if (kUpper ? IsLower(c) : IsUpper(c)) return Value(false);
    any |= IsCased(c);
  }
  return Value(any);
}
Value IsTitle(Interp&, V self, Args& a) {
  Bound("istitle", a, {});
  const std::string& s = self.str();
  bool any = false, inside = false;
  for (size_t pos = 0; pos < s.size();) {
    const char32_t c = DecodeAt(s, &pos);
    if ((IsUpper(c) && inside) || (IsLower(c) && !inside)) return Value(false);
    inside = IsCased(c);
    any |= inside;
  }
  return Value(any);
}

enum class Side { kLeft, kRight, kBoth };
template <Side kSide>
Value Justify(Interp&, V self, Args& a) {
  const Bound args("ljust", a, {"width", "fillchar"}, 1);
  const Text fill = args.has(1) ? StringArgument(args, 1, "ljust") : Text(" ");
  if (CodePoints(fill.str()) != 1) throw Error("TypeError: The fill character must be exactly one character long");
  const int64_t width = args.Integer(0, 0);
  const int64_t pad = std::max<int64_t>(0, width - Length(self));
  const int64_t left = kSide == Side::kLeft ? 0 : kSide == Side::kRight ? pad : pad / 2 + (pad & width & 1);
  Text out = Padding(left, fill);
  out.Append(self.text());
  out.Append(Padding(pad - left, fill));
  return KeepMarkup(self, std::move(out));
}

Value ZeroFill(Interp&, V self, Args& a) {
  const Bound args("zfill", a, {"width"}, 1);
  const int64_t pad = std::max<int64_t>(0, args.Integer(0, 0) - Length(self));
  const bool sign = !self.str().empty() && (self.str()[0] == '+' || self.str()[0] == '-');
  Text out = self.text().Substr(0, sign ? 1 : 0);
  out.Append(Padding(pad, Text("0")));
  out.Append(self.text(), sign ? 1 : 0, self.text().size());
  return KeepMarkup(self, std::move(out));
}

template <bool kLast>
Value Partition(Interp&, V self, Args& a) {
  const Bound args("partition", a, {"sep"}, 1);
  const Text& separator = StringArgument(args, 0, "partition");
  if (separator.size() == 0) throw Error("ValueError: empty separator");
  const Text& text = self.text();
  const size_t at = kLast ? text.str().rfind(separator.str()) : text.str().find(separator.str());
  if (at == std::string::npos) {
    const Value empty = Value::Str("");
    return kLast ? MakeTuple({empty, empty, self}) : MakeTuple({self, empty, empty});
  }
  const size_t end = at + separator.size();
  return MakeTuple({Value(text.Substr(0, at)), Value(text.Substr(at, end)), Value(text.Substr(end, text.size()))});
}

template <bool kPrefix>
Value RemoveAffix(Interp&, V self, Args& a) {
  const Bound args(kPrefix ? "removeprefix" : "removesuffix", a, {"affix"}, 1);
  const std::string& affix = StringArgument(args, 0, "removeprefix").str();
  const std::string_view s = self.str();
  if (affix.size() > s.size() || affix.empty()) return self;
  if ((kPrefix ? s.substr(0, affix.size()) : s.substr(s.size() - affix.size())) != affix) return self;
  return KeepMarkup(
      self, kPrefix ? self.text().Substr(affix.size(), s.size()) : self.text().Substr(0, s.size() - affix.size()));
}

Value ExpandTabs(Interp&, V self, Args& a) {
  const Bound args("expandtabs", a, {"tabsize"});
  const int64_t size = args.Integer(0, 8);
  const std::string& s = self.str();
  Text out;
  int64_t column = 0;
  for (size_t pos = 0; pos < s.size();) {
    const size_t begin = pos;
    const char32_t c = DecodeAt(s, &pos);
    if (c == '\t') {
      const int64_t spaces = size > 0 ? size - column % size : 0;
      out.Append(Padding(spaces, Text(" ")));
      column += spaces;
    } else {
      out.Append(self.text(), begin, pos);
      column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
  }
  return KeepMarkup(self, std::move(out));
}

Value FormatMethod(Interp& interp, V self, Args& args) {
  return KeepMarkup(self, BraceFormat(interp, self.text(), args));
}

Value FormatMap(Interp& interp, V self, Args& a) {
  const Bound args("format_map", a, {"mapping"}, 1);
  if (!args[0].is(Type::kDict)) throw Error("TypeError: format_map takes a dict, not {}", TypeName(args[0]));
  Args named;
  for (const auto& [key, value] : args[0].as<Dict>().items) {
    if (key.is_string()) named.named.emplace_back(key.str(), value);
  }
  return KeepMarkup(self, BraceFormat(interp, self.text(), named));
}

// ---- dictionaries, lists, others

Value Get(Interp& interp, V self, Args& a) {
  const Bound args("get", a, {"key", "default"}, 1);
  if (!Hashable(interp.budget(), args[0])) throw Error("TypeError: unhashable type: '{}'", TypeName(args[0]));
  const Value* found = self.as<Dict>().Find(interp.budget(), args[0]);
  return found != nullptr ? *found : args.Or(1, Value());
}

template <DictView::Part kPart>
Value View(Interp&, V self, Args& a) {
  Bound("method", a, {});
  return Value(std::make_shared<DictView>(self, kPart));
}

Value CopyDict(Interp& interp, V self, Args& a) {
  Bound("copy", a, {});
  interp.budget().Spend(static_cast<int64_t>(self.as<Dict>().items.size()) * 4);
  return Value(std::make_shared<Dict>(self.as<Dict>()));
}

Value CopyList(Interp& interp, V self, Args& a) {
  Bound("copy", a, {});
  return MakeList(Items(interp.budget(), self));
}

Value CountItems(Interp& interp, V self, Args& a) {
  const Bound args("count", a, {"value"}, 1);
  int64_t count = 0;
  for (const Value& item : self.as<Sequence>().items) count += Equal(interp.budget(), item, args[0]);
  return Value::Integer(count);
}

Value IndexOf(Interp& interp, V self, Args& a) {
  const Bound args("index", a, {"value", "start", "stop"}, 1);
  const auto& items = self.as<Sequence>().items;
  const auto length = static_cast<int64_t>(items.size());
  const auto place = [&](size_t i, int64_t fallback) {
    const int64_t at = args.Integer(i, fallback);
    return std::clamp<int64_t>(at < 0 ? at + length : at, 0, length);
  };
  for (int64_t i = place(1, 0); i < place(2, length); ++i) {
    if (Equal(interp.budget(), items[static_cast<size_t>(i)], args[0])) return Value::Integer(i);
  }
  throw Error("ValueError: {} is not in list", Repr(args[0]));
}

Value IsWhole(Interp&, V self, Args& a) {
  Bound("is_integer", a, {});
  const double d = self.as_double();
  return Value(d - d == 0 && d == static_cast<double>(static_cast<Int>(std::clamp(d, -1e37, 1e37))));
}

Value Next(Interp&, V self, Args& a) {
  Bound("next", a, {});
  Cycler& cycler = self.as<Cycler>();
  const Value current = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  return current;
}

Value Reset(Interp&, V self, Args& a) {
  Bound("reset", a, {});
  self.as<Cycler>().position = 0;
  return Value();
}

using Entry = std::pair<std::string_view, Function::Body>;

constexpr Entry kStringMethods[] = {
    {"capitalize", MapMethod<Capitalize>},
    {"casefold", MapMethod<CaseFold>},
    {"center", Justify<Side::kBoth>},
    {"count", CountMethod},
    {"endswith", StartsOrEnds<false>},
    {"expandtabs", ExpandTabs},
    {"find", FindMethod_<false, false>},
    {"format", FormatMethod},
    {"format_map", FormatMap},
    {"index", FindMethod_<false, true>},
    {"isalnum", AllAre<IsAlphaNumeric>},
    {"isalpha", AllAre<IsAlpha>},
    {"isascii", IsAscii},
    {"isdecimal", AllAre<IsDecimal>},
    {"isdigit", AllAre<IsDigit>},
    {"isidentifier", IsIdentifier},
    {"islower", HasOnlyCase<false>},
    {"isnumeric", AllAre<IsNumeric>},
    {"isprintable", IsPrintableMethod},
    {"isspace", AllAre<IsSpace>},
    {"istitle", IsTitle},
    {"isupper", HasOnlyCase<true>},
    {"join", JoinMethod},
    {"ljust", Justify<Side::kLeft>},
    {"lower", MapMethod<ToLower>},
    {"lstrip", StripMethod<true, false>},
    {"partition", Partition<false>},
    {"removeprefix", RemoveAffix<true>},
    {"removesuffix", RemoveAffix<false>},
    {"replace", ReplaceMethod},
    {"rfind", FindMethod_<true, false>},
    {"rindex", FindMethod_<true, true>},
    {"rjust", Justify<Side::kRight>},
    {"rpartition", Partition<true>},
    {"rsplit", RightSplit},
    {"rstrip", StripMethod<false, true>},
    {"split", Split},
    {"splitlines", SplitLines},
    {"startswith", StartsOrEnds<true>},
    {"strip", StripMethod<true, true>},
    {"swapcase", MapMethod<SwapCase>},
    {"title", MapMethod<Title>},
    {"upper", MapMethod<ToUpper>},
    {"zfill", ZeroFill},
};
constexpr Entry kDictMethods[] = {
    {"copy", CopyDict},
    {"get", Get},
    {"items", View<DictView::Part::kItems>},
    {"keys", View<DictView::Part::kKeys>},
    {"values", View<DictView::Part::kValues>},
};
constexpr Entry kListMethods[] = {{"copy", CopyList}, {"count", CountItems}, {"index", IndexOf}};
constexpr Entry kTupleMethods[] = {{"count", CountItems}, {"index", IndexOf}};
constexpr Entry kFloatMethods[] = {{"is_integer", IsWhole}};
constexpr Entry kCyclerMethods[] = {{"next", Next}, {"reset", Reset}};

template <typename Table>
Function::Body Lookup(const Table& table, std::string_view name) {
  const auto it =
      std::find_if(std::begin(table), std::end(table), [&](const Entry& entry) { return entry.first == name; });
  return it == std::end(table) ? nullptr : it->second;
}

template <typename Names>
bool Has(const Names& names, std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// ---- global functions

Value RangeFunction(Interp&, V, Args& a) {
  const Bound args("range", a, {"start", "stop", "step"}, 1);
  const bool has_stop = args.has(1);
  const int64_t start = has_stop ? args.Integer(0, 0) : 0;
  const int64_t stop = args.Integer(has_stop ? 1 : 0, 0);
  const int64_t step = args.Integer(2, 1);
  if (step == 0) throw Error("ValueError: range() arg 3 must not be zero");
  auto range = std::make_shared<Range>(start, stop, step);
  if (range->length > 100'000)
    throw Error("OverflowError: Range too big. The sandbox blocks ranges larger than 100000");
  return Value(std::move(range));
}

Value DictFunction(Interp& interp, V, Args& args) {
  auto dict = std::make_shared<Dict>();
  if (args.positional.size() > 1) throw Error("TypeError: dict expected at most 1 argument");
  interp.budget().Spend(8);
  if (!args.positional.empty()) {
    const Value& from = args.positional[0];
    if (from.is(Type::kDict)) {
      for (const auto& [key, value] : from.as<Dict>().items) {
        interp.budget().Spend(4);
        dict->Set(interp.budget(), key, value);
      }
    } else {
      for (const Value& pair : Items(interp.budget(), from)) {
        std::vector<Value> both = Items(interp.budget(), pair);
        if (both.size() != 2) throw Error("ValueError: dict() takes pairs, found {} elements", both.size());
        dict->Set(interp.budget(), both[0], both[1]);
      }
    }
  }
  for (auto& [name, value] : args.named) dict->Set(interp.budget(), Value::Str(name), value);
  return Value(std::move(dict));
}

Value NamespaceFunction(Interp& interp, V, Args& args) { return interp.MakeNamespace(args); }

Value CyclerFunction(Interp&, V, Args& args) {
  if (args.positional.empty() || !args.named.empty()) throw Error("RuntimeError: at least one item has to be provided");
  return Value(std::make_shared<Cycler>(args.positional));
}

Value JoinerFunction(Interp&, V, Args& a) {
  const Bound args("joiner", a, {"sep"});
  return Value(std::make_shared<Joiner>(args.Or(0, Value::Str(", ", true))));
}

Value RaiseException(Interp&, V, Args& a) {
  const Bound args("raise_exception", a, {"message"}, 1);
  throw Error("TemplateError: {}", ToText(args[0]).str());
}

Value StrftimeNow(Interp& interp, V, Args& a) {
  const Bound args("strftime_now", a, {"format"}, 1);
  return Value::Str(FormatTime(interp.Now(), args.String(0, "")));
}

constexpr Entry kGlobals[] = {
    {"cycler", CyclerFunction},       {"dict", DictFunction},   {"joiner", JoinerFunction},
    {"namespace", NamespaceFunction}, {"range", RangeFunction}, {"raise_exception", RaiseException},
    {"strftime_now", StrftimeNow},
};

}  // namespace

std::string FormatTime(const std::tm& time, const std::string& format) {
  std::string out;
  char buffer[256];
  for (size_t pos = 0; pos < format.size();) {
    if (format[pos] != '%') {
      out += format[pos++];
      continue;
    }
    // One directive at a time: %, flags of the C library, a letter.
    size_t end = pos + 1;
    while (end < format.size() && std::string_view("-_0^#").find(format[end]) != std::string_view::npos) ++end;
    const char letter = end < format.size() ? format[end] : '\0';
    const std::string directive = format.substr(pos, end - pos + 1);
    pos = std::min(end + 1, format.size());
    if (letter == 'f') {
      out += "000000";
    } else if (letter == 'z' || letter == 'Z') {
      continue;  // a time without a zone
    } else if (std::string_view("aAbBcCdDeFgGhHIjklmMnprRsStTuUVwWxXyY%").find(letter) != std::string_view::npos &&
               letter != '\0' && directive.size() <= 8) {
      out.append(buffer, std::strftime(buffer, sizeof(buffer), directive.c_str(), &time));
    } else {
      out += directive;
    }
  }
  return out;
}

Function::Body FindMethod(const Value& object, std::string_view name, bool* forbidden) {
  static constexpr std::string_view kListChanges[] = {"append", "clear",  "extend",  "insert",
                                                      "pop",    "remove", "reverse", "sort"};
  static constexpr std::string_view kDictChanges[] = {"clear", "pop", "popitem", "setdefault", "update"};
  *forbidden = name.substr(0, 2) == "__";
  switch (object.type()) {
    case Type::kString:
      return Lookup(kStringMethods, name);
    case Type::kDict:
      *forbidden |= Has(kDictChanges, name);
      return Lookup(kDictMethods, name);
    case Type::kList:
      *forbidden |= Has(kListChanges, name);
      return Lookup(kListMethods, name);
    case Type::kTuple:
      return Lookup(kTupleMethods, name);
    case Type::kFloat:
      return Lookup(kFloatMethods, name);
    case Type::kCycler:
      return Lookup(kCyclerMethods, name);
    default:
      return nullptr;
  }
}

Function::Body FindGlobal(std::string_view name) { return Lookup(kGlobals, name); }

}  // namespace fulgur::jinja
