// Metrics of a run: one JSON line a step, and the same as TensorBoard scalars.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/json.h"
#include "train/tensorboard.h"

namespace fulgur {

class MetricsLog {
 public:
  // Opens `folder`/metrics.jsonl and drops its lines after `step` (a resumed run does those steps again), so that there
  // is one line a step. The event file in `folder`/tensorboard is written anew from these lines.
  MetricsLog(const std::filesystem::path& folder, int64_t step);
  ~MetricsLog();
  MetricsLog(const MetricsLog&) = delete;
  MetricsLog& operator=(const MetricsLog&) = delete;

  // `line`: an object with "step" and "time" (seconds since 1970). Numbers become scalars; those of nested objects are
  // tagged "outer/inner".
  void Add(const Json& line);
  void Sync();  // to the disk
  // The newest value of every key, of this process or an earlier one.
  const Json& newest() const { return newest_; }

 private:
  void AddToEvents(const Json& line);
  std::filesystem::path path_;
  Json newest_ = Json::object();
  std::FILE* file_ = nullptr;
  std::unique_ptr<EventFile> events_;
};

}  // namespace fulgur
