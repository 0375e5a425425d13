// For tests: reference data that is too large for the repository. The variable FULGUR_REFERENCE_DATA names its folder;
// `./test` sets it when ../shared is there. A test that needs such data is skipped, by name, where it is not.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace fulgur {

// `name` in the folder of reference data; an empty path if there is no such folder, or nothing of that name in it.
inline std::filesystem::path ReferenceData(const std::string& name) {
  const char* folder = std::getenv("FULGUR_REFERENCE_DATA");
  if (folder == nullptr || *folder == '\0') return {};
  const std::filesystem::path path = std::filesystem::path(folder) / name;
  return std::filesystem::exists(path) ? path : std::filesystem::path();
}

}  // namespace fulgur

// In a test: declares `variable`, the path of the reference data `name`; where it is not at hand the test is skipped.
#define FULGUR_REFERENCE_OR_SKIP(variable, name)                                       \
  const std::filesystem::path variable = ::fulgur::ReferenceData(name);                \
  if ((variable).empty()) {                                                            \
    GTEST_SKIP() << "no reference data \"" << (name) << "\" in FULGUR_REFERENCE_DATA"; \
  }
