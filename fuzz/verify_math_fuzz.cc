// Gold answer and response, separated by the first line end. Whatever they are: a score of 0 or 1, a reason exactly
// when it is 0, the same twice, and no reward for a response that only asks or is empty.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "math/verify.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t split = text.find('\n');
  if (split == std::string_view::npos) return 0;
  const std::string_view gold = text.substr(0, split), response = text.substr(split + 1);
  const fulgur::MathScore score = fulgur::VerifyMath(gold, response);
  if (score.value != 0 && score.value != 1) std::abort();
  if (score.reason.empty() != (score.value == 1)) std::abort();
  if (score.value == 1 && response.find_first_not_of(" \t\r\n") == std::string_view::npos) std::abort();
  const fulgur::MathScore again = fulgur::VerifyMath(gold, response);
  if (again.value != score.value || again.reason != score.reason) std::abort();
  return 0;
}
