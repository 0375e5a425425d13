#include "base/json.h"

#include <cmath>
#include <unordered_set>
#include <vector>

#include "base/file.h"

namespace fulgur {

namespace {

template <typename AnyJson>
AnyJson Parse(std::string_view text, const std::string& where) {
  constexpr int kMaxDepth = 512;
  std::vector<std::unordered_set<std::string>> keys;  // of the objects that are open
  const auto callback = [&](int depth, typename AnyJson::parse_event_t event, AnyJson& parsed) {
    if (depth > kMaxDepth) throw Error("{}: JSON nested deeper than {} levels", where, kMaxDepth);
    switch (event) {
      case AnyJson::parse_event_t::object_start:
        keys.emplace_back();
        break;
      case AnyJson::parse_event_t::object_end:
        keys.pop_back();
        break;
      case AnyJson::parse_event_t::key:
        if (!keys.back().insert(parsed.template get_ref<const std::string&>()).second) {
          throw Error("{}: key \"{}\" appears twice in one JSON object", where,
                      parsed.template get_ref<const std::string&>());
        }
        break;
      default:
        break;
    }
    return true;
  };
  try {
    return AnyJson::parse(text.begin(), text.end(), callback);
  } catch (const nlohmann::json::exception& e) {
    throw Error("{}: not valid JSON: {}", where, e.what());
  }
}

}  // namespace

Json ParseJson(std::string_view text, const std::string& where) { return Parse<Json>(text, where); }
nlohmann::json ParseSortedJson(std::string_view text, const std::string& where) {
  return Parse<nlohmann::json>(text, where);
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
