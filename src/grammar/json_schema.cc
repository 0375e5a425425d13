#include "grammar/json_schema.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "grammar/char_automaton.h"
#include "grammar/json_numbers.h"
#include "grammar/json_parts.h"
#include "grammar/schema_reader.h"

namespace fulgur {

namespace {

constexpr size_t kMaxRules = 20'000;        // sub-schemas of one schema, merged ones counted
constexpr size_t kMaxAlternatives = 1'000;  // of one sub-schema, after anyOf and allOf are multiplied out
constexpr size_t kMaxExpansions = 200'000;
constexpr size_t kMaxTogether = 200;           // schemas of one value that hold together
constexpr size_t kMaxIntersections = 256;      // of patterns, in one schema
constexpr size_t kMaxPatternStates = 200'000;  // of all patterns together
constexpr size_t kMaxLengthStates = 4'096;     // of a pattern, times the characters of its texts
constexpr size_t kMaxComparisons = 1'000'000;  // of values of one enum with those of another
constexpr size_t kMaxProperties = 512;         // of one object
constexpr size_t kMaxCounted = 20'000;         // members of one object or array, times what is counted of them

const Json kNothing = false;

class SchemaCompiler {
 public:
  SchemaCompiler(GrammarBuilder& builder, const Json& schema, JsonLayout layout, const std::string& where)
      : b_(builder), parts_(builder, layout), root_(schema), where_(where), reader_(schema, where) {}

