// Reading the fields of a request: typed, range-checked, and with the path of what is wrong.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "serve/api_error.h"

namespace fulgur {

// What a request has and the server does not honour, by the path it stands at.
class IgnoredFields {
 public:
  // what: said behind the path, in brackets, where the path alone would not tell: "tools[2] (web_search)". Of paths
  // that differ in the numbers of list entries alone, the first is kept.
  void Add(std::string_view path, std::string_view what = {});
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
  std::set<std::string> kinds_;
};

// One JSON object of a request. Every reader takes null for absent, and throws a 400 that names the field.
class Fields {
 public:
  // path: "" for the request itself, "messages[2]" for a part of it. Must not outlive `object`. A key that the object
  // has twice is an error.
  // ignored: what nobody has asked for by the time this ends is added to it.
  Fields(const Json& object, std::string path, IgnoredFields* ignored = nullptr);
  ~Fields();
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;

  const Json* Get(const char* key);  // null if absent
  const Json& Need(const char* key, const char* what);
  std::optional<bool> Bool(const char* key);
  std::optional<int64_t> Integer(const char* key, int64_t low, int64_t high = kNoLimit);
  std::optional<double> Number(const char* key, double low, double high);
  std::optional<std::string> String(const char* key);
  std::string NeedString(const char* key);
  // One of the names, or a 400 that lists them.
  std::optional<std::string> Choice(const char* key, std::initializer_list<std::string_view> names);
  const Json* Object(const char* key);
  const Json* Array(const char* key);

  // Fields that rightly change nothing here.
  void Known(std::initializer_list<const char*> keys);
  // All that it has is accounted for.
  void KnownAll() { ignored_ = nullptr; }
  // A field that is there and not honoured, although it was asked for.
  void Ignore(const char* key, std::string_view what = {});

  std::string Path(const char* key) const;
  const std::string& path() const { return path_; }
  IgnoredFields* ignored() const { return ignored_; }

  static constexpr int64_t kNoLimit = int64_t{1} << 48;

 private:
  const Json& object_;
  std::string path_;
  IgnoredFields* ignored_;
  std::set<std::string, std::less<>> seen_;
};

// 400 if an object in `value`, which stands at `path`, has a key twice.
void CheckNoKeyTwice(const Json& value, const std::string& path);

// A value as an error message shows it: short.
std::string Shown(const Json& value);

// Readers for values that are not members, as Fields has them.
std::string StringOf(const Json& value, const std::string& path);
int64_t IntegerOf(const Json& value, const std::string& path, int64_t low, int64_t high);
double NumberOf(const Json& value, const std::string& path, double low, double high);

}  // namespace fulgur
