// JSON schemas, read one schema object at a time.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "grammar/char_automaton.h"
#include "grammar/grammar.h"
#include "grammar/json_numbers.h"

namespace fulgur {

// What a value can be, as bits. Numbers are told apart by value: 1.0 is whole.
enum JsonType : uint8_t {
  kNull = 1,
  kBoolean = 2,
  kWhole = 4,
  kFractional = 8,
  kString = 16,
  kArray = 32,
  kObject = 64
};
inline constexpr uint8_t kNumbers = kWhole | kFractional;
inline constexpr uint8_t kAllTypes = 127;

// A schema within the document, and where it is.
struct SchemaPlace {
  const Json* schema = nullptr;
  std::string pointer;
};
using SchemaPlaces = std::vector<SchemaPlace>;

// What one schema object says itself.
struct Schema {
  SchemaPlace place;
  std::optional<uint8_t> types;
  uint8_t implied = 0;  // types that its keywords are about
  bool nullable = false;
  std::optional<std::vector<const Json*>> values;  // enum, const
  Wide low = -kLargest, high = kLargest;
  NumberStep step;
  bool bounded = false;  // low, high or step says something
  uint32_t min_length = 0, max_length = kUnbounded;
  std::vector<std::shared_ptr<const CharAutomaton>> patterns;
  const Json* properties = nullptr;
  std::vector<std::string> required;
  std::optional<SchemaPlace> additional, names;  // additionalProperties, propertyNames
  bool no_others = false;                        // unevaluatedProperties: false
  uint32_t min_properties = 0, max_properties = kUnbounded;
  SchemaPlaces prefix;
  std::optional<SchemaPlace> items;
  bool no_more_items = false;  // unevaluatedItems: false
  bool unique = false;
  uint32_t min_items = 0, max_items = kUnbounded;
  SchemaPlaces also;                  // $ref and allOf: these hold as well
  std::vector<SchemaPlaces> choices;  // anyOf, oneOf, dependent...: of each of these, one holds
};

class SchemaReader {
 public:
  // Both must outlive the reader. `where` names the document in errors.
  SchemaReader(const Json& root, const std::string& where) : root_(root), where_(where) {}

  // Of a schema that is an object; read once. Throws Error naming the keyword and its JSON pointer.
  const Schema& Read(const SchemaPlace& place);
  SchemaPlace Sub(const Json& value, const std::string& pointer) const;  // Error if it is no schema
  static std::string Escaped(std::string_view key);                      // as part of a JSON pointer, RFC 6901

  template <typename... Args>
  [[noreturn]] void Fail(const std::string& pointer, fmt::format_string<Args...> format, Args&&... args) const {
    throw Error("{}: {}: {}", where_, pointer, fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  bool ReadNumberKeyword(const std::string& key, const Json& value, const std::string& pointer, Schema* s);
  bool ReadStringKeyword(const std::string& key, const Json& value, const std::string& pointer, Schema* s);
  bool ReadObjectKeyword(const std::string& key, const Json& value, const std::string& pointer, Schema* s);
  bool ReadArrayKeyword(const std::string& key, const Json& value, const std::string& pointer, Schema* s);
  bool ReadCombination(const std::string& key, const Json& value, const std::string& pointer, Schema* s);
  void ReadValues(const std::string& key, const Json& value, const std::string& pointer, Schema* s);
  void ReadFormat(const std::string& name, const std::string& pointer, Schema* s);
  void ReadDependents(const Json& value, const std::string& pointer, Schema* s);
  void RefuseWhatCannotBeHeld(const std::string& key, const Json& value, const SchemaPlace& place) const;

  SchemaPlaces List(const Json& value, const std::string& pointer) const;
  std::string Text(const Json& value, const std::string& pointer) const;
  bool Flag(const Json& value, const std::string& pointer) const;
  uint32_t Count(const Json& value, const std::string& pointer) const;
  NumberUnits Units(const Json& value, const std::string& pointer) const;
  uint8_t Types(const Json& value, const std::string& pointer) const;
  NumberStep Step(const Json& value, const std::string& pointer) const;
  std::shared_ptr<const CharAutomaton> Pattern(const std::string& pattern, const std::string& pointer);
  SchemaPlace Resolve(const std::string& ref, const std::string& pointer);
  const Json* Keep(Json schema);  // one that the document does not spell out

  const Json& root_;
  const std::string& where_;
  std::map<const Json*, Schema> schemas_;
  std::map<std::string, std::shared_ptr<const CharAutomaton>> patterns_;
  std::unordered_map<std::string, SchemaPlace> resolved_;
  std::deque<Json> kept_;
};

}  // namespace fulgur
