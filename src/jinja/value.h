// The values a Jinja template computes with: Python's, as far as templates can tell.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"

namespace fulgur::jinja {

// A string that knows which of its bytes were written by the template's author (trusted); all others came from
// messages, tools or computation. Concatenation and cutting keep the marks; a function that makes new text from old
// leaves it untrusted, unless all of what it was made from is trusted.
class Text {
 public:
  struct Range {
    size_t begin, end;  // bytes
  };
  static constexpr size_t kMaxBytes = size_t{64} << 20;  // Append throws Error beyond it

  Text() = default;
  explicit Text(std::string bytes, bool trusted = false);

  const std::string& str() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  bool AllTrusted() const;
  const std::vector<Range>& trusted() const { return trusted_; }  // ascending, neither touching nor empty

  void Append(std::string_view bytes, bool trusted = false);
  void Append(const Text& other) { Append(other, 0, other.size()); }
  void Append(const Text& other, size_t begin, size_t end);
  Text Substr(size_t begin, size_t end) const;

 private:
  void Grow(size_t bytes) const;

  std::string bytes_;
  std::vector<Range> trusted_;
};

// Work and memory a rendering may use; Spend throws Error when it is used up.
class Budget {
 public:
  explicit Budget(int64_t units) : left_(units) {}
  void Spend(int64_t units) {
    left_ -= units;
    if (left_ < 0) Exhausted();
  }
  void SpendText(size_t bytes) { Spend(static_cast<int64_t>(bytes / 16)); }

 private:
  [[noreturn]] void Exhausted() const;
  int64_t left_;
};

// Python's integers, up to 127 bits; beyond is an Error.
__extension__ typedef __int128 Int;

enum class Type {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kDictView,
  kRange,
  kIterator,
  kNamespace,
  kLoop,
  kMacro,
  kFunction,
  kCycler,
  kJoiner,
};

struct None {};
struct Undefined {
  std::shared_ptr<const std::string> message;  // what to say when it is used
};
struct String {
  Text text;
  bool markup = false;  // already escaped for HTML
  bool number = false;  // the digits of an integer that Int has no room for
};

class Value;

// Everything on the heap but strings. `depth` counts nested containers and is limited, so that no recursion over values
// can run out of stack.
struct Object {
  static constexpr int kMaxDepth = 600;
  explicit Object(Type type) : type(type) {}
  virtual ~Object() = default;
  void Contain(const Value& child);  // depth = max(depth, child's + 1); Error if too deep
  const Type type;
  int depth = 1;
};

class Value {
 public:
  Value() : data_(None{}) {}
  Value(bool b) : data_(b) {}                  // NOLINT: values are made from what they hold
  Value(Int i) : data_(i) {}                   // NOLINT
  Value(double d) : data_(d) {}                // NOLINT
  Value(Undefined u) : data_(std::move(u)) {}  // NOLINT
  Value(Text text, bool markup = false)        // NOLINT
      : data_(std::make_shared<const String>(String{std::move(text), markup})) {}
  Value(std::shared_ptr<Object> object) : data_(std::move(object)) {}  // NOLINT
  template <typename T>
  requires std::is_base_of_v<Object, T> Value(std::shared_ptr<T> object)
      : data_(std::shared_ptr<Object>(std::move(object))) {}                 // NOLINT
  Value(std::shared_ptr<const String> string) : data_(std::move(string)) {}  // NOLINT
  static Value Str(std::string bytes, bool trusted = false) { return Value(Text(std::move(bytes), trusted)); }
  static Value Integer(int64_t i) { return Value(static_cast<Int>(i)); }
  static Value MakeUndefined(std::string message);

  Type type() const;
  bool is(Type t) const { return type() == t; }
  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_string() const { return std::holds_alternative<std::shared_ptr<const String>>(data_); }
  bool is_int() const { return std::holds_alternative<Int>(data_) || is_bool(); }  // as in Python, a bool is an int
  bool is_float() const { return std::holds_alternative<double>(data_); }
  bool is_number() const { return is_int() || is_float(); }

  // The caller has checked the type.
  Int as_int() const { return is_bool() ? static_cast<Int>(std::get<bool>(data_)) : std::get<Int>(data_); }
  double as_double() const { return is_float() ? std::get<double>(data_) : static_cast<double>(as_int()); }
  const Text& text() const { return std::get<std::shared_ptr<const String>>(data_)->text; }
  const std::string& str() const { return text().str(); }
  bool markup() const { return is_string() && std::get<std::shared_ptr<const String>>(data_)->markup; }
  bool is_long_number() const { return is_string() && std::get<std::shared_ptr<const String>>(data_)->number; }
  const std::string& undefined_message() const { return *std::get<Undefined>(data_).message; }
  template <typename T>
  T& as() const {
    return static_cast<T&>(*std::get<std::shared_ptr<Object>>(data_));
  }
  template <typename T>
  std::shared_ptr<T> pointer() const {
    return std::static_pointer_cast<T>(std::get<std::shared_ptr<Object>>(data_));
  }
  int depth() const;
  bool Same(const Value& other) const;  // Python's `is`

