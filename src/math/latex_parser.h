// From the text of an answer to its tree.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "math/expression.h"

namespace fulgur {

inline constexpr size_t kMaxAnswerText = 4096;  // bytes; nothing longer is read

// The ways to read `text` (LaTeX without its dollar signs, or plain): one, or two where a comma may group thousands or
// separate. None if it is no mathematics; `reason` then says why. Never throws; time and memory are bounded.
std::vector<ExprPtr> ReadMath(std::string_view text, std::string* reason);

}  // namespace fulgur
