#include "jinja/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/json_as_given.h"
#include "unicode/characters.h"

namespace fulgur::jinja {

using namespace unicode;

// ---- Text

Text::Text(std::string bytes, bool trusted) : bytes_(std::move(bytes)) {
  Grow(0);
  if (trusted && !bytes_.empty()) trusted_.push_back({0, bytes_.size()});
}

void Text::Grow(size_t bytes) const {
  if (bytes > kMaxBytes || bytes_.size() + bytes > kMaxBytes) {
    throw Error("the template makes a text longer than {} bytes", kMaxBytes);
  }
}

bool Text::AllTrusted() const {
  return bytes_.empty() || (trusted_.size() == 1 && trusted_[0].begin == 0 && trusted_[0].end == bytes_.size());
}

void Text::Append(std::string_view bytes, bool trusted) {
  Grow(bytes.size());
  const size_t begin = bytes_.size();
  bytes_ += bytes;
  if (!trusted || bytes.empty()) return;
  if (!trusted_.empty() && trusted_.back().end == begin) {
    trusted_.back().end = bytes_.size();
  } else {
    trusted_.push_back({begin, bytes_.size()});
  }
}

void Text::Append(const Text& other, size_t begin, size_t end) {
  const std::string_view bytes = other.bytes_;
  auto range = std::partition_point(other.trusted_.begin(), other.trusted_.end(),
                                    [&](const Range& r) { return r.end <= begin; });
  while (begin < end) {
    const bool trusted = range != other.trusted_.end() && range->begin <= begin;
    const size_t stop = range == other.trusted_.end() ? end : std::min(end, trusted ? range->end : range->begin);
    Append(bytes.substr(begin, stop - begin), trusted);
    if (trusted) ++range;
    begin = stop;
  }
}

Text Text::Substr(size_t begin, size_t end) const {
  Text out;
  out.Append(*this, begin, end);
  return out;
}

void Budget::Exhausted() const { throw Error("the template takes too much work: is there a loop that grows?"); }

// ---- Value

void Object::Contain(const Value& child) {
  depth = std::max(depth, child.depth() + 1);
  if (depth > kMaxDepth) throw Error("values nested deeper than {} levels", kMaxDepth);
}

Value Value::MakeUndefined(std::string message) {
  return Value(Undefined{std::make_shared<const std::string>(std::move(message))});
}

Type Value::type() const {
  switch (data_.index()) {
    case 0:
      return Type::kNone;
    case 1:
      return Type::kUndefined;
    case 2:
      return Type::kBool;
    case 3:
      return Type::kInt;
    case 4:
      return Type::kFloat;
    case 5:
      return Type::kString;
    default:
      return std::get<std::shared_ptr<Object>>(data_)->type;
  }
}

int Value::depth() const {
  const auto* object = std::get_if<std::shared_ptr<Object>>(&data_);
  return object != nullptr ? (*object)->depth : 0;
}

bool Value::Same(const Value& other) const {
  if (data_.index() != other.data_.index()) return false;
  switch (data_.index()) {
    case 0:
      return true;
    case 1:
      return &undefined_message() == &other.undefined_message();
    case 2:
    case 3:
      return as_int() == other.as_int();
    case 4:
      return as_double() == other.as_double();
    case 5:
      return str() == other.str();
    default:
      return std::get<std::shared_ptr<Object>>(data_) == std::get<std::shared_ptr<Object>>(other.data_);
  }
}

Sequence::Sequence(Type type, std::vector<Value> values) : Object(type), items(std::move(values)) {
  for (const Value& item : items) Contain(item);
}

Iterator::Iterator(std::vector<Value> values) : Object(Type::kIterator), items(std::move(values)) {
  for (const Value& item : items) Contain(item);
}

Cycler::Cycler(std::vector<Value> values) : Object(Type::kCycler), items(std::move(values)) {
  for (const Value& item : items) Contain(item);
}

Range::Range(Int start, Int stop, Int step) : Object(Type::kRange), start(start), stop(stop), step(step) {
  const Int span = step > 0 ? stop - start : start - stop;
  const Int stride = step > 0 ? step : -step;
  length = span <= 0 ? 0 : static_cast<int64_t>((span + stride - 1) / stride);
}

const Value* Dict::Find(Budget& budget, const Value& key) const {
  if (key.is_string()) {
    budget.SpendText(key.text().size());
    const auto it = strings_.find(key.str());
    return it == strings_.end() ? nullptr : &items[it->second].second;
  }
  if (strings_.size() == items.size()) return nullptr;
  for (const auto& [k, v] : items) {
    if (!k.is_string() && Equal(budget, k, key)) return &v;
  }
  return nullptr;
}

void Dict::Set(Budget& budget, const Value& key, Value value) {
  if (!Hashable(budget, key)) throw Error("TypeError: unhashable type: '{}'", TypeName(key));
  Contain(key);
  Contain(value);
  if (const Value* found = Find(budget, key)) {
    *const_cast<Value*>(found) = std::move(value);
    return;
  }
  if (key.is_string()) strings_.emplace(key.str(), items.size());
  items.emplace_back(key, std::move(value));
}

void Dict::Add(std::string key, Value value) {
  Contain(value);
  if (!strings_.emplace(key, items.size()).second) return;
  items.emplace_back(Value::Str(std::move(key)), std::move(value));
}

Value MakeList(std::vector<Value> items) { return Value(std::make_shared<Sequence>(Type::kList, std::move(items))); }

Value MakeTuple(std::vector<Value> items) { return Value(std::make_shared<Sequence>(Type::kTuple, std::move(items))); }

namespace {

// As Python's int where it fits; beyond, templates can pass it on and print it.
Value BigInteger(const std::string& digits) {
  constexpr size_t kSurelyFits = 38;
  const bool negative = digits[0] == '-';
  if (digits.size() - (negative ? 1 : 0) > kSurelyFits) {
    return Value(std::make_shared<const String>(String{Text(digits), /*markup=*/false, /*number=*/true}));
  }
  Int number = 0;
  for (size_t i = negative ? 1 : 0; i < digits.size(); ++i) number = 10 * number + (digits[i] - '0');
  return Value(negative ? -number : number);
}

Value FromJsonAt(const Json& json, bool trusted, int depth) {
  if (depth >= Object::kMaxDepth) throw Error("values nested deeper than {} levels", Object::kMaxDepth);
  switch (json.type()) {
    case Json::value_t::boolean:
      return Value(json.get<bool>());
    case Json::value_t::number_integer:
      return Value(static_cast<Int>(json.get<int64_t>()));
    case Json::value_t::number_unsigned:
      return Value(static_cast<Int>(json.get<uint64_t>()));
    case Json::value_t::number_float:
      return Value(json.get<double>());
    case Json::value_t::binary:
      return BigInteger(BigIntegerDigits(json));
    case Json::value_t::string: {
      const std::string& text = json.get_ref<const std::string&>();
      if (!IsValidUtf8(text)) throw Error("a string in the messages or tools is not valid UTF-8");
      return Value::Str(text, trusted);
    }
    case Json::value_t::array: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const Json& item : json) items.push_back(FromJsonAt(item, trusted, depth + 1));
      return MakeList(std::move(items));
    }
    case Json::value_t::object: {
      auto dict = std::make_shared<Dict>();
      for (const auto& [key, item] : json.items()) {
        if (!IsValidUtf8(key)) throw Error("a key in the messages or tools is not valid UTF-8");
        dict->Add(key, FromJsonAt(item, trusted, depth + 1));
      }
      return Value(std::move(dict));
    }
    default:
      return Value();
  }
}

}  // namespace

