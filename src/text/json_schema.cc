#include "text/json_schema.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json_as_given.h"
#include "text/char_automaton.h"

namespace fulgur {

namespace {

// Numbers are generated with up to 18 digits before the point and 17 behind it, so that they can be counted in units of
// 1e-17: 36 digits fit 128 bits.
using Wide = __int128;
constexpr int kIntegerDigits = 18, kFractionDigits = 17;

constexpr Wide PowerOfTen(int n) { return n == 0 ? 1 : 10 * PowerOfTen(n - 1); }
constexpr Wide kOne = PowerOfTen(kFractionDigits);
constexpr Wide kLargest = PowerOfTen(kIntegerDigits + kFractionDigits) - 1;

constexpr size_t kMaxRules = 20'000;        // sub-schemas of one schema, merged ones counted
constexpr size_t kMaxAlternatives = 1'000;  // of one sub-schema, after anyOf and allOf are multiplied out
constexpr size_t kMaxExpansions = 200'000;
constexpr size_t kMaxTogether = 200;           // schemas of one value that hold together
constexpr size_t kMaxIntersections = 256;      // of patterns, in one schema
constexpr size_t kMaxPatternStates = 200'000;  // of all patterns together
constexpr size_t kMaxComparisons = 1'000'000;  // of values of one enum with those of another
constexpr size_t kMaxProperties = 512;         // of one object
constexpr size_t kMaxPatterns = 64;            // different ones in a schema
constexpr uint32_t kMaxCount = 1'000'000;      // of minLength and the like

// ---------------------------------------------------------------------------------------------------------------------
// JSON's parts.

class JsonParts {
 public:
  JsonParts(GrammarBuilder& builder, JsonLayout layout) : b_(builder) {
    const GrammarPiece space = b_.Literal(" ");
    after_colon = b_.Optional(space);
    if (layout == JsonLayout::kOneLine) {
      after_comma = after_colon;
      inside = b_.Sequence({});
    } else {
      const GrammarPiece indent = b_.Choice({b_.Repeat(space, 0, 32), b_.Repeat(b_.Literal("\t"), 1, 8)});
      after_comma = b_.DeclareRule();
      b_.DefineRule(after_comma, b_.Choice({b_.Sequence({}), space, b_.Sequence({b_.Literal("\n"), indent})}));
      inside = after_comma;
    }
    comma = b_.Sequence({b_.Literal(","), after_comma});
  }

  GrammarPiece Closing(const char* bracket) { return b_.Sequence({inside, b_.Literal(bracket)}); }

  GrammarPiece String() { return b_.JsonString(0); }

  GrammarPiece Digits(int min, int max) {
    return b_.Repeat(DigitRange('0', '9'), static_cast<uint32_t>(min), static_cast<uint32_t>(max));
  }
  GrammarPiece DigitRange(char low, char high) {
    CodePointSet set;
    set.Add(static_cast<char32_t>(low), static_cast<char32_t>(high) + 1);
    return b_.Characters(set);
  }
  GrammarPiece Natural() {  // without 0
    return b_.Sequence({DigitRange('1', '9'), Digits(0, kIntegerDigits - 1)});
  }
  GrammarPiece Integer() {
    return b_.Choice({b_.Literal("0"), b_.Sequence({b_.Optional(b_.Literal("-")), Natural()})});
  }
  GrammarPiece Number() {
    const GrammarPiece sign = b_.Optional(b_.Choice({b_.Literal("+"), b_.Literal("-")}));
    return b_.Sequence({b_.Optional(b_.Literal("-")), b_.Choice({b_.Literal("0"), Natural()}),
                        b_.Optional(b_.Sequence({b_.Literal("."), Digits(1, kFractionDigits)})),
                        b_.Optional(b_.Sequence({b_.OneOf({"e", "E"}), sign, Digits(1, 2)}))});
  }

  GrammarPiece Member(GrammarPiece name, GrammarPiece value) {
    return b_.Sequence({name, b_.Literal(":"), after_colon, value});
  }
  // [ and ], { and } around rounds of an item.
  GrammarPiece List(const char* open, const char* close, GrammarPiece item, uint32_t min, uint32_t max) {
    std::vector<GrammarPiece> ways;
    if (min == 0) ways.push_back(b_.Literal(close));
    if (max > 0) {
      const GrammarPiece more =
          b_.Repeat(b_.Sequence({comma, item}), min > 0 ? min - 1 : 0, max == kUnbounded ? kUnbounded : max - 1);
      ways.push_back(b_.Sequence({item, more, Closing(close)}));
    }
    return b_.Sequence({b_.Literal(open), inside, b_.Choice(std::move(ways))});
  }

  GrammarPiece AnyObject(uint32_t min = 0, uint32_t max = kUnbounded) {
    return List("{", "}", Member(String(), AnyValue()), min, max);
  }
  GrammarPiece AnyValue() {
    if (!any_) {
      any_ = b_.DeclareRule();
      b_.DefineRule(*any_, b_.Choice({AnyObject(), List("[", "]", *any_, 0, kUnbounded), String(), Number(),
                                      b_.OneOf({"true", "false", "null"})}));
    }
    return *any_;
  }

  GrammarPiece Constant(const Json& value) {
    if (value.is_array()) {
      std::vector<GrammarPiece> parts = {b_.Literal("["), inside};
      for (const Json& item : value) {
        if (parts.size() > 2) parts.push_back(comma);
        parts.push_back(Constant(item));
      }
      parts.push_back(value.empty() ? b_.Literal("]") : Closing("]"));
      return b_.Sequence(std::move(parts));
    }
    if (value.is_object()) {
      std::vector<GrammarPiece> parts = {b_.Literal("{"), inside};
      for (const auto& [name, item] : value.items()) {
        if (parts.size() > 2) parts.push_back(comma);
        parts.push_back(Member(b_.Literal(Json(name).dump()), Constant(item)));
      }
      parts.push_back(value.empty() ? b_.Literal("}") : Closing("}"));
      return b_.Sequence(std::move(parts));
    }
    return b_.Literal(DumpJson(value));
  }

