#include "model/model_folder.h"

#include "base/error.h"
#include "model/checkpoint.h"

namespace fulgur {

namespace fs = std::filesystem;

namespace {

constexpr const char* kRunFile = "run.json";  // train/run_folder.h
constexpr const char* kRunModel = "model";

}  // namespace

fs::path ModelFolder(const fs::path& path) {
  if (fs::exists(path / kConfigFile) && !fs::exists(path / kRunFile)) return path;
  if (fs::exists(path / kRunModel / kConfigFile)) return path / kRunModel;
  if (fs::exists(path / kRunFile)) {
    throw Error("{} is a run that has not come to its end; --export DIR writes the model of its newest checkpoint",
                path.string());
  }
  return path;
}

std::string ModelName(const fs::path& model) {
  fs::path path = fs::weakly_canonical(model);
  if (!path.has_filename()) path = path.parent_path();
  if (path.filename() == kRunModel && fs::exists(path.parent_path() / kRunFile)) path = path.parent_path();
  return path.has_filename() ? path.filename().string() : model.string();
}

}  // namespace fulgur