Value FromJson(const Json& json, bool trusted) { return FromJsonAt(json, trusted, 0); }

const char* TypeName(const Value& value) {
  switch (value.type()) {
    case Type::kUndefined:
      return "Undefined";
    case Type::kNone:
      return "NoneType";
    case Type::kBool:
      return "bool";
    case Type::kInt:
      return "int";
    case Type::kFloat:
      return "float";
    case Type::kString:
      return value.markup() ? "Markup" : value.is_long_number() ? "int" : "str";
    case Type::kList:
      return "list";
    case Type::kTuple:
      return "tuple";
    case Type::kDict:
      return "dict";
    case Type::kDictView: {
      const auto part = value.as<DictView>().part;
      return part == DictView::Part::kKeys     ? "dict_keys"
             : part == DictView::Part::kValues ? "dict_values"
                                               : "dict_items";
    }
    case Type::kRange:
      return "range";
    case Type::kIterator:
      return "generator";
    case Type::kNamespace:
      return "Namespace";
    case Type::kLoop:
      return "LoopContext";
    case Type::kMacro:
      return "Macro";
    case Type::kFunction:
      return "function";
    case Type::kCycler:
      return "Cycler";
    case Type::kJoiner:
      return "Joiner";
  }
  return "object";
}

bool Truth(const Value& value) {
  switch (value.type()) {
    case Type::kUndefined:
    case Type::kNone:
      return false;
    case Type::kBool:
    case Type::kInt:
      return value.as_int() != 0;
    case Type::kFloat:
      return value.as_double() != 0;
    case Type::kString:
      return value.text().size() > 0;
    case Type::kList:
    case Type::kTuple:
    case Type::kDict:
    case Type::kDictView:
    case Type::kRange:
      return Length(value) > 0;
    default:
      return true;
  }
}

