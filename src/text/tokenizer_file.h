// The parts of a Hugging Face tokenizer.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace fulgur {

struct TokenizerFile {
  Json root;  // all but model.vocab and model.merges, which are null in it
  bool has_vocab = false, has_merges = false;
  std::vector<std::pair<std::string, int64_t>> vocab;       // tokens as the file spells them, and their ids
  std::vector<std::pair<std::string, std::string>> merges;  // likewise

  // Throws Error naming `where`.
  static TokenizerFile Read(std::string_view json, const std::string& where);
};

// The member, if it is there and not null.
const Json* Member(const Json& object, const char* key);
// The components of a Sequence in its list `list` ("normalizers", "decoders", ...), or the one component itself;
// nothing for nullptr.
std::vector<const Json*> Components(const Json* value, const char* list, const std::string& where);
// "type" of a component.
std::string ComponentType(const Json& component, const std::string& where);
// The text of {"String": ..} or {"Regex": ..} in the member "pattern".
struct ComponentPattern {
  std::string text;
  bool regex;
};
ComponentPattern PatternOf(const Json& component, const std::string& where);

}  // namespace fulgur
