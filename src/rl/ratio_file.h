// The ratios that the tokens of a batch had when they were learned from, for the report.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "rl/policy_update.h"

namespace fulgur {

// Writes lines of {"batch", "index": of the group, "log_ratios": {number of the response: [a value a token, null where
// nothing was learned from]}}, rounded. logprobs: of each sample's sampled tokens at its update; empty: it had none.
// Without samples the file is removed.
void WriteRatios(const std::filesystem::path& path, int64_t batch, const std::vector<PolicySample>& samples,
                 const std::vector<std::vector<float>>& logprobs);

}  // namespace fulgur