// ---- Printing

std::string IntRepr(Int i) {
  unsigned __int128 rest = i < 0 ? -static_cast<unsigned __int128>(i) : static_cast<unsigned __int128>(i);
  std::string digits;
  do {
    digits.push_back(static_cast<char>('0' + static_cast<int>(rest % 10)));
    rest /= 10;
  } while (rest != 0);
  if (i < 0) digits.push_back('-');
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string FloatRepr(double d) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d < 0 ? "-inf" : "inf";
  std::string text = fmt::format("{}", d);  // the shortest that reads back, as Python's
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string StringRepr(std::string_view text) {
  const char quote = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for (size_t pos = 0; pos < text.size();) {
    const char32_t c = DecodeAt(text, &pos);
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (IsPrintable(c)) {
      AppendCodePoint(&out, c);
    } else if (c < 0x100) {
      out += fmt::format("\\x{:02x}", static_cast<uint32_t>(c));
    } else if (c < 0x10000) {
      out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
    } else {
      out += fmt::format("\\U{:08x}", static_cast<uint32_t>(c));
    }
  }
  return out + quote;
}

namespace {

void AppendRepr(const Value& value, std::string* out, int depth) {
  // A namespace may hold itself; every other nesting is limited when it is made.
  if (depth > Object::kMaxDepth) throw Error("RecursionError: a value that contains itself cannot be printed");
  if (out->size() > Text::kMaxBytes) throw Error("the template makes a text longer than {} bytes", Text::kMaxBytes);
  const auto list = [&](const char* open, const std::vector<Value>& items, const char* close) {
    *out += open;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) *out += ", ";
      AppendRepr(items[i], out, depth + 1);
    }
    *out += close;
  };
  switch (value.type()) {
    case Type::kUndefined:
      *out += "Undefined";
      break;
    case Type::kNone:
      *out += "None";
      break;
    case Type::kBool:
      *out += value.as_int() != 0 ? "True" : "False";
      break;
    case Type::kInt:
      *out += IntRepr(value.as_int());
      break;
    case Type::kFloat:
      *out += FloatRepr(value.as_double());
      break;
    case Type::kString:
      *out += value.markup()           ? "Markup(" + StringRepr(value.str()) + ")"
              : value.is_long_number() ? value.str()
                                       : StringRepr(value.str());
      break;
    case Type::kList:
      list("[", value.as<Sequence>().items, "]");
      break;
    case Type::kTuple:
      list("(", value.as<Sequence>().items, value.as<Sequence>().items.size() == 1 ? ",)" : ")");
      break;
    case Type::kDict: {
      *out += "{";
      const char* separator = "";
      for (const auto& [key, item] : value.as<Dict>().items) {
        *out += separator;
        AppendRepr(key, out, depth + 1);
        *out += ": ";
        AppendRepr(item, out, depth + 1);
        separator = ", ";
      }
      *out += "}";
      break;
    }
    case Type::kDictView: {
      Budget budget(INT64_MAX);
      *out += TypeName(value);
      list("([", Items(budget, value), "])");
      break;
    }
    case Type::kRange: {
      const Range& range = value.as<Range>();
      *out += fmt::format("range({}, {}", IntRepr(range.start), IntRepr(range.stop));
      *out += range.step == 1 ? ")" : ", " + IntRepr(range.step) + ")";
      break;
    }
    case Type::kNamespace: {
      *out += "<Namespace {";
      const char* separator = "";
      for (const auto& [name, item] : value.as<Namespace>().attributes) {
        *out += separator + StringRepr(name) + ": ";
        AppendRepr(item, out, depth + 1);
        separator = ", ";
      }
      *out += "}>";
      break;
    }
    case Type::kFunction:
      *out += "<function " + value.as<Function>().name + ">";
      break;
    default:
      *out += std::string("<") + TypeName(value) + " object>";
  }
}

}  // namespace

