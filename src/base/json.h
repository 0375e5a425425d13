// JSON, with errors that name the file and the key.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"

// The members of this class are compiled once, in json.cc.
extern template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace fulgur {

using Json = nlohmann::ordered_json;

// Parses `text`; `where` (a path, "line 12 of x.jsonl") is named in the Error. Nesting is limited to 512 levels, and an
// object that has the same key twice is an error. Takes time in proportion to the text, however many keys an object
// has; looking a key up afterwards is a linear search, so go through a large object by iteration.
Json ParseJson(std::string_view text, const std::string& where);
Json ReadJsonFile(const std::filesystem::path& path);

// The value of `key`, which must be there and of the right type: JsonGet<int64_t>(config, "hidden_size",
// "config.json"). Numbers are range-checked; an integer is not taken from 1.5 nor from true.
template <typename T>
T JsonGet(const Json& object, const char* key, const std::string& where);
// The same, with a value for a missing or null key.
template <typename T>
T JsonGetOr(const Json& object, const char* key, T fallback, const std::string& where) {
  if (!object.is_object() || !object.contains(key) || object[key].is_null()) return fallback;
  return JsonGet<T>(object, key, where);
}

template <>
bool JsonGet<bool>(const Json&, const char*, const std::string&);
template <>
int64_t JsonGet<int64_t>(const Json&, const char*, const std::string&);
template <>
double JsonGet<double>(const Json&, const char*, const std::string&);
template <>
std::string JsonGet<std::string>(const Json&, const char*, const std::string&);

}  // namespace fulgur
