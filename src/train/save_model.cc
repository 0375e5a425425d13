#include "train/save_model.h"

#include "base/file.h"
#include "model/checkpoint.h"
#include "train/run_state.h"
#include "train/trained_tasks.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTextFiles[] = {
    "tokenizer.json",    "tokenizer_config.json",  "chat_template.jinja", "special_tokens_map.json",
    "added_tokens.json", "generation_config.json", "vocab.json",          "merges.txt"};

}  // namespace

void CopyTextFiles(const fs::path& from, const fs::path& to) {
  fs::create_directories(to);
  for (const char* name : kTextFiles) {
    if (fs::exists(from / name)) WriteFileAtomic(to / name, ReadFile(from / name));
  }
}

void SaveModel(const fs::path& dir, const ModelConfig& config, Params& params, const ModelFiles& files) {
  CopyTextFiles(files.text, dir);
  WriteTrainedTasks(dir, files.trained_tasks);
  SaveOptions save;
  save.dtype = files.dtype;
  SaveCheckpoint(dir, config, params, save);
}

int64_t ExportRun(const fs::path& out, const ModelConfig& config, Params& shapes, size_t sources,
                  const ModelFiles& files, const fs::path& dir) {
  Params params = ZerosLike(config, shapes), m = ZerosLike(config, shapes), v = ZerosLike(config, shapes);
  const auto state = RunCheckpoints(out / "checkpoints").ReadNewest(config, sources, params, m, v);
  if (!state) throw Error("{} holds no checkpoint yet", out.string());
  SaveModel(dir, config, params, files);
  return state->step;
}

}  // namespace fulgur
