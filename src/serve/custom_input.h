// Calls of custom tools: to the model a function of one string, to the client a text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fulgur {

// The text in the arguments {"input": "..."}, which come piece by piece.
class CustomInput {
 public:
  // What the next piece adds to the text. Part of an escape waits for the rest of it.
  std::string Push(std::string_view arguments);

 private:
  enum class State { kBefore, kValue, kText, kOver } state_ = State::kBefore;
  std::string escape_;  // an escape that is not whole, from its backslash on; or one with the first half of a pair
};

}  // namespace fulgur
