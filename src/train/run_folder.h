// The folder of a run: one process at a time, one config.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/json.h"

namespace fulgur {

// "123 bytes, crc32c 0a1b2c3d" of a file's content.
std::string FileFingerprint(const std::filesystem::path& path);

// Error that names a key that differs, and says what may be done, unless the two fingerprints are equal.
void CheckSameRun(const Json& old_run, const Json& new_run, const std::filesystem::path& out);

// Creates the folder and locks it for as long as the object lives; `out`/run.json holds the fingerprint. fresh: what is
// in it is moved aside first, to out.1, out.2, ... Errors: another process has it; it holds a run of another config, or
// something that is no run.
class RunFolder {
 public:
  RunFolder(const std::filesystem::path& out, const Json& fingerprint, bool fresh);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

 private:
  void Lock();
  bool IsEmpty() const;

  std::filesystem::path out_;
  struct Descriptor;
  std::unique_ptr<Descriptor> lock_;
};

}  // namespace fulgur
