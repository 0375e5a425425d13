// fulgur data needles.
#pragma once

#include <CLI/CLI.hpp>

namespace fulgur {

void AddDataNeedles(CLI::App& data);

}  // namespace fulgur
