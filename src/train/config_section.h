// One object of a config file, read key by key, and with it the fingerprint of what the file says.
//
// The fingerprint has every key that decides what the weights become, with its default filled in, in one flat object:
// "optimizer.clip": 1. Two configs with equal fingerprints train the same weights, bit for bit. A key is declared once,
// where it is read, and becomes a part of the fingerprint there, unless it is declared as one that is none.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/nearest.h"

namespace fulgur {

// The keys that a config can have.
struct ConfigKeys {
  Json fingerprint = Json::object();
  std::set<std::string> free;  // those that change no weight
};

// A key, as it is declared where it is read.
struct ConfigKey {
  enum class Role {
    kRecorded,
    kAdded,    // recorded if it is not the default: so that runs which began before there was such a key go on
    kDerived,  // something that is made of it is recorded by another name, with Section::Record
    kFree,     // changes no weight
  };
  ConfigKey(const char* key) : name(key) {}  // NOLINT: a plain string is a key that is recorded
  ConfigKey(const char* key, Role r) : name(key), role(r) {}
  const char* name;
  Role role = Role::kRecorded;
};
inline ConfigKey AddedKey(const char* name) { return {name, ConfigKey::Role::kAdded}; }
inline ConfigKey DerivedKey(const char* name) { return {name, ConfigKey::Role::kDerived}; }
inline ConfigKey FreeKey(const char* name) { return {name, ConfigKey::Role::kFree}; }

// An object of the config. Every key must be asked for; Done() throws for the ones that were not.
class Section {
 public:
  // keys: receives the fingerprint; null: there is none. prefix: "batch." in the section "batch".
  Section(const Json& json, std::string where, ConfigKeys* keys = nullptr, std::string prefix = "")
      : json_(json), where_(std::move(where)), keys_(keys), prefix_(std::move(prefix)) {
    if (!json_.is_object()) throw Error("{} must be an object, not {}", where_, json_.type_name());
  }

  // Typed values are recorded as they are returned.
  template <typename T>
  T Get(ConfigKey key) {
    Declare(key);
    if (!json_.contains(key.name)) throw Error("{} has no \"{}\"{}", where_, key.name, Misspelt(key.name));
    T value = JsonGet<T>(json_, key.name, where_);
    RecordKey(key, value);
    return value;
  }
  template <typename T>
  T GetOr(ConfigKey key, T fallback) {
    Declare(key);
    T value = JsonGetOr<T>(json_, key.name, fallback, where_);
    if (key.role == ConfigKey::Role::kAdded && value == fallback) {
      open_.erase(key.name);
    } else {
      RecordKey(key, value);
    }
    return value;
  }
  int64_t Integer(ConfigKey key, int64_t fallback, int64_t least) {
    const int64_t value = GetOr<int64_t>(key, fallback);
    if (value < least) throw Error("{}: \"{}\" is {}, but must be at least {}", where_, key.name, value, least);
    return value;
  }
  // Zero or more, and finite (JSON has no others).
  double Number(ConfigKey key, double fallback, double most = 1e30) {
    const double value = GetOr<double>(key, fallback);
    if (!(value >= 0 && value <= most)) {
      throw Error("{}: \"{}\" is {}, but must lie between 0 and {}", where_, key.name, value, most);
    }
    return value;
  }

  // What the reader makes something of himself. Unless the key is absent, he records that.
  bool Has(ConfigKey key) {
    Declare(key);
    const bool has = json_.contains(key.name) && !json_[key.name].is_null();
    if (!has) RecordKey(key, Json());
    return has;
  }
  bool IsNull(ConfigKey key) {  // there, as null
    Declare(key);
    return json_.contains(key.name) && json_[key.name].is_null();
  }
  const Json& Value(ConfigKey key) {
    Declare(key);
    if (!json_.contains(key.name)) throw Error("{} has no \"{}\"{}", where_, key.name, Misspelt(key.name));
    return json_[key.name];
  }
  void Record(const char* name, const Json& value) {
    open_.erase(name);
    if (keys_ != nullptr) keys_->fingerprint[prefix_ + name] = value;
  }
  // The elements of a list, each read with ConfigKeys of its own.
  void RecordList(const char* name, const std::vector<ConfigKeys>& elements) {
    Json list = Json::array();
    for (const ConfigKeys& element : elements) {
      list.push_back(element.fingerprint);
      if (keys_ == nullptr) continue;
      for (const std::string& key : element.free) keys_->free.insert(prefix_ + name + "[]." + key);
    }
    Record(name, list);
  }

  // The object under a key; an empty one if there is none. Nothing in it is recorded if the key is free.
  Section Child(ConfigKey key) {
    static const Json kEmpty = Json::object();
    Declare(key);
    open_.erase(key.name);
    const bool has = json_.contains(key.name) && !json_[key.name].is_null();
    return Section(has ? json_[key.name] : kEmpty, where_ + ": \"" + key.name + "\"",
                   key.role == ConfigKey::Role::kFree ? nullptr : keys_, prefix_ + key.name + ".");
  }
  const std::string& where() const { return where_; }
  // "; is "stpes" meant to be it?" if a key that nobody has asked for yet is near to `name`; otherwise nothing.
  std::string Misspelt(const char* name) const {
    std::vector<std::string> others;
    for (const auto& [key, unused] : json_.items()) {
      if (!known_.contains(key)) others.push_back(key);
    }
    const std::string nearest = Nearest(name, others);
    return nearest.empty() ? "" : "; is \"" + nearest + "\" meant to be it?";
  }

  void Done() const {
    for (const auto& [key, value] : json_.items()) {
      if (!known_.contains(key)) {
        throw Error("{} has an unknown key \"{}\"{}; known here: {}", where_, key, DidYouMean(key, known_),
                    fmt::join(known_, ", "));
      }
    }
    FULGUR_CHECK(keys_ == nullptr || open_.empty(), "{}: neither recorded nor declared otherwise: {}", where_,
                 fmt::join(open_, ", "));
  }

 private:
  void Declare(const ConfigKey& key) {
    const bool first = known_.insert(key.name).second;
    if (!first || keys_ == nullptr) return;
    if (key.role == ConfigKey::Role::kFree) keys_->free.insert(prefix_ + key.name);
    if (key.role == ConfigKey::Role::kRecorded || key.role == ConfigKey::Role::kAdded) open_.insert(key.name);
  }
  void RecordKey(const ConfigKey& key, const Json& value) {
    if (key.role == ConfigKey::Role::kRecorded || key.role == ConfigKey::Role::kAdded) Record(key.name, value);
  }

  const Json& json_;
  std::string where_;
  ConfigKeys* keys_;
  std::string prefix_;
  std::set<std::string> known_;
  std::set<std::string> open_;  // declared as a part of the fingerprint, and not recorded yet
};

}  // namespace fulgur
