// Runs the built `fulgur` for tests.
#pragma once

#include <string>
#include <vector>

namespace fulgur {

struct CommandResult {
  int status;  // exit status; 128 + n if it died of signal n
  std::string out, err;
};

// `fulgur args...` in `folder`, with `input` as its standard input.
CommandResult RunFulgur(const std::vector<std::string>& args, const std::string& input = "",
                        const std::string& folder = ".");

}  // namespace fulgur
