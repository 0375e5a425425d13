#include "grammar/schema_reader.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>
#include <utility>

#include "base/json_as_given.h"

namespace fulgur {
namespace {

constexpr size_t kMaxPatterns = 64;        // different ones in a schema
constexpr uint32_t kMaxCount = 1'000'000;  // of minLength and the like

struct Format {
  const char* name;
  std::string pattern;
};

std::vector<Format> MakeFormats() {
  const std::string date =
      "(?:\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|"
      "02-(?:0[1-9]|1\\d|2[0-8]))|"
      "(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)";
  const std::string time = "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)";
  const std::string label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
  const std::string host = label + "(?:\\." + label + ")*";
  const std::string atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
  const std::string octet = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
  const std::string h = "[0-9A-Fa-f]{1,4}";
  std::string ipv6 = "(?:" + h + ":){7}" + h + "|(?:" + h + ":){1,7}:|:(?::" + h + "){1,7}|::";
  for (int before = 1; before <= 6; ++before) {
    ipv6 += "|(?:" + h + ":){1," + std::to_string(before) + "}(?::" + h + "){1," + std::to_string(7 - before) + "}";
  }
  const std::string clock = "T(?:\\d+H(?:\\d+M(?:\\d+S)?)?|\\d+M(?:\\d+S)?|\\d+S)";
  const std::string days = "(?:\\d+Y(?:\\d+M(?:\\d+D)?)?|\\d+M(?:\\d+D)?|\\d+D)";
  return {{"date", date},
          {"time", time},
          {"date-time", date + "T" + time},
          {"duration", "P(?:\\d+W|" + clock + "|" + days + "(?:" + clock + ")?)"},
          {"uuid", "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"},
          {"email", atom + "(?:\\." + atom + ")*@" + host},
          {"hostname", host},
          {"ipv4", octet + "(?:\\." + octet + "){3}"},
          {"ipv6", ipv6},
          {"uri", "[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\\[\\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+"}};
}

const std::vector<Format>& Formats() {
  static const std::vector<Format> formats = MakeFormats();
  return formats;
}

// A schema that allows everything: {} or true.
bool AllowsAll(const Json& schema) { return schema == Json(true) || (schema.is_object() && schema.empty()); }

}  // namespace

std::string SchemaReader::Escaped(std::string_view key) {
  std::string out;
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

const Schema& SchemaReader::Read(const SchemaPlace& place) {
  const auto [entry, is_new] = schemas_.try_emplace(place.schema);
  Schema& s = entry->second;
  if (!is_new) return s;
  s.place = place;
  const Json& json = *place.schema;
  if (!json.is_object()) Fail(place.pointer, "a schema is an object, true or false");
  for (const auto& [key, value] : json.items()) {
    const std::string pointer = place.pointer + "/" + Escaped(key);
    if (key == "type") {
      s.types = Types(value, pointer);
    } else if (key == "enum" || key == "const") {
      if (key == "const" || !value.is_null()) ReadValues(key, value, pointer, &s);
    } else if (value.is_null()) {
      continue;  // how some serializers write that there is none
    } else if (key == "nullable") {
      s.nullable = Flag(value, pointer);
    } else if (ReadNumberKeyword(key, value, pointer, &s)) {
      s.implied |= kNumbers;
    } else if (ReadStringKeyword(key, value, pointer, &s)) {
      s.implied |= kString;
    } else if (key == "format") {
      ReadFormat(Text(value, pointer), pointer, &s);
    } else if (ReadObjectKeyword(key, value, pointer, &s)) {
      s.implied |= kObject;
    } else if (ReadArrayKeyword(key, value, pointer, &s)) {
      s.implied |= kArray;
    } else if (!ReadCombination(key, value, pointer, &s)) {
      // What is left is an annotation, as the standard has it for keywords that it does not know.
      RefuseWhatCannotBeHeld(key, value, place);
    }
  }
  if (s.nullable && s.types) *s.types |= kNull;
  return s;
}

void SchemaReader::ReadValues(const std::string& key, const Json& value, const std::string& pointer, Schema* s) {
  std::vector<const Json*> values;
  if (key == "const") {
    values.push_back(&value);
  } else {
    if (!value.is_array() || value.empty()) Fail(pointer, "a list of at least one value is needed");
    for (const Json& v : value) values.push_back(&v);
  }
  // Both: as two schemas that hold together.
  if (s->values) {
    s->also.push_back({Keep({{key, value}}), s->place.pointer});
  } else {
    s->values = std::move(values);
  }
}

bool SchemaReader::ReadNumberKeyword(const std::string& key, const Json& value, const std::string& pointer, Schema* s) {
  const auto sibling = [&](const char* name) {  // exclusiveMinimum: true, as draft 4 has it
    const auto it = s->place.schema->find(name);
    return it != s->place.schema->end() && *it == Json(true);
  };
  if (key == "minimum" || key == "exclusiveMinimum") {
    if (key != "minimum" && value.is_boolean()) return true;
    const NumberUnits units = Units(value, pointer);
    const bool itself = units.exact && key == "minimum" && !sibling("exclusiveMinimum");
    s->low = std::max(s->low, units.floor + (itself ? 0 : 1));
  } else if (key == "maximum" || key == "exclusiveMaximum") {
    if (key != "maximum" && value.is_boolean()) return true;
    const NumberUnits units = Units(value, pointer);
    const bool not_itself = units.exact && (key != "maximum" || sibling("exclusiveMaximum"));
    s->high = std::min(s->high, units.floor - (not_itself ? 1 : 0));
  } else if (key == "multipleOf") {
    s->step = Step(value, pointer);
  } else {
    return false;
  }
  s->bounded = true;
  return true;
}

bool SchemaReader::ReadStringKeyword(const std::string& key, const Json& value, const std::string& pointer, Schema* s) {
  if (key == "minLength") {
    s->min_length = Count(value, pointer);
  } else if (key == "maxLength") {
    s->max_length = Count(value, pointer);
  } else if (key == "pattern") {
    s->patterns.push_back(Pattern(Text(value, pointer), pointer));
  } else {
    return false;
  }
  return true;
}

bool SchemaReader::ReadObjectKeyword(const std::string& key, const Json& value, const std::string& pointer, Schema* s) {
  if (key == "properties") {
    if (!value.is_object()) Fail(pointer, "an object is needed");
    s->properties = &value;
  } else if (key == "required") {
    if (!value.is_array()) Fail(pointer, "a list of names is needed");
    for (const Json& name : value) s->required.push_back(Text(name, pointer));
  } else if (key == "additionalProperties") {
    s->additional = Sub(value, pointer);
  } else if (key == "unevaluatedProperties" && (value == Json(false) || AllowsAll(value))) {
    s->no_others = value == Json(false);
  } else if (key == "propertyNames") {
    s->names = Sub(value, pointer);
  } else if (key == "minProperties") {
    s->min_properties = Count(value, pointer);
  } else if (key == "maxProperties") {
    s->max_properties = Count(value, pointer);
  } else if (key == "dependentRequired" || key == "dependentSchemas" || key == "dependencies") {
    ReadDependents(value, pointer, s);
  } else {
    return false;
  }
  return true;
}

// For each name: it is not there, or what goes with it holds.
void SchemaReader::ReadDependents(const Json& value, const std::string& pointer, Schema* s) {
  if (!value.is_object()) Fail(pointer, "an object is needed");
  for (const auto& [name, dependent] : value.items()) {
    const std::string at = pointer + "/" + Escaped(name);
    SchemaPlace holds;
    if (dependent.is_array()) {
      if (dependent.empty()) continue;
      holds = {Keep({{"required", dependent}}), at};
    } else {
      holds = Sub(dependent, at);
    }
    s->choices.push_back({{Keep({{"properties", {{name, false}}}}), at}, std::move(holds)});
  }
}

bool SchemaReader::ReadArrayKeyword(const std::string& key, const Json& value, const std::string& pointer, Schema* s) {
  if (key == "prefixItems" || (key == "items" && value.is_array())) {
    if (value.is_array() && value.empty()) return true;
    s->prefix = List(value, pointer);
  } else if (key == "items") {
    s->items = Sub(value, pointer);
  } else if (key == "additionalItems") {
    const auto items = s->place.schema->find("items");
    if (items != s->place.schema->end() && items->is_array()) s->items = Sub(value, pointer);
  } else if (key == "unevaluatedItems" && (value == Json(false) || AllowsAll(value))) {
    s->no_more_items = value == Json(false);
  } else if (key == "minItems") {
    s->min_items = Count(value, pointer);
  } else if (key == "maxItems") {
    s->max_items = Count(value, pointer);
  } else if (key == "uniqueItems") {
    s->unique = Flag(value, pointer);
  } else {
    return false;
  }
  return true;
}

bool SchemaReader::ReadCombination(const std::string& key, const Json& value, const std::string& pointer, Schema* s) {
  if (key == "$ref" || (key == "$recursiveRef" && value == Json("#"))) {
    s->also.push_back(Resolve(Text(value, pointer), pointer));
  } else if (key == "allOf") {
    for (SchemaPlace& sub : List(value, pointer)) s->also.push_back(std::move(sub));
  } else if (key == "anyOf" || key == "oneOf") {
    s->choices.push_back(List(value, pointer));
  } else if (key == "not" && AllowsAll(value)) {
    s->also.push_back({Keep(false), pointer});
  } else {
    return key == "not" && value == Json(false);
  }
  return true;
}

void SchemaReader::RefuseWhatCannotBeHeld(const std::string& key, const Json& value, const SchemaPlace& place) const {
  static const std::set<std::string> names = {
      "patternProperties", "not",         "if",           "contains", "unevaluatedProperties",
      "unevaluatedItems",  "$dynamicRef", "$recursiveRef"};
  if (names.count(key) == 0) return;
  if (key == "patternProperties" && value.is_object() && value.empty()) return;
  if (key == "if" && !place.schema->contains("then") && !place.schema->contains("else")) return;
  const bool flag = key == "unevaluatedProperties" || key == "unevaluatedItems";
  Fail(place.pointer + "/" + Escaped(key), "the keyword {} is not supported{}", key,
       flag ? ", but as true or false" : "");
}

void SchemaReader::ReadFormat(const std::string& name, const std::string& pointer, Schema* s) {
  for (const Format& format : Formats()) {
    if (name != format.name) continue;
    s->patterns.push_back(Pattern("^(?:" + format.pattern + ")$", pointer));
    s->implied |= kString;
    return;
  }
  if (name == "int32" || name == "int64" || name == "float" || name == "double") {  // OpenAPI
    if (name == "int32") {
      s->low = std::max(s->low, -(Wide{1} << 31) * kOne);
      s->high = std::min(s->high, ((Wide{1} << 31) - 1) * kOne);
      s->bounded = true;
    }
    s->implied |= kNumbers;
  }
}

SchemaPlace SchemaReader::Sub(const Json& value, const std::string& pointer) const {
  if (!value.is_object() && !value.is_boolean()) Fail(pointer, "a schema is an object, true or false");
  return {&value, pointer};
}

SchemaPlaces SchemaReader::List(const Json& value, const std::string& pointer) const {
  if (!value.is_array() || value.empty()) Fail(pointer, "a list of at least one schema is needed");
  SchemaPlaces places;
  for (size_t i = 0; i < value.size(); ++i) places.push_back(Sub(value[i], fmt::format("{}/{}", pointer, i)));
  return places;
}

std::string SchemaReader::Text(const Json& value, const std::string& pointer) const {
  if (!value.is_string()) Fail(pointer, "a text is needed");
  return value.get<std::string>();
}

bool SchemaReader::Flag(const Json& value, const std::string& pointer) const {
  if (!value.is_boolean()) Fail(pointer, "true or false is needed");
  return value.get<bool>();
}

uint32_t SchemaReader::Count(const Json& value, const std::string& pointer) const {
  const bool whole =
      value.is_number_integer() || (value.is_number_float() && value.get<double>() == std::floor(value.get<double>()));
  const bool big = IsBigInteger(value) && BigIntegerDigits(value)[0] != '-';
  if (!big && (!whole || value.get<double>() < 0)) Fail(pointer, "a whole number of at least 0 is needed");
  if (big || value.get<double>() > kMaxCount) {
    Fail(pointer, "{} is more than the limit of {}", DumpJson(value), kMaxCount);
  }
  return static_cast<uint32_t>(value.get<double>());
}

NumberUnits SchemaReader::Units(const Json& value, const std::string& pointer) const {
  if (!IsJsonNumber(value)) Fail(pointer, "a number is needed");
  return UnitsOfNumber(value);
}

uint8_t SchemaReader::Types(const Json& value, const std::string& pointer) const {
  if (value.is_array()) {
    uint8_t types = 0;
    for (const Json& v : value) types |= Types(v.is_array() ? Json() : v, pointer);
    if (types == 0) Fail(pointer, "a list of at least one type is needed");
    return types;
  }
  static const std::map<std::string, uint8_t> names = {{"null", kNull},      {"boolean", kBoolean}, {"integer", kWhole},
                                                       {"number", kNumbers}, {"string", kString},   {"array", kArray},
                                                       {"object", kObject}};
  std::string name = value.is_string() ? value.get<std::string>() : "";
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));  // Gemini writes STRING
  const auto type = names.find(name);
  if (type == names.end()) {
    Fail(pointer, "{} is no type; there are null, boolean, integer, number, string, array and object", value.dump());
  }
  return type->second;
}

