// The folder of a run: one process at a time, one config.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"

namespace fulgur {

// Adds a file that the config names to the fingerprint: "file PATH": "123 bytes, crc32c 0a1b2c3d". Of a folder or a
// glob: each file (DataFiles).
void AddFile(Json* fingerprint, const std::filesystem::path& path);

// How a fingerprint says how long its run is. A run may become longer or shorter on the way, as long as what is done is
// what a run of the new length would have done.
struct RunLength {
  const char* steps;              // the key with the number of steps; "steps" or "batches"
  std::vector<std::string> keys;  // all that depend on it
  // The steps that a run of this fingerprint and a longer one have in common, and why there are no more.
  std::function<int64_t(const Json& fingerprint)> common;
  const char* why;
};

// Error that names a key that differs, and says what may be done, unless the old run, of which `done` steps are done,
// goes on as the new one.
void CheckSameRun(const Json& old_run, const Json& new_run, int64_t done, const RunLength& length,
                  const std::filesystem::path& out);

// What a run still writes, in bytes.
struct RoomNeeded {
  uint64_t checkpoint, model;  // one of them
  uint64_t there = 0, keep;    // checkpoints that are there already, and how many are kept
};
// Error if not even the next checkpoint fits into what is free; the text of a warning if what follows does not. The
// oldest checkpoint is removed once the next is complete.
std::string CheckRoomFor(const RoomNeeded& needed, uint64_t free, const std::filesystem::path& out);

// `path` with the first of .1, .2, ... that is not there; a slash at its end is left out.
std::filesystem::path AsidePath(const std::filesystem::path& path);

// Creates the folder and locks it for as long as the object lives. fresh: what is in it is moved aside first, to out.1,
// out.2, ... Errors: another process has it; it holds something that is no run.
class RunFolder {
 public:
  RunFolder(const std::filesystem::path& out, bool fresh);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  // The fingerprint of the run, `out`/run.json; null if there is none.
  Json Fingerprint() const;
  void WriteFingerprint(const Json& fingerprint);

 private:
  void Lock();
  bool IsEmpty() const;

  std::filesystem::path out_;
  struct Descriptor;
  std::unique_ptr<Descriptor> lock_;
};

}  // namespace fulgur
