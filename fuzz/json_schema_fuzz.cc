// A JSON schema and, after a zero byte, bytes that choose a text: what its grammar produces must be JSON, and where the
// grammar goes on it must be able to.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "grammar/json_schema.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fulgur;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t zero = input.find('\0');
  const std::string_view choices = zero == std::string_view::npos ? std::string_view() : input.substr(zero + 1);
  std::shared_ptr<const Grammar> grammar;
  try {
    grammar = JsonSchemaGrammar(ParseJson(input.substr(0, zero), "schema"), "schema");
  } catch (const Error&) {
    return 0;
  }
  std::string text;
  GrammarState state = grammar->Begin(Grammar::Start::kAnswer), next;
  for (size_t i = 0; i < choices.size() && i < 300 && !state.must_end(); ++i) {
    // The first byte from a chosen one on that can follow.
    int tried = 0;
    auto byte = static_cast<uint8_t>(choices[i]);
    while (!grammar->Advance(state, byte, &next)) {
      ++byte;
      FULGUR_CHECK(++tried < 256, "a dead end after {}", text);
    }
    text += static_cast<char>(byte);
    std::swap(state, next);
  }
  if (state.can_end) FULGUR_CHECK(Json::accept(text), "not JSON: {}", text);
  return 0;
}