 private:
  std::variant<None, Undefined, bool, Int, double, std::shared_ptr<const String>, std::shared_ptr<Object>> data_;
};

struct Sequence : Object {  // kList or kTuple
  Sequence(Type type, std::vector<Value> values);
  std::vector<Value> items;
  bool grouped = false;  // groupby's (grouper, list), whose elements have those names too
};

struct Dict : Object {
  Dict() : Object(Type::kDict) {}
  const Value* Find(Budget& budget, const Value& key) const;
  void Set(Budget& budget, const Value& key, Value value);
  void Add(std::string key, Value value);  // a key that is not there yet
  std::vector<std::pair<Value, Value>> items;

 private:
  std::unordered_map<std::string, size_t> strings_;  // string keys
};

struct DictView : Object {
  enum class Part { kKeys, kValues, kItems };
  DictView(Value dict, Part part) : Object(Type::kDictView), dict(std::move(dict)), part(part) { Contain(this->dict); }
  Value dict;
  Part part;
};

struct Range : Object {
  Range(Int start, Int stop, Int step);
  Value At(int64_t i) const { return Value(start + step * i); }
  Int start, stop, step;
  int64_t length;
};

// What Python's generators are to a template: can be walked once, is always true, has no length.
struct Iterator : Object {
  explicit Iterator(std::vector<Value> values);
  std::vector<Value> items;
  size_t next = 0;
};

struct Namespace : Object {
  Namespace() : Object(Type::kNamespace) {}
  std::vector<std::pair<std::string, Value>> attributes;
};

struct Cycler : Object {
  explicit Cycler(std::vector<Value> values);
  std::vector<Value> items;
  size_t position = 0;
};

struct Joiner : Object {
  explicit Joiner(Value separator) : Object(Type::kJoiner), separator(std::move(separator)) {
    Contain(this->separator);
  }
  Value separator;
  bool used = false;
};

class Interp;

struct Args {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

struct Function : Object {  // a global function, or a method bound to its object
  using Body = Value (*)(Interp&, const Value& self, Args& args);
  Function(std::string name, Body body, Value self = {})
      : Object(Type::kFunction), name(std::move(name)), body(body), self(std::move(self)) {
    Contain(this->self);
  }
  std::string name;
  Body body;
  Value self;
};

// Arguments matched to parameter names as Python does it; too many, unknown, doubled or missing ones are an Error.
class Bound {
 public:
  Bound(std::string_view function, const Args& args, std::vector<std::string_view> names, size_t required = 0);
  Bound(std::string_view, Args&&, std::vector<std::string_view>, size_t = 0) = delete;  // refers to the arguments
  bool has(size_t i) const { return values_[i] != nullptr; }
  const Value& operator[](size_t i) const { return *values_[i]; }
  const Value& Or(size_t i, const Value& fallback) const { return has(i) ? *values_[i] : fallback; }
  bool Flag(size_t i, bool fallback = false) const;
  int64_t Integer(size_t i, int64_t fallback) const;
  std::string String(size_t i, std::string_view fallback) const;

 private:
  std::string function_;
  std::vector<std::string_view> names_;
  std::vector<const Value*> values_;
};

Value MakeList(std::vector<Value> items);
Value MakeTuple(std::vector<Value> items);
Value FromJson(const Json& json, bool trusted = false);

const char* TypeName(const Value& value);  // as Python calls it: "str", "dict"
bool Truth(const Value& value);
Text ToText(const Value& value);                // str(value)
std::string Repr(const Value& value);           // repr(value)
std::string StringRepr(std::string_view text);  // of valid UTF-8
std::string FloatRepr(double d);
std::string IntRepr(Int i);

bool Equal(Budget& budget, const Value& a, const Value& b);
int Compare(Budget& budget, const Value& a, const Value& b, const char* op);  // <0, 0, >0; Error if they have no order
bool Contains(Budget& budget, const Value& container, const Value& item);
bool Hashable(Budget& budget, const Value& value);

enum class BinaryOp { kAdd, kSub, kMul, kDiv, kFloorDiv, kMod, kPow };
Value Arithmetic(Budget& budget, BinaryOp op, const Value& a, const Value& b);
Value Negate(const Value& value);

// The elements a loop would visit; an Iterator is used up by it. Error for what cannot be iterated.
std::vector<Value> Items(Budget& budget, const Value& value);
int64_t Length(const Value& value);

int64_t ToIndex(const Value& value, const char* what);  // an int that fits

struct JsonStyle {
  bool ascii = false, sort_keys = false;
  bool pretty = false;
  std::string indent;
  std::string item_separator = ", ", key_separator = ": ";
};
std::string ToJson(const Value& value, const JsonStyle& style);

std::string EscapeHtml(std::string_view text);

// `format % args` and format.format(...) (jinja_format.cc).
Text PercentFormat(const Text& format, const Value& args);
Text BraceFormat(Interp& interp, const Text& format, const Args& args);

}  // namespace fulgur::jinja
