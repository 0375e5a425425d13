#include "train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstring>
#include <set>

#include "base/crc32c.h"
#include "base/file.h"

namespace fulgur {

namespace fs = std::filesystem;

std::string FileFingerprint(const fs::path& path) {
  const MappedFile file(path);
  return fmt::format("{} bytes, crc32c {:08x}", file.bytes().size(), Crc32c(file.bytes().data(), file.bytes().size()));
}

void CheckSameRun(const Json& old_run, const Json& new_run, const fs::path& out) {
  static const Json kNone;
  std::set<std::string> keys;
  for (const Json* json : {&new_run, &old_run}) {
    for (const auto& [key, value] : json->items()) keys.insert(key);
  }
  for (const std::string& key : keys) {
    const Json& before = old_run.contains(key) ? old_run[key] : kNone;
    const Json& now = new_run.contains(key) ? new_run[key] : kNone;
    if (before != now) {
      throw Error(
          "{} holds a run of another config: \"{}\" was {} and is now {}; choose another \"out\", or move the old run "
          "aside with --fresh",
          out.string(), key, before.dump(), now.dump());
    }
  }
}

// Closes what it holds.
struct RunFolder::Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

RunFolder::RunFolder(const fs::path& out, const Json& fingerprint, bool fresh) : out_(out) {
  Lock();
  if (fresh && !IsEmpty()) {
    const fs::path plain = out_.has_filename() ? out_ : out_.parent_path();  // without a slash at the end
    fs::path aside;
    for (int n = 1; aside.empty() || fs::exists(aside); ++n) aside = fmt::format("{}.{}", plain.string(), n);
    fs::rename(out_, aside);
    Lock();
  }
  const fs::path run_file = out_ / "run.json", checkpoints = out_ / "checkpoints";
  const bool trained = fs::exists(checkpoints) && !fs::is_empty(checkpoints);
  if (fs::exists(run_file) && trained) {
    CheckSameRun(ReadJsonFile(run_file), fingerprint, out_);
  } else if (!fs::exists(run_file) && !IsEmpty()) {
    throw Error("{} is not empty and holds no run; choose another \"out\", or move it aside with --fresh",
                out_.string());
  } else {  // nothing has been trained that another config could spoil
    WriteFileAtomic(run_file, fingerprint.dump(2) + "\n");
  }
}

RunFolder::~RunFolder() = default;

void RunFolder::Lock() {
  std::error_code error;
  fs::create_directories(out_, error);
  const fs::path path = out_ / "lock";
  lock_ = std::make_unique<Descriptor>();
  lock_->fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_->fd < 0) throw Error("cannot create {}: {}", path.string(), std::strerror(errno));
  if (::flock(lock_->fd, LOCK_EX | LOCK_NB) != 0) throw Error("another process is training in {}", out_.string());
}

// Nothing but the lock, and what a write of run.json that was cut off left.
bool RunFolder::IsEmpty() const {
  for (const auto& entry : fs::directory_iterator(out_)) {
    const std::string name = entry.path().filename().string();
    if (name != "lock" && !name.starts_with("run.json.tmp")) return false;
  }
  return true;
}

}  // namespace fulgur
