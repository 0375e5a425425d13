// Grammars of JSON: any value, or what a JSON schema allows. docs/constrained-output.md says which keywords.
#pragma once

#include <memory>
#include <string>

#include "base/json.h"
#include "grammar/grammar.h"

namespace fulgur {

// White space between the parts of a JSON text. Always bounded, so that an output cannot consist of it.
enum class JsonLayout {
  kOneLine,  // one optional space after ':' and ','
  kLines,    // also a line break and up to 32 spaces or 8 tabs after '{', '[' and ',', and before '}' and ']'
};

// Any value (nested up to what kMaxGrammarDepth allows), any object.
GrammarPiece AnyJsonValue(GrammarBuilder& builder, JsonLayout layout);
GrammarPiece AnyJsonObject(GrammarBuilder& builder, JsonLayout layout);

// The values that a schema allows, each property at most once and in the schema's order. `where` names the schema in
// an Error, which is thrown, with the keyword and its JSON pointer, for what is not supported, what is malformed, a
// schema that allows nothing, and one that needs more than the limits of grammar/grammar.h.
// object_only: of those values only the objects.
GrammarPiece JsonOfSchema(GrammarBuilder& builder, const Json& schema, JsonLayout layout, const std::string& where,
                          bool object_only = false);

// The whole output.
std::shared_ptr<const Grammar> JsonObjectGrammar();
std::shared_ptr<const Grammar> JsonSchemaGrammar(const Json& schema, const std::string& where);

}  // namespace fulgur
