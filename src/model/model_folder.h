// The folders that models lie in.
#pragma once

#include <filesystem>
#include <string>

namespace fulgur {

// `path`, or the model in it if it is the folder of a training run. Error if the run has not made one yet.
std::filesystem::path ModelFolder(const std::filesystem::path& path);

// What people call the model in a folder: the folder's name, of a run's model the run's.
std::string ModelName(const std::filesystem::path& model);

}  // namespace fulgur