std::string Repr(const Value& value) {
  std::string out;
  AppendRepr(value, &out, 0);
  return out;
}

Text ToText(const Value& value) {
  if (value.is_string()) return value.text();
  if (value.is_undefined()) return Text();
  return Text(Repr(value));
}

// ---- Comparison

bool Hashable(Budget& budget, const Value& value) {
  budget.Spend(1);
  if (value.is(Type::kTuple)) {
    const auto& items = value.as<Sequence>().items;
    return std::all_of(items.begin(), items.end(), [&](const Value& item) { return Hashable(budget, item); });
  }
  return !value.is(Type::kList) && !value.is(Type::kDict);
}

bool Equal(Budget& budget, const Value& a, const Value& b) {
  budget.Spend(1);
  if (a.is_int() && b.is_int()) return a.as_int() == b.as_int();
  if (a.is_number() && b.is_number()) return a.as_double() == b.as_double();
  if (a.type() != b.type()) return false;
  switch (a.type()) {
    case Type::kUndefined:
      return true;
    case Type::kString:
      budget.SpendText(std::min(a.text().size(), b.text().size()));
      return a.str() == b.str();
    case Type::kList:
    case Type::kTuple: {
      const auto &x = a.as<Sequence>().items, &y = b.as<Sequence>().items;
      if (x.size() != y.size()) return false;
      for (size_t i = 0; i < x.size(); ++i) {
        if (!Equal(budget, x[i], y[i])) return false;
      }
      return true;
    }
    case Type::kDict: {
      const Dict &x = a.as<Dict>(), &y = b.as<Dict>();
      if (x.items.size() != y.items.size()) return false;
      for (const auto& [key, item] : x.items) {
        const Value* other = y.Find(budget, key);
        if (other == nullptr || !Equal(budget, item, *other)) return false;
      }
      return true;
    }
    case Type::kRange: {
      const Range &x = a.as<Range>(), &y = b.as<Range>();
      return x.length == y.length && (x.length == 0 || x.start == y.start) && (x.length < 2 || x.step == y.step);
    }
    default:
      return a.Same(b);
  }
}

int Compare(Budget& budget, const Value& a, const Value& b, const char* op) {
  budget.Spend(1);
  for (const Value* v : {&a, &b}) {
    if (v->is_undefined()) throw Error("UndefinedError: {}", v->undefined_message());
  }
  const auto order = [](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
  if (a.is_int() && b.is_int()) return order(a.as_int(), b.as_int());
  if (a.is_number() && b.is_number()) return order(a.as_double(), b.as_double());
  if (a.is_string() && b.is_string()) {
    budget.SpendText(std::min(a.text().size(), b.text().size()));
    return order(a.str(), b.str());  // UTF-8 sorts as its code points do
  }
  if (a.type() == b.type() && (a.is(Type::kList) || a.is(Type::kTuple))) {
    const auto &x = a.as<Sequence>().items, &y = b.as<Sequence>().items;
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (!Equal(budget, x[i], y[i])) return Compare(budget, x[i], y[i], op);
    }
    return order(x.size(), y.size());
  }
  throw Error("TypeError: '{}' not supported between instances of '{}' and '{}'", op, TypeName(a), TypeName(b));
}

