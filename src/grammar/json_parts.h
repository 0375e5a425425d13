// What JSON texts consist of, as pieces of a grammar.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "grammar/grammar.h"
#include "grammar/json_schema.h"

namespace fulgur {

class JsonParts {
 public:
  JsonParts(GrammarBuilder& builder, JsonLayout layout);

  GrammarPiece Closing(const char* bracket);  // with the white space before it
  GrammarPiece String() { return b_.JsonString(0); }
  GrammarPiece Integer();
  GrammarPiece Number();
  GrammarPiece Member(GrammarPiece name, GrammarPiece value);
  // [ and ], { and } around min to max items.
  GrammarPiece List(const char* open, const char* close, GrammarPiece item, uint32_t min, uint32_t max);
  GrammarPiece AnyObject() { return List("{", "}", Member(String(), AnyValue()), 0, kUnbounded); }
  GrammarPiece AnyValue();
  GrammarPiece Constant(const Json& value);  // as short as JSON can, but for white space in arrays and objects

  static std::string Spelled(const Json& scalar);  // 3.0 as 3; empty for a number that JSON does not have

  GrammarPiece after_colon, after_comma, inside, comma;

 private:
  GrammarPiece Digits(int min, int max);
  GrammarPiece DigitRange(char low, char high);
  GrammarPiece Natural();  // without 0

  GrammarBuilder& b_;
  std::optional<GrammarPiece> any_;
};

}  // namespace fulgur
