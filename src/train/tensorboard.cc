#include "train/tensorboard.h"

#include <unistd.h>

#include <bit>

#include "base/crc32c.h"
#include "base/error.h"

namespace fulgur {
namespace {

void AppendFixed(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

void AppendVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

// Wire types of protobuf: 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes.
void AppendKey(std::string& out, uint64_t field, uint64_t wire_type) { AppendVarint(out, field << 3 | wire_type); }

void AppendBytes(std::string& out, uint64_t field, std::string_view bytes) {
  AppendKey(out, field, 2);
  AppendVarint(out, bytes.size());
  out += bytes;
}

uint32_t MaskedCrc(std::string_view data) {
  const uint32_t crc = Crc32c(data.data(), data.size());
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

std::string EventHead(double wall_time) {
  std::string event;
  AppendKey(event, 1, 1);
  AppendFixed(event, std::bit_cast<uint64_t>(wall_time), 8);
  return event;
}

}  // namespace

std::string TfRecord(std::string_view data) {
  std::string record;
  AppendFixed(record, data.size(), 8);
  AppendFixed(record, MaskedCrc(record), 4);
  record += data;
  AppendFixed(record, MaskedCrc(data), 4);
  return record;
}

std::string FileVersionEvent(double wall_time) {
  std::string event = EventHead(wall_time);
  AppendBytes(event, 3, "brain.Event:2");
  return event;
}

std::string ScalarsEvent(double wall_time, int64_t step, std::span<const std::pair<std::string, float>> scalars) {
  std::string summary;
  for (const auto& [tag, value] : scalars) {
    std::string entry;
    AppendBytes(entry, 1, tag);
    AppendKey(entry, 2, 5);
    AppendFixed(entry, std::bit_cast<uint32_t>(value), 4);
    AppendBytes(summary, 1, entry);
  }
  std::string event = EventHead(wall_time);
  AppendKey(event, 2, 0);
  AppendVarint(event, static_cast<uint64_t>(step));
  AppendBytes(event, 5, summary);
  return event;
}

EventFile::EventFile(const std::filesystem::path& folder, double wall_time) {
  std::filesystem::create_directories(folder);
  char host[256] = "host";
  ::gethostname(host, sizeof host - 1);  // on failure the name stays "host"
  path_ = folder / fmt::format("events.out.tfevents.{:010d}.{}", static_cast<int64_t>(wall_time), host);
  file_.open(path_, std::ios::binary | std::ios::trunc);
  const std::string record = TfRecord(FileVersionEvent(wall_time));
  file_.write(record.data(), static_cast<std::streamsize>(record.size()));
  file_.flush();
  if (!file_) throw Error("cannot write {}", path_.string());
}

void EventFile::AddScalars(double wall_time, int64_t step, std::span<const std::pair<std::string, float>> scalars) {
  const std::string record = TfRecord(ScalarsEvent(wall_time, step, scalars));
  file_.write(record.data(), static_cast<std::streamsize>(record.size()));
}

}  // namespace fulgur
