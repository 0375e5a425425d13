#include "train/metrics.h"

#include <unistd.h>

#include <chrono>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"

namespace fulgur {
namespace {

void CollectScalars(const Json& object, const std::string& prefix,
                    std::vector<std::pair<std::string, float>>& scalars) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_object()) {
      CollectScalars(value, prefix + key + "/", scalars);
    } else if (value.is_number() && key != "step" && key != "time") {
      scalars.emplace_back(prefix + key, value.get<float>());
    }
  }
}

}  // namespace

MetricsLog::MetricsLog(const std::filesystem::path& folder, int64_t step) : path_(folder / "metrics.jsonl") {
  std::filesystem::create_directories(folder);
  std::vector<Json> kept;
  std::string text;
  if (std::filesystem::exists(path_)) {
    std::istringstream lines(ReadFile(path_));
    for (std::string line; std::getline(lines, line);) {
      try {
        const Json json = ParseJson(line, path_.string());
        if (JsonGet<int64_t>(json, "step", path_.string()) > step) break;
        kept.push_back(json);
        text += line + "\n";
      } catch (const Error&) {
        break;  // the last line of a killed run may be torn; what follows would be of later steps
      }
    }
  }
  WriteFileAtomic(path_, text);
  file_ = std::fopen(path_.c_str(), "a");
  if (file_ == nullptr) throw Error("cannot write {}", path_.string());

  const std::filesystem::path board = folder / "tensorboard";
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(board, ignored)) {
    if (entry.path().filename().string().starts_with("events.out.tfevents.")) {
      std::filesystem::remove(entry.path(), ignored);
    }
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  events_ = std::make_unique<EventFile>(board, std::chrono::duration<double>(now).count());
  for (const Json& line : kept) {
    AddToEvents(line);
    newest_.update(line);
  }
  events_->Flush();
}

void MetricsLog::Sync() { ::fdatasync(::fileno(file_)); }

MetricsLog::~MetricsLog() { std::fclose(file_); }

void MetricsLog::AddToEvents(const Json& line) {
  std::vector<std::pair<std::string, float>> scalars;
  CollectScalars(line, "", scalars);
  const std::string where = path_.string();
  events_->AddScalars(JsonGetOr<double>(line, "time", 0, where), JsonGet<int64_t>(line, "step", where), scalars);
}

void MetricsLog::Add(const Json& line) {
  const std::string text = line.dump() + "\n";
  if (std::fwrite(text.data(), 1, text.size(), file_) != text.size() || std::fflush(file_) != 0) {
    throw Error("cannot write {}", path_.string());
  }
  newest_.update(line);
  AddToEvents(line);
  events_->Flush();
}

}  // namespace fulgur