bool Contains(Budget& budget, const Value& container, const Value& item) {
  if (container.is_string()) {
    if (item.is_undefined()) throw Error("UndefinedError: {}", item.undefined_message());
    if (!item.is_string()) {
      throw Error("TypeError: 'in <string>' requires string as left operand, not {}", TypeName(item));
    }
    budget.SpendText(container.text().size());
    return container.str().find(item.str()) != std::string::npos;
  }
  if (container.is(Type::kDict) ||
      (container.is(Type::kDictView) && container.as<DictView>().part == DictView::Part::kKeys)) {
    if (!Hashable(budget, item)) throw Error("TypeError: unhashable type: '{}'", TypeName(item));
    const Value& dict = container.is(Type::kDict) ? container : container.as<DictView>().dict;
    return dict.as<Dict>().Find(budget, item) != nullptr;
  }
  const std::vector<Value> items = Items(budget, container);
  return std::any_of(items.begin(), items.end(),
                     [&](const Value& v) { return v.Same(item) || Equal(budget, v, item); });
}

std::vector<Value> Items(Budget& budget, const Value& value) {
  std::vector<Value> out;
  switch (value.type()) {
    case Type::kUndefined:
      break;
    case Type::kString: {
      const Text& text = value.text();
      budget.Spend(static_cast<int64_t>(text.size()) * 4);
      for (size_t pos = 0; pos < text.size();) {
        const size_t begin = pos;
        DecodeAt(text.str(), &pos);
        out.emplace_back(text.Substr(begin, pos));
      }
      break;
    }
    case Type::kList:
    case Type::kTuple:
      out = value.as<Sequence>().items;
      break;
    case Type::kDict:
      for (const auto& entry : value.as<Dict>().items) out.push_back(entry.first);
      break;
    case Type::kDictView: {
      const DictView& view = value.as<DictView>();
      for (const auto& [key, item] : view.dict.as<Dict>().items) {
        out.push_back(view.part == DictView::Part::kKeys     ? key
                      : view.part == DictView::Part::kValues ? item
                                                             : MakeTuple({key, item}));
      }
      break;
    }
    case Type::kRange: {
      const Range& range = value.as<Range>();
      for (int64_t i = 0; i < range.length; ++i) out.push_back(range.At(i));
      break;
    }
    case Type::kIterator: {
      Iterator& iterator = value.as<Iterator>();
      out.assign(iterator.items.begin() + static_cast<std::ptrdiff_t>(iterator.next), iterator.items.end());
      iterator.next = iterator.items.size();
      break;
    }
    default:
      throw Error("TypeError: '{}' object is not iterable", TypeName(value));
  }
  budget.Spend(static_cast<int64_t>(out.size()) * 2);
  return out;
}

int64_t Length(const Value& value) {
  switch (value.type()) {
    case Type::kUndefined:
      return 0;
    case Type::kString:
      return static_cast<int64_t>(CodePoints(value.str()));
    case Type::kList:
    case Type::kTuple:
      return static_cast<int64_t>(value.as<Sequence>().items.size());
    case Type::kDict:
      return static_cast<int64_t>(value.as<Dict>().items.size());
    case Type::kDictView:
      return Length(value.as<DictView>().dict);
    case Type::kRange:
      return value.as<Range>().length;
    default:
      throw Error("TypeError: object of type '{}' has no len()", TypeName(value));
  }
}

// ---- Arithmetic

namespace {

constexpr Int kSmallest = static_cast<Int>(static_cast<unsigned __int128>(1) << 127);

[[noreturn]] void TooLarge() { throw Error("OverflowError: an integer of more than 127 bits"); }

Int IntPower(Int base, Int exponent) {
  Int result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) TooLarge();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) TooLarge();
  }
  return result;
}