  // Numbers in units of 1e-17 from low to high, with up to `digits` digits behind the point.
  GrammarPiece NumberBetween(Wide low, Wide high, int digits) {
    const Wide unit = PowerOfTen(kFractionDigits - digits);
    low = Ceil(std::max(low, -kLargest), unit);
    high = Floor(std::min(high, kLargest), unit);
    std::vector<GrammarPiece> ways;
    if (low < 0 && low <= high) {
      ways.push_back(b_.Sequence({b_.Literal("-"), PositiveBetween(std::max(unit, -high), -low, digits)}));
    }
    if (high >= 0 && low <= high) ways.push_back(PositiveBetween(std::max(low, Wide{0}), high, digits));
    return b_.Choice(std::move(ways));
  }

  static Wide Floor(Wide value, Wide unit) { return (value >= 0 ? value : value - (unit - 1)) / unit * unit; }
  static Wide Ceil(Wide value, Wide unit) { return -Floor(-value, unit); }

  GrammarPiece after_colon, after_comma, inside, comma;

 private:
  // As above, 0 <= low.
  GrammarPiece PositiveBetween(Wide low, Wide high, int digits) {
    if (low > high) return b_.Choice({});
    const Wide first = low / kOne, last = high / kOne;
    const Wide low_rest = low % kOne, high_rest = high % kOne;
    if (first == last) {
      return b_.Sequence({IntegerBetween(first, first), Fraction(low_rest, high_rest, digits)});
    }
    std::vector<GrammarPiece> ways;
    ways.push_back(b_.Sequence({IntegerBetween(first, first), Fraction(low_rest, kOne - 1, digits)}));
    if (first + 1 <= last - 1) {
      ways.push_back(b_.Sequence({IntegerBetween(first + 1, last - 1), Fraction(0, kOne - 1, digits)}));
    }
    ways.push_back(b_.Sequence({IntegerBetween(last, last), Fraction(0, high_rest, digits)}));
    return b_.Choice(std::move(ways));
  }

  static std::string Decimal(Wide value, int width = 0) {
    std::string text;
    for (; value > 0 || text.empty(); value /= 10)
      text.insert(text.begin(), static_cast<char>('0' + static_cast<int>(value % 10)));
    if (static_cast<int>(text.size()) < width) text.insert(0, static_cast<size_t>(width) - text.size(), '0');
    return text;
  }

  GrammarPiece IntegerBetween(Wide low, Wide high) {
    std::vector<GrammarPiece> ways;
    if (low == high) return b_.Literal(Decimal(low));
    if (low == 0) {
      ways.push_back(b_.Literal("0"));
      low = 1;
    }
    for (int length = static_cast<int>(Decimal(low).size()); low <= high; ++length) {
      const Wide last = std::min(high, PowerOfTen(length) - 1);
      if (low == PowerOfTen(length - 1) && last == PowerOfTen(length) - 1) {
        // All numbers of so many digits, and of how many more that is so.
        int longest = length;
        while (PowerOfTen(longest + 1) - 1 <= high) ++longest;
        ways.push_back(b_.Sequence({DigitRange('1', '9'), Digits(length - 1, longest - 1)}));
        length = longest;
        low = PowerOfTen(longest);
        continue;
      }
      ways.push_back(SameLength(Decimal(low), Decimal(last)));
      low = last + 1;
    }
    return b_.Choice(std::move(ways));
  }

  // Digits between two texts of the same length.
  GrammarPiece SameLength(std::string_view low, std::string_view high) {
    if (low.empty()) return b_.Sequence({});
    const int rest = static_cast<int>(low.size()) - 1;
    if (low.find_first_not_of('0') == std::string_view::npos && high.find_first_not_of('9') == std::string_view::npos) {
      return Digits(rest + 1, rest + 1);
    }
    const std::string zeros(low.size() - 1, '0'), nines(low.size() - 1, '9');
    char first = low[0], last = high[0];
    if (first == last) {
      return b_.Sequence({b_.Literal(low.substr(0, 1)), SameLength(low.substr(1), high.substr(1))});
    }
    std::vector<GrammarPiece> ways;
    if (low.substr(1) != zeros) {
      ways.push_back(b_.Sequence({DigitRange(first, first), SameLength(low.substr(1), nines)}));
      ++first;
    }
    if (high.substr(1) != nines) {
      ways.push_back(b_.Sequence({DigitRange(last, last), SameLength(zeros, high.substr(1))}));
      --last;
    }
    if (first <= last) ways.push_back(b_.Sequence({DigitRange(first, last), Digits(rest, rest)}));
    return b_.Choice(std::move(ways));
  }

  // Nothing, or a point and up to `digits` digits, whose value in units of 1e-17 lies between low and high.
  GrammarPiece Fraction(Wide low, Wide high, int digits) {
    std::vector<GrammarPiece> ways;
    if (low == 0) ways.push_back(b_.Sequence({}));
    if (digits > 0) {
      const std::string from = Decimal(low, kFractionDigits), to = Decimal(high, kFractionDigits);
      ways.push_back(b_.Sequence({b_.Literal("."), FractionDigits(from, to, 0, digits, true, true)}));
    }
    return b_.Choice(std::move(ways));
  }

