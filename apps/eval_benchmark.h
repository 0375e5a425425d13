// The part of `fulgur eval` that runs public benchmarks, and looks at their runs.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/sampling_options.h"

namespace fulgur {

struct BenchmarkEvalOptions {
  std::string benchmark, suite, data, prompt, out, preset = "report";
  std::string examples, verdicts, exported;
  std::string rescore, report;
  std::vector<std::string> compare;
  int64_t samples = 0, limit = 0, concurrency = 16;
  uint64_t cache_memory = uint64_t{2} << 30;
  std::string tokenizer, plot;
  std::optional<int64_t> problems;  // of env:TASK: eval's --count and --difficulty
  std::optional<int> difficulty;
  int64_t max_prompt_tokens = 0;
  std::string endpoint_model, api_key_variable = "OPENAI_API_KEY", extra;
  double request_seconds = 3600, total_seconds = 14400;

  // Adds the options; what goes only with tasks or with problems is in `others`.
  void AddTo(CLI::App& app, const std::vector<CLI::Option*>& others);
  // Whether one of them asks for what RunBenchmarkEval does.
  bool asked() const {
    return !benchmark.empty() || !suite.empty() || !rescore.empty() || !report.empty() || !compare.empty() ||
           !exported.empty();
  }
};

// model: a folder or a URL.
void RunBenchmarkEval(const BenchmarkEvalOptions& options, const std::string& model, const SamplingOptions& sampling,
                      int64_t batch, bool json);

}  // namespace fulgur