Value IntArithmetic(BinaryOp op, Int a, Int b) {
  Int result = 0;
  bool overflow = false;
  switch (op) {
    case BinaryOp::kAdd:
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case BinaryOp::kSub:
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case BinaryOp::kMul:
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case BinaryOp::kPow:
      if (b < 0) {
        if (a == 0) throw Error("ZeroDivisionError: 0.0 cannot be raised to a negative power");
        return Value(std::pow(static_cast<double>(a), static_cast<double>(b)));
      }
      return Value(a == 1 || b == 0 ? Int{1}
                   : a == -1        ? (b % 2 == 0 ? Int{1} : Int{-1})
                   : a == 0         ? Int{0}
                                    : IntPower(a, b));
    default:
      if (b == 0) throw Error("ZeroDivisionError: division by zero");
      if (op == BinaryOp::kDiv) return Value(static_cast<double>(a) / static_cast<double>(b));
      if (b == -1) {  // the smallest integer by -1 does not fit
        if (op == BinaryOp::kMod) return Value(Int{0});
        overflow = __builtin_sub_overflow(Int{0}, a, &result);
        break;
      }
      result = op == BinaryOp::kFloorDiv ? a / b : a % b;
      if (a % b != 0 && (a < 0) != (b < 0)) result += op == BinaryOp::kFloorDiv ? -1 : b;
  }
  // The smallest integer is left out: it has no opposite.
  if (overflow || result == kSmallest) TooLarge();
  return Value(result);
}

Value FloatArithmetic(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::kAdd:
      return Value(a + b);
    case BinaryOp::kSub:
      return Value(a - b);
    case BinaryOp::kMul:
      return Value(a * b);
    case BinaryOp::kPow:
      if (a == 0 && b < 0) throw Error("ZeroDivisionError: 0.0 cannot be raised to a negative power");
      if (a < 0 && b != std::floor(b)) throw Error("TypeError: the power is a complex number");
      return Value(std::pow(a, b));
    default:
      break;
  }
  if (b == 0) throw Error("ZeroDivisionError: float division by zero");
  if (op == BinaryOp::kDiv) return Value(a / b);
  double mod = std::fmod(a, b);
  double quotient = (a - mod) / b;
  if (mod != 0) {
    if ((b < 0) != (mod < 0)) {
      mod += b;
      quotient -= 1;
    }
  } else {
    mod = std::copysign(0.0, b);
  }
  if (op == BinaryOp::kMod) return Value(mod);
  const double floor = std::floor(quotient);
  return Value(quotient == 0 ? std::copysign(0.0, a / b) : quotient - floor > 0.5 ? floor + 1 : floor);
}

Value Repeat(Budget& budget, const Value& value, Int count) {
  if (count < 0) count = 0;
  if (value.is_string()) {
    const Text& text = value.text();
    if (text.size() > 0 && count > static_cast<Int>(Text::kMaxBytes / text.size())) {
      throw Error("the template makes a text longer than {} bytes", Text::kMaxBytes);
    }
    budget.Spend(static_cast<int64_t>(text.size() * static_cast<size_t>(text.size() == 0 ? 0 : count) / 16));
    Text out;
    for (Int i = 0; i < count && text.size() > 0; ++i) out.Append(text);
    return Value(std::move(out), value.markup());
  }
  const auto& items = value.as<Sequence>().items;
  if (items.empty()) count = 0;
  if (count > 10'000'000) throw Error("MemoryError: a list repeated {} times", IntRepr(count));
  budget.Spend(static_cast<int64_t>(items.size()) * 2 * static_cast<int64_t>(count));
  std::vector<Value> out;
  out.reserve(items.size() * static_cast<size_t>(count));
  for (Int i = 0; i < count; ++i) out.insert(out.end(), items.begin(), items.end());
  return value.is(Type::kList) ? MakeList(std::move(out)) : MakeTuple(std::move(out));
}

}  // namespace

