#include "grammar/json_parts.h"

#include <cmath>
#include <utility>
#include <vector>

#include "base/json_as_given.h"
#include "grammar/json_numbers.h"

namespace fulgur {

JsonParts::JsonParts(GrammarBuilder& builder, JsonLayout layout) : b_(builder) {
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

GrammarPiece JsonParts::Closing(const char* bracket) { return b_.Sequence({inside, b_.Literal(bracket)}); }

GrammarPiece JsonParts::Digits(int min, int max) {
  return b_.Repeat(DigitRange('0', '9'), static_cast<uint32_t>(min), static_cast<uint32_t>(max));
}

GrammarPiece JsonParts::DigitRange(char low, char high) {
  CodePointSet set;
  set.Add(static_cast<char32_t>(low), static_cast<char32_t>(high) + 1);
  return b_.Characters(set);
}

GrammarPiece JsonParts::Natural() { return b_.Sequence({DigitRange('1', '9'), Digits(0, kIntegerDigits - 1)}); }

GrammarPiece JsonParts::Integer() {
  return b_.Choice({b_.Literal("0"), b_.Sequence({b_.Optional(b_.Literal("-")), Natural()})});
}

GrammarPiece JsonParts::Number() {
  const GrammarPiece sign = b_.Optional(b_.Choice({b_.Literal("+"), b_.Literal("-")}));
  return b_.Sequence({b_.Optional(b_.Literal("-")), b_.Choice({b_.Literal("0"), Natural()}),
                      b_.Optional(b_.Sequence({b_.Literal("."), Digits(1, kFractionDigits)})),
                      b_.Optional(b_.Sequence({b_.OneOf({"e", "E"}), sign, Digits(1, 2)}))});
}

GrammarPiece JsonParts::Member(GrammarPiece name, GrammarPiece value) {
  return b_.Sequence({name, b_.Literal(":"), after_colon, value});
}

GrammarPiece JsonParts::List(const char* open, const char* close, GrammarPiece item, uint32_t min, uint32_t max) {
  std::vector<GrammarPiece> ways;
  if (min == 0) ways.push_back(b_.Literal(close));
  if (max > 0) {
    const GrammarPiece more =
        b_.Repeat(b_.Sequence({comma, item}), min > 0 ? min - 1 : 0, max == kUnbounded ? kUnbounded : max - 1);
    ways.push_back(b_.Sequence({item, more, Closing(close)}));
  }
  return b_.Sequence({b_.Literal(open), inside, b_.Choice(std::move(ways))});
}

GrammarPiece JsonParts::AnyValue() {
  if (!any_) {
    any_ = b_.DeclareRule();
    b_.DefineRule(*any_, b_.Choice({AnyObject(), List("[", "]", *any_, 0, kUnbounded), String(), Number(),
                                    b_.OneOf({"true", "false", "null"})}));
  }
  return *any_;
}

GrammarPiece JsonParts::Constant(const Json& value) {
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
  return b_.Literal(Spelled(value));
}

std::string JsonParts::Spelled(const Json& value) {
  if (!value.is_number_float()) return DumpJson(value);
  const double number = value.get<double>();
  if (!std::isfinite(number)) return "";
  if (number == std::floor(number) && std::abs(number) < 1e15) return std::to_string(static_cast<int64_t>(number));
  return value.dump();
}

}  // namespace fulgur
