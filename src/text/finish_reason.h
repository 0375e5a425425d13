// Why an output of a model ended.
#pragma once

#include <cstddef>
#include <string_view>

namespace fulgur {

enum class FinishReason { kStop, kStopString, kLength, kEarlyTruncation, kCancelled, kDeadline, kError };
inline constexpr size_t kFinishReasons = 7;
// "stop", "stop_string", "length", "early_truncation", "cancelled", "deadline", "error"
const char* FinishReasonName(FinishReason reason);
// The reason of that name; Error that names it if there is none.
FinishReason FinishReasonFromName(std::string_view name);

// Whether the model ended the output itself, by a stop token or a stop string.
inline bool EndedByModel(FinishReason reason) {
  return reason == FinishReason::kStop || reason == FinishReason::kStopString;
}

}  // namespace fulgur