  // The digits from `at` on. above, below: those before were the ones of `low`, of `high`.
  GrammarPiece FractionDigits(const std::string& low, const std::string& high, int at, int digits, bool above,
                              bool below) {
    const bool may_end = at > 0 && (!above || low.find_first_not_of('0', static_cast<size_t>(at)) == std::string::npos);
    if (at == digits) return may_end ? b_.Sequence({}) : b_.Choice({});
    if (!above && !below) return Digits(at > 0 ? 0 : 1, digits - at);
    const char first = above ? low[static_cast<size_t>(at)] : '0', last = below ? high[static_cast<size_t>(at)] : '9';
    std::vector<GrammarPiece> ways;
    if (may_end) ways.push_back(b_.Sequence({}));
    const auto add = [&](char from, char to, bool still_above, bool still_below) {
      if (from > to) return;
      ways.push_back(
          b_.Sequence({DigitRange(from, to), FractionDigits(low, high, at + 1, digits, still_above, still_below)}));
    };
    if (first == last) {
      add(first, first, above, below);
    } else {
      if (above) add(first, first, true, false);
      add(static_cast<char>(first + above), static_cast<char>(last - below), false, false);
      if (below) add(last, last, false, true);
    }
    return b_.Choice(std::move(ways));
  }

  GrammarBuilder& b_;
  std::optional<GrammarPiece> any_;
};

// ---------------------------------------------------------------------------------------------------------------------
// Schemas.

enum Type : uint8_t { kNull = 1, kBoolean = 2, kWhole = 4, kFractional = 8, kString = 16, kArray = 32, kObject = 64 };
constexpr uint8_t kNumbers = kWhole | kFractional;
constexpr uint8_t kAllTypes = 127;

// A schema within the document, and where it is.
struct Place {
  const Json* schema = nullptr;
  std::string pointer;
};

// What one schema object says itself.
struct Schema {
  Place place;
  std::optional<uint8_t> types;
  uint8_t implied = 0;  // types that its keywords are about
  bool nullable = false;
  std::optional<std::vector<const Json*>> values;  // enum, const
  Wide low = -kLargest, high = kLargest;
  int digits = kFractionDigits;  // behind the point
  bool bounded = false;
  uint32_t min_length = 0, max_length = kUnbounded;
  std::vector<std::shared_ptr<const CharAutomaton>> patterns;
  const Json* properties = nullptr;
  std::vector<std::string> required;
  std::optional<Place> additional;
  uint32_t min_properties = 0, max_properties = kUnbounded;
  std::vector<Place> prefix;
  bool has_prefix = false;
  std::optional<Place> items;
  uint32_t min_items = 0, max_items = kUnbounded;
  std::vector<Place> also;                  // $ref and allOf: these hold as well
  std::vector<std::vector<Place>> choices;  // anyOf, oneOf: of each of these, one holds
};

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

std::string Escaped(std::string_view key) {  // RFC 6901
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

class SchemaCompiler {
 public:
  SchemaCompiler(GrammarBuilder& builder, const Json& schema, JsonLayout layout, const std::string& where)
      : b_(builder), parts_(builder, layout), root_(schema), where_(where) {}

  GrammarPiece Compile(bool object_only) {
    static const Json object = {{"type", "object"}};
    Places places = {{&root_, "#"}};
    if (object_only) places.push_back({&object, "#"});
    const GrammarPiece rule = RuleOf(std::move(places));
    while (!todo_.empty()) {
      const auto [piece, places] = std::move(todo_.front());
      todo_.pop_front();
      b_.DefineRule(piece, Definition(places));
    }
    return rule;
  }

 private:
  using Places = std::vector<Place>;
  using Leaves = std::vector<const Schema*>;

  // How a schema was come to, to notice circles.
  struct Link {
    const Json* schema;
    bool by_choice;
    std::shared_ptr<const Link> from;
  };
  struct Pending {
    Place place;
    bool by_choice;
    std::shared_ptr<const Link> from;
  };

  template <typename... Args>
  [[noreturn]] void Fail(const std::string& pointer, fmt::format_string<Args...> format, Args&&... args) const {
    throw Error("{}: {}: {}", where_, pointer, fmt::format(format, std::forward<Args>(args)...));
  }

  // The values that all the places allow.
  GrammarPiece RuleOf(Places places) {
    std::vector<const Json*> key;
    for (const Place& place : places) key.push_back(place.schema);
    std::sort(key.begin(), key.end());
    key.erase(std::unique(key.begin(), key.end()), key.end());
    if (key.empty()) return parts_.AnyValue();
    const auto [entry, is_new] = rules_.try_emplace(std::move(key));
    if (is_new) {
      if (rules_.size() > kMaxRules) Fail(places[0].pointer, "the schema is too large: more than {} parts", kMaxRules);
      entry->second = b_.DeclareRule();
      todo_.emplace_back(entry->second, std::move(places));
    }
    return entry->second;
  }

  GrammarPiece Definition(const Places& places) {
    std::vector<Leaves> alternatives;
    std::vector<Pending> pending;
    for (const Place& place : places) pending.push_back({place, false, nullptr});
    Expand(std::move(pending), {}, {}, &alternatives);
    std::vector<GrammarPiece> ways;
    for (const Leaves& leaves : alternatives) ways.push_back(Merged(leaves));
    return b_.Choice(std::move(ways));
  }

  // A choice that is still to be made, of a schema's `choices`.
  struct OpenChoice {
    const Schema* schema;
    size_t choice;
    std::shared_ptr<const Link> link;
  };

  // Follows $ref and allOf, multiplies out anyOf and oneOf: one list of schemas, which all hold, an alternative.
  void Expand(std::vector<Pending> pending, Leaves leaves, std::vector<OpenChoice> choices,
              std::vector<Leaves>* alternatives) {
    for (size_t i = 0; i < pending.size(); ++i) {
      const Pending next = pending[i];
      if (++expansions_ > kMaxExpansions) Fail(next.place.pointer, "the schema is too complex");
      const Json& json = *next.place.schema;
      if (json.is_boolean()) {
        if (!json.get<bool>()) return;
        continue;
      }
      bool by_choice = next.by_choice;
      for (const Link* link = next.from.get(); link != nullptr; link = link->from.get()) {
        if (link->schema == &json) {
          // A schema that holds if it holds: as one of several choices that adds nothing.
          if (by_choice) return;
          Fail(next.place.pointer, "the schema refers to itself with nothing in between");
        }
        by_choice |= link->by_choice;
      }
      const Schema& schema = Read(next.place);
      if (std::find(leaves.begin(), leaves.end(), &schema) != leaves.end()) continue;
      leaves.push_back(&schema);
      if (leaves.size() > kMaxTogether) {
        Fail(next.place.pointer, "more than {} schemas that hold together", kMaxTogether);
      }
      const auto link = std::make_shared<const Link>(Link{&json, next.by_choice, next.from});
      for (const Place& place : schema.also) pending.push_back({place, false, link});
      for (size_t c = 0; c < schema.choices.size(); ++c) choices.push_back({&schema, c, link});
    }
    if (choices.empty()) {
      if (alternatives->size() >= kMaxAlternatives) {
        Fail(leaves.empty() ? "#" : leaves[0]->place.pointer, "more than {} alternatives", kMaxAlternatives);
      }
      alternatives->push_back(std::move(leaves));
      return;
    }
    const OpenChoice open = choices.back();
    choices.pop_back();
    for (const Place& place : open.schema->choices[open.choice]) {
      Expand({{place, true, open.link}}, leaves, choices, alternatives);
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Reading a schema object.

  const Schema& Read(const Place& place) {
    const auto [entry, is_new] = schemas_.try_emplace(place.schema);
    Schema& s = entry->second;
    if (!is_new) return s;
    s.place = place;
    const Json& json = *place.schema;
    if (!json.is_object()) Fail(place.pointer, "a schema is an object, true or false");
    std::optional<Units> minimum, maximum;
    bool above_minimum = false, below_maximum = false;  // exclusiveMinimum: true, as draft 4 has it
    for (const auto& [key, value] : json.items()) {
      const std::string pointer = place.pointer + "/" + Escaped(key);
      if (key == "type") {
        s.types = Types(value, pointer);
      } else if (key == "nullable") {
        s.nullable = Flag(value, pointer);
      } else if (key == "enum" || key == "const") {
        std::vector<const Json*> values;
        if (key == "const") {
          values.push_back(&value);
        } else {
          if (!value.is_array() || value.empty()) Fail(pointer, "a list of at least one value is needed");
          for (const Json& v : value) values.push_back(&v);
        }
        if (s.values) Fail(pointer, "enum and const together are not supported");
        s.values = std::move(values);
      } else if (key == "minimum") {
        minimum = UnitsOf(value, pointer);
        s.implied |= kNumbers;
      } else if (key == "maximum") {
        maximum = UnitsOf(value, pointer);
        s.implied |= kNumbers;
      } else if (key == "exclusiveMinimum") {
        if (value.is_boolean()) {
          above_minimum = value.get<bool>();
        } else {
          s.low = std::max(s.low, UnitsOf(value, pointer).floor + 1);
          s.bounded = true;
        }
        s.implied |= kNumbers;
      } else if (key == "exclusiveMaximum") {
        if (value.is_boolean()) {
          below_maximum = value.get<bool>();
        } else {
          const Units units = UnitsOf(value, pointer);
          s.high = std::min(s.high, units.exact ? units.floor - 1 : units.floor);
          s.bounded = true;
        }
        s.implied |= kNumbers;
      } else if (key == "multipleOf") {
        s.digits = DigitsOfUnit(value, pointer);
        s.bounded = true;
        s.implied |= kNumbers;
      } else if (key == "minLength") {
        s.min_length = Count(value, pointer);
        s.implied |= kString;
      } else if (key == "maxLength") {
        s.max_length = Count(value, pointer);
        s.implied |= kString;
      } else if (key == "pattern") {
        s.patterns.push_back(Pattern(Text(value, pointer), pointer));
        s.implied |= kString;
      } else if (key == "format") {
        ReadFormat(Text(value, pointer), pointer, &s);
      } else if (key == "properties") {
        if (!value.is_object()) Fail(pointer, "an object is needed");
        s.properties = &value;
        s.implied |= kObject;
      } else if (key == "required") {
        if (!value.is_array()) Fail(pointer, "a list of names is needed");
        for (const Json& name : value) s.required.push_back(Text(name, pointer));
        s.implied |= kObject;
      } else if (key == "additionalProperties" || key == "unevaluatedProperties") {
        if (key[0] == 'u' && value != Json(false)) Fail(pointer, "only false is supported");
        if (key[0] == 'a') s.additional = Sub(value, pointer);
        s.implied |= kObject;
      } else if (key == "minProperties") {
        s.min_properties = Count(value, pointer);
        s.implied |= kObject;
      } else if (key == "maxProperties") {
        s.max_properties = Count(value, pointer);
        s.implied |= kObject;
      } else if (key == "prefixItems" || (key == "items" && value.is_array())) {
        s.prefix = List(value, pointer);
        s.has_prefix = true;
        s.implied |= kArray;
      } else if (key == "items") {
        s.items = Sub(value, pointer);
        s.implied |= kArray;
      } else if (key == "additionalItems") {
        if (json.contains("items") && json["items"].is_array()) s.items = Sub(value, pointer);
        s.implied |= kArray;
      } else if (key == "unevaluatedItems") {
        if (value != Json(false)) Fail(pointer, "only false is supported");
        s.implied |= kArray;
      } else if (key == "minItems") {
        s.min_items = Count(value, pointer);
        s.implied |= kArray;
      } else if (key == "maxItems") {
        s.max_items = Count(value, pointer);
        s.implied |= kArray;
      } else if (key == "uniqueItems") {
        if (Flag(value, pointer)) Fail(pointer, "items that differ are not supported");
        s.implied |= kArray;
      } else if (key == "$ref") {
        s.also.push_back(Resolve(Text(value, pointer), pointer));
      } else if (key == "allOf") {
        for (Place& sub : List(value, pointer)) s.also.push_back(std::move(sub));
      } else if (key == "anyOf" || key == "oneOf") {
        s.choices.push_back(List(value, pointer));
      } else if (!IsAnnotation(key)) {
        Fail(pointer, "the keyword {} is not supported", key);
      }
    }
    if (minimum) s.low = std::max(s.low, minimum->floor + (minimum->exact && !above_minimum ? 0 : 1));
    if (maximum) s.high = std::min(s.high, maximum->floor - (maximum->exact && below_maximum ? 1 : 0));
    s.bounded |= minimum || maximum;
    if (s.nullable && s.types) *s.types |= kNull;
    return s;
  }

  static bool IsAnnotation(const std::string& key) {
    static const std::set<std::string> names = {
        "title",        "description",      "default",        "examples",    "example",
        "deprecated",   "readOnly",         "writeOnly",      "$schema",     "$id",
        "id",           "$comment",         "$defs",          "definitions", "discriminator",
        "externalDocs", "contentMediaType", "contentEncoding"};
    return names.count(key) > 0 || key.compare(0, 2, "x-") == 0;
  }

  Place Sub(const Json& value, const std::string& pointer) {
    if (!value.is_object() && !value.is_boolean()) Fail(pointer, "a schema is an object, true or false");
    return {&value, pointer};
  }

  Places List(const Json& value, const std::string& pointer) {
    if (!value.is_array() || value.empty()) Fail(pointer, "a list of at least one schema is needed");
    Places places;
    for (size_t i = 0; i < value.size(); ++i) places.push_back(Sub(value[i], fmt::format("{}/{}", pointer, i)));
    return places;
  }

  std::string Text(const Json& value, const std::string& pointer) const {
    if (!value.is_string()) Fail(pointer, "a text is needed");
    return value.get<std::string>();
  }
  bool Flag(const Json& value, const std::string& pointer) const {
    if (!value.is_boolean()) Fail(pointer, "true or false is needed");
    return value.get<bool>();
  }
  static bool IsNumber(const Json& value) { return value.is_number() || IsBigInteger(value); }
  uint32_t Count(const Json& value, const std::string& pointer) const {
    const bool whole = value.is_number_integer() ||
                       (value.is_number_float() && value.get<double>() == std::floor(value.get<double>()));
    const bool big = IsBigInteger(value) && BigIntegerDigits(value)[0] != '-';
    if (!big && (!whole || value.get<double>() < 0)) Fail(pointer, "a whole number of at least 0 is needed");
    if (big || value.get<double>() > kMaxCount) {
      Fail(pointer, "{} is more than the limit of {}", DumpJson(value), kMaxCount);
    }
    return static_cast<uint32_t>(value.get<double>());
  }

  uint8_t Types(const Json& value, const std::string& pointer) const {
    if (value.is_array()) {
      uint8_t types = 0;
      for (const Json& v : value) types |= Types(v.is_array() ? Json() : v, pointer);
      if (types == 0) Fail(pointer, "a list of at least one type is needed");
      return types;
    }
    static const std::map<std::string, uint8_t> names = {
        {"null", kNull},     {"boolean", kBoolean}, {"integer", kWhole}, {"number", kNumbers},
        {"string", kString}, {"array", kArray},     {"object", kObject}};
    const auto type = value.is_string() ? names.find(value.get<std::string>()) : names.end();
    if (type == names.end()) {
      Fail(pointer, "{} is no type; there are null, boolean, integer, number, string, array and object", value.dump());
    }
    return type->second;
  }

  // A number in units of 1e-17, rounded down; numbers beyond those that are generated count as the next beyond them.
  struct Units {
    Wide floor;
    bool exact;
  };
  Units UnitsOf(const Json& value, const std::string& pointer) const {
    if (!IsNumber(value)) Fail(pointer, "a number is needed");
    const std::string text = DumpJson(value);  // the shortest spelling: -12, 1.5, 1e+20, 1.5e-07
    const size_t e = text.find('e');
    int exponent = e == std::string::npos ? 0 : std::stoi(text.substr(e + 1));
    std::string digits;
    bool behind_point = false;
    for (const char c : text.substr(0, e)) {
      if (c == '.') behind_point = true;
      if (c < '0' || c > '9') continue;
      digits += c;
      exponent -= behind_point;
    }
    digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
    const bool negative = text[0] == '-';
    const auto signed_floor = [&](Wide magnitude, bool exact) {
      return Units{negative ? -magnitude - (exact ? 0 : 1) : magnitude, exact};
    };
    exponent += kFractionDigits;
    if (digits == "0") return {0, true};
    if (static_cast<int>(digits.size()) + exponent > kIntegerDigits + kFractionDigits) {
      return signed_floor(kLargest + 1, true);
    }
    Wide magnitude = 0;
    bool exact = true;
    const int kept = static_cast<int>(digits.size()) + std::min(exponent, 0);
    for (int i = 0; i < static_cast<int>(digits.size()); ++i) {
      if (i < kept) {
        magnitude = magnitude * 10 + (digits[static_cast<size_t>(i)] - '0');
      } else {
        exact &= digits[static_cast<size_t>(i)] == '0';
      }
    }
    if (exponent > 0) magnitude *= PowerOfTen(exponent);
    return signed_floor(magnitude, exact);
  }

  // Of multipleOf: 1, 0.1, 0.01, ...
  int DigitsOfUnit(const Json& value, const std::string& pointer) const {
    const Units units = UnitsOf(value, pointer);
    for (int digits = 0; digits <= kFractionDigits; ++digits) {
      if (units.exact && units.floor == PowerOfTen(kFractionDigits - digits)) return digits;
    }
    Fail(pointer, "only 1, 0.1, 0.01 and so on are supported");
  }

  std::shared_ptr<const CharAutomaton> Pattern(const std::string& pattern, const std::string& pointer) {
    const auto [entry, is_new] = patterns_.try_emplace(pattern);
    if (is_new) {
      if (patterns_.size() > kMaxPatterns) Fail(pointer, "more than {} different patterns", kMaxPatterns);
      entry->second =
          std::make_shared<const CharAutomaton>(CharAutomaton::FromPattern(pattern, where_ + ": " + pointer));
    }
    return entry->second;
  }

  void CountStates(const CharAutomaton& automaton, const std::string& at) {
    pattern_states_ += automaton.states().size();
    if (pattern_states_ > kMaxPatternStates) throw Error("{}: the patterns are too complex together", at);
  }

  void ReadFormat(const std::string& name, const std::string& pointer, Schema* s) {
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
      return;
    }
    std::string names;
    for (const Format& format : Formats()) names += fmt::format("{}{}", names.empty() ? "" : ", ", format.name);
    Fail(pointer, "the format {} is not supported; there are {}", name, names);
  }

  Place Resolve(const std::string& ref, const std::string& pointer) {
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

  // -------------------------------------------------------------------------------------------------------------------
  // The values that several schemas all allow.

  GrammarPiece Merged(const Leaves& leaves) {
    uint8_t types = kAllTypes, implied = 0;
    bool typed = false;
    const Schema* listed = nullptr;
    for (const Schema* s : leaves) {
      if (s->types) types &= *s->types;
      typed |= s->types.has_value();
      implied |= s->implied;
      if (s->nullable && !s->types) implied |= kNull;
      if (s->values && listed == nullptr) listed = s;
    }
    if (listed != nullptr) return Values(leaves, *listed, types);
    // Keywords about a type mean that type, if none is given.
    if (!typed && implied != 0) types = implied;
    std::vector<GrammarPiece> ways;
    if ((types & kObject) != 0) ways.push_back(Object(leaves));
    if ((types & kArray) != 0) ways.push_back(Array(leaves));
    if ((types & kString) != 0) ways.push_back(String(leaves));
    if ((types & kNumbers) != 0) ways.push_back(Number(leaves, (types & kFractional) != 0));
    if ((types & kBoolean) != 0) ways.push_back(b_.OneOf({"true", "false"}));
    if ((types & kNull) != 0) ways.push_back(b_.Literal("null"));
    return b_.Choice(std::move(ways));
  }

  // The bounds that the schemas set together.
  template <typename T, typename F>
  static T Tightest(const Leaves& leaves, T Schema::*member, F tighter) {
    T value = leaves.empty() ? T() : leaves[0]->*member;
    for (const Schema* s : leaves) value = tighter(value, s->*member);
    return value;
  }
  template <typename T>
  static T Most(const Leaves& leaves, T Schema::*member) {
    return Tightest(leaves, member, [](T a, T b) { return std::max(a, b); });
  }
  template <typename T>
  static T Least(const Leaves& leaves, T Schema::*member) {
    return Tightest(leaves, member, [](T a, T b) { return std::min(a, b); });
  }
  static bool Bounded(const Leaves& leaves) {
    return std::any_of(leaves.begin(), leaves.end(), [](const Schema* s) { return s->bounded; });
  }

  GrammarPiece Number(const Leaves& leaves, bool fractional) {
    const int digits = fractional ? Least(leaves, &Schema::digits) : 0;
    if (!Bounded(leaves)) return fractional ? parts_.Number() : parts_.Integer();
    return parts_.NumberBetween(Most(leaves, &Schema::low), Least(leaves, &Schema::high), digits);
  }

  GrammarPiece String(const Leaves& leaves) {
    const uint32_t min = Most(leaves, &Schema::min_length), max = Least(leaves, &Schema::max_length);
    if (min > max) return b_.Choice({});
    std::set<std::shared_ptr<const CharAutomaton>> patterns;
    std::string at;
    for (const Schema* s : leaves) {
      patterns.insert(s->patterns.begin(), s->patterns.end());
      if (at.empty() && !s->patterns.empty()) at = where_ + ": " + s->place.pointer;
    }
    if (patterns.empty()) return b_.JsonString(min, max);
    std::shared_ptr<const CharAutomaton> all = *patterns.begin();
    const auto restrict = [&](const CharAutomaton& more) {
      if (++intersections_ > kMaxIntersections)
        throw Error("{}: more than {} patterns to combine", at, kMaxIntersections);
      all = std::make_shared<const CharAutomaton>(CharAutomaton::Intersection(*all, more, at));
      CountStates(*all, at);
    };
    for (const auto& pattern : patterns) {
      if (pattern != all) restrict(*pattern);
    }
    const std::optional<uint32_t> longest = all->LongestText();
    if (longest && *longest <= max) {
      if (min > 0) restrict(CharAutomaton::Length(min, kUnbounded, at + ": pattern and minLength together"));
    } else if (min > 0 || max != kUnbounded) {
      restrict(CharAutomaton::Length(min, max, at + ": pattern and minLength or maxLength together"));
    }
    const GrammarPiece quote = b_.Literal("\"");
    return b_.Sequence({quote, b_.JsonText(all), quote});
  }

  GrammarPiece Array(const Leaves& leaves) {
    const uint32_t min = Most(leaves, &Schema::min_items);
    uint32_t max = Least(leaves, &Schema::max_items);
    size_t prefix = 0;
    bool has_items = false;
    for (const Schema* s : leaves) {
      prefix = std::max(prefix, s->prefix.size());
      has_items |= s->items.has_value();
    }
    // Behind prefixItems there is nothing, unless something says so.
    if (prefix > 0 && !has_items && min <= prefix) max = std::min(max, static_cast<uint32_t>(prefix));
    if (min > max) return b_.Choice({});
    const auto item = [&](size_t i) {
      Places places;
      for (const Schema* s : leaves) {
        if (i < s->prefix.size()) {
          places.push_back(s->prefix[i]);
        } else if (s->items) {
          places.push_back(*s->items);
        }
      }
      return RuleOf(std::move(places));
    };
    if (prefix == 0) return parts_.List("[", "]", item(0), min, max);
    const GrammarPiece close = parts_.Closing("]");
    const uint32_t first = static_cast<uint32_t>(prefix);
    // From the back: what may come when i items are there.
    GrammarPiece rest = close;
    if (max > first) {
      rest = b_.Sequence({b_.Repeat(b_.Sequence({parts_.comma, item(prefix)}), min > first ? min - first : 0,
                                    max == kUnbounded ? kUnbounded : max - first),
                          close});
    }
    for (size_t i = std::min<size_t>(prefix, max); i-- > 0;) {
      std::vector<GrammarPiece> ways;
      if (i >= min) ways.push_back(i == 0 ? b_.Literal("]") : close);
      ways.push_back(i == 0 ? b_.Sequence({item(i), rest}) : b_.Sequence({parts_.comma, item(i), rest}));
      rest = b_.Choice(std::move(ways));
    }
    if (max == 0) rest = b_.Literal("]");
    return b_.Sequence({b_.Literal("["), parts_.inside, rest});
  }

  GrammarPiece Object(const Leaves& leaves) {
    const uint32_t min = Most(leaves, &Schema::min_properties), max = Least(leaves, &Schema::max_properties);
    struct Property {
      std::string name;
      bool required;
      GrammarPiece value;
    };
    std::vector<Property> properties;
    std::unordered_map<std::string, size_t> index;
    const Schema* owner = leaves.empty() ? nullptr : leaves[0];
    const auto add = [&](const std::string& name, const Schema& from) {
      owner = &from;
      if (!index.try_emplace(name, properties.size()).second) return;
      if (properties.size() >= kMaxProperties) {
        Fail(from.place.pointer, "more than {} properties", kMaxProperties);
      }
      properties.push_back({name, false, {}});
    };
    bool listed = false;
    Places additional;
    for (const Schema* s : leaves) {
      if (s->additional) additional.push_back(*s->additional);
      if (s->properties == nullptr) continue;
      listed = true;
      for (const auto& [name, unused] : s->properties->items()) add(name, *s);
    }
    for (const Schema* s : leaves) {
      for (const std::string& name : s->required) {
        add(name, *s);
        properties[index[name]].required = true;
      }
    }
    uint32_t required = 0;
    for (Property& property : properties) {
      Places places;
      for (const Schema* s : leaves) {
        const Json* own = nullptr;
        if (s->properties != nullptr) {
          const auto member = s->properties->find(property.name);
          if (member != s->properties->end()) own = &*member;
        }
        if (own != nullptr) {
          places.push_back(Sub(*own, s->place.pointer + "/properties/" + Escaped(property.name)));
        } else if (s->additional) {
          places.push_back(*s->additional);
        }
      }
      property.value = RuleOf(std::move(places));
      required += property.required;
    }
    // Other properties: as additionalProperties says; without it, only of an object about which nothing is said.
    const bool closed = std::any_of(additional.begin(), additional.end(),
                                    [](const Place& place) { return *place.schema == Json(false); });
    const bool open = !closed && (!additional.empty() || !listed);
    if (properties.empty()) {
      if (!open || max == 0) return min == 0 ? parts_.List("{", "}", b_.Choice({}), 0, 0) : b_.Choice({});
      if (min > max) return b_.Choice({});
      return parts_.List("{", "}", parts_.Member(parts_.String(), RuleOf(std::move(additional))), min, max);
    }
    if (min > required || (max != kUnbounded && (open || max < properties.size()))) {
      Fail(owner->place.pointer, "minProperties and maxProperties are only supported without properties");
    }

    const GrammarPiece close = parts_.Closing("}");
    std::optional<GrammarPiece> other;
    GrammarPiece after = close;  // when those from here on are decided, and there is one already
    if (open) {
      other = parts_.Member(OtherName(index, *owner), RuleOf(std::move(additional)));
      after = b_.Sequence({b_.Repeat(b_.Sequence({parts_.comma, *other}), 0), close});
    }
    GrammarPiece name = open ? b_.Sequence({*other, after}) : b_.Choice({});  // the next property, if there is one
    bool may_close = true;
    for (size_t i = properties.size(); i-- > 0;) {
      const Property& property = properties[i];
      const GrammarPiece member =
          b_.Sequence({parts_.Member(b_.Literal(Json(property.name).dump()), property.value), after});
      name = property.required ? member : b_.Choice({member, name});
      may_close &= !property.required;
      const GrammarPiece next = b_.Sequence({parts_.comma, name});
      after = may_close ? b_.Choice({close, next}) : next;
    }
    return b_.Sequence({b_.Literal("{"), parts_.inside, may_close ? b_.Choice({b_.Literal("}"), name}) : name});
  }

  // A string that is none of the names.
  GrammarPiece OtherName(const std::unordered_map<std::string, size_t>& names, const Schema& owner) {
    std::vector<std::string> texts;
    for (const auto& [name, unused] : names) texts.push_back(name);
    const std::string at = where_ + ": " + owner.place.pointer + "/properties with additionalProperties";
    const auto others = std::make_shared<const CharAutomaton>(CharAutomaton::Except(texts, at));
    CountStates(*others, at);
    const GrammarPiece quote = b_.Literal("\"");
    return b_.Sequence({quote, b_.JsonText(others), quote});
  }

  // -------------------------------------------------------------------------------------------------------------------
  // enum and const.

  GrammarPiece Values(const Leaves& leaves, const Schema& listed, uint8_t types) {
    for (const Schema* s : leaves) {
      if (s != &listed && s->values && s->values->size() * listed.values->size() > kMaxComparisons) {
        Fail(s->place.pointer, "the lists of values that hold together are too long");
      }
    }
    std::vector<std::string> scalars;
    std::vector<GrammarPiece> ways;
    for (const Json* value : *listed.values) {
      if (!Allows(leaves, *value, types, listed)) continue;
      if (value->is_structured()) {
        ways.push_back(parts_.Constant(*value));
      } else if (value->is_number_float() && value->get<double>() == std::floor(value->get<double>()) &&
                 std::abs(value->get<double>()) < 1e15) {
        scalars.push_back(std::to_string(static_cast<int64_t>(value->get<double>())));
      } else if (value->is_number_float() && !std::isfinite(value->get<double>())) {
        continue;
      } else {
        scalars.push_back(DumpJson(*value));
      }
    }
    for (const Schema* s : leaves) {
      if (s->nullable && (types & kNull) != 0) scalars.push_back("null");
    }
    ways.push_back(b_.OneOf(std::move(scalars)));
    return b_.Choice(std::move(ways));
  }

  bool Allows(const Leaves& leaves, const Json& value, uint8_t types, const Schema& listed) const {
    uint8_t type;
    if (value.is_null()) {
      type = kNull;
    } else if (value.is_boolean()) {
      type = kBoolean;
    } else if (IsNumber(value)) {
      const bool whole = !value.is_number_float() || value.get<double>() == std::floor(value.get<double>());
      type = whole ? kWhole : kFractional;
    } else {
      type = value.is_string() ? kString : value.is_array() ? kArray : kObject;
    }
    if ((types & type) == 0) return false;
    for (const Schema* s : leaves) {
      if (s->values &&
          std::none_of(s->values->begin(), s->values->end(), [&](const Json* v) { return Same(*v, value); })) {
        return false;
      }
      if (value.is_structured() && (s->implied & type) != 0) {
        Fail(listed.place.pointer,
             "arrays and objects in enum or const together with other keywords about them are not supported");
      }
      if (IsNumber(value) && s->bounded) {
        const Units units = UnitsOf(value, s->place.pointer);
        const Wide unit = PowerOfTen(kFractionDigits - s->digits);
        if (!units.exact || units.floor < s->low || units.floor > s->high || units.floor % unit != 0) return false;
      }
      if (value.is_string()) {
        const std::string& text = value.get_ref<const std::string&>();
        const auto characters = std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; });
        if (characters < s->min_length || characters > s->max_length) return false;
        for (const auto& pattern : s->patterns) {
          if (!pattern->Accepts(text)) return false;
        }
      }
    }
    return true;
  }

  // Equal as JSON values: the order of an object's members does not count.
  static bool Same(const Json& a, const Json& b) {
    if (a.is_number() && b.is_number()) return a == b;
    if (a.type() != b.type() || a.size() != b.size()) return false;
    if (a.is_array()) return std::equal(a.begin(), a.end(), b.begin(), Same);
    if (!a.is_object()) return a == b;
    return std::all_of(a.items().begin(), a.items().end(), [&](const auto& member) {
      const auto other = b.find(member.key());
      return other != b.end() && Same(member.value(), *other);
    });
  }

  GrammarBuilder& b_;
  JsonParts parts_;
  const Json& root_;
  const std::string& where_;
  std::deque<std::pair<GrammarPiece, Places>> todo_;
  std::map<std::vector<const Json*>, GrammarPiece> rules_;
  std::map<const Json*, Schema> schemas_;
  std::map<std::string, std::shared_ptr<const CharAutomaton>> patterns_;
  std::unordered_map<std::string, Place> resolved_;
  size_t expansions_ = 0, intersections_ = 0, pattern_states_ = 0;
};

template <typename F>
std::shared_ptr<const Grammar> BuildNamed(const std::string& where, const F& make) {
  GrammarBuilder builder;
  const GrammarPiece piece = make(builder);
  try {
    return builder.Build(piece);
  } catch (const Error& e) {
    throw Error("{}: {}", where, e.what());
  }
}

}  // namespace

GrammarPiece AnyJsonValue(GrammarBuilder& builder, JsonLayout layout) { return JsonParts(builder, layout).AnyValue(); }

GrammarPiece AnyJsonObject(GrammarBuilder& builder, JsonLayout layout) {
  return JsonParts(builder, layout).AnyObject();
}

GrammarPiece JsonOfSchema(GrammarBuilder& builder, const Json& schema, JsonLayout layout, const std::string& where,
                          bool object_only) {
  return SchemaCompiler(builder, schema, layout, where).Compile(object_only);
}

std::shared_ptr<const Grammar> JsonObjectGrammar() {
  GrammarBuilder builder;
  return builder.Build(AnyJsonObject(builder, JsonLayout::kLines));
}

std::shared_ptr<const Grammar> JsonSchemaGrammar(const Json& schema, const std::string& where) {
  return BuildNamed(where, [&](GrammarBuilder& b) { return JsonOfSchema(b, schema, JsonLayout::kLines, where); });
}

}  // namespace fulgur
