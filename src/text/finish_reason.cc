#include "text/finish_reason.h"

#include "base/error.h"

namespace fulgur {

const char* FinishReasonName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kStopString:
      return "stop_string";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kEarlyTruncation:
      return "early_truncation";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kDeadline:
      return "deadline";
    case FinishReason::kError:
      return "error";
  }
  return "";
}

FinishReason FinishReasonFromName(std::string_view name) {
  for (size_t i = 0; i < kFinishReasons; ++i) {
    const auto reason = static_cast<FinishReason>(i);
    if (name == FinishReasonName(reason)) return reason;
  }
  throw Error("there is no end of an output that is called \"{}\"", name);
}

}  // namespace fulgur
