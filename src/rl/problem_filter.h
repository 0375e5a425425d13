// Leaving out problems that the starting model solves too rarely or too often (MiniMax-M1 report, section 5).
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "rl/curriculum.h"
#include "rl/rollout.h"

namespace fulgur {

// Lets the starting model try these problems of a source, each as often as the source's filter says.
using TryProblems = std::function<RolloutResult(size_t source, const std::vector<size_t>& records)>;

// Filters every source that has a filter. Pass rates are kept in `folder`/NAME.json, {"samples", "rates": [[record,
// rate]]}, and read from there if they are known. must_be_known: a run goes on, which has used them. False if it was
// stopped. Error if a file is gone or damaged, or no problem of a source is left.
bool FilterProblems(ProblemSet& problems, const std::filesystem::path& folder, bool must_be_known, bool quiet,
                    const TryProblems& try_problems);

}  // namespace fulgur