Value Arithmetic(Budget& budget, BinaryOp op, const Value& a, const Value& b) {
  static constexpr const char* kSymbols[] = {"+", "-", "*", "/", "//", "%", "**"};
  const char* symbol = kSymbols[static_cast<int>(op)];
  if (op == BinaryOp::kMod && a.is_string()) {
    Text out = PercentFormat(a.text(), b);
    budget.SpendText(a.text().size() + out.size());
    return Value(std::move(out), a.markup());
  }
  for (const Value* v : {&a, &b}) {
    if (v->is_undefined()) throw Error("UndefinedError: {}", v->undefined_message());
  }
  if (a.is_int() && b.is_int()) return IntArithmetic(op, a.as_int(), b.as_int());
  if (a.is_number() && b.is_number()) return FloatArithmetic(op, a.as_double(), b.as_double());
  const auto is_sequence = [](const Value& v) { return v.is_string() || v.is(Type::kList) || v.is(Type::kTuple); };
  if (op == BinaryOp::kMul && is_sequence(a) && b.is_int()) return Repeat(budget, a, b.as_int());
  if (op == BinaryOp::kMul && is_sequence(b) && a.is_int()) return Repeat(budget, b, a.as_int());
  if (op == BinaryOp::kAdd && a.type() == b.type() && is_sequence(a)) {
    if (a.is_string()) {
      const bool markup = a.markup() || b.markup();  // escaped text + plain text escapes the plain text
      Text out = markup && !a.markup() ? Text(EscapeHtml(a.str())) : a.text();
      out.Append(markup && !b.markup() ? Text(EscapeHtml(b.str())) : b.text());
      budget.SpendText(out.size());
      return Value(std::move(out), markup);
    }
    std::vector<Value> items = a.as<Sequence>().items;
    const auto& more = b.as<Sequence>().items;
    items.insert(items.end(), more.begin(), more.end());
    budget.Spend(static_cast<int64_t>(items.size()) * 2);
    return a.is(Type::kList) ? MakeList(std::move(items)) : MakeTuple(std::move(items));
  }
  if (op == BinaryOp::kAdd && a.is_string()) {
    throw Error("TypeError: can only concatenate str (not \"{}\") to str", TypeName(b));
  }
  throw Error("TypeError: unsupported operand type(s) for {}: '{}' and '{}'", symbol, TypeName(a), TypeName(b));
}

Value Negate(const Value& value) {
  if (value.is_float()) return Value(-value.as_double());
  if (value.is_undefined()) throw Error("UndefinedError: {}", value.undefined_message());
  if (!value.is_int()) throw Error("TypeError: bad operand type for unary -: '{}'", TypeName(value));
  return IntArithmetic(BinaryOp::kSub, 0, value.as_int());
}

int64_t ToIndex(const Value& value, const char* what) {
  if (value.is_undefined()) throw Error("UndefinedError: {}", value.undefined_message());
  if (!value.is_int()) throw Error("TypeError: {} must be an integer, not {}", what, TypeName(value));
  const Int i = value.as_int();
  // Far beyond any length is as good as infinity, and does not overflow when added to.
  constexpr Int kFar = Int{1} << 60;
  return static_cast<int64_t>(std::clamp(i, -kFar, kFar));
}

// ---- JSON

namespace {

void AppendJsonString(std::string_view text, const JsonStyle& style, std::string* out) {
  *out += '"';
  for (size_t pos = 0; pos < text.size();) {
    const char32_t c = DecodeAt(text, &pos);
    switch (c) {
      case '"':
        *out += "\\\"";
        break;
      case '\\':
        *out += "\\\\";
        break;
      case '\n':
        *out += "\\n";
        break;
      case '\r':
        *out += "\\r";
        break;
      case '\t':
        *out += "\\t";
        break;
      case '\f':
        *out += "\\f";
        break;
      case '\b':
        *out += "\\b";
        break;
      default:
        if (c >= 0x10000 && style.ascii) {
          *out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + static_cast<uint32_t>((c - 0x10000) >> 10),
                              0xDC00 + static_cast<uint32_t>((c - 0x10000) & 0x3FF));
        } else if (c < 0x20 || (style.ascii && c > 0x7E)) {
          *out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
        } else {
          AppendCodePoint(out, c);
        }
    }
  }
  *out += '"';
}

