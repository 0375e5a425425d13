#include "serve/fields.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/json_as_given.h"

namespace fulgur {

std::string Shown(const Json& value) {
  constexpr size_t kMost = 60;
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  std::string text = IsBigInteger(value) ? DumpJson(value)
                                         : value.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  if (text.size() > kMost) text = text.substr(0, kMost) + "...";
  return text;
}

std::string StringOf(const Json& value, const std::string& path) {
  if (!value.is_string()) throw Invalid(path, "must be a string, found {}", Shown(value));
  return value.get<std::string>();
}

int64_t IntegerOf(const Json& value, const std::string& path, int64_t low, int64_t high) {
  std::optional<int64_t> number;
  if (value.is_number_unsigned()) {
    if (value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX)) number = static_cast<int64_t>(value.get<uint64_t>());
  } else if (value.is_number_integer()) {
    number = value.get<int64_t>();
  } else if (value.is_number_float()) {  // 1e3 is an integer too
    const double d = value.get<double>();
    if (d == std::floor(d) && std::abs(d) < 9e15) number = static_cast<int64_t>(d);
  }
  if (number && *number >= low && *number <= high) return *number;
  if (high >= Fields::kNoLimit) throw Invalid(path, "must be an integer of at least {}, found {}", low, Shown(value));
  throw Invalid(path, "must be an integer from {} to {}, found {}", low, high, Shown(value));
}

double NumberOf(const Json& value, const std::string& path, double low, double high) {
  const double number = value.is_number() ? value.get<double>() : std::nan("");
  if (!(number >= low && number <= high)) {
    throw Invalid(path, "must be a number from {} to {}, found {}", low, high, Shown(value));
  }
  return number;
}

void IgnoredFields::Add(std::string_view path, std::string_view what) {
  constexpr size_t kMost = 32, kLongest = 100;
  std::string kind;  // the path without the numbers
  bool number = false;
  for (const char c : path) {
    if (c == '[' || c == ']') number = c == '[';
    if (!number || c == '[') kind += c;
  }
  std::string name(path.substr(0, kLongest));
  if (!what.empty()) name += fmt::format(" ({})", what.substr(0, kLongest));
  kind.append(" ").append(what);
  if (names_.size() < kMost && kinds_.insert(std::move(kind)).second) names_.push_back(std::move(name));
}

void CheckNoKeyTwice(const Json& value, const std::string& path) {
  if (const std::optional<std::string> key = RepeatedKey(value)) {
    throw Invalid(path, "the key {} appears twice in one JSON object", Shown(*key));
  }
}

Fields::Fields(const Json& object, std::string path, IgnoredFields* ignored)
    : object_(object), path_(std::move(path)), ignored_(ignored) {
  if (!object.is_object()) {
    throw Invalid(path_, "{}must be a JSON object, found {}", path_.empty() ? "the request " : "", Shown(object));
  }
  std::vector<std::string_view> keys;
  keys.reserve(object.size());
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  if (const auto twice = std::adjacent_find(keys.begin(), keys.end()); twice != keys.end()) {
    throw Invalid(path_, "the key {} appears twice in one JSON object", Shown(Json(*twice)));
  }
}

Fields::~Fields() {
  if (ignored_ == nullptr) return;
  for (const auto& [key, value] : object_.items()) {
    if (!value.is_null() && seen_.find(key) == seen_.end()) ignored_->Add(Path(key.c_str()));
  }
}

std::string Fields::Path(const char* key) const { return path_.empty() ? key : path_ + "." + key; }

const Json* Fields::Get(const char* key) {
  seen_.insert(key);
  const auto it = object_.find(key);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

const Json& Fields::Need(const char* key, const char* what) {
  const Json* value = Get(key);
  if (value == nullptr) throw Invalid(Path(key), "is missing; it must be {}", what);
  return *value;
}

std::optional<bool> Fields::Bool(const char* key) {
  const Json* value = Get(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) throw Invalid(Path(key), "must be true or false, found {}", Shown(*value));
  return value->get<bool>();
}

std::optional<int64_t> Fields::Integer(const char* key, int64_t low, int64_t high) {
  const Json* value = Get(key);
  if (value == nullptr) return std::nullopt;
  return IntegerOf(*value, Path(key), low, high);
}

std::optional<double> Fields::Number(const char* key, double low, double high) {
  const Json* value = Get(key);
  if (value == nullptr) return std::nullopt;
  return NumberOf(*value, Path(key), low, high);
}

std::optional<std::string> Fields::String(const char* key) {
  const Json* value = Get(key);
  if (value == nullptr) return std::nullopt;
  return StringOf(*value, Path(key));
}

std::string Fields::NeedString(const char* key) { return StringOf(Need(key, "a string"), Path(key)); }

std::optional<std::string> Fields::Choice(const char* key, std::initializer_list<std::string_view> names) {
  const std::optional<std::string> value = String(key);
  if (!value) return std::nullopt;
  std::string list;
  for (const std::string_view name : names) {
    if (*value == name) return value;
    list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", name);
  }
  throw Invalid(Path(key), "must be one of {}; found {}", list, Shown(*value));
}

const Json* Fields::Object(const char* key) {
  const Json* value = Get(key);
  if (value != nullptr && !value->is_object()) throw Invalid(Path(key), "must be an object, found {}", Shown(*value));
  return value;
}

const Json* Fields::Array(const char* key) {
  const Json* value = Get(key);
  if (value != nullptr && !value->is_array()) throw Invalid(Path(key), "must be a list, found {}", Shown(*value));
  return value;
}

void Fields::Known(std::initializer_list<const char*> keys) {
  for (const char* key : keys) seen_.insert(key);
}

void Fields::Ignore(const char* key, std::string_view what) {
  if (Get(key) != nullptr && ignored_ != nullptr) ignored_->Add(Path(key), what);
}

}  // namespace fulgur