  GrammarPiece Compile(bool object_only) {
    static const Json object = {{"type", "object"}};
    SchemaPlaces places = {{&root_, "#"}};
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
  using Leaves = std::vector<const Schema*>;

  // How a schema was come to, to notice circles.
  struct Link {
    const Json* schema;
    bool by_choice;
    std::shared_ptr<const Link> from;
  };
  struct Pending {
    SchemaPlace place;
    bool by_choice;
    std::shared_ptr<const Link> from;
  };

  template <typename... Args>
  [[noreturn]] void Fail(const std::string& pointer, fmt::format_string<Args...> format, Args&&... args) const {
    reader_.Fail(pointer, format, std::forward<Args>(args)...);
  }

  // The values that all the places allow.
  GrammarPiece RuleOf(SchemaPlaces places) {
    std::vector<const Json*> key;
    for (const SchemaPlace& place : places) key.push_back(place.schema);
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

  GrammarPiece Definition(const SchemaPlaces& places) {
    std::vector<GrammarPiece> ways;
    for (const Leaves& leaves : Alternatives(places)) ways.push_back(Merged(leaves));
    return b_.Choice(std::move(ways));
  }

  // Lists of schemas, of one of which all have to hold.
  std::vector<Leaves> Alternatives(const SchemaPlaces& places) {
    std::vector<Leaves> alternatives;
    std::vector<Pending> pending;
    for (const SchemaPlace& place : places) pending.push_back({place, false, nullptr});
    Expand(std::move(pending), {}, {}, &alternatives);
    return alternatives;
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
      const Schema& schema = reader_.Read(next.place);
      if (std::find(leaves.begin(), leaves.end(), &schema) != leaves.end()) continue;
      leaves.push_back(&schema);
      if (leaves.size() > kMaxTogether) {
        Fail(next.place.pointer, "more than {} schemas that hold together", kMaxTogether);
      }
      const auto link = std::make_shared<const Link>(Link{&json, next.by_choice, next.from});
      for (const SchemaPlace& place : schema.also) pending.push_back({place, false, link});
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
    for (const SchemaPlace& place : open.schema->choices[open.choice]) {
      Expand({{place, true, open.link}}, leaves, choices, alternatives);
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The values that several schemas all allow.

  GrammarPiece Merged(const Leaves& leaves) {
    const uint8_t types = TypesOf(leaves);
    if (const Schema* listed = Listed(leaves)) return Values(leaves, *listed, types);
    std::vector<GrammarPiece> ways;
    if ((types & kObject) != 0) ways.push_back(Object(leaves));
    if ((types & kArray) != 0) ways.push_back(Array(leaves));
    if ((types & kString) != 0) ways.push_back(String(leaves));
    if ((types & kNumbers) != 0) ways.push_back(Number(leaves, (types & kFractional) != 0));
    if ((types & kBoolean) != 0) ways.push_back(b_.OneOf({"true", "false"}));
    if ((types & kNull) != 0) ways.push_back(b_.Literal("null"));
    return b_.Choice(std::move(ways));
  }

  static uint8_t TypesOf(const Leaves& leaves) {
    uint8_t types = kAllTypes, implied = 0;
    bool typed = false;
    for (const Schema* s : leaves) {
      if (s->types) types &= *s->types;
      typed |= s->types.has_value();
      implied |= s->implied;
      if (s->nullable && !s->types) implied |= kNull;
    }
    // Keywords about a type mean that type, if none is given. What values there are, a list says itself.
    return typed || implied == 0 || Listed(leaves) != nullptr ? types : implied;
  }

  // One with enum or const.
  static const Schema* Listed(const Leaves& leaves) {
    const auto it = std::find_if(leaves.begin(), leaves.end(), [](const Schema* s) { return s->values.has_value(); });
    return it == leaves.end() ? nullptr : *it;
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
    if (!Bounded(leaves)) return fractional ? parts_.Number() : parts_.Integer();
    // The least common multiple of all steps.
    Wide units = fractional ? 1 : kOne;
    for (const Schema* s : leaves) {
      const Wide step = s->step.units();
      Wide a = units, b = step;
      while (b != 0) a = std::exchange(b, a % b);  // Euclid
      if (units / a > kLargest / step) Fail(s->place.pointer, "multipleOf leads to numbers that are too large");
      units = units / a * step;
    }
    const NumberStep step = NumberStep::Of(units);
    if (step.multiple > 1 && step.multiple > kMaxStepSize / (kIntegerDigits + step.digits)) {
      const auto with = std::find_if(leaves.begin(), leaves.end(), [](const Schema* s) { return s->step.units() > 1; });
      Fail((*with)->place.pointer + "/multipleOf", "only 1, 0.1, 0.01, ... and up to {} times these are supported",
           kMaxStepSize / (kIntegerDigits + step.digits));
    }
    return NumbersBetween(b_, Most(leaves, &Schema::low), Least(leaves, &Schema::high), step);
  }

  void CountStates(const CharAutomaton& automaton, const std::string& at) {
    pattern_states_ += automaton.states().size();
    if (pattern_states_ > kMaxPatternStates) throw Error("{}: the patterns are too complex together", at);
  }

  GrammarPiece String(const Leaves& leaves) {
    const uint32_t min = Most(leaves, &Schema::min_length);
    uint32_t max = Least(leaves, &Schema::max_length);
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
      // Of a long maximum only as much as the states allow.
      const size_t most = kMaxLengthStates / std::max<size_t>(all->states().size(), 1);
      if (max != kUnbounded && max > most) max = std::max<uint32_t>({min, 1, static_cast<uint32_t>(most)});
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
    const bool closed = std::any_of(leaves.begin(), leaves.end(), [](const Schema* s) { return s->no_more_items; });
    if (!has_items && (closed || (prefix > 0 && min <= prefix))) max = std::min(max, static_cast<uint32_t>(prefix));
    if (min > max) return b_.Choice({});
    const auto item = [&](size_t i) {
      SchemaPlaces places;
      for (const Schema* s : leaves) {
        if (i < s->prefix.size()) {
          places.push_back(s->prefix[i]);
        } else if (s->items) {
          places.push_back(*s->items);
        }
      }
      return places;
    };
    const auto rule = [&](size_t i) { return RuleOf(item(i)); };
    if (const auto unique = std::find_if(leaves.begin(), leaves.end(), [](const Schema* s) { return s->unique; });
        unique != leaves.end() && max > 1) {
      return UniqueItems(**unique, prefix == 0 ? ListedValues(item(0)) : std::nullopt, min, max);
    }
    if (prefix == 0) return parts_.List("[", "]", rule(0), min, max);
    const GrammarPiece close = parts_.Closing("]");
    const uint32_t first = static_cast<uint32_t>(prefix);
    // From the back: what may come when i items are there.
    GrammarPiece rest = close;
    if (max > first) {
      rest = b_.Sequence({b_.Repeat(b_.Sequence({parts_.comma, rule(prefix)}), min > first ? min - first : 0,
                                    max == kUnbounded ? kUnbounded : max - first),
                          close});
    }
    for (size_t i = std::min<size_t>(prefix, max); i-- > 0;) {
      std::vector<GrammarPiece> ways;
      if (i >= min) ways.push_back(i == 0 ? b_.Literal("]") : close);
      ways.push_back(i == 0 ? b_.Sequence({rule(i), rest}) : b_.Sequence({parts_.comma, rule(i), rest}));
      rest = b_.Choice(std::move(ways));
    }
    if (max == 0) rest = b_.Literal("]");
    return b_.Sequence({b_.Literal("["), parts_.inside, rest});
  }

  // Items that differ: of those that are listed, in that order, each at most once.
  GrammarPiece UniqueItems(const Schema& owner, const std::optional<std::vector<const Json*>>& values, uint32_t min,
                           uint32_t max) {
    if (!values) {
      Fail(owner.place.pointer + "/uniqueItems", "items that differ are only supported where enum lists the items");
    }
    std::vector<Member> items;
    for (const Json* value : *values) items.push_back({parts_.Constant(*value), false});
    return InOrder("[", "]", items, std::nullopt, min, max, owner);
  }

  // The values that the places allow, if all of them are listed: each once, in the schema's order.
  std::optional<std::vector<const Json*>> ListedValues(const SchemaPlaces& places) {
    std::vector<const Json*> values;
    for (const Leaves& leaves : Alternatives(places)) {
      const Schema* listed = Listed(leaves);
      if (listed == nullptr) return std::nullopt;
      for (const Json* value : AllowedValues(leaves, *listed, TypesOf(leaves))) {
        if (std::none_of(values.begin(), values.end(), [&](const Json* v) { return Same(*v, *value); })) {
          values.push_back(value);
        }
      }
    }
    return values;
  }

  struct Member {
    GrammarPiece piece;
    bool required;
  };

  // The members that are there, in this order, and behind them any number of `other`; min to max in all.
  GrammarPiece InOrder(const char* open, const char* close, const std::vector<Member>& members,
                       const std::optional<GrammarPiece>& other, uint32_t min, uint32_t max, const Schema& owner) {
    const size_t n = members.size();
    const auto required = std::count_if(members.begin(), members.end(), [](const Member& m) { return m.required; });
    if (min <= required) min = 0;
    if (max >= n && !other) max = kUnbounded;
    // How many are there already: whether there are any, and up to where it matters.
    size_t most = 1;
    if (min > 0) most = std::min<size_t>(n, std::max<uint32_t>(min, 1));
    if (max != kUnbounded) most = n;
    most = std::max<size_t>(most, 1);
    if ((n + 1) * (most + 1) > kMaxCounted) Fail(owner.place.pointer, "too many members to count them");

    const auto left = [](uint32_t limit, size_t there) {
      return limit == kUnbounded ? limit : limit > there ? limit - static_cast<uint32_t>(there) : 0;
    };
    const GrammarPiece nothing = b_.Choice({});
    std::vector<GrammarPiece> next,
        behind;  // [members that are there]: the next member and the rest; the same behind one
    bool may_end = true;
    for (size_t there = 0; there <= most; ++there) {
      const uint32_t few = left(min, there), many = left(max, there);
      next.push_back(nothing);
      behind.push_back(few == 0 ? parts_.Closing(close) : nothing);
      if (!other || many == 0) continue;
      const GrammarPiece more = b_.Sequence({parts_.comma, *other});
      next.back() = b_.Sequence({*other, b_.Repeat(more, left(few, 1), left(many, 1)), parts_.Closing(close)});
      behind.back() = b_.Sequence({b_.Repeat(more, few, many), parts_.Closing(close)});
    }
    for (size_t i = n; i-- > 0;) {
      may_end &= !members[i].required;
      for (size_t there = 0; there <= most; ++there) {
        std::vector<GrammarPiece> ways;
        if (there < max) ways.push_back(b_.Sequence({members[i].piece, behind[std::min(there + 1, most)]}));
        if (!members[i].required) ways.push_back(next[there]);
        next[there] = b_.Choice(std::move(ways));
      }
      for (size_t there = 1; there <= most; ++there) {
        const GrammarPiece more = b_.Sequence({parts_.comma, next[there]});
        behind[there] = may_end && there >= min ? b_.Choice({parts_.Closing(close), more}) : more;
      }
    }
    if (may_end && min == 0) next[0] = b_.Choice({b_.Literal(close), next[0]});
    return b_.Sequence({b_.Literal(open), parts_.inside, next[0]});
  }

  // The properties of an object, by name.
  struct Properties {
    std::vector<std::string> names;  // in the order in which they are written
    std::unordered_map<std::string, size_t> index;
    std::set<std::string> required;
    const Schema* owner = nullptr;  // of the last one
  };

  GrammarPiece Object(const Leaves& leaves) {
    const uint32_t min = Most(leaves, &Schema::min_properties), max = Least(leaves, &Schema::max_properties);
    if (min > max) return b_.Choice({});
    Properties properties;
    properties.owner = leaves.empty() ? nullptr : leaves[0];
    const auto add = [&](const std::string& name, const Schema& from) {
      properties.owner = &from;
      if (!properties.index.try_emplace(name, properties.names.size()).second) return;
      if (properties.names.size() >= kMaxProperties) {
        Fail(from.place.pointer, "more than {} properties", kMaxProperties);
      }
      properties.names.push_back(name);
    };
    bool listed = false;
    SchemaPlaces additional, names;
    for (const Schema* s : leaves) {
      if (s->additional) additional.push_back(*s->additional);
      if (s->names) names.push_back(*s->names);
      listed |= s->no_others;
      if (s->properties == nullptr) continue;
      // Properties that are only said not to be there list none.
      listed |= s->properties->empty();
      for (const auto& [name, schema] : s->properties->items()) {
        listed |= schema != Json(false);
        add(name, *s);
      }
    }
    for (const Schema* s : leaves) {
      for (const std::string& name : s->required) {
        add(name, *s);
        properties.required.insert(name);
      }
    }
    // Other properties: as additionalProperties says; without it, only of an object about which nothing is said.
    bool open = additional.empty() ? !listed : true;
    for (const SchemaPlace& place : additional) open &= *place.schema != Json(false);
    std::vector<Leaves> name_alternatives;
    if (!names.empty()) {
      name_alternatives = Alternatives(names);
      if (const auto all = open ? ListedValues(names) : std::nullopt) {
        for (const Json* name : *all) {
          if (name->is_string()) add(name->get<std::string>(), *leaves[0]);
        }
        open = false;
      }
    }

    std::vector<Member> members;
    for (const std::string& name : properties.names) {
      SchemaPlaces places;
      if (!names.empty() && !IsAmong(name_alternatives, Json(name))) places.push_back({&kNothing, names[0].pointer});
      for (const Schema* s : leaves) {
        const auto own = s->properties == nullptr ? Json::const_iterator() : s->properties->find(name);
        if (s->properties != nullptr && own != s->properties->end()) {
          places.push_back(reader_.Sub(*own, s->place.pointer + "/properties/" + SchemaReader::Escaped(name)));
        } else if (s->additional) {
          places.push_back(*s->additional);
        }
      }
      members.push_back({parts_.Member(b_.Literal(Json(name).dump()), RuleOf(std::move(places))),
                         properties.required.count(name) > 0});
    }
    std::optional<GrammarPiece> other;
    if (open) {
      const GrammarPiece name =
          properties.names.empty() && names.empty() ? parts_.String() : OtherName(properties, name_alternatives);
      other = parts_.Member(name, RuleOf(std::move(additional)));
    }
    if (members.empty()) return parts_.List("{", "}", other.value_or(b_.Choice({})), min, other ? max : 0);
    return InOrder("{", "}", members, other, min, max, *properties.owner);
  }

  // A name that is none of the properties', and that one of the alternatives (none: all names) allows.
  GrammarPiece OtherName(const Properties& properties, std::vector<Leaves> alternatives) {
    Schema other;
    other.types = kString;
    if (!properties.names.empty()) {
      const std::string at = where_ + ": " + properties.owner->place.pointer + "/properties with additionalProperties";
      other.patterns.push_back(std::make_shared<const CharAutomaton>(CharAutomaton::Except(properties.names, at)));
      CountStates(*other.patterns[0], at);
      other.place = properties.owner->place;
    }
    if (alternatives.empty()) alternatives.emplace_back();
    std::vector<GrammarPiece> ways;
    for (Leaves& leaves : alternatives) {
      leaves.push_back(&other);
      ways.push_back(Merged(leaves));
    }
    return b_.Choice(std::move(ways));
  }

  // -------------------------------------------------------------------------------------------------------------------
  // enum and const.

  GrammarPiece Values(const Leaves& leaves, const Schema& listed, uint8_t types) {
    std::vector<std::string> scalars;
    std::vector<GrammarPiece> ways;
    for (const Json* value : AllowedValues(leaves, listed, types)) {
      if (value->is_structured()) {
        ways.push_back(parts_.Constant(*value));
      } else if (std::string text = JsonParts::Spelled(*value); !text.empty()) {
        scalars.push_back(std::move(text));
      }
    }
    for (const Schema* s : leaves) {
      if (s->nullable && (types & kNull) != 0) scalars.push_back("null");
    }
    ways.push_back(b_.OneOf(std::move(scalars)));
    return b_.Choice(std::move(ways));
  }

  std::vector<const Json*> AllowedValues(const Leaves& leaves, const Schema& listed, uint8_t types) const {
    for (const Schema* s : leaves) {
      if (s != &listed && s->values && s->values->size() * listed.values->size() > kMaxComparisons) {
        Fail(s->place.pointer, "the lists of values that hold together are too long");
      }
    }
    std::vector<const Json*> allowed;
    for (const Json* value : *listed.values) {
      if (Allows(leaves, *value, types, listed.place.pointer)) allowed.push_back(value);
    }
    return allowed;
  }

  bool IsAmong(const std::vector<Leaves>& alternatives, const Json& value) const {
    return std::any_of(alternatives.begin(), alternatives.end(), [&](const Leaves& leaves) {
      return Allows(leaves, value, TypesOf(leaves), leaves.empty() ? "#" : leaves[0]->place.pointer);
    });
  }

  bool Allows(const Leaves& leaves, const Json& value, uint8_t types, const std::string& pointer) const {
    uint8_t type;
    if (value.is_null()) {
      type = kNull;
    } else if (value.is_boolean()) {
      type = kBoolean;
    } else if (IsJsonNumber(value)) {
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
        Fail(pointer, "arrays and objects in enum or const together with other keywords about them are not supported");
      }
      if (IsJsonNumber(value) && s->bounded) {
        const NumberUnits units = UnitsOfNumber(value);
        if (!units.exact || units.floor < s->low || units.floor > s->high || units.floor % s->step.units() != 0)
          return false;
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
  SchemaReader reader_;
  std::deque<std::pair<GrammarPiece, SchemaPlaces>> todo_;
  std::map<std::vector<const Json*>, GrammarPiece> rules_;
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
