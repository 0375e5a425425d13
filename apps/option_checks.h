// Checks of option values whose messages say what would be right. They run before any work begins.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "ops/kv_cache.h"

namespace fulgur {

// Large enough for any count, small enough to calculate with.
inline constexpr uint64_t kNoLimit = uint64_t{1} << 48;

// A whole number from `low` to `high`.
CLI::Validator WholeNumber(uint64_t low, uint64_t high = kNoLimit);
// A number from `low` to `high`, not NaN.
CLI::Validator Number(double low, double high);
CLI::Validator Utf8Text();

// What several commands take.
CLI::Validator Seed();
CLI::Validator Threads();

// The folder of a model; of a run that has finished: the model in it.
CLI::Option* AddModelOption(CLI::App& app, std::string& model, const char* text = "Folder of a model, or of a run");

// --kv-cache. default_text: what it is without the option.
CLI::Option* AddKvCacheOption(CLI::App& app, std::optional<KvFormat>& format, const char* default_text);
inline constexpr const char* kUsualKvCache = "as precise as the weights";

// "40k" and "80k", the thinking budgets of the two published M1 models, to numbers.
CLI::Validator ThinkingPresets();

}  // namespace fulgur
