// One object of a config file, read key by key.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "base/json.h"

namespace fulgur {

// An object of the config. Every key must be asked for; Done() throws for the ones that were not.
class Section {
 public:
  Section(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json_.is_object()) throw Error("{} must be an object, not {}", where_, json_.type_name());
  }

  bool Has(const char* key) {
    known_.insert(key);
    return json_.contains(key) && !json_[key].is_null();
  }
  bool IsNull(const char* key) {  // there, as null
    known_.insert(key);
    return json_.contains(key) && json_[key].is_null();
  }
  template <typename T>
  T Get(const char* key) {
    known_.insert(key);
    return JsonGet<T>(json_, key, where_);
  }
  template <typename T>
  T GetOr(const char* key, T fallback) {
    known_.insert(key);
    return JsonGetOr<T>(json_, key, std::move(fallback), where_);
  }
  int64_t Integer(const char* key, int64_t fallback, int64_t least) {
    const int64_t value = GetOr<int64_t>(key, fallback);
    if (value < least) throw Error("{}: \"{}\" is {}, but must be at least {}", where_, key, value, least);
    return value;
  }
  // Zero or more, and finite (JSON has no others).
  double Number(const char* key, double fallback, double most = 1e30) {
    const double value = GetOr<double>(key, fallback);
    if (!(value >= 0 && value <= most)) {
      throw Error("{}: \"{}\" is {}, but must lie between 0 and {}", where_, key, value, most);
    }
    return value;
  }
  const Json& Value(const char* key) {
    known_.insert(key);
    if (!json_.contains(key)) throw Error("{} has no \"{}\"", where_, key);
    return json_[key];
  }
  Section Child(const char* key) {
    static const Json kEmpty = Json::object();
    return Section(Has(key) ? json_[key] : kEmpty, where_ + ": \"" + key + "\"");
  }
  const std::string& where() const { return where_; }

  void Done() const {
    for (const auto& [key, value] : json_.items()) {
      if (!known_.contains(key)) {
        throw Error("{} has an unknown key \"{}\"; known here: {}", where_, key, fmt::join(known_, ", "));
      }
    }
  }

 private:
  const Json& json_;
  std::string where_;
  std::set<std::string> known_;
};

}  // namespace fulgur
