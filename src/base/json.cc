#include "base/json.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json_as_given.h"

template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace fulgur {

namespace {

// Builds the value from the parser's events. (The library's own parser with a callback, which could check the same,
// takes n * n steps for n members: it searches for the key at each insertion and for discarded values at each end.)
class JsonBuilder final : public nlohmann::json_sax<Json> {
 public:
  JsonBuilder(const std::string& where, bool as_given) : where_(where), as_given_(as_given) {}
  Json Take() { return std::move(root_); }

  bool null() override { return Put(nullptr); }
  bool boolean(bool value) override { return Put(value); }
  bool number_integer(number_integer_t value) override { return Put(value); }
  bool number_unsigned(number_unsigned_t value) override { return Put(value); }
  bool number_float(number_float_t value, const string_t& text) override {
    if (as_given_ && text.find_first_of(".eE") == std::string::npos) {
      return Put(Json::binary({text.begin(), text.end()}));
    }
    return Put(value);
  }
  bool string(string_t& value) override { return Put(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // not in JSON text
  bool start_object(size_t) override { return Open(Json::object()); }
  bool start_array(size_t) override { return Open(Json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(string_t& key) override {
    if (!as_given_ && !open_.back().keys.insert(key).second) {
      throw Error("{}: key \"{}\" appears twice in one JSON object", where_, key);
    }
    key_ = std::move(key);
    return true;
  }
  bool parse_error(size_t, const std::string&, const nlohmann::json::exception& e) override {
    std::string_view what = e.what();
    const size_t id = what.find("] ");  // "[json.exception.parse_error.101] parse error at line 1, ..."
    if (what.starts_with('[') && id != std::string_view::npos) what.remove_prefix(id + 2);
    throw Error("{}: not valid JSON: {}", where_, what);
  }

 private:
  struct Level {
    Json* value;
    std::unordered_set<std::string> keys;
  };

  template <typename T>
  bool Put(T&& value) {
    Insert(Json(std::forward<T>(value)));
    return true;
  }
  // The place of the new value stays where it is while it is open: its parent does not grow until it is closed.
  Json* Insert(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *open_.back().value;
    if (parent.is_array()) {
      auto& items = parent.get_ref<Json::array_t&>();
      items.push_back(std::move(value));
      return &items.back();
    }
    // ordered_json's objects are vectors of pairs; emplace() would search for the key first.
    using Members = std::vector<Json::object_t::value_type>;
    Members& members = parent.get_ref<Json::object_t&>();
    members.emplace_back(std::move(key_), std::move(value));
    return &members.back().second;
  }
  bool Open(Json value) {
    constexpr size_t kMaxDepth = 512;
    if (open_.size() >= kMaxDepth) throw Error("{}: JSON nested deeper than {} levels", where_, kMaxDepth);
    Json* place = Insert(std::move(value));
    open_.push_back({place, {}});
    return true;
  }
  bool Close() {
    open_.pop_back();
    return true;
  }

  const std::string& where_;
  const bool as_given_;
  Json root_;
  std::vector<Level> open_;
  std::string key_;
};

}  // namespace

Json ParseJson(std::string_view text, const std::string& where) {
  JsonBuilder builder(where, /*as_given=*/false);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.Take();
}

namespace {

// Where the next escape \uXXXX of a UTF-16 surrogate is, from `from` on: the index of its backslash, or npos.
size_t FindSurrogate(std::string_view text, size_t from) {
  for (size_t i = from; (i = text.find('\\', i)) != std::string_view::npos; i += 2) {
    const std::string_view escape = text.substr(i, 6);
    if (escape.size() == 6 && escape[1] == 'u' && (escape[2] == 'd' || escape[2] == 'D') &&
        escape.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string_view::npos && escape[3] >= '8') {
      return i;
    }
  }
  return std::string_view::npos;
}

// Halves of characters that stand alone, as programs write them that cut a text between the two, become U+FFFD.
std::string WithoutHalfCharacters(std::string text) {
  constexpr size_t kEscape = 6;
  const auto is_low = [&](size_t i) { return std::string_view("89abAB").find(text[i + 3]) == std::string_view::npos; };
  for (size_t i = FindSurrogate(text, 0); i != std::string_view::npos;) {
    const size_t next = FindSurrogate(text, i + kEscape);
    if (!is_low(i) && next == i + kEscape && is_low(next)) {  // a pair
      i = FindSurrogate(text, next + kEscape);
      continue;
    }
    text.replace(i, kEscape, "\\ufffd");
    i = next;
  }
  return text;
}

}  // namespace

Json ParseJsonAsGiven(std::string_view text, const std::string& where) {
  JsonBuilder builder(where, /*as_given=*/true);
  if (FindSurrogate(text, 0) == std::string_view::npos) {
    Json::sax_parse(text.begin(), text.end(), &builder);
  } else {
    Json::sax_parse(WithoutHalfCharacters(std::string(text)), &builder);
  }
  return builder.Take();
}

// No JSON text has binary values, so that kind is free for the digits.
bool IsBigInteger(const Json& value) { return value.is_binary(); }

std::string BigIntegerDigits(const Json& value) {
  FULGUR_CHECK(IsBigInteger(value));
  const Json::binary_t& digits = value.get_binary();
  return {digits.begin(), digits.end()};
}

std::optional<std::string> RepeatedKey(const Json& value) {
  std::unordered_set<std::string_view> keys;
  for (const auto& [key, member] : value.items()) {
    if (value.is_object() && !keys.insert(key).second) return key;
    if (!member.is_structured()) continue;
    if (std::optional<std::string> inner = RepeatedKey(member)) return inner;
  }
  return std::nullopt;
}

namespace {

bool HasBigInteger(const Json& value) {
  return IsBigInteger(value) || (value.is_structured() && std::any_of(value.begin(), value.end(),
                                                                      [](const Json& v) { return HasBigInteger(v); }));
}

void AppendJson(const Json& value, std::string* out) {
  if (IsBigInteger(value)) {
    *out += BigIntegerDigits(value);
    return;
  }
  if (!HasBigInteger(value)) {
    *out += value.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
    return;
  }
  *out += value.is_object() ? '{' : '[';
  bool first = true;
  for (const auto& [key, member] : value.items()) {
    if (!std::exchange(first, false)) *out += ',';
    if (value.is_object()) *out += Json(key).dump(-1, ' ', false, Json::error_handler_t::replace) + ':';
    AppendJson(member, out);
  }
  *out += value.is_object() ? '}' : ']';
}

}  // namespace

std::string DumpJson(const Json& value) {
  std::string out;
  AppendJson(value, &out);
  return out;
}

Json ReadJsonFile(const std::filesystem::path& path) { return ParseJson(ReadFile(path), path.string()); }

namespace {

const Json& Find(const Json& object, const char* key, const std::string& where) {
  if (!object.is_object()) throw Error("{}: expected a JSON object with the key \"{}\"", where, key);
  const auto it = object.find(key);
  if (it == object.end()) throw Error("{}: the key \"{}\" is missing", where, key);
  return *it;
}

[[noreturn]] void WrongType(const Json& value, const char* key, const std::string& where, const char* expected) {
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > 80) text = text.substr(0, 77) + "...";
  throw Error("{}: the key \"{}\" must be {}, found {}", where, key, expected, text);
}

}  // namespace

template <>
bool JsonGet<bool>(const Json& object, const char* key, const std::string& where) {
  const Json& value = Find(object, key, where);
  if (!value.is_boolean()) WrongType(value, key, where, "true or false");
  return value.get<bool>();
}

template <>
int64_t JsonGet<int64_t>(const Json& object, const char* key, const std::string& where) {
  const Json& value = Find(object, key, where);
  if (value.is_number_unsigned() && value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX)) {
    return static_cast<int64_t>(value.get<uint64_t>());
  }
  if (value.is_number_integer() && !value.is_number_unsigned()) return value.get<int64_t>();
  if (value.is_number_float()) {  // 1e6 is a fair way to write an integer
    const double d = value.get<double>();
    if (d == std::floor(d) && std::abs(d) < 9e15) return static_cast<int64_t>(d);
  }
  if (value.is_number_unsigned() || (value.is_number_float() && std::abs(value.get<double>()) >= 9e15)) {
    throw Error("{}: the key \"{}\" is {}, a number too large for it", where, key, value.dump());
  }
  WrongType(value, key, where, "an integer");
}

template <>
double JsonGet<double>(const Json& object, const char* key, const std::string& where) {
  const Json& value = Find(object, key, where);
  if (!value.is_number()) WrongType(value, key, where, "a number");
  return value.get<double>();
}

template <>
std::string JsonGet<std::string>(const Json& object, const char* key, const std::string& where) {
  const Json& value = Find(object, key, where);
  if (!value.is_string()) WrongType(value, key, where, "a string");
  return value.get<std::string>();
}

}  // namespace fulgur
