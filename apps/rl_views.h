// The options of fulgur rl that only look at runs: --runs, --show, --note.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "rl/run_viewer.h"

namespace fulgur {

struct RlViews {
  std::string runs, sort, note;
  std::vector<std::string> show;  // run, batch, index of the group
  RolloutQuery query;

  // The options that choose one of these views.
  std::vector<CLI::Option*> AddTo(CLI::App& app);
  // False if no view was asked for.
  bool Run(bool json);
};

}  // namespace fulgur
