// Event files that TensorBoard reads, written without its libraries: TFRecord frames around two protobuf messages.
//   frame    uint64 length, uint32 masked CRC-32C of the length, data, uint32 masked CRC-32C of the data
//   (little-endian) Event    1: wall_time double, 2: step int64, 3: file_version string, 5: summary Summary Summary  1:
//   repeated Value { 1: tag string, 2: simple_value float }
// (tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto)
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace fulgur {

// One framed record.
std::string TfRecord(std::string_view data);
// A serialised Event: the first of a file, and scalars of one step.
std::string FileVersionEvent(double wall_time);
std::string ScalarsEvent(double wall_time, int64_t step, std::span<const std::pair<std::string, float>> scalars);

class EventFile {
 public:
  // Creates `folder`/events.out.tfevents.<seconds>.<host>; Error if that fails.
  EventFile(const std::filesystem::path& folder, double wall_time);
  void AddScalars(double wall_time, int64_t step, std::span<const std::pair<std::string, float>> scalars);
  void Flush() { file_.flush(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace fulgur
