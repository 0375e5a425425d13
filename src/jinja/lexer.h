// A template's source cut into tokens: text outside of tags, and what stands in them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "jinja/value.h"

namespace fulgur::jinja {

enum class TokenType {
  kData,  // text outside of tags, white space control applied
  kBlockBegin,
  kBlockEnd,
  kVariableBegin,
  kVariableEnd,
  kName,
  kString,  // text: the string's value
  kNumber,  // value
  kOperator,
  kEnd,
};

struct Token {
  TokenType type;
  int line;
  std::string text;
  Value value;
};

// With trim_blocks and lstrip_blocks on and one trailing newline dropped, as chat templates are read. Ends with one
// kEnd.
std::vector<Token> Tokenize(std::string_view source, const std::string& where);

}  // namespace fulgur::jinja
