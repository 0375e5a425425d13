#include "train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/crc32c.h"
#include "base/data_file.h"
#include "base/file.h"
#include "base/progress.h"

namespace fulgur {

namespace fs = std::filesystem;

namespace {

constexpr const char* kRunFile = "run.json";
// With the keys of objects in order, so that it compares equal however they were written.
nlohmann::json Sorted(const Json& json) { return nlohmann::json::parse(json.dump()); }

constexpr const char* kFilePrefix = "file ";  // of the keys of files that a config names

}  // namespace

void AddFile(Json* fingerprint, const fs::path& path) {
  for (const fs::path& each : DataFiles(path)) {
    const MappedFile file(each);
    (*fingerprint)[kFilePrefix + each.string()] =
        fmt::format("{} bytes, crc32c {:08x}", file.bytes().size(), Crc32c(file.bytes().data(), file.bytes().size()));
  }
}

void CheckSameRun(const Json& old_run, const Json& new_run, int64_t done, const RunLength& length,
                  const fs::path& out) {
  static const Json kNone;
  const auto value = [](const Json& run, const std::string& key) -> const Json& {
    return run.contains(key) ? run[key] : kNone;
  };
  constexpr const char* kChoices = "choose another \"out\", or move the old run aside with --fresh";
  std::set<std::string> keys;
  for (const Json* json : {&new_run, &old_run}) {
    for (const auto& [key, unused] : json->items()) keys.insert(key);
  }
  bool other_length = false;
  std::string changed, only_one_has;
  for (const std::string& key : keys) {
    if (Sorted(value(old_run, key)) == Sorted(value(new_run, key))) continue;
    if (std::find(length.keys.begin(), length.keys.end(), key) != length.keys.end()) {
      other_length = true;
    } else if ((old_run.contains(key) && new_run.contains(key)) || key.starts_with(kFilePrefix)) {
      if (changed.empty()) changed = key;
    } else if (only_one_has.empty()) {
      only_one_has = key;
    }
  }
  const auto differs = [&](const std::string& key) {
    return fmt::format("\"{}\" was {} and is now {}", key, value(old_run, key).dump(), value(new_run, key).dump());
  };
  if (!only_one_has.empty()) {
    throw Error(
        "{} holds a run of another config, or one that another version of fulgur began: {}; finish it with that "
        "version, {}",
        out.string(), differs(only_one_has), kChoices);
  }
  if (!changed.empty()) {
    throw Error("{} holds a run of another config: {}; {}", out.string(), differs(changed), kChoices);
  }
  if (!other_length) return;
  const Json &before = value(old_run, length.steps), &now = value(new_run, length.steps);
  if (now < done) {
    throw Error("{} holds a run that has done {} {} already, more than the {} of the config; {}", out.string(), done,
                length.steps, now.dump(), kChoices);
  }
  const int64_t common = std::min(length.common(old_run), length.common(new_run));
  if (done > common) {
    throw Error(
        "{} holds a run of {} {}, {} of them done, which cannot go on as one of {}: {}, so that the two have only the "
        "first {} in common; {}, or start a new run from its model",
        out.string(), before.dump(), length.steps, done, now.dump(), length.why, common, kChoices);
  }
}

std::string CheckRoomFor(const RoomNeeded& needed, uint64_t free, const fs::path& out) {
  const auto bytes = [](uint64_t n) { return HumanBytes(static_cast<double>(n)); };
  const std::string disk = fmt::format("{} are free where {} is", bytes(free), out.string());
  if (free < needed.checkpoint) throw Error("{}, but a checkpoint takes {}", disk, bytes(needed.checkpoint));
  const uint64_t more = needed.keep + 1 > needed.there ? needed.keep + 1 - needed.there : 0;
  const uint64_t all = std::max<uint64_t>(more, 1) * needed.checkpoint + needed.model;
  if (free >= all) return "";
  return fmt::format(
      "{}, but the run will write {}: checkpoints of {}, {} at a time (checkpoint.keep is {}), and a "
      "model of {}",
      disk, bytes(all), bytes(needed.checkpoint), needed.keep + 1, needed.keep, bytes(needed.model));
}

fs::path AsidePath(const fs::path& path) {
  const fs::path plain = path.has_filename() ? path : path.parent_path();
  for (int n = 1;; ++n) {
    fs::path aside = fmt::format("{}.{}", plain.string(), n);
    if (!fs::exists(aside)) return aside;
  }
}

// Closes what it holds.
struct RunFolder::Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

RunFolder::RunFolder(const fs::path& out, bool fresh) : out_(out) {
  Lock();
  if (fresh && !IsEmpty()) {
    fs::rename(out_, AsidePath(out_));
    Lock();
  }
  if (!fs::exists(out_ / kRunFile) && !IsEmpty()) {
    throw Error("{} is not empty and holds no run; choose another \"out\", or move it aside with --fresh",
                out_.string());
  }
}

Json RunFolder::Fingerprint() const { return fs::exists(out_ / kRunFile) ? ReadJsonFile(out_ / kRunFile) : Json(); }

void RunFolder::WriteFingerprint(const Json& fingerprint) {
  WriteFileAtomic(out_ / kRunFile, fingerprint.dump(2) + "\n");
}

RunFolder::~RunFolder() = default;

void RunFolder::Lock() {
  std::error_code error;
  fs::create_directories(out_, error);
  if (error) throw Error("the run's folder {} cannot be made: {}", out_.string(), error.message());
  const fs::path path = out_ / "lock";
  lock_ = std::make_unique<Descriptor>();
  lock_->fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_->fd < 0) throw Error("the run's folder {} cannot be written to: {}", out_.string(), std::strerror(errno));
  if (::flock(lock_->fd, LOCK_EX | LOCK_NB) != 0) throw Error("another process is training in {}", out_.string());
}

// Nothing but the lock, and what a write of run.json that was cut off left.
bool RunFolder::IsEmpty() const {
  for (const auto& entry : fs::directory_iterator(out_)) {
    const std::string name = entry.path().filename().string();
    if (name != "lock" && !name.starts_with(std::string(kRunFile) + ".tmp")) return false;
  }
  return true;
}

}  // namespace fulgur