void AppendJson(const Value& value, const JsonStyle& style, int level, std::string* out) {
  if (out->size() > Text::kMaxBytes) throw Error("the template makes a text longer than {} bytes", Text::kMaxBytes);
  const auto newline = [&](int at) {
    if (!style.pretty) return;
    *out += '\n';
    for (int i = 0; i < at; ++i) *out += style.indent;
  };
  switch (value.type()) {
    case Type::kNone:
      *out += "null";
      break;
    case Type::kBool:
      *out += value.as_int() != 0 ? "true" : "false";
      break;
    case Type::kInt:
      *out += IntRepr(value.as_int());
      break;
    case Type::kFloat: {
      const double d = value.as_double();
      *out += std::isnan(d) ? "NaN" : std::isinf(d) ? (d < 0 ? "-Infinity" : "Infinity") : FloatRepr(d);
      break;
    }
    case Type::kString:
      if (value.is_long_number()) {
        *out += value.str();
      } else {
        AppendJsonString(value.str(), style, out);
      }
      break;
    case Type::kList:
    case Type::kTuple: {
      const auto& items = value.as<Sequence>().items;
      *out += '[';
      for (size_t i = 0; i < items.size(); ++i) {
        if (i > 0) *out += style.item_separator;
        newline(level + 1);
        AppendJson(items[i], style, level + 1, out);
      }
      if (!items.empty()) newline(level);
      *out += ']';
      break;
    }
    case Type::kDict: {
      auto items = value.as<Dict>().items;
      if (style.sort_keys) {
        Budget budget(10'000'000);
        std::stable_sort(items.begin(), items.end(),
                         [&](const auto& a, const auto& b) { return Compare(budget, a.first, b.first, "<") < 0; });
      }
      *out += '{';
      for (size_t i = 0; i < items.size(); ++i) {
        if (i > 0) *out += style.item_separator;
        newline(level + 1);
        const Value& key = items[i].first;
        if (key.is_string()) {
          AppendJsonString(key.str(), style, out);
        } else if (key.is_number() || key.is_none()) {
          *out += '"';
          AppendJson(key, style, level, out);
          *out += '"';
        } else {
          throw Error("TypeError: keys must be str, int, float, bool or None, not {}", TypeName(key));
        }
        *out += style.key_separator;
        AppendJson(items[i].second, style, level + 1, out);
      }
      if (!items.empty()) newline(level);
      *out += '}';
      break;
    }
    default:
      throw Error("TypeError: Object of type {} is not JSON serializable", TypeName(value));
  }
}

}  // namespace

std::string ToJson(const Value& value, const JsonStyle& style) {
  std::string out;
  AppendJson(value, style, 0, &out);
  return out;
}

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// ---- Arguments

Bound::Bound(std::string_view function, const Args& args, std::vector<std::string_view> names, size_t required)
    : function_(function), names_(std::move(names)), values_(names_.size(), nullptr) {
  if (args.positional.size() > names_.size()) {
    throw Error("TypeError: {}() takes at most {} arguments, {} given", function_, names_.size(),
                args.positional.size());
  }
  for (size_t i = 0; i < args.positional.size(); ++i) values_[i] = &args.positional[i];
  for (const auto& [name, value] : args.named) {
    const auto it = std::find(names_.begin(), names_.end(), name);
    if (it == names_.end()) throw Error("TypeError: {}() got an unexpected keyword argument '{}'", function_, name);
    const Value*& slot = values_[static_cast<size_t>(it - names_.begin())];
    if (slot != nullptr) throw Error("TypeError: {}() got multiple values for argument '{}'", function_, name);
    slot = &value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (values_[i] == nullptr) throw Error("TypeError: {}() missing the argument '{}'", function_, names_[i]);
  }
}

bool Bound::Flag(size_t i, bool fallback) const { return has(i) ? Truth(*values_[i]) : fallback; }

int64_t Bound::Integer(size_t i, int64_t fallback) const {
  return has(i) ? ToIndex(*values_[i], fmt::format("{}'s {}", function_, names_[i]).c_str()) : fallback;
}

std::string Bound::String(size_t i, std::string_view fallback) const {
  if (!has(i)) return std::string(fallback);
  if (!values_[i]->is_string()) {
    throw Error("TypeError: {}'s {} must be a string, not {}", function_, names_[i], TypeName(*values_[i]));
  }
  return values_[i]->str();
}

}  // namespace fulgur::jinja
