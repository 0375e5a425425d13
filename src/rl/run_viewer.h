// Runs and their rollouts for a terminal: finding things again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace fulgur {

// A config as one flat object, list elements that are objects included: "data[0].tasks": ..., "optimizer.clip": 1.
Json FlatConfig(const Json& config);

// The runs of reinforcement learning below a folder, itself included, by name: [{"name", "batches", "planned",
// "finished", "reward", "score", "held_out", "length", "entropy", "generated", "seconds", "config"}]. What a run does
// not have is null. Error if there is none.
Json ListRuns(const std::filesystem::path& folder);

// The same as a table, and below it the keys in which the configs differ. sort: a column; a leading '-' turns it
// around; empty: by name. Error that names the columns for another one.
std::string RunTable(const Json& runs, const std::string& sort);

// Which rollouts to show.
struct RolloutQuery {
  bool evaluations = false;      // those of held-out problems
  std::optional<int64_t> batch;  // of the step, for evaluations; none: a line for every batch
  std::optional<int64_t> index;  // of the group; none: a line for every group
  std::string task, text;        // only these, where not empty; text: in prompt or answer
  std::optional<double> below;   // only responses with a score below this, or without one
};

// {"batches": [...]}, {"groups": [...]} or {"group": {...}}, as the query asks. Ids are texts, since they exceed 2^53.
// A group has its prompt, the reference, and of each response thinking, answer, verdict and the probabilities of its
// tokens. Error if there is no such run, batch or group.
Json FindRollouts(const std::filesystem::path& run, const RolloutQuery& query);

// The same as text.
std::string RolloutText(const Json& found);

}  // namespace fulgur
