// States in a folder, written and read by a thread of its own: the disk part of PrefixCache.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/state_file.h"
#include "model/config.h"
#include "model/sequence_state.h"

namespace fulgur {

// All members are for one thread.
class SpillStore {
 public:
  // Takes over what the folder has of this model_key and deletes everything else of this store's, damaged and half
  // written files included. The folder is locked: Error if another process uses it, or if it cannot be made. wake:
  // called on the store's thread when a Read is done.
  SpillStore(const ModelConfig& config, std::filesystem::path folder, size_t max_bytes, size_t queue_bytes,
             std::string model_key, std::function<void()> wake);
  ~SpillStore();  // what is queued is written first
  SpillStore(const SpillStore&) = delete;
  SpillStore& operator=(const SpillStore&) = delete;

  // Queues the state to be written; false if too much is waiting already. Nothing happens if it is there. No one may
  // write to the state's KV blocks. bytes: memory it holds while it waits.
  bool Write(std::vector<int32_t> tokens, SequenceState state, size_t bytes, bool even_if_full = false);

  struct Match {
    std::string name;    // empty: none
    int64_t length = 0;  // tokens of the prompt that the state would save, fewer than the prompt's
  };
  Match Find(std::span<const int32_t> prompt) const;
  // Begins to read; nothing happens if it is being read.
  void Read(const std::string& name);
  struct Restored {
    std::vector<int32_t> tokens;
    SequenceState state;
  };
  // What has been read since the last call; takes note of what has been written.
  std::vector<Restored> Collect();

  void Clear(std::string model_key);
  void Wait();  // until nothing is queued

  int64_t files() const { return static_cast<int64_t>(index_.size()); }
  size_t bytes() const { return bytes_; }
  int64_t written() const { return written_; }
  int64_t restored() const { return restored_; }
  int64_t damaged() const { return damaged_; }
  int64_t dropped() const { return dropped_; }  // not written: queue or disk full

 private:
  struct Job {
    enum class Kind { kWrite, kRead, kRemove } kind;
    std::string name;
    std::vector<int32_t> tokens;
    std::optional<SequenceState> state;
    size_t queued_bytes = 0;
    std::string model_key;
    StateEntry entry;
    bool failed = false;
  };
  struct Indexed {
    StateEntry entry;
    uint64_t used = 0;
    bool reading = false;
  };

  void Scan();
  std::string Name(std::span<const int32_t> tokens) const;
  void Push(Job job);
  void Drop(std::map<std::string, Indexed>::iterator it);
  void Work();

  const ModelConfig config_;
  const std::filesystem::path folder_;
  const size_t max_bytes_, queue_bytes_;
  const bool has_lightning_;
  std::string model_key_;
  std::function<void()> wake_;
  int lock_ = -1;
  std::map<std::string, Indexed> index_;
  uint64_t clock_ = 0;
  size_t bytes_ = 0;
  int64_t written_ = 0, restored_ = 0, damaged_ = 0, dropped_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::vector<Job> done_;
  size_t waiting_bytes_ = 0;
  bool busy_ = false, stop_ = false;
  std::thread thread_;
};

}  // namespace fulgur