NumberStep SchemaReader::Step(const Json& value, const std::string& pointer) const {
  const NumberUnits units = Units(value, pointer);
  if (!units.exact || units.floor <= 0 || units.floor > kLargest) {
    Fail(pointer, "a number above 0 is needed, with up to {} digits before the point and {} behind it", kIntegerDigits,
         kFractionDigits);
  }
  return NumberStep::Of(units.floor);
}

std::shared_ptr<const CharAutomaton> SchemaReader::Pattern(const std::string& pattern, const std::string& pointer) {
  const auto [entry, is_new] = patterns_.try_emplace(pattern);
  if (is_new) {
    if (patterns_.size() > kMaxPatterns) Fail(pointer, "more than {} different patterns", kMaxPatterns);
    entry->second = std::make_shared<const CharAutomaton>(CharAutomaton::FromPattern(pattern, where_ + ": " + pointer));
  }
  return entry->second;
}

SchemaPlace SchemaReader::Resolve(const std::string& ref, const std::string& pointer) {
  const auto known = resolved_.find(ref);
  if (known != resolved_.end()) return known->second;
  if (ref.empty() || ref[0] != '#' || (ref.size() > 1 && ref[1] != '/')) {
    Fail(pointer, "{} cannot be followed; only references within the schema can, such as #/$defs/name",
         Json(ref).dump());
  }
  const Json* at = &root_;
  for (size_t begin = 2; begin <= ref.size() && ref.size() > 1;) {
    const size_t end = std::min(ref.find('/', begin), ref.size());
    std::string key;
    for (size_t i = begin; i < end; ++i) {
      const auto digit = [&](size_t k) {
        const size_t value = k < end ? std::string_view("0123456789abcdef")
                                           .find(static_cast<char>(std::tolower(static_cast<unsigned char>(ref[k]))))
                                     : 16;
        return value < 16 ? static_cast<int>(value) : -1;
      };
      if (ref[i] == '~' && i + 1 < end && (ref[i + 1] == '0' || ref[i + 1] == '1')) {
        key += ref[++i] == '0' ? '~' : '/';
      } else if (ref[i] == '%' && digit(i + 1) >= 0 && digit(i + 2) >= 0) {
        key += static_cast<char>(16 * digit(i + 1) + digit(i + 2));
        i += 2;
      } else {
        key += ref[i];
      }
    }
    const Json* next = nullptr;
    if (at->is_object()) {
      const auto member = at->find(key);
      if (member != at->end()) next = &*member;
    } else if (at->is_array() && !key.empty() && key.size() < 7 &&
               key.find_first_not_of("0123456789") == std::string::npos) {
      const size_t index = std::stoul(key);
      if (index < at->size()) next = &(*at)[index];
    }
    if (next == nullptr) Fail(pointer, "{} leads nowhere: there is no {}", Json(ref).dump(), Json(key).dump());
    at = next;
    begin = end + 1;
  }
  return resolved_[ref] = Sub(*at, ref);
}

const Json* SchemaReader::Keep(Json schema) {
  kept_.push_back(std::move(schema));
  return &kept_.back();
}

}  // namespace fulgur
